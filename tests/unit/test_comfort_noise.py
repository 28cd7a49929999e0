"""A phone that falls silent and says how its room hums (RFC 3389, payload type 13) is heard humming until it speaks again."""

import numpy as np
import pytest

from dsp.levels import rms_dbfs
from media import rtp
from media.codec import Samples
from media.playout import Playout
from tests.kit.leg_bench import BenchLeg


class Heard(BenchLeg):
    """A phone and what is heard of it, a frame each 20 ms."""

    def __init__(self) -> None:
        super().__init__("phone")
        self.now_s = 10.0
        self.leg.start_playout(lambda codec: Playout(codec))

    def hear(self, frames: int, *, spoken: bool = False) -> Samples:
        assert self.leg.playout is not None
        heard = []
        for _ in range(frames):
            if spoken:
                self.say(self.now_s)
            heard.append(self.leg.playout.pull(self.now_s + 0.005))
            self.now_s += 0.02
        return np.concatenate(heard)

    def hum(self, level_db: int | None) -> None:
        payload = b"" if level_db is None else bytes([level_db])
        self.leg.receive(rtp.build(rtp.COMFORT_NOISE, self._sequence, self._timestamp, 77, payload), self.now_s)
        self._sequence += 1

    def pause(self, frames: int) -> Samples:
        self._timestamp += 160 * frames
        return self.hear(frames)


@pytest.mark.parametrize("level_db", [30, 50, 70])
def test_the_room_hums_as_loud_as_it_was_told_and_then_the_voice_is_back(level_db: int) -> None:
    phone = Heard()
    phone.hear(50, spoken=True)
    phone.hum(level_db)
    humming = phone.pause(150)
    assert rms_dbfs(humming[-16_000:]) == pytest.approx(-level_db, abs=1.5)
    assert rms_dbfs(phone.hear(50, spoken=True)[-8_000:]) == pytest.approx(-15, abs=1.0)
    assert phone.leg.playout is not None and phone.leg.playout.counters.concealed_samples == 0
    assert rms_dbfs(phone.pause(100)[-8_000:]) < -80, "what was told of the pause before is not of this one"


def test_a_pause_of_which_nothing_is_told_ends_in_silence() -> None:
    for told in (False, True):
        phone = Heard()
        phone.hear(50, spoken=True)
        if told:
            phone.hum(None)
        assert rms_dbfs(phone.pause(100)[-8_000:]) < -80
