"""Why the server did not do what it was asked."""

from msgspec import Struct


class _Fault(Struct, frozen=True):
    document: str = ""
    line: int = 0
    message: str = ""


class _Error(Struct, frozen=True):
    code: str = ""
    retry_after: float | None = None


class Problem(Struct, frozen=True):
    """What we read of an answer of RFC 9457; all of it may be missing, for a proxy may have answered."""

    title: str = ""
    detail: str = ""
    error: _Error = _Error()
    errors: tuple[_Fault, ...] = ()


class Refused(Exception):
    """``status``: HTTP's; ``code``: ours, for programs (empty where somebody else answered); the text says whose fault it is and what to
    do.

    ``wait_s``: after so long the same request may succeed by itself. ``faults``: of a document that was sent, each with its place.
    """

    def __init__(self, status: int, problem: Problem, wait_s: float | None = None) -> None:
        super().__init__(problem.detail or problem.title or f"The answer was {status}, without words.")
        self.status = status
        self.code = problem.error.code
        self.wait_s = wait_s if wait_s is not None else problem.error.retry_after
        self.faults = [(fault.document, fault.line, fault.message) for fault in problem.errors]
