"""Rules of the house: what is done by itself when something happens. Pure."""
