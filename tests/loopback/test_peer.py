"""Browser peers on the shared port: aiortc on the other side, real sockets, real DTLS-SRTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import aioice.ice
import pytest
import uvloop
from aioice.stun import Class

from media import rtcp, rtp
from media.dtls import Certificate, DtlsLink
from media.icelite import IcePort, IceSettings
from media.messages import MediaRefusal
from media.peer import Peer, PeerTimes
from media.wire import Wire
from tests.kit.browser_peer import BrowserPeer, loopback_ice
from tests.kit.stun_probe import StunProbe, check
from tests.kit.wires import wire

__all__ = ["loopback_ice", "wire"]
pytestmark = pytest.mark.usefixtures("loopback_ice")

# A fatal alert (handshake_failure) in plaintext: 15 bytes that end a DTLS handshake if they reach it.
FATAL_ALERT = bytes.fromhex("15fefd00000000000000000002") + b"\x02\x28"


class OurSide:
    """One leg's view of a peer: what it was told, and an echo under its own SSRC."""

    def __init__(self, port: IcePort, *, echo: bool = False) -> None:
        self.port = port
        self.echo = echo
        self.packets = 0
        self.reports: list[rtcp.SenderReport | rtcp.ReceiverReport] = []
        self.states: list[tuple[str, str]] = []
        self.changed = asyncio.Condition()
        self.peer: Peer = port.open_peer(self.on_rtp, self.on_rtcp, self.on_state)
        self._tell: set[asyncio.Task[None]] = set()

    def on_rtp(self, packet: bytes, now_s: float) -> None:
        self.packets += 1
        header = rtp.parse(packet)
        assert header is not None
        if self.echo:
            kept = {"payload_type": header.payload_type, "sequence": header.sequence, "timestamp": header.timestamp}
            self.peer.send_rtp(rtp.rewrite(packet, header, ssrc=self.peer.ssrc, **kept))
        self._notify()

    def on_rtcp(self, packet: bytes, now_s: float) -> None:
        reports = rtcp.parse(packet)
        assert reports
        self.reports += [report for report in reports if isinstance(report, rtcp.SenderReport | rtcp.ReceiverReport)]
        self._notify()

    def on_state(self, state: str, detail: str) -> None:
        self.states.append((state, detail))
        self._notify()

    def _notify(self) -> None:
        async def tell() -> None:
            async with self.changed:
                self.changed.notify_all()

        task = asyncio.get_running_loop().create_task(tell())
        self._tell.add(task)
        task.add_done_callback(self._tell.discard)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looked at with each packet that comes."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(holds)

    async def until_packets(self, count: int) -> None:
        await self.until(lambda: self.packets >= count)

    async def until_report(
        self, wanted: Callable[[rtcp.SenderReport | rtcp.ReceiverReport], bool]
    ) -> rtcp.SenderReport | rtcp.ReceiverReport:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: any(map(wanted, self.reports)))
        return next(filter(wanted, self.reports))

    async def until_state(self, state: str) -> str:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: bool(self.states) and self.states[-1][0] == state)
        return self.states[-1][1]


@pytest.fixture
async def port(wire: Wire) -> AsyncIterator[IcePort]:
    async with IcePort(IceSettings(), wire=wire) as port:
        yield port


async def connect(ours: OurSide, browser: BrowserPeer, codecs: tuple[str, ...] = ("opus",)) -> None:
    await browser.accept(ours.peer.answer(await browser.offer(), codecs).sdp)
    await ours.until_state("connected")


async def test_connects_and_carries_audio_both_ways(port: IcePort) -> None:
    ours = OurSide(port, echo=True)
    async with BrowserPeer() as browser:
        await connect(ours, browser)
        await ours.until_packets(20)
        await browser.hear(20)
        assert ours.peer.link.selected is not None and ours.peer.link.selected[0] == "127.0.0.1"
        assert ours.peer.counters.refused == 0 and port.counters.strangers == 0
        ours.peer.close()
        await asyncio.wait_for(browser.ended.wait(), 30)  # close_notify reaches the browser
    assert port.peer_count == 0


async def test_reports_go_both_ways(port: IcePort) -> None:
    ours = OurSide(port, echo=True)
    async with BrowserPeer() as browser:
        await connect(ours, browser)
        await ours.until_packets(5)
        ntp = rtcp.ntp_time(1_700_000_000.5)
        ours.peer.send_rtcp(rtcp.build(rtcp.SenderReport(ours.peer.ssrc, ntp, 0, 5, 500)))
        quoted = await ours.until_report(lambda report: any(b.last_report == rtcp.middle_of_ntp(ntp) for b in report.blocks))
        assert quoted.blocks[0].ssrc == ours.peer.ssrc
        ours.peer.close()


