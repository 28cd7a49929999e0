"""Who calls, and by way of whom: what the headers say, who vouches for it, and what we say ourselves.

P-Asserted-Identity and P-Preferred-Identity (RFC 3325), Remote-Party-ID (draft-ietf-sip-privacy-04, which PBXs still send), Privacy
(RFC 3323), Diversion (RFC 5806), History-Info (RFC 7044), and the verdict of a STIR check (``verstat``, 3GPP TS 24.229, 7.2A.20).
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import quote

from pbx.address import BadValue, NameAddress, Params, SipUri, parse_address, parse_params, parse_uri
from pbx.message import Request
from pbx.replaces import headers_of_uri

ANONYMOUS = "anonymous"
MAX_DIVERSIONS = 10
_HIDING = frozenset({"id", "user", "header"})


class IdentityHeader(StrEnum):
    """How we tell a PBX who calls, beside From. ``AUTO``: asserted on a trunk by address, preferred where we are one of its phones."""

    AUTO = "auto"
    ASSERTED = "p-asserted"
    PREFERRED = "p-preferred"
    REMOTE_PARTY = "remote-party-id"
    NONE = "none"


class TrustedCaller(StrEnum):
    """When the caller's number counts as verified: where the PBX asserts it in a header, always (it checks From itself), or never."""

    ASSERTED = "asserted"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Caller:
    """``number`` stays known where ``private`` hides it from people; ``verified``: somebody we trust vouches for it."""

    number: str
    name: str
    private: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class _Said:
    """One header's word about the caller. ``asserts``: is it the PBX's own word, and did no check of it fail?"""

    number: str
    name: str
    asserts: bool
    hidden: bool = False
    uri_params: Params = field(default_factory=dict)


def caller_of(request: Request, trust: TrustedCaller = TrustedCaller.ASSERTED) -> Caller:
    """The caller of an INVITE. Its headers come from a PBX that we trust to have checked them, or to have taken them off."""
    said = _asserted(request) or _remote_party(request) or _from(request)
    wishes = {value.strip().lower() for line in request.lines("Privacy") for value in line.split(";")}
    hidden = bool(wishes & _HIDING) or said.hidden
    number = said.number or ANONYMOUS
    name = said.name or (_from(request).name if _from(request).number == number else "")
    trusted = trust is TrustedCaller.ALWAYS or (trust is TrustedCaller.ASSERTED and said.asserts)
    return Caller(number, name, hidden or number == ANONYMOUS, trusted and number != ANONYMOUS and not _check_failed(said))


def _asserted(request: Request) -> _Said | None:
    """The first P-Asserted-Identity that names a number; there may be a SIP and a tel one."""
    for address in _addresses(request, "P-Asserted-Identity"):
        if number := user_of(address.uri):
            return _Said(number, _clean(address.display), True, uri_params=_params_of(address))
    return None


def _remote_party(request: Request) -> _Said | None:
    for address in _addresses(request, "Remote-Party-ID"):
        params = {name: (value or "").lower() for name, value in address.params.items()}
        number = user_of(address.uri)
        if number and params.get("party", "calling") == "calling":
            hidden = bool({"full", "uri"} & {part.strip() for part in params.get("privacy", "").split(",")})
            return _Said(number, _clean(address.display), params.get("screen") == "yes", hidden, _params_of(address))
    return None


def _from(request: Request) -> _Said:
    """Anybody may write anything here: it is shown, and vouched for by nobody but a STIR check that passed."""
    try:
        address = request.from_address
    except BadValue:
        return _Said("", "", False)
    number = user_of(address.uri)
    if number.lower() == ANONYMOUS or address.uri.lower().endswith("anonymous.invalid"):
        return _Said("", "", False, True)
    params = _params_of(address)
    return _Said(number, _clean(address.display), (params.get("verstat") or "").lower().startswith("tn-validation-passed"), False, params)


def _check_failed(said: _Said) -> bool:
    return (said.uri_params.get("verstat") or "").lower().startswith("tn-validation-failed")


def diversions_of(request: Request) -> tuple[str, ...]:
    """The numbers that sent the call on, the last one first. One that wants to be hidden is ``anonymous``."""
    found = [ANONYMOUS if _wants_to_hide(address) else user_of(address.uri) for address in _addresses(request, "Diversion")]
    found += [number for number in _history(request) if number not in found]
    return tuple(number for number in found if number)[:MAX_DIVERSIONS]


