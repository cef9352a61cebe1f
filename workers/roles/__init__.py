"""What each role serves: a module each, so that a worker loads the libraries of its own alone."""
