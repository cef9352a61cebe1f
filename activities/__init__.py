"""Activities: what workflows have done, each on the task queue of its kind of work."""
