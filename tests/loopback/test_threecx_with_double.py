"""The 3CX client beside the emulated 3CX: what it reads of it, calls that it follows, sound, and the PBX's restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from pbx.threecx.call_book import BookEvent, CallOver, LegAppeared, LegGone
from pbx.threecx.call_control import CallControl
from pbx.threecx.directory import matching
from pbx.threecx.double import Double
from pbx.threecx.double.directory import Reaction
from pbx.threecx.event_feed import EventFeed
from pbx.threecx.faults import Contested, Gone, Rejected
from pbx.threecx.objects import Participant
from pbx.threecx.pcm import FRAME_BYTES
from pbx.threecx.pcm_stream import PcmStream
from pbx.threecx.session import PbxSession
from pbx.threecx.settings import ThreeCxSettings
from pbx.threecx.xapi import Xapi


@pytest.fixture
async def pbx() -> AsyncIterator[Double]:
    async with Double() as pbx:
        pbx.directory.dns["200"].reaction = Reaction(answer_after_s=0.02)
        yield pbx


@pytest.fixture
def ping_s() -> float:
    """Long: a machine that stops for a moment must not look like a dead PBX."""
    return 60.0


@pytest.fixture
async def session(pbx: Double, ping_s: float) -> AsyncIterator[PbxSession]:
    settings = ThreeCxSettings((pbx.url,), "870", "demo-secret", first_retry_s=0.01, longest_retry_s=0.05, ping_s=ping_s)
    async with PbxSession(settings) as session:
        yield session


@pytest.fixture
def xapi(session: PbxSession) -> Xapi:
    return Xapi(session, time.monotonic)


class Followed:
    def __init__(self, session: PbxSession) -> None:
        self.events: list[BookEvent] = []
        self.digits: list[str] = []
        self._news = asyncio.Event()
        self.feed = EventFeed(
            session,
            CallControl(session),
            on_event=self._on_event,
            on_digits=self._on_digits,
            on_state=lambda up, detail: self._news.set(),
        )

    def _on_event(self, event: BookEvent) -> None:
        self.events.append(event)
        self._news.set()

    def _on_digits(self, dn: str, participant: int, digits: str) -> None:
        self.digits.append(digits)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def legs_of(self, dn: str) -> list[Participant]:
        return [leg for leg in self.feed.book.legs if leg.dn == dn]


@pytest.fixture
async def followed(session: PbxSession) -> AsyncIterator[Followed]:
    followed = Followed(session)
    async with followed.feed:
        await followed.until(lambda: followed.feed.up)
        yield followed


async def test_what_the_pbx_is_configured_with(xapi: Xapi) -> None:
    users = {user.number: user for user in await xapi.users()}
    assert users["200"].name == "Ana Ruiz" and users["200"].profile == "Available" and users["200"].registered
    assert [(queue.number, queue.agents) for queue in await xapi.queues()] == [("800", ("200", "201"))]
    assert {did.number: did.target for did in await xapi.dids()} == {
        "+34910000000": "870",
        "+34910000001": "200",
        "+34910000002": "800",
    }
    licence = await xapi.licence()
    assert (licence.most_calls, licence.enterprise, licence.call_flows) == (8, True, True) and licence.version.startswith("20.0")
    assert await xapi.roles_of("870") == {"system_owners"}
    assert [group.number for group in await xapi.ring_groups()] == ["801"]
    assert await xapi.user("299") is None


async def test_an_extension_is_asked_for_once_an_hour(xapi: Xapi, pbx: Double) -> None:
    before = len(pbx.requests)
    for _ in range(5):
        assert (await xapi.user("201")) is not None
    assert len([path for _, path in list(pbx.requests)[before:] if "/Users" in path]) == 1


async def test_a_profile_is_written_and_read_back(xapi: Xapi, pbx: Double) -> None:
    ana = next(user for user in await xapi.users() if user.number == "200")
    await xapi.set_user(ana, profile="Away", queue_status="LoggedOut")
    ana = next(user for user in await xapi.users() if user.number == "200")
    assert (ana.profile, ana.queue_status) == ("Away", "LoggedOut")
    with pytest.raises(Rejected, match="profile"):
        await xapi.set_user(ana, profile="Asleep")


async def test_a_call_from_outside_is_followed_to_its_end_and_judged(followed: Followed, xapi: Xapi, pbx: Double) -> None:
    with pbx.acting():
        pbx.calls.arrive("+34600111222", "+34910000001", name="Eva")
    await followed.until(lambda: any(leg.connected for leg in followed.legs_of("200")))
    (leg,) = followed.legs_of("200")
    (active,) = await xapi.active_calls()
    assert active.status == "Talking" and active.callee.startswith("200")
    assert leg.party_caller_id == "+34600111222" and followed.feed.book.calls == 1
    with pbx.acting():
        pbx.calls.drop(pbx.calls.legs[leg.id])
    await followed.until(lambda: any(isinstance(event, LegGone) for event in followed.events))
    pbx_now = time.time()
    rows = await xapi.logged_calls(pbx_now - 60, pbx_now + 60)
    found = matching(rows, agent="200", number="600 111 222", at=pbx_now)
    assert found is not None and found.answered and found.measured
    quality = await xapi.quality(found)
    assert quality is not None and quality.mos is None and "Too small" in quality.reason
    assert [call.destination for call in await xapi.calls_with("0034600111222", pbx_now - 60)] == ["200"]


async def test_a_route_points_call_is_spoken_with(followed: Followed, session: PbxSession, pbx: Double) -> None:
    control = CallControl(session)
    outcome = await control.make_call("870", "200", timeout_s=20)
    assert outcome.leg is not None
    await followed.until(lambda: any(leg.connected for leg in followed.legs_of("870")))
    (leg,) = followed.legs_of("870")
    frames: list[bytes] = []
    enough = asyncio.Event()
    ended = asyncio.Event()

    def on_frame(frame: bytes) -> None:
        frames.append(frame)
        stream.say(frame)
        if len(frames) == 15:
            enough.set()

    async with PcmStream(session, leg, on_frame=on_frame, on_end=lambda why: ended.set()) as stream, asyncio.timeout(30):
        await enough.wait()
        assert session.streams == 2
        await control.drop(leg)
        await ended.wait()
    assert session.streams == 0 and all(len(frame) == FRAME_BYTES for frame in frames) and any(frames[5])
    assert any(pbx.audio[leg.id].posted)
    with pytest.raises(Gone):
        await control.leg("870", leg.id)


async def test_a_restart_of_the_pbx_is_a_new_epoch(followed: Followed, pbx: Double) -> None:
    with pbx.acting():
        pbx.calls.arrive("+34600111222", "+34910000001")
    await followed.until(lambda: bool(followed.legs_of("200")))
    pbx.restart()
    await followed.until(lambda: any(isinstance(event, CallOver) for event in followed.events))
    with pbx.acting():
        pbx.calls.arrive("+34600111333", "+34910000001")
    await followed.until(lambda: bool(followed.legs_of("200")))
    newest = [event for event in followed.events if isinstance(event, LegAppeared)][-1]
    assert newest.key.call.epoch == 2


@pytest.mark.parametrize("ping_s", [0.3])
async def test_a_socket_that_is_open_and_dead_is_left(followed: Followed, pbx: Double) -> None:
    pbx.mute_sockets()
    with pbx.acting():
        pbx.calls.arrive("+34600111222", "+34910000001")
    await followed.until(lambda: bool(followed.legs_of("200")))
    assert followed.feed.counts["disconnects"] >= 1, "and maybe another one, where this machine answered late"


async def test_a_stolen_token_is_drawn_anew_once_and_a_thief_is_named(session: PbxSession, pbx: Double) -> None:
    control = CallControl(session)
    await control.dns()
    for _ in range(2):
        pbx.steal_token("870")
        await control.dns()
    pbx.steal_token("870")
    with pytest.raises(Contested, match="a client of its own"):
        await control.dns()
    assert "Another program" in session.trouble
