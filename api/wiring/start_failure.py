"""Why a server does not come up."""


class StartFailure(Exception):
    """The server cannot start. The message says whose fault it is and what to do."""
