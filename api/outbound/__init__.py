"""Calls that we begin: preview campaigns, and who does not want to be called."""
