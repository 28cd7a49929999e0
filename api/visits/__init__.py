"""Visitors of other people's sites, who call, write or ask to be called back by a button there."""
