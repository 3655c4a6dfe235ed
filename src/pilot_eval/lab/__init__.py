"""The simulator, the validity studies and what is shown on simulated months."""
