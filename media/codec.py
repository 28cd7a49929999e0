"""Speech codecs: G.711 and G.722 (ITU-T), Opus (RFC 6716) through libopus.

Samples are float32 in -1..1, mono. A ``Decoder`` works at the codec's own rate (``native_rate_hz``), because concealment belongs there;
``make_decoder`` puts a resampler behind it. libopus is called through ctypes, which releases the GIL, and decodes straight to the
wanted rate. Payloads come from strangers: every decoder refuses what it cannot read with ``CodecError`` and keeps working.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, cast

import numpy as np
from G722 import G722
from numpy.typing import NDArray

from dsp.resample import Resampler
from media import libopus
from media.g711 import ALAW, ULAW, CompandingTable
from rooms.audio import AudioCodec

Samples = NDArray[np.float32]
_WITH_FEC, _LEAST_BITRATE = 1.25, 6_000
LONGEST_PACKET_S = 0.12
"""No packet of any codec may hold more (RFC 6716, section 3.2.5; we hold the others to it too)."""


class CodecError(ValueError):
    """A payload that is not what its payload type says (the sender's fault), or a codec we do not speak."""


@dataclass(frozen=True, slots=True)
class OpusSettings:
    """What libopus is told. ``expected_loss`` 0-1 decides with ``fec`` how much in-band FEC (LBRR) is sent.

    ``application``: ``voip``, ``audio`` or ``lowdelay`` (RFC 6716, section 2; lowdelay has no FEC and no SILK); ``audio`` is CELT where
    ``celt`` is set, else SILK, which may change in mid-stream (``media/opus_choice.py`` says what either is worth). At 32 kbit/s and
    complexity 0 libopus finds no room for FEC up to 5 % of loss, at 40 it does.
    """

    bitrate: int = 32_000
    complexity: int = 0
    fec: bool = False
    expected_loss: float = 0.0
    dtx: bool = False
    application: str = "voip"
    celt: bool = False
    constant_rate: bool = False
    packet_ms: int = 20
    """10: two packets to a frame of ours, joined; longer ones are joined later (``media/packing.py``)."""
    playback_hz: int = 48_000
    """The far end plays no higher rate: what lies above half of it is not sent."""


class Encoder(Protocol):
    rate_hz: int

    def encode(self, pcm: Samples) -> bytes:
        """One frame (rate_hz // 50,) to one payload; b"" when nothing need be sent (Opus DTX)."""
        ...


class Decoder(Protocol):
    rate_hz: int

    def duration(self, payload: bytes) -> int:
        """Samples at ``rate_hz`` that the payload holds, without decoding it. Raises CodecError."""
        ...

    def decode(self, payload: bytes) -> Samples:
        """Raises CodecError; the state is then as before."""
        ...

    def reset(self) -> None: ...


class G711Decoder:
    rate_hz = 8_000

    def __init__(self, table: CompandingTable) -> None:
        self.table = table
        self._decode = table.decode

    def duration(self, payload: bytes) -> int:
        return _checked_length(payload, 1, self.rate_hz)

    def decode(self, payload: bytes) -> Samples:
        self.duration(payload)
        return self._decode[np.frombuffer(payload, np.uint8)]

    def reset(self) -> None:
        """G.711 has no memory."""


class G711Encoder:
    def __init__(self, table: CompandingTable, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.table = table
        self._encode = table.encode
        self._resampler = Resampler(rate_hz, 8_000)

    def encode(self, pcm: Samples) -> bytes:
        _check_frame(pcm, self.rate_hz)
        return self._encode[to_pcm16(self._resampler.process(pcm)).view(np.uint16)].tobytes()


class G722Decoder:
    """64 kbit/s (mode 1); one byte is two samples at 16 kHz."""

    rate_hz = 16_000

    def __init__(self) -> None:
        self.reset()

    def duration(self, payload: bytes) -> int:
        return _checked_length(payload, 2, self.rate_hz)

    def decode(self, payload: bytes) -> Samples:
        self.duration(payload)
        return np.frombuffer(self._codec.decode(payload), np.int16).astype(np.float32) * np.float32(1 / 32768)

    def reset(self) -> None:
        self._codec = G722(16_000, 64_000)


class G722Encoder:
    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._codec = G722(16_000, 64_000)
        self._resampler = Resampler(rate_hz, 16_000)

    def encode(self, pcm: Samples) -> bytes:
        _check_frame(pcm, self.rate_hz)
        payload: bytes = self._codec.encode(to_pcm16(self._resampler.process(pcm)))
        return payload


class OpusDecoder:
    """Mono at ``rate_hz`` (8, 12, 16, 24 or 48 kHz); stereo packets are mixed down by libopus."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.state = self._state = libopus.DecoderState(rate_hz)

    def duration(self, payload: bytes) -> int:
        return _opus(libopus.packet_samples(payload, self.rate_hz))

    def decode(self, payload: bytes) -> Samples:
        if not payload:
            raise CodecError("empty Opus payload")
        return _within_scale(self._state.out[: _opus(self._state.decode(payload))])

    def decode_fec(self, payload: bytes, samples: int) -> Samples:
        """The frame of ``samples`` before this packet, from its in-band FEC (RFC 6716, section 2.1.7); without any, concealed."""
        return _within_scale(self._state.out[: _opus(self._state.decode_fec(payload, samples))])

    def conceal(self, samples: int) -> Samples:
        """``samples`` (a multiple of 2.5 ms) made up by libopus from what came before."""
        return _within_scale(self._state.out[: _opus(self._state.conceal(samples))])

    @staticmethod
    def has_fec(payload: bytes) -> bool:
        """Does the packet carry a copy of the one before it?"""
        return libopus.packet_has_fec(payload)

    @staticmethod
    def surely_has_fec(payload: bytes) -> bool:
        """As ``has_fec``, but False where an older libopus would have to guess."""
        return libopus.SAYS_FEC and libopus.packet_has_fec(payload)

    def reset(self) -> None:
        self._state.reset()


class OpusEncoder:
    def __init__(self, rate_hz: int, settings: OpusSettings) -> None:
        native = native_rate_hz("opus", rate_hz)
        self.rate_hz = rate_hz
        self.settings = settings
        self._resampler = Resampler(rate_hz, native)
        self._dtx = settings.dtx
        self.state = self._state = libopus.EncoderState(native, settings.application)
        """For ``libopus.encode_all``, where ``rate_hz`` is one of Opus's own."""
        self.apply(settings)

    def fork(self) -> "OpusEncoder":
        """Another encoder that goes on exactly where this one is."""
        other = OpusEncoder(self.rate_hz, self.settings)
        other._state.take_after(self._state)
        return other

    def apply(self, settings: OpusSettings) -> None:
        """Change everything but the application of the running encoder."""
        self.settings = settings
        self._state.control(libopus.SET_VBR, int(not settings.constant_rate))
        self._state.control(libopus.SET_MAX_BANDWIDTH, libopus.bandwidth(settings.playback_hz))
        self._dtx = settings.dtx
        self._state.control(libopus.SET_BITRATE, settings.bitrate)
        self._state.control(libopus.SET_COMPLEXITY, settings.complexity)
        self._state.control(libopus.SET_INBAND_FEC, int(settings.fec))
        self._state.control(libopus.SET_PACKET_LOSS_PERC, min(100, max(0, round(settings.expected_loss * 100))))
        self._state.control(libopus.SET_DTX, int(settings.dtx))
        if settings.application == "audio":
            self._state.control(libopus.SET_SIGNAL, libopus.SIGNAL_MUSIC if settings.celt else libopus.SIGNAL_VOICE)

    def encode(self, pcm: Samples) -> bytes:
        return self.sent(self.whole(pcm))

    def whole(self, pcm: Samples) -> bytes:
        """One frame, whether it need be sent or not."""
        _check_frame(pcm, self.rate_hz)
        sound = self._resampler.process(pcm)
        if not self.halves:
            return self._state.encode(sound)
        half = len(sound) // 2
        return together(self._state.encode(sound[:half]), self._state.encode(sound[half:]))

    @property
    def halves(self) -> bool:
        """Are there two frames of 10 ms to each of ours?"""
        return self.settings.packet_ms < 20

    def sent(self, payload: bytes) -> bytes:
        """What of an encoded frame need be sent: b"" where it holds nothing (DTX)."""
        longest = libopus.LONGEST_EMPTY_BYTES + 1 if self.halves else libopus.LONGEST_EMPTY_BYTES
        return b"" if self._dtx and len(payload) <= longest else payload


def together(first: bytes, second: bytes) -> bytes:
    """Two packets of 10 ms as one of 20; where the encoder has just changed its mode, which no packet can hold, the second one alone."""
    return libopus.joined((first, second)) if first[:1] == second[:1] else second


@lru_cache(maxsize=1_024)
def opus_for(settings: OpusSettings, fmtp: str) -> OpusSettings:
    """The settings for a far end with these parameters (RFC 7587, section 6.1): no more than it asks for. Equal settings are one object.

    FEC and DTX are sent only where it says so, whatever is set; FEC gets a quarter of the rate beside it. Every receiver takes mono, 20 ms.
    """
    wanted = {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in fmtp.split(";"))}
    constant = wanted.get("cbr") == "1"
    fec, dtx = settings.fec and wanted.get("useinbandfec") == "1", settings.dtx and not constant and wanted.get("usedtx") == "1"
    wanted_bitrate = round(settings.bitrate * _WITH_FEC) if fec else settings.bitrate
    bitrate = min(wanted_bitrate, max(_LEAST_BITRATE, _number(wanted.get("maxaveragebitrate", ""), wanted_bitrate)))
    celt = settings.celt and bitrate == wanted_bitrate  # of less it would make less than SILK does
    playback_hz = _number(wanted.get("maxplaybackrate", ""), settings.playback_hz)
    return one_object(replace(settings, bitrate=bitrate, celt=celt, fec=fec, dtx=dtx, constant_rate=constant, playback_hz=playback_hz))


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else otherwise


@lru_cache(maxsize=1_024)
def one_object(settings: OpusSettings) -> OpusSettings:
    """The same object for equal settings, so that they are told apart quickly."""
    return settings


def decode_together(decoders: Sequence[Decoder], data: NDArray[np.uint8], ends: NDArray[np.int64]) -> tuple[Samples, NDArray[np.bool_]]:
    """One packet of 20 ms by each of these decoders, all of one kind, of those that lie in ``data``, one up to each of the ``ends`` (k,):

    (k, rate_hz // 50), and which of them (k,) could be decoded.
    """
    one, frame = decoders[0], decoders[0].rate_hz // 50
    if isinstance(one, OpusDecoder):
        sound, results = libopus.decode_all([cast(OpusDecoder, each).state for each in decoders], data, ends, frame)
        return sound, results == frame
    if isinstance(one, G711Decoder):
        return one.table.decode[data.reshape(len(ends), frame)], np.ones(len(ends), np.bool_)
    payloads = data.reshape(len(ends), -1)
    sounds = [each.decode(payload.tobytes()) for each, payload in zip(decoders, payloads, strict=True)]
    return np.stack(sounds), np.ones(len(ends), np.bool_)


class ResampledDecoder:
    """A decoder seen at another rate, for those who decode whole packets and conceal nothing."""

    def __init__(self, inner: Decoder, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._inner = inner
        self._resampler = Resampler(inner.rate_hz, rate_hz)

    def duration(self, payload: bytes) -> int:
        return self._inner.duration(payload) * self.rate_hz // self._inner.rate_hz

    def decode(self, payload: bytes) -> Samples:
        samples = self._inner.decode(payload)
        try:
            return self._resampler.process(samples)
        except ValueError as error:
            raise CodecError(f"packet of {len(samples)} samples is not a whole number of 2 ms") from error

    def reset(self) -> None:
        self._inner.reset()
        self._resampler.reset()


def native_rate_hz(name: str, rate_hz: int) -> int:
    """The rate a decoder of this codec works at when ``rate_hz`` is wanted: Opus takes the next of its own rates."""
    if name == "opus":
        return next((rate for rate in libopus.RATES_HZ if rate >= rate_hz), libopus.RATES_HZ[-1])
    if name in ("pcma", "pcmu"):
        return 8_000
    if name == "g722":
        return 16_000
    raise CodecError(f"codec {name!r} is not spoken here; known are opus, g722, pcma and pcmu")


def make_encoder(codec: AudioCodec, *, rate_hz: int, settings: OpusSettings | None = None) -> Encoder:
    """An encoder for 20 ms frames at ``rate_hz``. Raises CodecError for a codec we do not speak."""
    native_rate_hz(codec.name, rate_hz)
    if codec.name == "opus":
        return OpusEncoder(rate_hz, settings or OpusSettings())
    if codec.name == "g722":
        return G722Encoder(rate_hz)
    return G711Encoder(ALAW if codec.name == "pcma" else ULAW, rate_hz)


def make_native_decoder(codec: AudioCodec, *, rate_hz: int) -> G711Decoder | G722Decoder | OpusDecoder:
    """A decoder at ``native_rate_hz(codec.name, rate_hz)``. Raises CodecError for a codec we do not speak."""
    native = native_rate_hz(codec.name, rate_hz)
    if codec.name == "opus":
        return OpusDecoder(native)
    if codec.name == "g722":
        return G722Decoder()
    return G711Decoder(ALAW if codec.name == "pcma" else ULAW)


def make_decoder(codec: AudioCodec, *, rate_hz: int) -> Decoder:
    """A decoder at ``rate_hz``. Raises CodecError for a codec we do not speak."""
    native = make_native_decoder(codec, rate_hz=rate_hz)
    return native if native.rate_hz == rate_hz else ResampledDecoder(native, rate_hz)


def _within_scale(samples: Samples) -> Samples:
    """A copy limited to -1..1, without NaN: libopus's float output goes far beyond for payloads that no encoder made."""
    limited: Samples = np.fmin(np.fmax(samples, np.float32(-1)), np.float32(1))
    return limited


def to_pcm16(pcm: Samples) -> NDArray[np.int16]:
    """float32 -1..1 to int16, rounded, limited instead of wrapped."""
    scaled = np.minimum(np.maximum(pcm * np.float32(32768), np.float32(-32768)), np.float32(32767))
    rounded: NDArray[np.int16] = np.rint(scaled).astype(np.int16)
    return rounded


def _checked_length(payload: bytes, samples_per_byte: int, rate_hz: int) -> int:
    samples = len(payload) * samples_per_byte
    if not 0 < samples <= LONGEST_PACKET_S * rate_hz:
        raise CodecError(f"payload of {len(payload)} bytes; 1 to {int(LONGEST_PACKET_S * rate_hz / samples_per_byte)} are possible")
    return samples


def _check_frame(pcm: Samples, rate_hz: int) -> None:
    if pcm.shape != (rate_hz // 50,):
        raise ValueError(f"a frame is ({rate_hz // 50},) samples at {rate_hz} Hz, not {pcm.shape}")


def _opus(result: int) -> int:
    if result < 0:
        raise CodecError(f"Opus payload refused: {libopus.reason(result)}")
    return result
