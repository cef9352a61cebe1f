"""Commands and their options; what they do is in the modules that they import when run."""
