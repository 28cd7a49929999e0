"""A request that is not done, and why."""

from collections.abc import Sequence

from msgspec import Struct

from signaling.messages import Error


class TextFault(Struct, frozen=True, order=True):
    """What is wrong with a document that somebody wrote. ``line`` counts from 1; 0: the document as a whole."""

    document: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.message}" if self.line else f"{self.document}: {self.message}"


class Refusal(Exception):
    """Raised by whoever is asked. ``code`` is for the program, ``message`` (whose fault, what to do) for the person who asked.

    ``retry_after`` in seconds, where the same request may succeed later by itself. ``faults``: of a document, each in its place.
    """

    def __init__(self, code: str, message: str, retry_after: float | None = None, faults: Sequence[TextFault] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.faults = tuple(faults)

    def as_error(self) -> Error:
        """The same as a wire message; seconds rounded up to milliseconds, so that who waits as told has waited long enough."""
        wait = None if self.retry_after is None else round(self.retry_after + 0.0005, 3)
        return Error(code=self.code, message=self.message, retry_after=wait)
