"""Why a call or a leg ended: our end reason beside the wire's cause."""

from dataclasses import dataclass
from enum import StrEnum


class EndReason(StrEnum):
    """Our word for why a call ended, as the record and the pages say it."""

    COMPLETED = "completed"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    GAVE_UP = "gave_up"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    INCOMPATIBLE = "incompatible"
    MEDIA_LOST = "media_lost"
    NOBODY_AVAILABLE = "nobody_available"
    TRANSFERRED = "transferred"
    """The call went on without this one."""
    TAKEN_OVER = "taken_over"
    """A supervisor has the call now."""
    SERVER_STOPPED = "server_stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Cause:
    """``reason`` is ours; ``sip`` the status code on the wire where there was one; ``detail`` a sentence for a person."""

    reason: EndReason
    sip: int | None = None
    detail: str = ""


# RFC 3261 section 21 and RFC 3398 section 8.2.6: what a SIP status tells the person who dialled.
_REASON_OF_SIP = {
    401: EndReason.FORBIDDEN,
    403: EndReason.FORBIDDEN,
    404: EndReason.NOT_FOUND,
    407: EndReason.FORBIDDEN,
    408: EndReason.UNREACHABLE,
    410: EndReason.NOT_FOUND,
    480: EndReason.NO_ANSWER,
    484: EndReason.NOT_FOUND,
    486: EndReason.BUSY,
    487: EndReason.GAVE_UP,
    488: EndReason.INCOMPATIBLE,
    503: EndReason.UNREACHABLE,
    504: EndReason.UNREACHABLE,
    600: EndReason.BUSY,
    603: EndReason.DECLINED,
    604: EndReason.NOT_FOUND,
    606: EndReason.INCOMPATIBLE,
}

_SIP_OF_REASON = {
    EndReason.BUSY: 486,
    EndReason.NO_ANSWER: 480,
    EndReason.DECLINED: 603,
    EndReason.NOT_FOUND: 404,
    EndReason.FORBIDDEN: 403,
    EndReason.UNREACHABLE: 503,
    EndReason.INCOMPATIBLE: 488,
    EndReason.NOBODY_AVAILABLE: 480,
    EndReason.SERVER_STOPPED: 503,
}


def cause_of_sip(status: int, phrase: str = "") -> Cause:
    """The cause that a final SIP status (300-699) stands for."""
    return Cause(_REASON_OF_SIP.get(status, EndReason.FAILED), status, phrase)


def sip_of_cause(cause: Cause) -> int:
    """The status with which we refuse a call for this cause."""
    return cause.sip or _SIP_OF_REASON.get(cause.reason, 500)
