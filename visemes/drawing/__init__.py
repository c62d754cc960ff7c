"""A mouth of our own: twelve shapes and everything between, as lines."""
