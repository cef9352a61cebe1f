"""Workflows: where a run is. Ids and counts only; the work is in activities."""
