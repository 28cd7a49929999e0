"""What goes wrong between us and a 3CX, each with whose fault it is and what to do."""

import json


class ThreeCxFault(Exception):
    """``retry_after_s``: when the same may succeed by itself."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Away(ThreeCxFault):
    """Nobody answers at any of its addresses. ``sent``: the request may have been carried out all the same."""

    def __init__(self, message: str, *, sent: bool = False, why: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.sent = sent
        self.why = why
        """``name``, ``refused``, ``certificate``, ``silence`` or ``broken``."""


class Denied(ThreeCxFault):
    """It does not believe our client id and secret, or not now."""


class Contested(Denied):
    """Another program uses our client id: each token that it draws ends ours."""


class Forbidden(ThreeCxFault):
    """We are believed, but may not do this (403)."""


class Gone(ThreeCxFault):
    """What it was about is not there (404)."""


class NotReady(ThreeCxFault):
    """It cannot be done yet (424)."""


class Rejected(ThreeCxFault):
    """It was understood and not done. ``status``: of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def fault_of(status: int, body: bytes) -> ThreeCxFault:
    """An answer outside 2xx as a fault."""
    said = reason_in(body)
    if status == 401:
        return Denied("3CX does not take our token: see that no other program uses the same client id.")
    if status == 403:
        hint = "the client lacks this right: see its scopes, role and department, the licence, and the PBX's console restrictions"
        return Forbidden(f"3CX forbids this{_quoted(said)}: {hint}.")
    if status == 404:
        return Gone(f"3CX does not know this{_quoted(said)}: it has ended, or was never there.")
    if status == 424:
        return NotReady("3CX has no sound for this call yet.", 0.05)
    return Rejected(f"3CX answered with status {status}{_quoted(said)}.", status)


def reason_in(body: bytes) -> str:
    """What a body says in words: Call Control's ``reasontext``, XAPI's ``error.message``, a token's ``error_description``."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    error = said.get("error")
    inner = error.get("message") if isinstance(error, dict) else error
    found = said.get("reasontext") or said.get("error_description") or inner or said.get("title") or ""
    return str(found)[:200]


def _quoted(said: str) -> str:
    return f' ("{said}")' if said else ""
