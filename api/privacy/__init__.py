"""Personal data: sealed under a key per person, and forgotten by destroying that key."""
