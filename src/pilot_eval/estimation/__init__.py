"""Point estimates: pure functions on arrays and frames."""
