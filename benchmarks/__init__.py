"""Documents an hour, and where the time goes: `make bench`."""
