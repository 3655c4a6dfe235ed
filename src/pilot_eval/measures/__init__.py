"""Tables to outcomes."""
