"""What a person may not do now, in words for that person."""


class NotPossible(Exception):
    """A request that call control refuses. ``code`` is for programs, the message for the person who asked.

    Codes: ``unknown_call``, ``not_yours``, ``wrong_state``, ``ended``, ``on_call``, ``duplicate_call``, ``bad_digits``, ``full``,
    ``stopping``, ``not_recorded``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
