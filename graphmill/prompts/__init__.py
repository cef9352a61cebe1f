"""What models are told, in versioned files, and how a collection's own text takes their place."""
