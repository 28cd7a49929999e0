"""Many calls at once from one core, with every packet checked, through our media worker or a peer of it."""
