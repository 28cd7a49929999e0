"""Why somebody ends a call, as the Reason header says it (RFC 3326; Q.850 causes; in responses too: RFC 6432)."""

import re

from pbx.address import BadValue, parse_params, quote_text, split_outside
from pbx.message import Message
from rooms.causes import Cause, EndReason, cause_of_sip

ELSEWHERE = "Call completed elsewhere"

# ITU-T Q.850, table 1, as far as a person who dialled wants to know the difference (RFC 3398, section 7.2.4.1).
_OF_Q850 = {
    1: EndReason.NOT_FOUND,
    3: EndReason.UNREACHABLE,
    16: EndReason.COMPLETED,
    17: EndReason.BUSY,
    18: EndReason.NO_ANSWER,
    19: EndReason.NO_ANSWER,
    20: EndReason.UNREACHABLE,
    21: EndReason.DECLINED,
    22: EndReason.NOT_FOUND,
    26: EndReason.ANSWERED_ELSEWHERE,
    27: EndReason.UNREACHABLE,
    28: EndReason.NOT_FOUND,
    31: EndReason.COMPLETED,
    34: EndReason.UNREACHABLE,
    38: EndReason.UNREACHABLE,
    41: EndReason.UNREACHABLE,
    42: EndReason.UNREACHABLE,
    55: EndReason.FORBIDDEN,
    57: EndReason.FORBIDDEN,
    87: EndReason.FORBIDDEN,
    88: EndReason.INCOMPATIBLE,
}
_TO_Q850 = {
    EndReason.COMPLETED: (16, "Normal call clearing"),
    EndReason.BUSY: (17, "User busy"),
    EndReason.NO_ANSWER: (19, "No answer from user"),
    EndReason.DECLINED: (21, "Call rejected"),
    EndReason.INCOMPATIBLE: (88, "Incompatible destination"),
    EndReason.MEDIA_LOST: (41, "Temporary failure"),
    EndReason.UNREACHABLE: (41, "Temporary failure"),
    EndReason.SERVER_STOPPED: (41, "Temporary failure"),
}


def cause_said(message: Message, otherwise: Cause) -> Cause:
    """The cause that a BYE, a CANCEL or a refusal names; ``otherwise`` where it names none that we know."""
    said = _reasons(message)
    code, text = said.get("sip", (0, ""))
    if code == 200:
        return Cause(EndReason.ANSWERED_ELSEWHERE, otherwise.sip, text or ELSEWHERE)
    q850, words = said.get("q.850", (0, ""))
    if q850 in _OF_Q850:
        reason = _OF_Q850[q850]
        # "Normal clearing" says nothing: who cancels with it gave up, who refuses with it refuses as its status says.
        return otherwise if reason is EndReason.COMPLETED else Cause(reason, otherwise.sip, words or otherwise.detail)
    if 300 <= code <= 699 and code != 487:
        return Cause(cause_of_sip(code).reason, otherwise.sip, text or otherwise.detail)
    return otherwise


def reason_headers(cause: Cause) -> list[tuple[str, str]]:
    """What our BYE or CANCEL says; nothing where its method says it all."""
    if cause.reason is EndReason.ANSWERED_ELSEWHERE:
        return [("Reason", f"SIP;cause=200;text={quote_text(ELSEWHERE)}")]
    if cause.reason not in _TO_Q850:
        return []
    code, words = _TO_Q850[cause.reason]
    return [("Reason", f"Q.850;cause={code};text={quote_text(words)}")]


def _reasons(message: Message) -> dict[str, tuple[int, str]]:
    """Cause and words by protocol, in lower case; what cannot be read is left out."""
    found: dict[str, tuple[int, str]] = {}
    try:
        for value in message.values("Reason"):
            protocol, *rest = split_outside(value, ";")
            params = parse_params(rest)
            code = params.get("cause") or ""
            if re.fullmatch(r"[0-9]{1,3}", code):
                words = "".join(character for character in params.get("text") or "" if character.isprintable())
                found.setdefault(protocol.strip().lower(), (int(code), words[:128]))
    except BadValue:
        return found
    return found
