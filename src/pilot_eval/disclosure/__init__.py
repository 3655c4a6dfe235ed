"""Disclosure control: the only way out for counts of children."""
