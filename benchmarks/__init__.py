"""How fast, and where the time goes: `make bench`."""
