"""What can be asked of graphmill, without HTTP or a terminal: the CLI and the API stand on it."""
