"""What can go wrong with the database, in words for whoever runs the server."""


class StoreUnavailable(Exception):
    """The database cannot be used now. The message says why and what to do; it never carries a password or what was to be stored."""


class StoreRefused(StoreUnavailable):
    """The database works and does not take this row, today or ever: too long, not unique, null where there must be something."""


class StoreFenced(StoreRefused):
    """Another node holds this room meanwhile: what was to be stored about it is of a node that holds it no more."""
