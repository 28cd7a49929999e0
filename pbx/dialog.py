"""Dialogs: what two ends remember so that later requests find their way (RFC 3261, section 12)."""

from dataclasses import dataclass, field, replace

from pbx.address import BadValue, NameAddress, SipUri, parse_address, parse_uri
from pbx.message import Request, Response

Key = tuple[str, str]


@dataclass(slots=True)
class Dialog:
    """One dialog. ``target`` is the peer's Contact, ``route_set`` the Route values in the order in which we send them. ``secure``: it began
    with a SIPS URI, and our Contact is one too (section 12.1.1).
    """

    call_id: str
    local: NameAddress
    remote: NameAddress
    target: str
    route_set: list[str] = field(default_factory=list)
    local_cseq: int = 0
    remote_cseq: int | None = None
    secure: bool = False

    @property
    def key(self) -> Key:
        """Call-ID and our tag: where a request of the peer belongs."""
        return self.call_id, self.local.tag or ""

    def next_cseq(self) -> int:
        self.local_cseq += 1
        return self.local_cseq

    def takes(self, request: Request) -> bool:
        """Is the request in order? A CSeq below the last one is not (section 12.2.2)."""
        number = request.cseq[0]
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def retarget(self, contact: NameAddress | None) -> None:
        """Target refresh by the Contact of a re-INVITE, an UPDATE or their 2xx. Raises ``BadValue``; then the target stays."""
        if contact is not None:
            self.target = _as_request_uri(parse_uri(contact.uri))

    def request(self, method: str, cseq: int) -> Request:
        """A request inside the dialog, without Via (section 12.2.1.1). A strict router first in the route gets what it expects."""
        uri, routes = self.target, list(self.route_set)
        if routes and "lr" not in _uri_of(routes[0]).params:
            uri = _as_request_uri(_uri_of(routes[0]))
            routes = [*routes[1:], f"<{self.target}>"]
        request = Request(method=method, uri=uri)
        request.headers = [
            ("Max-Forwards", "70"),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            *(("Route", route) for route in routes),
        ]
        return request

    def next_uri(self) -> SipUri:
        """Where requests of this dialog go first: the top of the route, or the peer itself. Raises ``BadValue``."""
        return _uri_of(self.route_set[0]) if self.route_set else parse_uri(self.target)


def _as_request_uri(uri: SipUri) -> str:
    """Without what a Request-URI may not have: headers and ``method`` (section 19.1.1, table 1)."""
    if not uri.headers and "method" not in uri.params:
        return str(uri)
    return str(replace(uri, headers="", params={name: value for name, value in uri.params.items() if name != "method"}))


def _uri_of(route: str) -> SipUri:
    return parse_uri(parse_address(route).uri)


def dialog_of_caller(request: Request, response: Response) -> Dialog:
    """The dialog that a 101-299 to our INVITE makes: route set from its Record-Route, reversed. Raises ``BadValue``."""
    contact = response.contact()
    if contact is None or not response.to_address.tag:
        raise BadValue("a response without Contact or To tag makes no dialog")
    routes = [str(parse_address(value)) for value in reversed(response.values("Record-Route"))]
    return _checked(Dialog(request.call_id, request.from_address, response.to_address, contact.uri, routes, request.cseq[0]))


def dialog_of_called(request: Request, tag: str) -> Dialog:
    """The dialog that answering this INVITE makes: route set from its Record-Route, in order. Raises ``BadValue``."""
    contact = request.contact()
    if contact is None:
        raise BadValue("an INVITE without Contact")
    local = request.to_address
    tagged = NameAddress(local.uri, local.display, {**local.params, "tag": tag})
    routes = [str(parse_address(value)) for value in request.values("Record-Route")]
    came_by = parse_address(routes[0]).uri if routes else contact.uri
    secure = any(uri[:5].lower() == "sips:" for uri in (request.uri, came_by))
    return _checked(Dialog(request.call_id, tagged, request.from_address, contact.uri, routes, 0, request.cseq[0], secure))


def _checked(dialog: Dialog) -> Dialog:
    for route in dialog.route_set:
        _uri_of(route)
    dialog.target = _as_request_uri(parse_uri(dialog.target))
    # Whatever cannot be written would fail later, when nobody can be told any more.
    _ = str(dialog.local), str(dialog.remote)
    return dialog
