"""What the simulated model answers: a function of the request alone."""
