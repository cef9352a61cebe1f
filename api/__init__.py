"""The HTTP API: one router a noun, over the application layer."""
