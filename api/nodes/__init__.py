"""Several nodes as one: what they say to one another, what they ask, and who watches whom."""
