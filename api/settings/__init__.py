"""The settings: a file for each section of the tree, named as it is in TOML, and those that read, check and tell what is wrong."""
