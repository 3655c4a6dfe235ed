"""Readers of everything a run writes, one module a family of files."""
