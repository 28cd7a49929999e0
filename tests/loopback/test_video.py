"""Video through a whole media worker over real sockets: ICE, DTLS, SRTP; the far ends decode what they see."""

import asyncio

import pytest

from media import messages as msg
from tests.kit.browser_peer import loopback_ice  # noqa: F401
from tests.kit.media_desk import media_desk
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")
LOW, HIGH = (160, 120), (320, 240)


@pytest.fixture(scope="module")
def low() -> list[bytes]:
    return recorded_vp8(*LOW, 60_000)


@pytest.fixture(scope="module")
def high() -> list[bytes]:
    return recorded_vp8(*HIGH, 250_000)


async def test_two_see_each_other(low: list[bytes]) -> None:
    async with media_desk() as desk, VideoPeer([("", low)], 1) as ana, VideoPeer([("", low)], 1) as ben:
        await desk.browser("ana", ana, "opus", video={})
        await desk.browser("ben", ben, "opus", video={})
        ana.begin()
        ben.begin()
        await asyncio.gather(ana.see(0, height=120, frames=20), ben.see(0, height=120, frames=20))
        shown = await desk.hear_of(msg.VideoShown, lambda event: event.leg_id == "ben" and bool(event.places))
        assert [(place.leg_id, place.track) for place in shown.places] == [("ana", "camera")]
        counted = await desk.numbers()
        assert counted["video_dropped_malformed"] == counted["video_dropped_unknown"] == counted["video_dropped_flood"] == 0
