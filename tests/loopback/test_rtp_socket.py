"""The phone's socket: who is heard, who is answered, and who is not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest

from media import rtcp, rtp
from media.rtp_socket import RtpSocket
from media.srtp import open_sessions
from media.wire import Wire
from rooms.audio import PCMA, PCMU, Direction, RtpEndpoint, SrtpKeys, SrtpSuite
from tests.kit import plain_srtp
from tests.kit.rtp_phone import srtp_key
from tests.kit.wires import wire

__all__ = ["wire"]

REPORT = rtcp.build(rtcp.ReceiverReport(1))


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


class Ours:
    """One leg's view of its socket."""

    def __init__(self, **settings: bool | float | socket.socket | Wire) -> None:
        self.rtp: asyncio.Queue[bytes] = asyncio.Queue()
        self.rtcp: asyncio.Queue[bytes] = asyncio.Queue()
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self.socket = RtpSocket(
            bound(),
            lambda packet, now_s: self.rtp.put_nowait(packet),
            lambda packet, now_s: self.rtcp.put_nowait(packet),
            lambda state, detail: self.states.put_nowait(state),
            **settings,  # type: ignore[arg-type]
        )

    def agree(self, address: tuple[str, int], direction: Direction = Direction.SENDRECV) -> None:
        self.socket.agree(RtpEndpoint(*address, (PCMA,), 101, direction))


class Phone:
    """A far end: sends numbered packets, hears what comes back."""

    def __init__(self, host: str = "127.0.0.1", *, ssrc: int = 7) -> None:
        self.sock = bound(host)
        self.ssrc = ssrc
        self.sequence = 100
        self.target: tuple[str, int] = ("", 0)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()
        return host, port

    def speak(self, count: int = 1, payload_type: int = 8) -> bytes:
        for _ in range(count):
            packet = rtp.build(payload_type, self.sequence, self.sequence * 160, self.ssrc, b"speech")
            self.sequence += 1
            self.sock.sendto(packet, self.target)
        return packet

    async def heard(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 2_000), 30)

    def heard_nothing(self) -> bool:
        try:
            self.sock.recv(2_000)
        except BlockingIOError:
            return True
        return False


@contextmanager
def phones(ours: Ours, *hosts: str) -> Iterator[list[Phone]]:
    found = [Phone(host, ssrc=7 + n) for n, host in enumerate(hosts)]
    for phone in found:
        phone.target = ours.socket.local
    yield found
    for phone in found:
        phone.sock.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop read its sockets until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 a counter has no event to wait for
            await asyncio.sleep(0)


async def next_of(queue: "asyncio.Queue[bytes]") -> bytes:
    return await asyncio.wait_for(queue.get(), 30)


@pytest.fixture
async def ours(wire: Wire) -> AsyncIterator[Ours]:
    ours = Ours(wire=wire)
    async with ours.socket:
        yield ours


@pytest.fixture
async def learning(wire: Wire) -> AsyncIterator[Ours]:
    ours = Ours(wire=wire, learns=True)
    async with ours.socket:
        yield ours


async def test_packets_go_both_ways_before_and_after_the_lock(ours: Ours) -> None:
    with phones(ours, "127.0.0.1") as (phone,):
        ours.socket.send_rtp(b"early")
        assert ours.socket.counters.unsent == 1  # nothing agreed yet
        ours.agree(phone.address)
        ours.socket.send_rtp(b"first")
        assert await phone.heard() == b"first"
        packet = phone.speak()
        assert await next_of(ours.rtp) == packet
        assert await asyncio.wait_for(ours.states.get(), 30) == "connected"
        ours.socket.send_rtp(b"second")
        assert await phone.heard() == b"second"


async def test_rtp_bleed_strangers_are_neither_relayed_nor_answered(ours: Ours) -> None:
    with phones(ours, "127.0.0.1", "127.0.0.1", "127.0.0.2") as (phone, same_host, other_host):
        ours.agree(phone.address)
        phone.speak()
        await next_of(ours.rtp)
        for stranger in (same_host, other_host):
            stranger.speak(10)
            stranger.sock.sendto(REPORT, ours.socket.local)
        last = phone.speak()
        assert await next_of(ours.rtp) == last and ours.rtcp.empty()
        assert ours.socket.counters.strangers == 22
        ours.socket.send_rtp(b"voice")
        ours.socket.send_rtcp(REPORT)
        assert [await phone.heard(), await phone.heard()] == [b"voice", REPORT]
        assert same_host.heard_nothing() and other_host.heard_nothing()


