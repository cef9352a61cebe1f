"""The stack that runs on one machine with nothing installed: servers, workers, API."""
