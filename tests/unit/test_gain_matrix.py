"""What call control makes of the gain matrix: mute, hold, listen, whisper, barge, volume, one ear; and large rooms."""

import numpy as np
import pytest

from media.bridge import Bridge
from media.sounds import Sound
from tests.kit.leg_bench import BenchLeg, bench_bridge, level_at, tick

AGENT, CUSTOMER, SUPERVISOR = "agent", "customer", "supervisor"
TONES = {AGENT: 400.0, CUSTOMER: 700.0, SUPERVISOR: 1_100.0}
LISTEN = ((AGENT, SUPERVISOR, 0.0), (CUSTOMER, SUPERVISOR, 0.0))
WHISPER = ((CUSTOMER, SUPERVISOR, 0.0),)
MUTE = ((CUSTOMER, AGENT, 0.0), (SUPERVISOR, AGENT, 0.0))
HOLD = ((CUSTOMER, AGENT, 0.0), (AGENT, CUSTOMER, 0.0))
Entries = tuple[tuple[str, str, float], ...]


class Meeting:
    """Everybody whistles a tone of their own, half a second at a time."""

    def __init__(self, names: dict[str, float], codec: str = "pcma", amplitude: float = 0.1) -> None:
        self.legs = {name: BenchLeg(name, codec, ssrc=number + 1) for number, name in enumerate(names)}
        self.tones, self.amplitude = names, amplitude
        self.bridge: Bridge = bench_bridge()
        self.ticks = 0
        for bench in self.legs.values():
            self.bridge.add(bench.leg)
            self.bridge.join(bench.leg.leg_id)

    def go_on(self, ticks: int = 50, *, silent: frozenset[str] = frozenset()) -> None:
        for _ in range(ticks):
            for name, bench in self.legs.items():
                bench.say(self.ticks * 0.02 + 0.015, frequency_hz=self.tones[name], amplitude=0.0 if name in silent else self.amplitude)
            self.ticks += 1
            tick(self.bridge, self.ticks * 0.02)

    def heard_by(self, name: str, ticks: int = 30) -> np.ndarray:
        return self.legs[name].out.heard(self.legs[name].codec)[-320 * ticks :]

    def levels(self, name: str) -> dict[str, float]:
        """How loud, as a gain, this one hears the others."""
        heard = self.heard_by(name)
        return {other: level_at(heard, tone) / self.amplitude for other, tone in self.tones.items() if other != name}


@pytest.mark.parametrize("codec", ["pcma", "opus"])
@pytest.mark.parametrize(
    ("entries", "silent_pairs"),
    [
        ((), set()),
        (LISTEN, {(AGENT, SUPERVISOR), (CUSTOMER, SUPERVISOR)}),
        (WHISPER, {(CUSTOMER, SUPERVISOR)}),
        (MUTE, {(CUSTOMER, AGENT), (SUPERVISOR, AGENT)}),
        (HOLD, {(CUSTOMER, AGENT), (AGENT, CUSTOMER)}),
    ],
    ids=["barge", "listen", "whisper", "mute", "hold"],
)
def test_who_hears_whom(entries: Entries, silent_pairs: set[tuple[str, str]], codec: str) -> None:
    meeting = Meeting(TONES, codec)
    meeting.go_on(10)
    meeting.bridge.set_gains(entries)
    meeting.go_on()
    for listener in TONES:
        for speaker, gain in meeting.levels(listener).items():
            assert gain == (pytest.approx(0.0, abs=0.05) if (listener, speaker) in silent_pairs else pytest.approx(1.0, rel=0.12))


def test_from_listening_to_whispering_to_barging_in_and_back() -> None:
    meeting = Meeting(TONES)
    for entries, agent_hears, customer_hears in (
        (LISTEN, 0.0, 0.0),
        ((*WHISPER, (AGENT, SUPERVISOR, 1.0)), 1.0, 0.0),
        (((AGENT, SUPERVISOR, 1.0), (CUSTOMER, SUPERVISOR, 1.0)), 1.0, 1.0),
        (LISTEN, 0.0, 0.0),
    ):
        meeting.bridge.set_gains(entries)
        meeting.go_on()
        assert meeting.levels(AGENT)[SUPERVISOR] == pytest.approx(agent_hears, abs=0.1)
        assert meeting.levels(CUSTOMER)[SUPERVISOR] == pytest.approx(customer_hears, abs=0.1)
        assert meeting.levels(SUPERVISOR) == {AGENT: pytest.approx(1.0, rel=0.12), CUSTOMER: pytest.approx(1.0, rel=0.12)}