async def test_another_port_of_the_agreed_host_is_a_nat(ours: Ours) -> None:
    with phones(ours, "127.0.0.1") as (phone,):
        ours.agree(("127.0.0.1", 9))
        packet = phone.speak()
        assert await next_of(ours.rtp) == packet and ours.socket.remote == phone.address


async def test_no_other_host_is_believed_where_nobody_knows_who_signals(ours: Ours) -> None:
    with phones(ours, "127.0.0.1", "127.0.0.2") as (phone, stranger):
        ours.agree(("10.0.0.5", 4_000))
        stranger.speak(50)
        stranger.sock.sendto(REPORT, ours.socket.local)
        await until(lambda: ours.socket.counters.strangers == 51)
        assert ours.socket.remote == ("10.0.0.5", 4_000)
        ours.agree(phone.address)
        stranger.speak(50)
        packet = phone.speak()
        assert await next_of(ours.rtp) == packet and ours.rtp.empty()
        ours.socket.send_rtp(b"voice")
        assert await phone.heard() == b"voice" and stranger.heard_nothing()


async def test_an_unknown_host_may_prove_itself_where_that_is_wanted_and_a_nat_can_be(learning: Ours) -> None:
    ours = learning
    with phones(ours, "127.0.0.2", "127.0.0.3") as (phone, sprayer):
        ours.agree(("10.0.0.5", 4_000))
        for _ in range(10):  # one packet at a time, sequence numbers from nowhere
            sprayer.sequence += 1_000
            sprayer.speak()
        phone.speak(4)
        fifth = phone.speak()
        assert await next_of(ours.rtp) == fifth
        assert ours.socket.remote == phone.address
        before = ours.socket.counters.strangers
        ours.agree(("8.8.8.8", 4_000))  # a routable address means what it says
        phone.speak(20)
        await until(lambda: ours.socket.counters.strangers == before + 20)
        assert ours.rtp.empty() and ours.socket.remote == ("8.8.8.8", 4_000)


async def test_the_host_that_signalled_is_believed_and_no_other(ours: Ours) -> None:
    with phones(ours, "127.0.0.2", "127.0.0.3") as (phone, sprayer):
        ours.socket.agree(RtpEndpoint("10.0.0.5", 4_000, (PCMA,), signalled_from="127.0.0.2"))
        sprayer.speak(20)
        packet = phone.speak()
        assert await next_of(ours.rtp) == packet and ours.socket.remote == phone.address
        assert ours.socket.counters.strangers == 20
        ours.socket.agree(RtpEndpoint("10.0.0.5", 4_000, (PCMA,), signalled_from="127.0.0.3"))  # its NAT got another address
        phone.speak(3)
        packet = sprayer.speak()
        assert await next_of(ours.rtp) == packet and ours.socket.remote == sprayer.address


async def test_a_routable_address_means_what_it_says_whoever_signals(ours: Ours) -> None:
    with phones(ours, "127.0.0.2") as (phone,):
        ours.socket.agree(RtpEndpoint("8.8.8.8", 4_000, (PCMA,), signalled_from="127.0.0.2"))
        phone.speak(20)
        await until(lambda: ours.socket.counters.strangers == 20)
        assert ours.rtp.empty() and ours.socket.remote == ("8.8.8.8", 4_000)


async def test_the_agreed_address_outranks_who_came_before_it(learning: Ours) -> None:
    ours = learning
    with phones(ours, "127.0.0.1", "127.0.0.2") as (phone, sprayer):
        ours.agree(phone.address)
        sprayer.speak(10)
        await next_of(ours.rtp)
        assert ours.socket.remote == sprayer.address
        phone.speak()
        async with asyncio.timeout(30):
            while rtp.parse(await ours.rtp.get()).ssrc != phone.ssrc:  # type: ignore[union-attr]
                pass
        sprayer.speak(10)
        last = phone.speak()
        assert await next_of(ours.rtp) == last and ours.socket.remote == phone.address


async def test_only_a_new_agreement_opens_the_lock(ours: Ours) -> None:
    with phones(ours, "127.0.0.1", "127.0.0.1") as (phone, moved):
        ours.agree(phone.address)
        phone.speak()
        await next_of(ours.rtp)
        moved.speak(10)
        ours.agree(phone.address)  # the same address again, as a hold or a session refresh does
        moved.speak(10)
        last = phone.speak()
        assert await next_of(ours.rtp) == last
        ours.agree(moved.address)
        last = moved.speak()
        assert await next_of(ours.rtp) == last
        assert ours.socket.counters.strangers == 20


