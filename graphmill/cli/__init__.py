"""The `graphmill` command: app.py is the table of its commands, the other files do them."""
