"""SIP user agents on a network without sockets, in time that the test moves: every message is really built and really parsed."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

from pbx.line import Line
from pbx.message import AnyMessage, BadMessage, Request, Response, build, parse_message, respond
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.transactions import Hop
from pbx.trunk import TrunkEvent
from pbx.user_agent import UserAgent
from rooms.audio import G722, OPUS, PCMA, PCMU, AudioCodec, RtpEndpoint

LATENCY_S = 0.01
E = TypeVar("E")


def endpoint(
    host: str = "192.0.2.1", port: int = 4000, codecs: tuple[AudioCodec, ...] = (G722, PCMA, PCMU), dtmf: int | None = 101
) -> RtpEndpoint:
    return RtpEndpoint(host, port, codecs, dtmf)


OPUS_FIRST = (OPUS, G722, PCMA)


class VirtualSip:
    """``fate(message)`` returns delays in seconds: one copy each; empty loses the message. What ``dead`` hosts send or get is lost."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[AnyMessage] = []
        self.fate: Callable[[AnyMessage], list[float]] = lambda message: [LATENCY_S]
        self.dead: set[str] = set()
        self._hosts: dict[str, Callable[[bytes, Hop], None]] = {}
        self._agents: list[UserAgent] = []
        self._flying: list[tuple[float, int, bytes, Hop, str]] = []
        self._order = itertools.count()

    def attach(self, host: str, receive: Callable[[bytes, Hop], None]) -> None:
        self._hosts[host] = receive

    def add(self, agent: UserAgent) -> None:
        self._agents.append(agent)

    def post(self, message: AnyMessage, source: Hop, target: Hop) -> None:
        if {source.host, target.host} & self.dead:
            return
        self.sent.append(message)
        for delay_s in self.fate(message):
            self._fly(build(message), source, target, delay_s)

    def post_bytes(self, data: bytes, source: Hop, target: Hop) -> None:
        self._fly(data, source, target, LATENCY_S)

    def _fly(self, data: bytes, source: Hop, target: Hop, delay_s: float) -> None:
        heapq.heappush(self._flying, (self.now + delay_s, next(self._order), data, source, target.host))

    def run(self, seconds: float) -> None:
        """Move time, and everything that happens in it."""
        end = self.now + seconds
        while (due := self._next()) is not None and due <= end:
            self.now = max(self.now, due)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, data, source, host = heapq.heappop(self._flying)
                if host in self._hosts and host not in self.dead:
                    self._hosts[host](data, source)
            for agent in self._agents:
                agent.expire(self.now)
        self.now = end

    def _next(self) -> float | None:
        times = [agent.next_deadline() for agent in self._agents] + ([self._flying[0][0]] if self._flying else [])
        known = [time for time in times if time is not None]
        return min(known) if known else None

    def requests(self, method: str) -> list[Request]:
        return [message for message in self.sent if isinstance(message, Request) and message.method == method]

    def responses(self, status: int, method: str = "") -> list[Response]:
        return [m for m in self.sent if isinstance(m, Response) and m.status == status and m.cseq[1].startswith(method)]


class VirtualPhone:
    """A whole user agent of ours at one address. ``events`` holds what it told."""

    def __init__(self, network: VirtualSip, host: str, peer: str, extension: str, seed: int, **settings: object) -> None:
        self.network = network
        self.host = host
        chosen = {"register": False, "keepalive_s": 1e6, "transport": SipTransport.UDP, **settings}
        self.settings = SipTrunkSettings(server=peer, extension=extension, **chosen)  # type: ignore[arg-type]
        self.events: list[TrunkEvent] = []
        self.here = Hop(self.settings.transport, host, 5060)
        self.line = Line(
            self.settings,
            self.events.append,
            lambda message, hop: network.post(message, self.here, hop),
            random=Random(seed),
            counts=Counter(),
            host=host,
        )
        self.line.timers.advance(network.now)
        self.agent = UserAgent(self.line)
        network.attach(host, self.receive)
        network.add(self.agent)

    def receive(self, data: bytes, source: Hop) -> None:
        if not self.agent.hears(data, source, self.network.now):
            self.line.counts["dropped_untrusted"] += 1
            return
        try:
            message = parse_message(data)
        except BadMessage as error:
            self.agent.receive_bad(error, source, self.network.now)
        else:
            self.agent.receive(message, source, self.network.now)

    def last(self, kind: type[E]) -> E:
        """The last event of a kind. Fails the test where there was none."""
        found = [event for event in self.events if isinstance(event, kind)]
        assert found, f"no {kind.__name__} in {self.events}"
        return found[-1]

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def dial(self, number: str = "200", leg_id: str = "a", offer: RtpEndpoint | None = None) -> str:
        self.agent.dial(leg_id, number, "Agent Ana", offer or endpoint(self.host), self.network.now)
        return leg_id


class ScriptedPeer:
    """A peer that says exactly what a test wants: what reached it is in ``got``, ``send`` puts any text on the wire."""

    def __init__(self, network: VirtualSip, host: str = "10.0.0.9", target: str = "10.0.0.1") -> None:
        self.network = network
        self.here = Hop("udp", host, 5060)
        self.there = Hop("udp", target, 5060)
        self.got: list[AnyMessage] = []
        self.on_request: Callable[[Request], None] | None = None
        network.attach(host, self._receive)

    def _receive(self, data: bytes, source: Hop) -> None:
        message = parse_message(data)
        self.got.append(message)
        if isinstance(message, Request) and self.on_request is not None:
            self.on_request(message)

    def requests(self, method: str) -> list[Request]:
        return [message for message in self.got if isinstance(message, Request) and message.method == method]

    def statuses(self) -> list[int]:
        return [message.status for message in self.got if isinstance(message, Response)]

    def reply(self, request: Request, status: int, *, tag: str = "", headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> None:
        response = respond(request, status, to_tag=tag, headers=headers)
        if body:
            response.add("Content-Type", "application/sdp")
            response.body = body
        self.network.post(response, self.here, self.there)

    def send(self, text: str, body: bytes = b"") -> None:
        """A request in wire form, its lines as in a Python text; branch and so on as the test wrote them."""
        lines = [line.strip() for line in text.strip().splitlines()]
        data = ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body
        self.network.post_bytes(data, self.here, self.there)


def sdp(*lines: str, host: str = "10.0.0.9", port: int = 7000) -> bytes:
    """A session description with PCMA and DTMF, or with these lines after the session's own."""
    audio = lines or (f"m=audio {port} RTP/AVP 8 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000")
    return ("\r\n".join(("v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", *audio)) + "\r\n").encode()