async def test_only_agreed_payload_types_are_heard(ours: Ours) -> None:
    with phones(ours, "127.0.0.1") as (phone,):
        ours.agree(phone.address)
        phone.speak(payload_type=0)
        event = phone.speak(payload_type=101)
        assert await next_of(ours.rtp) == event
        phone.speak(payload_type=0)
        phone.sock.sendto(b"\x40nonsense", ours.socket.local)
        phone.sock.sendto(b"x", ours.socket.local)
        last = phone.speak()
        assert await next_of(ours.rtp) == last
        assert ours.socket.counters.malformed == 3 and ours.socket.counters.strangers == 1


async def test_the_former_codec_and_comfort_noise_are_heard_too(ours: Ours) -> None:
    with phones(ours, "127.0.0.1", "127.0.0.1") as (phone, moved):
        ours.agree(phone.address)
        ours.socket.agree(RtpEndpoint(*phone.address, (PCMU,), 101))
        for payload_type in (8, 0, 13):
            packet = phone.speak(payload_type=payload_type)
            assert await next_of(ours.rtp) == packet
        ours.socket.agree(RtpEndpoint(*moved.address, (PCMU,), 101))
        moved.speak(payload_type=8)
        packet = moved.speak(payload_type=0)
        assert await next_of(ours.rtp) == packet, "another phone starts with its own agreement"


async def test_rtcp_on_the_same_port_comes_from_the_locked_address_only(ours: Ours) -> None:
    with phones(ours, "127.0.0.1") as (phone,):
        ours.agree(phone.address)
        phone.sock.sendto(REPORT, ours.socket.local)  # before any RTP: not believed
        phone.speak()
        phone.sock.sendto(REPORT, ours.socket.local)
        assert await next_of(ours.rtcp) == REPORT
        assert ours.socket.counters.strangers == 1 and ours.rtcp.empty()


async def test_rtcp_on_a_socket_of_its_own() -> None:
    reports = bound()
    ours = Ours(rtcp_sock=reports)
    async with ours.socket:
        target = reports.getsockname()
        with phones(ours, "127.0.0.1", "127.0.0.1", "127.0.0.2") as (phone, phone_rtcp, stranger):
            ours.socket.agree(RtpEndpoint(*phone.address, (PCMA,), rtcp_port=phone_rtcp.address[1]))
            ours.socket.send_rtcp(REPORT)
            assert await phone_rtcp.heard() == REPORT
            phone.speak()
            await next_of(ours.rtp)
            stranger.sock.sendto(REPORT, target)
            phone_rtcp.sock.sendto(REPORT, target)
            assert await next_of(ours.rtcp) == REPORT and ours.rtcp.empty()
            phone.sock.sendto(REPORT, target)  # another port of the right host, after the lock
            phone_rtcp.sock.sendto(REPORT, target)
            assert await next_of(ours.rtcp) == REPORT and ours.rtcp.empty()
            assert ours.socket.counters.strangers == 2


async def test_rtcp_shares_the_port_where_that_is_agreed(wire: Wire) -> None:
    reports = bound()
    ours = Ours(rtcp_sock=reports, wire=wire)
    async with ours.socket:
        with phones(ours, "127.0.0.1") as (phone,):
            ours.socket.agree(RtpEndpoint(*phone.address, (PCMA,), rtcp_mux=True))
            ours.socket.send_rtcp(REPORT)
            assert await phone.heard() == REPORT
            phone.speak()
            phone.sock.sendto(REPORT, ours.socket.local)
            assert await next_of(ours.rtcp) == REPORT


async def test_where_audio_is_encrypted_only_what_is_verified_is_heard_and_moves_the_lock(wire: Wire) -> None:
    reports = bound()
    suite = SrtpSuite.AEAD_AES_128_GCM
    theirs, own = srtp_key(suite, 1), srtp_key(suite, 2)
    far = open_sessions(SrtpKeys(theirs, own))
    ours = Ours(rtcp_sock=reports, wire=wire)
    async with ours.socket:
        with phones(ours, "127.0.0.1", "127.0.0.1", "127.0.0.1") as (phone, phone_rtcp, stranger):
            agreed = RtpEndpoint(*phone.address, (PCMA,), 101, srtp=SrtpKeys(own, theirs), rtcp_port=phone_rtcp.address[1])
            ours.socket.agree(agreed)
            stranger.speak(10)
            await until(lambda: ours.socket.counters.refused == 10)
            assert ours.socket.remote == phone.address and ours.states.empty()
            packet = rtp.build(8, 1, 160, 7, b"speech" * 20)
            phone.sock.sendto(far.sent.protect(packet), ours.socket.local)
            assert await next_of(ours.rtp) == packet and await asyncio.wait_for(ours.states.get(), 30) == "connected"
            phone.speak()  # in clear, from the right place
            phone.sock.sendto(far.sent.protect(rtp.build(8, 2, 320, 7, b"more")), ours.socket.local)
            assert (await next_of(ours.rtp)).endswith(b"more") and ours.socket.counters.refused == 11
            ours.socket.send_rtp(packet)
            assert far.received.unprotect(await phone.heard()) == packet
            for _ in range(2):
                ours.socket.send_rtcp(REPORT)
                assert far.received.unprotect_rtcp(await phone_rtcp.heard()) == REPORT
            phone_rtcp.sock.sendto(REPORT, reports.getsockname())
            phone_rtcp.sock.sendto(far.sent.protect_rtcp(REPORT), reports.getsockname())
            assert await next_of(ours.rtcp) == REPORT and ours.rtcp.empty() and ours.socket.counters.refused == 12
            ours.socket.agree(agreed)  # the same keys again: everything counts on
            ours.socket.send_rtp(packet[:2] + b"\0\2" + packet[4:])
            assert far.received.unprotect(await phone.heard())[4:] == packet[4:]


