"""Stores that hold the published graph too, for those who read it there: written from PostgreSQL,
rebuilt from it at any time."""
