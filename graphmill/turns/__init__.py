"""Who waits for what is scarce, and whose turn it is."""
