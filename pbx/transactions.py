"""The transaction layer: matches what arrives to transactions, drives their tables, and hands the rest up (RFC 3261, section 17).

Sans-IO: ``send`` puts a message on its way, ``Timers`` tells the time. A request that nobody answers ends as a local 408, one that cannot
be sent as a local 503 (section 8.1.3.1), so that a user of this layer sees responses and nothing else.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from pbx.address import BadValue, Via, default_port, is_same_host
from pbx.message import AnyMessage, Request, Response, build, copy_message, respond, retry_after_s
from pbx.timers import Timers
from pbx.transaction import (
    T1,
    Do,
    Happened,
    Kind,
    State,
    Transaction,
    ack_of_refusal,
    cancel_of,
    happened_to_client,
    happened_to_server,
)

MAX_TRANSACTIONS = 20_000
"""Of a peer. Over UDP each call holds two of them half a minute: enough for 250 calls a second, which are then some 200 MB."""

RETRY_AFTER_S = "5"
_COOKIE = "z9hG4bK"
Key = tuple[str, ...]

SILENT_S = {Kind.INVITE_CLIENT: 2.0, Kind.CLIENT: 4.0}
"""After that long without any answer a request goes on to its next address."""

VIA_BYTES = 200
"""What a request may still grow by on its way, or by our Via (RFC 3261, section 18.1.1)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a message goes, or came from: ``udp``, ``tcp`` or ``tls``, host, port. ``anew_port``: where to connect to when the connection
    that a request came by has gone meanwhile (RFC 3261, section 18.2.2).
    """

    transport: str
    host: str
    port: int
    anew_port: int | None = field(default=None, compare=False)

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"


@dataclass(slots=True)
class ClientTransaction:
    """A request of ours on its way, as whoever asked sees it: it may go to several addresses in turn, each time under a branch of its own.

    ``further``: where it goes next when nobody answers, or 503 does (RFC 3263, section 4.3); empty it to stay.
    """

    on_response: Callable[[Response], None]
    further: list[Hop]
    attempt: "Attempt" = field(init=False)

    @property
    def request(self) -> Request:
        """With our Via."""
        return self.attempt.request

    @property
    def hop(self) -> Hop:
        return self.attempt.hop

    def end(self) -> None:
        """Forget it without a word to anyone."""
        self.further.clear()
        self.attempt.machine.end()


@dataclass(slots=True)
class Attempt:
    """One transaction of RFC 3261: a request to one address."""

    client: ClientTransaction
    request: Request
    hop: Hop
    machine: Transaction = field(init=False)
    last: Response | None = None


@dataclass(slots=True)
class ServerTransaction:
    """A request of a peer. ``source``: where it came from, ``hop``: where answers go."""

    request: Request
    source: Hop
    hop: Hop
    machine: Transaction = field(init=False)
    last: Response | None = None


class TransactionUser(Protocol):
    """Who takes what is new. ``server`` is None for an ACK: it has no transaction of its own."""

    def request_arrived(self, request: Request, server: ServerTransaction | None) -> None: ...

    def is_full(self) -> bool:
        """Is a new call more than we take now?"""

    def cancel_arrived(self, cancel: Request, invite: ServerTransaction) -> None: ...


class Transactions:
    """All transactions of one line. ``via(transport)`` is our address for Via; ``new_branch`` draws the random part of a branch;
    ``tell_health(hop, well, at_least_s)`` hears whether addresses answer, and how long they ask to be left alone. A request beyond
    ``longest_datagram`` bytes goes by TCP; 0: none does.
    """

    def __init__(
        self,
        timers: Timers,
        *,
        send: Callable[[AnyMessage, Hop], None],
        user: TransactionUser,
        via: Callable[[str], Via],
        new_branch: Callable[[], str],
        counts: Counter[str],
        tell_health: Callable[[Hop, bool, float], None] = lambda hop, well, at_least_s: None,
        longest_datagram: int = 0,
    ) -> None:
        self._timers = timers
        self._send = send
        self._user = user
        self._via = via
        self._new_branch = new_branch
        self._counts = counts
        self._tell_health = tell_health
        self._longest_datagram = longest_datagram
        self._clients: dict[Key, Attempt] = {}
        self._left: dict[Key, Attempt] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merging: dict[Key, Key] = {}

    @property
    def waiting(self) -> int:
        """Requests of ours that have no final response yet."""
        return sum(1 for attempt in self._clients.values() if attempt.last is None or attempt.last.status < 200)

    def request(
        self, request: Request, hop: Hop, on_response: Callable[[Response], None], further: Sequence[Hop] = ()
    ) -> ClientTransaction:
        """Send a request under a new branch, or under the one of its Via where it has one (CANCEL). ``further``: where it goes if ``hop``
        fails before it said anything.
        """
        ways = [way for hop in (hop, *further) for way in self._carriers(request, hop)]
        client = ClientTransaction(on_response, ways[1:])
        self._launch(client, request, ways[0])
        return client

    def _carriers(self, request: Request, hop: Hop) -> list[Hop]:
        """A request that is too large for a datagram goes by TCP, and by UDP all the same to who has no TCP (section 18.1.1)."""
        if self._longest_datagram and not hop.reliable and len(build(request)) + VIA_BYTES > self._longest_datagram:
            return [replace(hop, transport="tcp"), hop]
        return [hop]

    def _launch(self, client: ClientTransaction, request: Request, hop: Hop) -> None:
        if request.get("Via") is None:
            request.headers.insert(0, ("Via", str(self._new_via(hop))))
        kind = Kind.INVITE_CLIENT if request.method == "INVITE" else Kind.CLIENT
        key = _client_key(request)
        client.attempt = attempt = Attempt(client, request, hop)

        attempt.machine = Transaction(
            kind,
            reliable=hop.reliable,
            timers=self._timers,
            do=partial(self._do_client, attempt),
            ended=partial(self._client_ended, key),
        )
        self._clients[key] = attempt
        if client.further:
            self._timers.start(SILENT_S[kind], lambda: self._impatient(attempt))
        self._send(request, hop)

    def _client_ended(self, key: Key) -> None:
        self._clients.pop(key, None)

    def _impatient(self, attempt: Attempt) -> None:
        """A whole timer B is too long to wait where another address may answer."""
        client = attempt.client
        if client.attempt is not attempt or attempt.last is not None or not client.further or attempt.machine.state is State.TERMINATED:
            return
        self._tell_health(attempt.hop, False, 0.0)
        attempt.machine.end()
        if attempt.request.method == "INVITE":
            # Who was only slow may still ring: see _late.
            key = _client_key(attempt.request)
            self._left[key] = attempt
            self._timers.start(64 * T1, lambda: self._forget(key))
        self._move_on(client)

    def _forget(self, key: Key) -> None:
        del self._left[key]

    def _move_on(self, client: ClientTransaction) -> bool:
        """Take the request to its next address; False where there is none."""
        if not client.further:
            return False
        self._counts["requests_moved_on"] += 1
        again = copy_message(client.request)
        again.remove("Via")
        self._launch(client, again, client.further.pop(0))
        return True

    def _late(self, attempt: Attempt, response: Response) -> None:
        """An answer to an INVITE that went on elsewhere: what rings is cancelled, what was answered is a fork for its user to end."""
        if response.status < 200:
            if attempt.last is None:
                attempt.last = response
                self.request(cancel_of(attempt.request), attempt.hop, lambda _: None)
        elif response.status < 300:
            attempt.client.on_response(response)
        else:
            self._send(ack_of_refusal(attempt.request, response), attempt.hop)

    def send_ack(self, ack: Request, hop: Hop) -> None:
        """An ACK for a 2xx: outside any transaction (section 13.2.2.4). Kept as sent, so that it can be sent again."""
        if ack.get("Via") is None:
            ack.headers.insert(0, ("Via", str(self._new_via(hop))))
        self._send(ack, hop)

    def respond(self, server: ServerTransaction, response: Response) -> None:
        """Answer a request; what comes too late for its transaction is dropped."""
        what = happened_to_server(response)
        before, server.last = server.last, response
        if not server.machine.happened(what):
            server.last = before
            self._counts["late_responses"] += 1

    def refuse_unread(self, request: Request, source: Hop, status: int, words: str) -> None:
        """Answer a request that is too broken for a transaction, statelessly (section 8.2.7). Whose Via is the fault gets it at its source.

        ``words`` say what is wrong, as a reason phrase should (section 21.4.1).
        """
        hop = source
        with contextlib.suppress(BadValue):
            self._note_source(request, source)
            hop = _response_hop(request, source)
        self._send(respond(request, status, to_tag=self._new_branch(), reason=words), hop)

    def unreachable(self, message: AnyMessage) -> None:
        """The transport could not deliver this message."""
        try:
            key = (message.top_via.branch, message.cseq[1])
        except BadValue:
            return
        attempt = self._clients.get(key) if isinstance(message, Request) else None
        if attempt is not None:
            attempt.machine.happened(Happened.UNREACHABLE)

    def connection_lost(self, hop: Hop) -> None:
        """What went over a connection that is over, and was not answered at all, failed with it: nobody repeats it (section 17.1.4)."""
        for attempt in list(self._clients.values()):
            if attempt.hop == hop and attempt.last is None:
                attempt.machine.happened(Happened.UNREACHABLE)

    def receive(self, message: AnyMessage, source: Hop) -> None:
        """A message whose mandatory headers are readable."""
        if isinstance(message, Response):
            self._receive_response(message)
        else:
            self._receive_request(message, source)

    def _new_via(self, hop: Hop) -> Via:
        return replace(self._via(hop.transport), params={"branch": _COOKIE + self._new_branch(), "rport": None})

    def _receive_response(self, response: Response) -> None:
        key = (response.top_via.branch, response.cseq[1])
        attempt = self._clients.get(key)
        if len(response.values("Via")) > 1:  # section 8.1.3.3: it is not for us
            self._counts["stray_responses"] += 1
            return
        if attempt is None:
            if key in self._left:
                self._late(self._left[key], response)
            else:
                self._counts["stray_responses"] += 1
            return
        before, attempt.last = attempt.last, response
        if not attempt.machine.happened(happened_to_client(response)):
            attempt.last = before

    def _do_client(self, attempt: Attempt, action: Do) -> None:
        if action is Do.SEND:
            self._counts["retransmissions"] += 1
            self._send(attempt.request, attempt.hop)
        elif action is Do.ACK and attempt.last is not None:
            self._send(ack_of_refusal(attempt.request, attempt.last), attempt.hop)
        elif action is Do.PASS and attempt.last is not None:
            self._pass(attempt, attempt.last)
        elif action in (Do.TELL_TIMEOUT, Do.TELL_UNREACHABLE):
            self._fail(attempt, 408 if action is Do.TELL_TIMEOUT else 503)

    def _pass(self, attempt: Attempt, response: Response) -> None:
        client = attempt.client
        self._tell_health(attempt.hop, response.status != 503, retry_after_s(response) or 0.0)
        if response.status != 503 or not self._move_on(client):
            if response.status > 100:
                # Somebody is there, whatever comes of it.
                client.further.clear()
            client.on_response(response)

    def _fail(self, attempt: Attempt, status: int) -> None:
        self._tell_health(attempt.hop, False, 0.0)
        if self._move_on(attempt.client):
            return
        made = respond(attempt.request, status)
        made.local = True
        attempt.last = made
        attempt.client.on_response(made)

    def _receive_request(self, request: Request, source: Hop) -> None:
        self._note_source(request, source)
        key = _server_key(request)
        known = self._servers.get(key)
        if known is not None:
            if request.method != "ACK":
                known.machine.happened(Happened.REQUEST)
                return
            if known.machine.happened(Happened.ACK) and known.last is not None and known.last.status >= 300:
                return
        if request.method == "ACK":
            self._user.request_arrived(request, None)
            return
        if self._is_too_much(request):
            self._refuse_unremembered(request, source, key)
            return
        if len(self._servers) >= 2 * MAX_TRANSACTIONS:
            self._counts["dropped_full"] += 1
            return
        server = self._open_server(request, source, key)
        if request.method == "CANCEL":
            self._cancel(request, server)
        elif self._is_merged(request, key):
            self.respond(server, respond(request, 482))
        else:
            self._user.request_arrived(request, server)

    def _is_too_much(self, request: Request) -> bool:
        """Of something new: what belongs to a call that is there has room of its own."""
        if request.to_address.tag or request.method == "CANCEL":
            return False
        return len(self._servers) >= MAX_TRANSACTIONS or (request.method == "INVITE" and self._user.is_full())

    def _refuse_unremembered(self, request: Request, source: Hop, key: Key) -> None:
        """503 from a server that keeps no state of it, so that a flood costs no memory (section 8.2.7). Its ACK finds nothing."""
        self._counts["refused_unremembered"] += 1
        tag = hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()
        self._send(respond(request, 503, to_tag=tag, headers=[("Retry-After", RETRY_AFTER_S)]), _response_hop(request, source))

    def _open_server(self, request: Request, source: Hop, key: Key) -> ServerTransaction:
        kind = Kind.INVITE_SERVER if request.method == "INVITE" else Kind.SERVER
        merging = _merging_key(request)
        self._merging.setdefault(merging, key)
        server = self._servers[key] = ServerTransaction(request, source, _response_hop(request, source))
        server.machine = Transaction(
            kind,
            reliable=source.reliable,
            timers=self._timers,
            do=partial(self._do_server, server),
            ended=partial(self._server_ended, key, merging),
        )
        return server

    def _server_ended(self, key: Key, merging: Key) -> None:
        self._servers.pop(key, None)
        if self._merging.get(merging) == key:
            del self._merging[merging]

    def _is_merged(self, request: Request, key: Key) -> bool:
        """The same request by two ways, and the other one came first (section 8.2.2.2)."""
        return not request.to_address.tag and self._merging.get(_merging_key(request)) != key

    def _cancel(self, request: Request, server: ServerTransaction) -> None:
        invite = self._servers.get(_server_key(request, method="INVITE"))
        if invite is None:
            self.respond(server, respond(request, 481))
            return
        self.respond(server, respond(request, 200))
        self._user.cancel_arrived(request, invite)

    def _do_server(self, server: ServerTransaction, action: Do) -> None:
        if action is Do.SEND and server.last is not None:
            self._send(server.last, server.hop)
        elif action is Do.TELL_TIMEOUT:
            self._counts["refusals_without_ack"] += 1

    def _note_source(self, request: Request, source: Hop) -> None:
        """``received`` and ``rport`` into the top Via (section 18.2.1, RFC 3581)."""
        values = request.values("Via")
        via = request.top_via
        params = dict(via.params)
        if "rport" in params:
            params["rport"] = str(source.port)
            params["received"] = source.host
        elif not is_same_host(via.host, source.host):
            params["received"] = source.host
        if params == via.params:
            return
        request.remove("Via")
        noted = Via(via.transport, via.host, via.port, params)
        request.headers[0:0] = [("Via", value) for value in (str(noted), *values[1:])]


def _response_hop(request: Request, source: Hop) -> Hop:
    """Where responses go: back on the connection, to the source port where rport asks for it, else to the port of the Via."""
    via = request.top_via
    usual = via.port or default_port(via.transport)
    if source.reliable:
        return replace(source, anew_port=usual)
    return source if "rport" in via.params else Hop(source.transport, source.host, usual)


def _client_key(request: Request) -> Key:
    return request.top_via.branch, request.method


def _server_key(request: Request, *, method: str = "") -> Key:
    """Section 17.2.3; the second form is for peers of RFC 2543, whose branch says nothing."""
    via = request.top_via
    of = method or ("INVITE" if request.method == "ACK" else request.method)
    # The cookie alone is no branch: it is the same in every request of such a peer (RFC 4475, section 3.2.1).
    if via.branch.startswith(_COOKIE) and via.branch != _COOKIE:
        return via.branch, via.sent_by, of
    # The To tag is left out: the ACK for our refusal carries the tag that we added.
    return request.uri, request.from_address.tag or "", request.call_id, str(request.cseq[0]), of


def _merging_key(request: Request) -> Key:
    return request.from_address.tag or "", request.call_id, str(request.cseq[0]), request.method
