"""Asking models: endpoints, their limits, and answers that are paid for once."""
