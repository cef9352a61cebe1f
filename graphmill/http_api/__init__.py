"""What HTTP says: bodies and answers, as the API and its clients know them."""
