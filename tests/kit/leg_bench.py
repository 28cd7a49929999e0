"""Legs without network: a transport that keeps what is sent, and packets to put in. For the pure part of the media plane."""

import numpy as np
from numpy.typing import NDArray

from media import rtp
from media.bridge import Bridge
from media.codec import make_decoder, make_encoder
from media.leg import COUNTERS, Agreement, EventFormat, Leg
from media.reports import Reports
from media.resting import Resting
from media.sender import RtpSender
from media.voice_care import VoiceSettings
from media.voices import Voices
from media.wire import PythonWire
from rooms.audio import KNOWN_CODECS, AudioCodec

EVENT = EventFormat(101)


def bench_bridge(*, most_legs: int = 50, resting: Resting | None = None) -> Bridge:
    """A room whose voices nobody cleans."""
    untouched = VoiceSettings.untouched()
    voices, narrow = Voices(untouched, 64), Voices(untouched, 64, rate_hz=8_000)
    return Bridge("room", voices, narrow=narrow, most_legs=most_legs, resting=resting)


def tick(bridge: Bridge, at_s: float) -> None:
    """One whole tick of a room."""
    bridge.collect()
    bridge.voices.pull(at_s)
    bridge.voices.clean()
    bridge.voices.mix()
    for leg, payload in bridge.voices.encode([bridge.hand_out(at_s)])[0]:
        leg.send_frame(payload, at_s)


class KeepingTransport:
    """Keeps every packet it is told to send."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.closed = False
        self.path = PythonWire().path(lambda packet, now_s: None, secure=False)

    def send_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        self.send_rtp(sender.frame(payload, payload_type, now_s, marker=marker))

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)

    def close(self) -> None:
        self.closed = True

    @property
    def headers(self) -> list[rtp.RtpHeader]:
        return [header for packet in self.rtp if (header := rtp.parse(packet)) is not None]

    @property
    def payloads(self) -> list[bytes]:
        return [packet[header.payload_start : header.payload_end] for packet, header in zip(self.rtp, self.headers, strict=True)]

    def heard(self, codec: AudioCodec, rate_hz: int = 16_000) -> NDArray[np.float32]:
        """What a far end without jitter buffer would hear."""
        decoder = make_decoder(codec, rate_hz=rate_hz)
        return np.concatenate([decoder.decode(payload) for payload in self.payloads]) if self.rtp else np.zeros(0, np.float32)


class BenchLeg:
    """A connected leg, what it sent (``out``), the digits heard from it, and a far end that speaks to it."""

    def __init__(self, leg_id: str, codec: str = "pcma", *, kind: str = "phone", event: EventFormat | None = EVENT, ssrc: int = 0) -> None:
        self.codec = KNOWN_CODECS[codec]
        self.digits: list[str] = []
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.codec_changes = 0
        self.leg = Leg(
            leg_id,
            kind,
            RtpSender(ssrc or sum(leg_id.encode()), 1_000, 80_000, self.codec.clock_rate),
            Reports("bench", unix_offset_s=0.0, interval_s=2.5, first_s=0.0),
            self.counters,
            on_digit=self.digits.append,
            on_change=self._codec_changed,
        )
        self.out = KeepingTransport()
        self.leg.attach(self.out)
        self.leg.connected = True
        self.agree(codec, event)
        self._encoder = make_encoder(self.codec, rate_hz=16_000)
        self._sequence, self._timestamp = 5_000, 9_000
        self._phase = 0

    def _codec_changed(self) -> None:
        self.codec_changes += 1

    def agree(self, codec: str, event: EventFormat | None = EVENT) -> None:
        self.agree_on(KNOWN_CODECS[codec], event)

    def agree_on(self, spoken: AudioCodec, event: EventFormat | None = EVENT) -> None:
        codecs = {known.payload_type: known for known in KNOWN_CODECS.values()}
        events_in = {event.payload_type: event.clock_rate_hz} if event is not None else {}
        self.leg.agree(Agreement(spoken, codecs, event, events_in))

    def say(self, now_s: float, *, frequency_hz: float = 440.0, amplitude: float = 0.25, lost: bool = False) -> bytes:
        """The far end's next 20 ms of a tone arrive (or are lost); returns the payload."""
        t = (self._phase + np.arange(320)) / 16_000
        self._phase += 320
        payload = self._encoder.encode((amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32))
        packet = rtp.build(self.codec.payload_type, self._sequence, self._timestamp, 77, payload)
        self._sequence += 1
        self._timestamp += self.codec.clock_rate // 50
        if not lost:
            self.leg.receive(packet, now_s)
        return payload

    def press(self, digit: str, now_s: float) -> None:
        """The far end presses a key: one event of three packets, no marker."""
        for end in (False, False, True):
            payload = rtp.build_event(rtp.TelephoneEvent(digit, end, 320))
            self.leg.receive(rtp.build(101, self._sequence, self._timestamp, 77, payload), now_s)
            self._sequence += 1
        self._timestamp += self.codec.clock_rate // 50


def level_where_it_sounds(samples: NDArray[np.float32], frequency_hz: float, rate_hz: int = 16_000) -> float:
    """As ``level_at``, of the louder half of what is not silent, of which there must be some: where all was stopped for a moment there is
    a hole, and a fading beside it."""
    window = rate_hz // 20
    rows = samples[: len(samples) // window * window].reshape(-1, window)
    sounding = [row for row in rows if np.abs(row).max() > 0.02]
    assert len(sounding) >= 8, f"only {len(sounding)} windows of {len(rows)} sound"
    levels = sorted(level_at(row, frequency_hz, rate_hz) for row in sounding)
    return float(np.median(levels[len(levels) // 2 :]))


def level_at(samples: NDArray[np.float32], frequency_hz: float, rate_hz: int = 16_000) -> float:
    """Amplitude of one frequency, full scale 1: the median over windows of 50 ms, so that a splice of the phase does not count."""
    window = np.hanning(rate_hz // 20)
    wave = np.exp(-2j * np.pi * frequency_hz * np.arange(len(window)) / rate_hz) * window
    rows = samples[: len(samples) // len(window) * len(window)].reshape(-1, len(window))
    return float(np.median(2 * np.abs(rows @ wave) / window.sum()))
