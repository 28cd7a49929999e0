"""What is done by itself when something happens: the plan's document ``rules``, acted upon."""
