"""Claim: recording a forwarded call adds at most 1.5 microseconds of processor time to each of its packets, writing included.

Calls of two legs are forwarded in this process in real time, without network and encryption, which recording does not touch. All of them
are recorded, but the recordings pause and go on in turns, so that recorded and unrecorded packets are measured in one run. Processor time
is that of the whole process: tap, queue, writing thread, AES-256-GCM, hash chain and the kernel's share of the write. Each round ends with
a wait in which the thread writes what is left. The median over the rounds is shown, because other programs of the machine disturb some.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.report import Options, Row
from media import rtp
from media.bridge import Bridge
from media.leg import COUNTERS, Agreement, EventFormat, Leg
from media.recording.recordings import Outcome, Recording, Recordings, RecordingSettings
from media.reports import Reports
from media.sender import RtpSender
from media.voice_care import VoiceSettings
from media.voices import Voices
from media.wire import PythonWire
from rooms.audio import OPUS, PCMA, AudioCodec

_FRAME_S = 0.02
_FLUSH_S = 1.1
_PAYLOAD_BYTES = {"pcma": 160, "opus": 80}


class _Nowhere:
    """A transport that sends nothing."""

    def __init__(self) -> None:
        self.path = PythonWire().path(lambda packet, now_s: None, secure=False)

    def send_rtp(self, packet: bytes) -> None:
        """Gone."""

    def send_rtcp(self, packet: bytes) -> None:
        """Gone."""

    def close(self) -> None:
        """Nothing is open."""


class _Call:
    """Two legs that are forwarded to one another, and the recording of the first."""

    def __init__(self, number: int, codec: AudioCodec, recordings: Recordings) -> None:
        self._codec = codec
        bridge = Bridge(f"room-{number}", Voices(VoiceSettings.untouched(), 16))
        self._legs = [_leg(f"leg-{number}-{side}", codec) for side in range(2)]
        for leg in self._legs:
            bridge.add(leg)
            bridge.join(leg.leg_id)
        self._payload = bytes(range(_PAYLOAD_BYTES[codec.name]))
        self._recording: Recording = recordings.start(
            time.monotonic(), {}, who=(), consent="not needed", on_start=lambda path: None, on_end=self._over
        )
        self.outcome: Outcome | None = None

    def _over(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def record(self, wanted: bool) -> None:
        leg = self._legs[0]
        self._recording.tell("resume" if wanted else "pause", time.monotonic())
        leg.record(self._recording.records if wanted else None)

    def speak(self, frame: int, now_s: float) -> None:
        """Both sides' packets of 20 ms."""
        codec = self._codec
        for ssrc, leg in enumerate(self._legs, 1):
            leg.receive(rtp.build(codec.payload_type, frame, frame * codec.clock_rate // 50, ssrc, self._payload), now_s)

    @property
    def forwarded(self) -> int:
        return self._legs[0].counters["packets_forwarded"] + self._legs[1].counters["packets_forwarded"]


def _leg(leg_id: str, codec: AudioCodec) -> Leg:
    leg = Leg(
        leg_id,
        "phone",
        RtpSender(7, 1_000, 0, codec.clock_rate),
        Reports("bench", unix_offset_s=0.0, interval_s=2.5, first_s=0.0),
        dict.fromkeys(COUNTERS, 0),
        on_digit=lambda digit: None,
        on_change=lambda: None,
    )
    leg.attach(_Nowhere())
    leg.connected = True
    leg.agree(Agreement(codec, {codec.payload_type: codec}, EventFormat(101), {101: 8_000}))  # else tones are listened for
    return leg


def run(options: Options) -> list[Row]:
    calls, rounds, seconds = (5, 1, 0.2) if options.quick else (50, 16, 2.0)
    return [row for codec in (PCMA, OPUS) for row in _case(codec, calls, rounds, seconds)]


def _case(codec: AudioCodec, calls: int, rounds: int, seconds: float) -> list[Row]:
    costs_us: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        with Recordings(RecordingSettings(Path(folder), (bytes(32),))) as recordings:
            made = [_Call(number, codec, recordings) for number in range(calls)]
            frame = 0
            for number in range(2 * rounds + 2):
                recorded = number % 4 in (0, 3)  # each comes first as often: what drifts meanwhile hits both
                for call in made:
                    call.record(recorded)
                frame, cost_us = _round(made, frame, seconds)
                if number >= 2:  # the first two warm up
                    costs_us[recorded].append(cost_us)
        outcomes = [call.outcome for call in made if call.outcome is not None]
        written = sum(outcome.path.stat().st_size for outcome in outcomes)
    packets = sum(outcome.packets for outcome in outcomes)
    expected = sum(call.forwarded for call in made) // 2
    case = f"forwarding {codec.name.upper()}, {calls} calls"
    added = [one - other for one, other in zip(costs_us[True], costs_us[False], strict=True)]
    # Behind each pause the first packet of either side is left out on purpose.
    missing = expected - packets - 2 * calls * (rounds + 1) + sum(outcome.lost for outcome in outcomes)
    return [
        Row(case, "unrecorded packet", median(costs_us[False]), "us"),
        Row(case, "recorded packet", median(costs_us[True]), "us"),
        Row(case, "recording adds", median(added), "us", goal="<= 1.5"),
        Row(case, "packets not in the files", missing, "", goal="<= 0"),
        Row(case, "on disk per packet", written / packets, "B"),
    ]


def _round(calls: list[_Call], frame: int, seconds: float) -> tuple[int, float]:
    """The next frame, and microseconds of processor time for each packet of so many seconds of all calls."""
    before_s, begin_s, first = time.process_time(), time.monotonic(), frame
    while (frame - first) * _FRAME_S < seconds:
        wait_s = begin_s + (frame - first) * _FRAME_S - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        now_s = time.monotonic()
        for call in calls:
            call.speak(frame, now_s)
        frame += 1
    time.sleep(_FLUSH_S)
    return frame, (time.process_time() - before_s) * 1e6 / ((frame - first) * 2 * len(calls))
