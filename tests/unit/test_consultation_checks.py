"""What is said of a connection that was tried before a consultation: one verdict, one cause."""

import pytest
from msgspec.structs import replace

from api.consultation_checks import judged
from media.messages import LegSample
from signaling.messages import FinishCheck

WELL = LegSample("page", 50, 0.0, 4.0, 40.0, 0, 0.0, -20.0, 90.0, 4.3, "wb", "good", "opus")
SAID = FinishCheck(room_id="room", microphone=True, camera=True, heard=True, loss=0.0, round_trip_ms=40.0)


def test_all_is_well() -> None:
    assert judged([WELL, WELL], SAID) == ("good", "", 4.3, "wb")


def test_nothing_came() -> None:
    assert judged([], SAID) == ("none", "", None, "")


@pytest.mark.parametrize(
    ("came", "verdict", "cause"),
    [
        ({"loss": 0.03}, "fair", "loss"),
        ({"loss": 0.2}, "poor", "loss"),
        ({"round_trip_ms": 350.0}, "fair", "delay"),
        ({"round_trip_ms": 900.0}, "poor", "delay"),
        ({"jitter_ms": 60.0}, "fair", "jitter"),
        ({"jitter_ms": 200.0}, "poor", "jitter"),
        ({"loss": 0.03, "jitter_ms": 200.0}, "poor", "jitter"),
        ({"level_dbfs": -90.0}, "fair", "silent"),
        ({"level_dbfs": -90.0, "loss": 0.03}, "fair", "loss"),
    ],
)
def test_the_worst_is_named_alone(came: dict[str, float], verdict: str, cause: str) -> None:
    assert judged([replace(WELL, **came)] * 3, SAID)[:2] == (verdict, cause)


def test_the_way_to_the_page_counts_too() -> None:
    assert judged([WELL], replace(SAID, loss=0.3))[:2] == ("poor", "loss")


def test_who_has_no_microphone_is_not_told_that_it_is_silent() -> None:
    assert judged([replace(WELL, level_dbfs=-90.0)], replace(SAID, microphone=False))[:2] == ("good", "")