def test_the_same_on_uvloop() -> None:
    async def call() -> None:
        async with IcePort(IceSettings()) as port, BrowserPeer() as browser:
            ours = OurSide(port, echo=True)
            await connect(ours, browser)
            await browser.hear(10)
            ours.peer.close()

    uvloop.run(call())


async def test_closing_in_the_middle_of_the_handshake_leaves_nothing(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
        selected, closed = ours.peer.link._on_selected, asyncio.Event()

        def close_at_first_address() -> None:
            selected()
            asyncio.get_running_loop().call_soon(ours.peer.close)
            closed.set()

        ours.peer.link._on_selected = close_at_first_address
        await browser.accept(answer)
        await asyncio.wait_for(closed.wait(), 30)
    async with asyncio.timeout(30):
        while port._tasks:
            await asyncio.wait(set(port._tasks))
    assert ours.states == [] and port.peer_count == 0


async def test_sources_of_one_browser_are_bounded(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        await connect(ours, browser)
        await ours.until_packets(1)
        (sender,) = browser.connection.getSenders()
        for ssrc in range(1_000, 1_070):
            await sender.transport._send_rtp(rtp.build(111, 1, 1, ssrc, b"churn"))
        await ours.until(lambda: ours.peer.counters.refused >= 22)
        ours.peer.close()


async def test_srtp_that_is_forged_torn_or_repeated_is_refused_and_the_call_goes_on(port: IcePort) -> None:
    """From the far end's own address, after the handshake: only the keys tell (OWASP ASVS 17.2.3 and 17.2.4)."""
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        await connect(ours, browser)
        await ours.until_packets(1)
        (sender,) = browser.connection.getSenders()
        dtls = sender.transport
        right: bytes = dtls._tx_srtp.protect(rtp.build(111, 7, 7, 7, b"right"))
        await dtls.transport._send(right)
        plain = rtp.build(111, 8, 8, 7, b"forged" * 20)
        wrong = [plain, right, right[:-1] + bytes([right[-1] ^ 1]), *(right[:size] for size in (12, 13, 20)), b"\x80\xc8" + b"\xff" * 40]
        for datagram in wrong:
            await dtls.transport._send(datagram)
        await ours.until(lambda: ours.peer.counters.refused >= len(wrong))
        await ours.until_packets(ours.packets + 10)
        assert ours.peer.counters.refused == len(wrong)
        assert ours.states[-1][0] == "connected"
        ours.peer.close()


@pytest.mark.parametrize("name", ["g722", "pcma", "pcmu", "opus"])
async def test_our_codec_order_decides_what_the_browser_sends(port: IcePort, name: str) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        offer = await browser.offer()
        try:
            answer = ours.peer.answer(offer, (name, "opus"))
        except MediaRefusal:
            pytest.fail("aiortc offers this codec")
        await browser.accept(answer.sdp)
        assert answer.codecs[0].name == name
        await ours.until_packets(5)
        ours.peer.close()


async def test_both_dtls_roles_connect(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        offer = (await browser.offer()).replace("a=setup:actpass", "a=setup:active")
        answer = ours.peer.answer(offer, ("opus",)).sdp
        assert "a=setup:passive" in answer
        await browser.accept(answer)
        await ours.until_packets(5)
        ours.peer.close()


async def test_a_new_offer_on_the_same_peer_changes_the_codec(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        await connect(ours, browser, ("opus",))
        await ours.until_packets(5)
        again = ours.peer.answer(await browser.offer(), ("pcma", "opus"))
        assert [codec.name for codec in again.codecs] == ["pcma", "opus"]
        await browser.accept(again.sdp)
        await ours.until_packets(ours.packets + 5)
        assert [state for state, _ in ours.states] == ["connected"]
        ours.peer.close()


async def test_a_reloaded_page_gets_a_new_peer_while_the_old_one_stands(port: IcePort) -> None:
    first, second = OurSide(port), OurSide(port)
    async with BrowserPeer() as before, BrowserPeer() as after:
        await connect(first, before)
        await connect(second, after)
        await second.until_packets(5)
        first.peer.close()
        await second.until_packets(second.packets + 5)
        second.peer.close()


async def test_a_wrong_fingerprint_is_refused_and_says_so(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        lines = (await browser.offer()).splitlines()
        lines = [line[:-2] + ("00" if line[-2:] != "00" else "01") if line.startswith("a=fingerprint:") else line for line in lines]
        await browser.accept(ours.peer.answer("\r\n".join(lines), ("opus",)).sdp)
        assert "fingerprint" in await ours.until_state("failed")
        assert ours.packets == 0
        with pytest.raises(MediaRefusal, match="new RTCPeerConnection"):
            ours.peer.answer(await browser.offer(), ("opus",))


async def test_the_browser_leaving_is_noticed_at_once(port: IcePort) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        await connect(ours, browser)
    await ours.until_state("lost")
    ours.peer.close()
    assert ours.states[-1][0] == "lost"  # closing reports nothing


async def test_two_browsers_share_the_port(port: IcePort) -> None:
    sides = [OurSide(port, echo=True) for _ in range(2)]
    async with BrowserPeer() as one, BrowserPeer() as two:
        await asyncio.gather(*(connect(ours, browser) for ours, browser in zip(sides, (one, two), strict=True)))
        await asyncio.gather(one.hear(10), two.hear(10))
        for ours in sides:
            ours.peer.close()


# --- strangers -------------------------------------------------------------------------------------------------------------------------


async def client_hello() -> bytes:
    """What a stranger's DTLS client sends first."""
    sent: list[bytes] = []

    class Path:
        async def receive(self) -> bytes:
            raise ConnectionError

        def send(self, datagram: bytes) -> None:
            sent.append(datagram)

    link = DtlsLink(Path(), Certificate.create(), "client", (("sha-256", "00"),), lambda: None)
    with pytest.raises(Exception, match="handshake"):
        await link.shake_hands(5)
    await link.close()
    return sent[0]


@pytest.mark.parametrize("role", ["active", "passive"])
async def test_a_strangers_dtls_during_set_up_does_not_harm_the_call(port: IcePort, role: str) -> None:
    """The race of OWASP ASVS 17.2.6: whoever speaks first from anywhere must not decide the handshake."""
    ours = OurSide(port)
    hello = await client_hello()
    async with BrowserPeer() as browser:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            offer = await browser.offer()
            if role == "active":
                offer = offer.replace("a=setup:actpass", "a=setup:active")
            answer = ours.peer.answer(offer, ("opus",)).sdp

            def shoot() -> None:
                for datagram in (FATAL_ALERT, hello, rtp.build(111, 1, 1, 1, b"forged")):
                    stranger.sendto(datagram, ("127.0.0.1", port.port))

            shoot()
            selected = ours.peer.link._on_selected
            ours.peer.link._on_selected = lambda: (shoot(), selected())[1]  # again at the most tender moment
            await browser.accept(answer)
            await ours.until_state("connected")
            shoot()
            await ours.until_packets(10)
            assert port.counters.strangers == 9
        ours.peer.close()


async def test_the_same_alert_is_deadly_where_the_guard_does_not_stand(port: IcePort) -> None:
    """The control of the test above: behind the guard, these bytes end the handshake."""
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
        ours.peer.link.queue_dtls(FATAL_ALERT)
        await browser.accept(answer)
        await ours.until_state("failed")


@pytest.fixture
async def probe(port: IcePort) -> AsyncIterator[StunProbe]:
    async with StunProbe(("127.0.0.1", port.port)) as probe:
        yield probe


async def test_a_right_check_is_answered_with_the_source_address(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    credentials = ours.peer.link.credentials
    answer = await probe.ask(check(credentials.fragment, credentials.password))
    assert answer.message_class is Class.RESPONSE and answer.check_message_integrity(credentials.password.encode())
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == probe.address
    assert "FINGERPRINT" in answer.attributes


async def test_wrong_checks_get_no_answer_and_are_counted(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    credentials = ours.peer.link.credentials
    right = check(credentials.fragment, credentials.password)
    for wrong in (
        check(credentials.fragment, "x" * 24),
        check("nobody", credentials.password),
        right[:40],
        right[:-1] + bytes([right[-1] ^ 1]),
        b"\x01\x01" + right[2:],
        b"\x00",
        b"",
    ):
        probe.send(wrong)
    answer = await probe.ask(right)  # what comes back first is the answer to the right one
    assert answer.transaction_id == right[8:20] and probe.got.empty()
    counters = port.counters
    assert (counters.bad_integrity, counters.unknown_fragment, counters.checks) == (3, 1, 1)
    assert counters.malformed == 2


async def test_a_flood_of_wrong_checks_is_cut_before_the_cryptography(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    credentials = ours.peer.link.credentials
    for _ in range(60):
        probe.send(check(credentials.fragment, "x" * 24))
    async with StunProbe(("127.0.0.1", port.port), host="127.0.0.2") as neighbour:
        await neighbour.ask(check(credentials.fragment, credentials.password))  # others are not limited; it comes after the flood
    assert port.counters.bad_integrity == 20 and port.counters.limited == 40


async def test_a_role_conflict_is_answered_487(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    credentials = ours.peer.link.credentials
    answer = await probe.ask(check(credentials.fragment, credentials.password, controlled=True))
    assert answer.error_code == 487 and answer.check_message_integrity(credentials.password.encode())
    assert ours.peer.link.selected is None


async def test_an_address_in_use_cannot_be_taken_by_another_peer(port: IcePort, probe: StunProbe) -> None:
    victim, thief = OurSide(port), OurSide(port)
    await probe.ask(check(victim.peer.link.credentials.fragment, victim.peer.link.credentials.password))
    probe.send(check(thief.peer.link.credentials.fragment, thief.peer.link.credentials.password))
    await probe.ask(check(victim.peer.link.credentials.fragment, victim.peer.link.credentials.password))
    assert port.counters.contested == 1 and thief.peer.link.selected is None


# --- moving ----------------------------------------------------------------------------------------------------------------------------


async def test_an_ice_restart_keeps_the_old_credentials_until_the_new_are_used(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    async with BrowserPeer() as browser:
        offer = await browser.offer()
        await browser.accept(ours.peer.answer(offer, ("opus",)).sdp)
        await ours.until_state("connected")
        old = ours.peer.link.credentials
        fragment = next(line for line in offer.splitlines() if line.startswith("a=ice-ufrag:"))
        answer = ours.peer.answer(offer.replace(fragment, "a=ice-ufrag:newfragment"), ("opus",)).sdp
        new = ours.peer.link.credentials
        assert new != old and f"a=ice-ufrag:{new.fragment}" in answer
        assert (await probe.ask(check(old.fragment, old.password))).message_class is Class.RESPONSE
        assert (await probe.ask(check(new.fragment, new.password, nominate=True))).message_class is Class.RESPONSE
        assert ours.peer.link.selected == probe.address
        probe.send(check(old.fragment, old.password))
        assert (await probe.ask(check(new.fragment, new.password))).message_class is Class.RESPONSE
        assert port.counters.unknown_fragment >= 1  # the old ones are over
        assert [state for state, _ in ours.states] == ["connected"]
        ours.peer.close()


async def test_a_moved_browser_keeps_its_keys(port: IcePort) -> None:
    """A relay between browser and server changes its outer address in mid-call, as a NAT or another network does."""
    ours = OurSide(port, echo=True)
    loop = asyncio.get_running_loop()
    outer: list[asyncio.DatagramTransport] = []

    class Outer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            inner_transport.sendto(data, inner.browser)

    class Inner(asyncio.DatagramProtocol):
        browser: object = None

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.browser = addr
            outer[-1].sendto(data)

    async def open_outer() -> None:
        transport, _ = await loop.create_datagram_endpoint(Outer, remote_addr=("127.0.0.1", port.port))
        outer.append(transport)

    await open_outer()
    inner_transport, inner = await loop.create_datagram_endpoint(Inner, local_addr=("127.0.0.1", 0))
    try:
        async with BrowserPeer() as browser:
            answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
            relayed = str(inner_transport.get_extra_info("sockname")[1])
            await browser.accept(answer.replace(f" {port.port} typ host", f" {relayed} typ host"))
            await ours.until_packets(5)
            before = ours.peer.link.selected
            await open_outer()
            credentials = ours.peer.link.credentials
            outer[-1].sendto(check(credentials.fragment, credentials.password, nominate=True))  # the browser's next check, sooner
            await ours.until_packets(ours.packets + 10)
            assert ours.peer.link.selected == outer[-1].get_extra_info("sockname") != before
            assert ours.peer.link.moves == 1
            await browser.hear(10)
            assert [state for state, _ in ours.states] == ["connected"]
            ours.peer.close()
    finally:
        for transport in (*outer, inner_transport):
            transport.close()
        await asyncio.sleep(0)


async def test_consent_from_another_port_moves_the_call_though_nobody_nominates_it(port: IcePort, probe: StunProbe) -> None:
    ours = OurSide(port)
    credentials = ours.peer.link.credentials
    await probe.ask(check(credentials.fragment, credentials.password, nominate=True))
    async with StunProbe(("127.0.0.1", port.port)) as other:
        for asking in (other, probe, other, probe):
            await asking.ask(check(credentials.fragment, credentials.password))
            assert ours.peer.link.selected == probe.address, "both are alive"
        for where in (probe, other):
            await other.ask(check(credentials.fragment, credentials.password))
            assert ours.peer.link.selected == where.address
        assert ours.peer.link.moves == 1
    ours.peer.close()


# --- bounds and times ------------------------------------------------------------------------------------------------------------------


async def test_peers_are_bounded() -> None:
    async with IcePort(IceSettings(max_peers=1)) as port:
        first = OurSide(port)
        with pytest.raises(MediaRefusal, match="places"):
            OurSide(port)
        first.peer.close()
        OurSide(port)


async def test_a_peer_that_never_checks_expires_and_says_why() -> None:
    async with IcePort(IceSettings(times=PeerTimes(checks_s=0.2))) as port:
        ours = OurSide(port)
        assert f"port {port.port}" in await ours.until_state("failed")
        assert port.peer_count == 0 and port.counters.expired_peers == 1


async def test_a_browser_that_vanishes_is_lost_and_one_that_is_mute_is_silent() -> None:
    times = PeerTimes(lost_s=4.0, silent_s=0.3)
    async with IcePort(IceSettings(times=times)) as port:
        ours = OurSide(port)
        credentials = ours.peer.link.credentials
        async with BrowserPeer() as browser:
            await connect(ours, browser)
            browser.connection.getSenders()[0].replaceTrack(None)
            assert "sent no audio" in await ours.until_state("silent")
            for link in [ours.peer.link]:
                for wire, address in list(link.addresses):
                    wire.forget(address)  # its packets stop arriving, as when the network is gone
            port._links.pop(credentials.fragment)
            assert "gone" in await ours.until_state("lost")
            port._links[credentials.fragment] = ours.peer.link
            ours.peer.close()


async def test_dtls_queue_is_bounded(port: IcePort) -> None:
    ours = OurSide(port)
    for _ in range(100):
        ours.peer.link.queue_dtls(b"\x16")
    assert ours.peer.link.dropped_dtls == 68


async def test_a_port_that_is_taken_is_refused_with_advice(port: IcePort) -> None:
    with pytest.raises(MediaRefusal, match=f"Port {port.port}"):
        async with IcePort(IceSettings(port=port.port)):
            pass


async def test_several_addresses_share_the_port_number_and_answer_from_where_they_were_asked() -> None:
    async with IcePort(IceSettings(hosts=("127.0.0.1", "127.0.0.2"))) as port:
        ours = OurSide(port)
        assert port.candidates == (("127.0.0.1", port.port), ("127.0.0.2", port.port))
        credentials = ours.peer.link.credentials
        async with StunProbe(("127.0.0.2", port.port)) as probe:
            await probe.ask(check(credentials.fragment, credentials.password))  # a connected socket hears 127.0.0.2 only


async def test_public_addresses_replace_the_local_ones_in_the_answer() -> None:
    async with IcePort(IceSettings(public_hosts=("203.0.113.7",))) as port:
        ours = OurSide(port)
        async with BrowserPeer() as browser:
            answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
        assert f"203.0.113.7 {port.port} typ host" in answer and "127.0.0.1" not in answer


async def test_candidates_of_an_offer_are_never_tried(port: IcePort) -> None:
    """Whoever offers cannot have us send anywhere: the address of a candidate hears nothing from us."""
    ours = OurSide(port)
    async with BrowserPeer() as browser, StunProbe(("127.0.0.1", port.port)) as victim:
        host, victims_port = victim.address
        named = "".join(f"a=candidate:{n} 1 udp {9_999 - n} {host} {victims_port} typ host\r\n" for n in range(200))
        answer = ours.peer.answer(await browser.offer() + named, ("opus",)).sdp
        assert port.counters.candidates_ignored >= 200
        await browser.accept(answer)
        await ours.until_packets(20)
        assert victim.got.empty()


async def test_a_browser_connects_by_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["::1"])
    async with IcePort(IceSettings(hosts=("::1", "127.0.0.1"))) as port, BrowserPeer() as browser:
        ours = OurSide(port)
        answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
        assert f" ::1 {port.port} typ host" in answer and f" 127.0.0.1 {port.port} typ host" in answer and "c=IN IP6 ::1" in answer
        await browser.accept(answer)
        await asyncio.wait_for(browser.connected.wait(), 30)
        assert ours.peer.link.selected is not None and ours.peer.link.selected[0] == "::1"
        await ours.until_packets(10)


async def test_a_public_address_of_one_family_stands_for_that_family_alone() -> None:
    async with IcePort(IceSettings(hosts=("127.0.0.1", "::1"), public_hosts=("203.0.113.7", "2001:db8::7"))) as port:
        ours = OurSide(port)
        async with BrowserPeer() as browser:
            answer = ours.peer.answer(await browser.offer(), ("opus",)).sdp
        told = [line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate:")]
        assert told == ["203.0.113.7", "2001:db8::7"]