async def test_a_stream_that_wrapped_round_before_we_came_is_understood(ours: Ours) -> None:
    """As the successor of a worker that died meets it: nothing in a packet tells how often its numbers began anew."""
    theirs, own = (srtp_key(SrtpSuite.AES_CM_128_HMAC_SHA1_80, seed) for seed in (1, 2))
    with phones(ours, "127.0.0.1", "127.0.0.1") as (phone, stranger):
        ours.socket.agree(RtpEndpoint(*phone.address, (PCMA,), srtp=SrtpKeys(own, theirs)))
        stranger.speak(3)
        for number in range(3 * 65_536 - 2, 3 * 65_536 + 3):
            packet = rtp.build(8, number, 160 * number, 7, b"speech" * 20)
            phone.sock.sendto(plain_srtp.protect(theirs, packet, number >> 16), ours.socket.local)
            assert await next_of(ours.rtp) == packet
        assert ours.socket.counters.refused == 3


async def test_hold_addresses_get_nothing(ours: Ours) -> None:
    for host, port in (("0.0.0.0", 4_000), ("127.0.0.1", 0), ("phone.example", 4_000)):
        ours.agree((host, port))
        ours.socket.send_rtp(b"voice")
    assert ours.socket.counters.unsent == 3


async def test_an_address_from_which_nothing_ever_comes_is_left_alone_until_something_does(ours: Ours) -> None:
    with phones(ours, "127.0.0.1", "127.0.0.2") as (victim, pbx):
        ours.socket.agree(RtpEndpoint(*victim.address, (PCMA,), signalled_from="127.0.0.2"))
        for later_s in (0.0, 14.0):
            ours.socket.look(time.monotonic() + later_s)
            ours.socket.send_rtp(b"voice")
            assert await victim.heard() == b"voice"
        ours.socket.look(time.monotonic() + 16.0)
        ours.socket.send_rtp(b"voice")
        ours.socket.send_rtcp(REPORT)
        assert ours.socket.counters.unsent == 2 and victim.heard_nothing()
        packet = victim.speak()
        assert await next_of(ours.rtp) == packet
        ours.socket.send_rtp(b"voice")
        assert await victim.heard() == b"voice"
        for trusted in (
            RtpEndpoint(*pbx.address, (PCMA,), signalled_from="127.0.0.2"),
            RtpEndpoint(*victim.address, (PCMA,), direction=Direction.RECVONLY, signalled_from="127.0.0.2"),
        ):
            ours.socket.agree(trusted)
            ours.socket.look(time.monotonic() + 60.0)
            assert ours.socket.remote == (trusted.host, trusted.port), "who signals, and who never promised to send"


async def next_state(ours: "Ours") -> str:
    """Its owner looks again and again."""
    async with asyncio.timeout(30):
        while ours.states.empty():
            ours.socket.look(time.monotonic())
            await asyncio.sleep(0)
    return ours.states.get_nowait()


async def test_silence_is_told_once_and_its_end_too() -> None:
    ours = Ours(silent_s=0.2)
    async with ours.socket:
        with phones(ours, "127.0.0.1") as (phone,):
            ours.agree(phone.address)
            assert await next_state(ours) == "silent"
            phone.speak()
            assert await next_state(ours) == "connected"
            assert await next_state(ours) == "silent"
            ours.agree(phone.address, Direction.RECVONLY)  # on hold it has nothing to say
            phone.speak()
            await next_of(ours.rtp)
        assert ours.states.empty()


async def test_closing_is_idempotent_and_releases_the_port() -> None:
    ours = Ours()
    async with ours.socket:
        port = ours.socket.local[1]
        ours.socket.close()
        ours.socket.send_rtp(b"late")
    bound(port=port).close()