def _wants_to_hide(address: NameAddress) -> bool:
    return (address.params.get("privacy") or "off").lower() not in ("off", "none", "name")


def _history(request: Request) -> list[str]:
    """Targets that were left for another one: those whose URI has a Reason, and those whose follower was diverted to (RFC 7044, 10.3)."""
    entries = [(address, _headers_of(address)) for address in _addresses(request, "History-Info")]
    left: list[str] = []
    for position, (address, headers) in enumerate(entries[:-1]):
        follower = entries[position + 1][0]
        diverted = "mp" in follower.params or "rc" in follower.params or "cause" in _params_of(follower)
        if "reason" in headers or diverted:
            left.insert(0, ANONYMOUS if "history" in headers.get("privacy", "").lower() else user_of(address.uri))
    return left


def _addresses(request: Request, header: str) -> list[NameAddress]:
    """Those that can be read: one that cannot is no reason to miss the others."""
    found: list[NameAddress] = []
    try:
        values = request.values(header)
    except BadValue:
        return found
    for value in values:
        try:
            found.append(parse_address(value))
        except BadValue:
            continue
    return found


def _params_of(address: NameAddress) -> Params:
    try:
        if address.uri[:4].lower() == "tel:":
            return parse_params(address.uri[4:].split(";")[1:])
        uri = parse_uri(address.uri)
        # verstat may stand in the user part too: sip:+34911;verstat=...@host.
        return {**parse_params(uri.user.split(";")[1:]), **uri.params}
    except BadValue:
        return {}


def _headers_of(address: NameAddress) -> dict[str, str]:
    try:
        return headers_of_uri(parse_uri(address.uri).headers)
    except BadValue:
        return {}


def user_of(uri: str) -> str:
    """The number or name that a sip, sips or tel address stands for; empty where there is none."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return _clean(rest.split(";")[0])
    try:
        return _clean(parse_uri(uri).user.split(";")[0])
    except BadValue:
        return ""


def _clean(text: str) -> str:
    """Printable and short: it is shown to people and written into records."""
    return "".join(character for character in text if character.isprintable()).strip()[:128]


def shown_as(me: NameAddress, *, private: bool) -> NameAddress:
    """Whom the called person sees in From: ourselves, or nobody (RFC 3323, section 4.1.1.3)."""
    return NameAddress("sip:anonymous@anonymous.invalid", "Anonymous") if private else NameAddress(me.uri, me.display)


def from_of(me: NameAddress, tag: str, *, private: bool) -> NameAddress:
    """Our From in a dialog."""
    return replace(shown_as(me, private=private), params={"tag": tag})


def under_name(me: NameAddress, name: str) -> NameAddress:
    """Ourselves under this name, where it is one."""
    return NameAddress(me.uri, "".join(character for character in name if character.isprintable())[:64] or me.display)


def under_number(me: NameAddress, number: str) -> NameAddress:
    """Ourselves under this number, where it is one: that of a team, in place of the line's own."""
    return NameAddress(str(replace(parse_uri(me.uri), user=number)), me.display) if number else me


def identity_headers(me: NameAddress, kind: IdentityHeader, *, private: bool) -> list[tuple[str, str]]:
    """Who calls, for the PBX's own eyes where ``private``."""
    headers = [("Privacy", "id")] if private else []
    if kind is IdentityHeader.REMOTE_PARTY:
        params: Params = {"party": "calling", "privacy": "full" if private else "off", "screen": "no"}
        headers.append(("Remote-Party-ID", str(NameAddress(me.uri, me.display, params))))
    elif kind is not IdentityHeader.NONE:
        name = "P-Asserted-Identity" if kind is IdentityHeader.ASSERTED else "P-Preferred-Identity"
        headers.append((name, str(NameAddress(me.uri, me.display))))
    return headers


def diversion_headers(diverted_by: str, number: str, domain: str) -> list[tuple[str, str]]:
    """A call that ``diverted_by`` sends on to ``number``, in both forms: PBXs read one or the other. Raises ``BadValue``."""
    by, to = SipUri(domain, diverted_by), SipUri(domain, number, params={"cause": "302"})
    reason = quote("SIP;cause=302", safe="")
    return [
        ("Diversion", f"<{by}>;reason=unknown;counter=1"),
        ("History-Info", f"<{by}?Reason={reason}>;index=1, <{to}>;index=1.1;mp=1"),
    ]
