"""The Replaces header: a new call that takes the place of one that is there (RFC 3891, section 6.1)."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from pbx.address import BadValue, parse_params, split_outside
from pbx.message import Message


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog as the one sees it who is to be called: ``to_tag`` is the tag of the called, ``from_tag`` that of its peer."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}" + (";early-only" if self.early_only else "")

    @property
    def escaped(self) -> str:
        """As a header inside a URI (RFC 3261, section 19.1.1)."""
        return f"Replaces={quote(str(self), safe='')}"


def parse_replaces(text: str) -> Replaces:
    """Raises ``BadValue``."""
    call_id, *rest = split_outside(text.strip(), ";")
    params = parse_params(rest)
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not call_id or " " in call_id or not to_tag or not from_tag:
        raise BadValue("a Replaces without Call-ID or tags")
    return Replaces(call_id, to_tag, from_tag, "early-only" in params)


def read_replaces(message: Message) -> Replaces | None:
    """The one Replaces of a request; None where there is none. Raises ``BadValue``: more than one, or one beside Join, is an error."""
    values = message.lines("Replaces")
    if not values:
        return None
    if len(values) > 1 or message.get("Join") is not None:
        raise BadValue("more than one call to take the place of")
    return parse_replaces(values[0])


def headers_of_uri(text: str) -> dict[str, str]:
    """The headers that a URI carries after its ``?``, names in lower case, unescaped. A name that comes twice raises ``BadValue``."""
    headers: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        name = unquote(name).lower()
        if name in headers:
            raise BadValue("a header twice in a URI")
        headers[name] = unquote(value, errors="replace")
    return headers
