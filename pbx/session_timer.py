"""Session timers (RFC 4028): a call whose BYE was lost ends all the same.

Pure rules; who keeps the clock is the leg. ``refresher`` is seen from the request that carries it: ``uac`` sent it, ``uas`` answers it.
"""

import re
from dataclasses import dataclass

from pbx.address import BadValue, parse_params
from pbx.message import Message, Request, Response

LONGEST_SESSION_S = 86_400
MAX_LENGTHENED = 4
"""How often a peer may find an interval of ours too short, in one request."""


@dataclass(frozen=True, slots=True)
class Session:
    """The agreed interval in seconds, and whether the refresh is ours to send."""

    interval_s: int
    ours: bool

    @property
    def refresh_s(self) -> float:
        """When the refresher refreshes (section 7.2)."""
        return self.interval_s / 2

    @property
    def expiry_s(self) -> float:
        """When the other side gives the call up: a little before the end, so that its BYE is still in time (section 10)."""
        return self.interval_s - min(32, self.interval_s / 3)


class TooShort(Exception):
    """Answer 422 with our Min-SE."""


def read_session_expires(message: Message) -> tuple[int, str] | None:
    """Interval and refresher (may be empty); None where there is none or it is unreadable."""
    value = message.get("Session-Expires")
    if value is None:
        return None
    seconds, *params = value.split(";")
    try:
        refresher = parse_params(part.strip() for part in params).get("refresher") or ""
    except BadValue:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", seconds.strip()):
        return None
    return int(seconds), refresher.lower()


def read_min_se(message: Message) -> int:
    value = (message.get("Min-SE") or "").split(";")[0].strip()
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0


def session_of_called(request: Request, *, wanted_s: int, smallest_s: int) -> tuple[Session, list[tuple[str, str]]]:
    """What we as UAS settle on, and the headers of our 2xx (section 9). Raises ``TooShort``.

    Where the caller knows no session timers the refresh is ours, so that its silence is noticed anyway.
    """
    asked = read_session_expires(request)
    supported = "timer" in request.tokens("Supported") or "timer" in request.tokens("Require")
    smallest = max(smallest_s, read_min_se(request))
    if asked is not None and supported and asked[0] < smallest_s:
        raise TooShort
    interval = max(asked[0] if asked else wanted_s, smallest)
    if not supported:
        return Session(interval, True), [("Session-Expires", f"{interval};refresher=uas")]
    refresher = asked[1] if asked and asked[1] in ("uac", "uas") else "uac"
    headers = [("Session-Expires", f"{interval};refresher={refresher}")]
    if refresher == "uac":
        headers.append(("Require", "timer"))
    return Session(interval, refresher == "uas"), headers


def session_of_caller(response: Response, *, asked_s: int) -> Session:
    """What a 2xx to our request settled (section 7.1). Without Session-Expires the peer knows no timers, and the refresh is ours."""
    got = read_session_expires(response)
    if got is None or got[0] < 1:
        return Session(asked_s, True)
    return Session(got[0], got[1] != "uas")
