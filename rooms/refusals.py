"""What a person may not do now, in words for that person."""


class NotPossible(Exception):
    """A request that call control refuses. ``code`` is for programs, the message for the person who asked.

    ``retry_after_s``: the same request may succeed by itself after so long.

    Codes of calls: ``unknown_call``, ``not_yours``, ``wrong_state``, ``ended``, ``on_call``, ``duplicate_call``, ``bad_digits``, ``full``,
    ``stopping``, ``not_recorded``, ``too_many_supervisors``. Those of rooms and their chat stand in ``rooms/house.py`` and
    ``rooms/chat.py``.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s
