"""What a REFER and its NOTIFYs say on the wire (RFC 3515; Refer-Sub: RFC 4488; Replaces in Refer-To: RFC 3891)."""

import re
from dataclasses import dataclass

from pbx.address import BadValue, parse_address, parse_uri
from pbx.message import REASONS, Request
from pbx.replaces import Replaces, headers_of_uri, parse_replaces

SIPFRAG = "message/sipfrag"
_STATUS = re.compile(rb"\s*SIP/2\.0 ([1-6][0-9]{2})(?![0-9])", re.IGNORECASE)


class NotReferable(Exception):
    """A REFER that is refused at once, with ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class ReferTo:
    """Whom we are asked to call: ``number``, in the place of ``replaces`` where the REFER names a call.

    ``silent``: no NOTIFY is wanted (RFC 4488). ``referred_by`` is the header as it came (RFC 3892), to be passed on.
    """

    number: str
    replaces: Replaces | None
    silent: bool
    referred_by: str

    @property
    def referrer(self) -> str:
        """Who asks, as it says itself: the user of its address, or nothing."""
        try:
            return parse_uri(parse_address(self.referred_by).uri).user[:128] if self.referred_by else ""
        except BadValue:
            return ""


def read_refer(request: Request) -> ReferTo:
    """Raises ``NotReferable``: 400, 416 for a scheme that is no telephone's, 501 for another method than INVITE."""
    values = request.lines("Refer-To")
    if len(values) != 1:
        raise NotReferable(400)
    try:
        uri = parse_address(values[0]).uri
        if uri[:4].lower() == "tel:":
            number, headers = uri[4:].split(";")[0], {}
        elif uri.lower().startswith(("sip:", "sips:")):
            target = parse_uri(uri)
            if (target.params.get("method") or "INVITE").upper() != "INVITE":
                raise NotReferable(501)
            number, headers = target.user, headers_of_uri(target.headers)
        else:
            raise NotReferable(416)
        replaces = parse_replaces(headers["replaces"]) if "replaces" in headers else None
    except BadValue:
        raise NotReferable(400) from None
    if (not number and replaces is None) or not number.isprintable():
        raise NotReferable(400)
    silent = (request.get("Refer-Sub") or "").split(";")[0].strip().lower() == "false"
    return ReferTo(number[:128], replaces, silent, request.get("Referred-By") or "")


def sipfrag(status: int) -> bytes:
    """The status line that a NOTIFY carries (section 2.4.5)."""
    return f"SIP/2.0 {status} {REASONS.get(status, 'Unknown')}\r\n".encode()


def status_of_sipfrag(body: bytes) -> int | None:
    """The status that a NOTIFY tells; None where it tells none."""
    found = _STATUS.match(body)
    return int(found.group(1)) if found else None


def event_of(request: Request) -> tuple[str, str]:
    """Package and ``id`` of an Event header, lower case; empty where there is none."""
    name, *params = (request.get("Event") or "").split(";")
    ids = (value.strip() for key, _, value in (param.partition("=") for param in params) if key.strip().lower() == "id")
    return name.strip().lower(), next(ids, "")


def refusal_of_event(request: Request) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers for a SUBSCRIBE or NOTIFY of no subscription of ours (RFC 6665, sections 4.1.3 and 4.2.1.1)."""
    name, _ = event_of(request)
    return (481, []) if name == "refer" else (489, [("Allow-Events", "refer")])
