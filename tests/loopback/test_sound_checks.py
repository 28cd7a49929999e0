"""Sound checks: a browser hears itself, both ways are measured, and nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.sound_checks import PREFIX, SoundChecks, measured
from media.messages import AnyMediaEvent, LegSample, MediaRefusal, QualitySampled
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from signaling.messages import OpenSoundCheck
from signaling.refusal import Refusal
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen

pytestmark = pytest.mark.usefixtures("loopback_ice")
WITHIN_S = 30.0
OUR_HZ = 700.0


class Place:
    """The media plane, of which only sound checks hear."""

    worker: MediaWorker
    checks: SoundChecks

    def __init__(self) -> None:
        self.strange = 0
        self.gaps = 0
        """Samples without a packet: this machine stopped for longer than one lasts."""
        self._seconds = asyncio.Semaphore(0)

    def told(self, event: AnyMediaEvent) -> None:
        self.strange += not self.checks.hear_media(event)
        if isinstance(event, QualitySampled):
            self.gaps += any(not leg.packets for leg in event.legs if leg.leg_id.endswith("-voice"))
        if isinstance(event, QualitySampled) and any(leg.mos is not None and leg.leg_id.endswith("-voice") for leg in event.legs):
            self._seconds.release()

    async def measured(self, samples: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            for _ in range(samples):
                await self._seconds.acquire()

    @property
    def left(self) -> list[float]:
        return [self.worker.gauges["rooms"], self.worker.gauges["legs"], len(self.checks), self.strange]

    async def nothing_left(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while len(self.checks) or self.worker.gauges["rooms"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert self.left == [0, 0, 0, 0]


@pytest.fixture
def longest_s() -> float:
    return WITHIN_S


@pytest.fixture
async def place(longest_s: float) -> AsyncIterator[Place]:
    place = Place()
    settings = MediaSettings(quality_interval_s=0.2, voice=VoiceSettings.untouched())
    async with MediaWorker(settings, place.told) as place.worker:
        place.checks = SoundChecks(place.worker, ("opus",), most=2, longest_s=longest_s)
        async with place.checks:
            yield place


async def test_a_browser_hears_itself_and_both_ways_are_measured(place: Place) -> None:
    async with BrowserPeer(ToneTrack(OUR_HZ)) as peer:
        opened = await place.checks.open("ana", OpenSoundCheck("tab1", await peer.offer()))
        await peer.accept(opened.sdp)
        async with asyncio.timeout(WITHIN_S):
            heard, rate_hz = await listen(peer, 40)
            while level_at(heard, OUR_HZ, rate_hz) <= 0.02:
                heard, rate_hz = await listen(peer, 25)
        await place.measured(3)
        result = await place.checks.close("ana", opened.check_id)
    assert result.seconds >= 3 and result.up.packets > 10
    assert result.up.cause != "silent" or place.gaps
    assert result.up.mos is not None and result.up.scale
    assert place.left == [0, 0, 0, 0]
    with pytest.raises(Refusal, match="over"):
        await place.checks.close("ana", opened.check_id)


async def test_one_of_each_person_and_not_more_than_there_is_room_for(place: Place) -> None:
    async with BrowserPeer() as one, BrowserPeer() as two, BrowserPeer() as three:
        first = await place.checks.open("ana", OpenSoundCheck("tab1", await one.offer()))
        again = await place.checks.open("ana", OpenSoundCheck("tab2", await two.offer()))
        assert len(place.checks) == 1 and again.check_id != first.check_id
        with pytest.raises(Refusal):
            await place.checks.close("ben", again.check_id)
        await place.checks.open("ben", OpenSoundCheck("tab1", await three.offer()))
        with pytest.raises(Refusal) as caught:
            await place.checks.open("eva", OpenSoundCheck("tab1", await three.offer()))
        assert caught.value.code == "full"
        assert (await place.checks.close("ana", again.check_id)).seconds == 0
        await place.checks.close("ben", next(iter(place.checks._of.values())).check_id)
    assert place.left == [0, 0, 0, 0] and place.checks.made == 3


async def test_an_offer_that_cannot_be_read_leaves_nothing(place: Place) -> None:
    with pytest.raises(MediaRefusal):
        await place.checks.open("ana", OpenSoundCheck("tab1", "v=0"))
    assert place.left == [0, 0, 0, 0]


@pytest.mark.parametrize("longest_s", [0.05])
async def test_it_ends_by_itself(place: Place) -> None:
    async with BrowserPeer() as peer:
        await place.checks.open("ana", OpenSoundCheck("tab1", await peer.offer()))
        await place.nothing_left()


def sample(**values: object) -> LegSample:
    usual = {"leg_id": PREFIX, "packets": 50, "loss": 0.0, "jitter_ms": 1.0, "round_trip_ms": None, "discarded": 0, "concealed_ms": 0.0}
    rated = {"level_dbfs": -20.0, "r": 93.0, "mos": 4.4, "scale": "wb", "cause": "good", "codec": "opus"}
    return LegSample(**{**usual, **rated, **values})  # type: ignore[arg-type]


def test_seconds_become_one_figure_each() -> None:
    seconds = [
        sample(cause="unclassified", mos=None, packets=10),
        sample(loss=0.1, packets=30, cause="loss", mos=3.0, round_trip_ms=40.0, far_cause="upstream", level_dbfs=None),
        sample(packets=60, mos=4.0, round_trip_ms=60.0, far_cause="jitter", far_mos=3.2, hop_loss=0.02),
        sample(packets=0, level_dbfs=-70.0),
    ]
    found = measured(seconds)
    assert (found.seconds, found.up.packets, found.up.cause, found.down.cause) == (3, 100, "loss", "jitter")
    assert found.up.loss == pytest.approx(0.03) and found.round_trip_ms == 50.0 and found.level_dbfs == -20.0
    assert (found.down.loss, found.down.mos) == (0.02, 3.2)


def test_where_nothing_came_nothing_is_said() -> None:
    found = measured([])
    assert (found.seconds, found.up.loss, found.up.cause, found.level_dbfs) == (0, None, "unclassified", None)