@pytest.mark.parametrize("gain", [0.25, 0.5, 1.0, 2.0])
def test_each_one_is_as_loud_as_each_other_wants_it(gain: float) -> None:
    meeting = Meeting(TONES)
    meeting.bridge.set_gains([(CUSTOMER, AGENT, gain)])
    meeting.go_on()
    assert meeting.levels(CUSTOMER)[AGENT] == pytest.approx(gain, rel=0.1)
    assert meeting.levels(SUPERVISOR)[AGENT] == pytest.approx(1.0, rel=0.1), "nobody else is asked"


def test_louder_than_full_scale_is_bent_and_not_cut() -> None:
    meeting = Meeting(TONES, amplitude=0.7)
    meeting.bridge.set_gains([(CUSTOMER, AGENT, 2.0), (CUSTOMER, SUPERVISOR, 0.0)])
    meeting.go_on()
    heard = meeting.heard_by(CUSTOMER)
    assert 0.9 < np.abs(heard).max() <= 1.0


def test_every_change_is_a_ramp() -> None:
    meeting = Meeting(dict.fromkeys(TONES, 90.0), amplitude=0.25)
    meeting.go_on()
    for entries in (MUTE, ((CUSTOMER, AGENT, 0.5),), LISTEN, HOLD, ((CUSTOMER, AGENT, 2.0), (AGENT, CUSTOMER, 1.0)), WHISPER):
        meeting.bridge.set_gains(entries)
        meeting.go_on(7)
    for name in TONES:
        heard = meeting.heard_by(name, 42)
        assert np.abs(np.diff(heard, n=2)).max() < 0.06, "tones of 90 Hz; a click would bend the curve by up to 0.5"


def test_an_announcement_is_for_one_ear() -> None:
    meeting = Meeting(TONES)
    meeting.go_on(10)
    time_s = np.arange(16_000) / 16_000
    meeting.bridge.play_once(CUSTOMER, Sound((0.1 * np.sin(2 * np.pi * 1_900 * time_s)).astype(np.float32), on_end=lambda: None))
    meeting.go_on(45)
    assert level_at(meeting.heard_by(CUSTOMER), 1_900) == pytest.approx(0.1, rel=0.15)
    assert meeting.levels(CUSTOMER)[AGENT] == pytest.approx(1.0, rel=0.12), "beside the voices, not in their place"
    for name in (AGENT, SUPERVISOR):
        assert level_at(meeting.heard_by(name), 1_900) < 0.005


def test_in_a_large_room_the_loudest_are_heard_and_a_new_voice_takes_a_place_without_a_click() -> None:
    names = {f"p{number:02}": 200.0 + 70.0 * number for number in range(12)}
    meeting = Meeting(names, amplitude=0.08)
    talking = list(names)[:4]
    meeting.go_on(silent=frozenset(names) - set(talking))
    assert meeting.levels("p11") == {
        name: pytest.approx(1.0 if name in talking else 0.0, rel=0.12, abs=0.05) for name in names if name != "p11"
    }
    assert meeting.levels("p00")["p01"] == pytest.approx(1.0, rel=0.12)
    meeting.go_on(100, silent=frozenset(names) - {"p07", "p01"})
    levels = meeting.levels("p11")
    assert levels["p07"] == pytest.approx(1.0, rel=0.12) and levels["p01"] == pytest.approx(1.0, rel=0.12)
    meeting.go_on(50)
    heard = [name for name, gain in meeting.levels("p11").items() if gain > 0.5]
    assert len(heard) == 4 and {"p07", "p01"} <= set(heard), "all speak: those who have the floor keep it"
    sound = meeting.legs["p11"].out.heard(meeting.legs["p11"].codec)
    assert np.abs(np.diff(sound)).max() < 4 * 0.08 * 2 * np.pi * 970 / 16_000 * 1.5


def test_in_a_small_room_all_are_heard() -> None:
    names = {f"p{number}": 200.0 + 70.0 * number for number in range(8)}
    meeting = Meeting(names, amplitude=0.05)
    meeting.go_on()
    assert meeting.levels("p0") == {name: pytest.approx(1.0, rel=0.15) for name in names if name != "p0"}
