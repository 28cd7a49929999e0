"""Codecs: sound survives, rates and lengths are right, and nothing a stranger sends does harm."""

import random

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pesq import pesq

from media import libopus
from media.codec import (
    CodecError,
    OpusDecoder,
    OpusEncoder,
    OpusSettings,
    Samples,
    make_decoder,
    make_encoder,
    make_native_decoder,
    native_rate_hz,
    to_pcm16,
)
from media.g711 import ALAW
from rooms.audio import G722, KNOWN_CODECS, OPUS, PCMA, AudioCodec
from tests.kit.speech import frames, prompt, speech

RATES_HZ = (8_000, 16_000, 48_000)
CODECS = tuple(KNOWN_CODECS.values())


def sine(rate_hz: int, hz: float = 440.0, seconds: float = 1.0) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def through(codec: AudioCodec, x: Samples, rate_hz: int, settings: OpusSettings | None = None) -> Samples:
    encoder, decoder = make_encoder(codec, rate_hz=rate_hz, settings=settings), make_decoder(codec, rate_hz=rate_hz)
    n = rate_hz // 50
    return np.concatenate([decoder.decode(encoder.encode(x[at : at + n])) for at in range(0, len(x), n)])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_tone_keeps_its_level_and_pitch(codec: AudioCodec, rate_hz: int) -> None:
    x = sine(rate_hz)
    y = through(codec, x, rate_hz, OpusSettings(complexity=5))  # at 0 Opus itself is 0.25 dB off at 48 kHz
    assert len(y) == len(x) and y.dtype == np.float32
    half = len(x) // 2
    assert abs(20 * np.log10(y[half:].std() / x[half:].std())) < 0.2
    spectrum = np.abs(np.fft.rfft(y[half:] * np.hanning(half)))
    assert abs(int(np.argmax(spectrum)) * rate_hz / half - 440) <= 2
    around = spectrum.copy()
    around[int(np.argmax(spectrum)) - 8 : int(np.argmax(spectrum)) + 9] = 0
    assert (around**2).sum() < 0.001 * (spectrum**2).sum()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_full_scale_tone_is_limited_not_wrapped(codec: AudioCodec) -> None:
    y = through(codec, 4 * sine(16_000), 16_000)
    assert np.abs(y).max() <= 1.5
    assert np.corrcoef(y[8000:15000], np.roll(y, -400)[8000:15000])[0, 1] > 0.99  # 25 ms are 11 periods


def test_pcm16_rounds_and_limits() -> None:
    x = np.array([0, 1, -1, 1.5, -1.5, 0.6 / 32768, -0.6 / 32768], np.float32)
    assert to_pcm16(x).tolist() == [0, 32767, -32768, 32767, -32768, 1, -1]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_frame_of_the_wrong_length_is_the_callers_fault(codec: AudioCodec) -> None:
    with pytest.raises(ValueError, match="a frame is"):
        make_encoder(codec, rate_hz=16_000).encode(np.zeros(319, np.float32))


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(CodecError, match="'speex'"):
        make_decoder(AudioCodec("speex", 97, 8_000), rate_hz=16_000)
    with pytest.raises(CodecError, match="'speex'"):
        make_encoder(AudioCodec("speex", 97, 8_000), rate_hz=16_000)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_duration_is_what_decoding_gives(codec: AudioCodec) -> None:
    payload = make_encoder(codec, rate_hz=16_000).encode(sine(16_000)[:320])
    for rate_hz in RATES_HZ:
        decoder = make_decoder(codec, rate_hz=rate_hz)
        assert decoder.duration(payload) == len(decoder.decode(payload)) == rate_hz // 50


@given(payload=st.binary(max_size=2000), name=st.sampled_from(sorted(KNOWN_CODECS)), rate_hz=st.sampled_from(RATES_HZ))
def test_any_bytes_decode_or_are_refused(payload: bytes, name: str, rate_hz: int) -> None:
    decoder = make_decoder(KNOWN_CODECS[name], rate_hz=rate_hz)
    try:
        y = decoder.decode(payload)
    except CodecError:
        y = np.zeros(0, np.float32)
    assert np.isfinite(y).all() and len(y) <= 0.12 * rate_hz
    good = make_encoder(KNOWN_CODECS[name], rate_hz=rate_hz).encode(np.zeros(rate_hz // 50, np.float32))
    assert len(decoder.decode(good)) == rate_hz // 50  # still alive


@given(payload=st.binary(max_size=2000), samples=st.integers(-1, 6000))
def test_any_bytes_as_fec_do_no_harm(payload: bytes, samples: int) -> None:
    decoder = OpusDecoder(16_000)
    try:
        assert len(decoder.decode_fec(payload, samples)) == samples
    except CodecError:
        decoder.has_fec(payload)


def test_native_rates() -> None:
    assert [native_rate_hz("opus", rate) for rate in (8_000, 16_000, 32_000, 48_000, 96_000)] == [8_000, 16_000, 48_000, 48_000, 48_000]
    assert make_native_decoder(PCMA, rate_hz=16_000).rate_hz == 8_000
    assert make_native_decoder(G722, rate_hz=8_000).rate_hz == 16_000


def test_opus_obeys_its_settings() -> None:
    pieces = frames(speech(2.0))

    def size(settings: OpusSettings) -> int:
        encoder = make_encoder(OPUS, rate_hz=16_000, settings=settings)
        return sum(len(encoder.encode(frame)) for frame in pieces)

    assert size(OpusSettings(bitrate=12_000)) < 0.7 * size(OpusSettings(bitrate=32_000))
    encoder = make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(fec=True, expected_loss=0.1))
    assert isinstance(encoder, OpusEncoder)
    assert sum(OpusDecoder.has_fec(encoder.encode(frame)) for frame in pieces) > len(pieces) // 3
    encoder.apply(OpusSettings(fec=False))
    later = [encoder.encode(frame) for frame in pieces]  # the first may still carry a copy of the packet before it
    assert not any(OpusDecoder.has_fec(payload) for payload in later[1:])
    with pytest.raises(ValueError, match="refuses"):
        make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(complexity=11))
    with pytest.raises(ValueError, match="application"):
        make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(application="music"))


def test_opus_dtx_sends_nothing_in_silence() -> None:
    encoder = make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(dtx=True))
    sizes = [len(encoder.encode(np.zeros(320, np.float32))) for _ in range(100)]
    assert sum(size == 0 for size in sizes) > 70
    assert all(len(make_encoder(OPUS, rate_hz=16_000).encode(np.zeros(320, np.float32))) > 0 for _ in range(3))


def test_fec_brings_a_lost_frame_back() -> None:
    """The copy in the next packet is nearer to the lost frame than what libopus makes up (RFC 6716, section 2.1.7)."""
    x = speech(3.0)
    encoder = make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(bitrate=32_000, fec=True, expected_loss=0.2))
    payloads = [encoder.encode(frame) for frame in frames(x)]
    errors = np.zeros(2)
    for lost in range(20, len(payloads) - 1, 5):
        if not OpusDecoder.has_fec(payloads[lost + 1]):
            continue
        made = []
        for mend in ("none", "fec", "plc"):
            decoder = OpusDecoder(16_000)
            for payload in payloads[:lost]:
                decoder.decode(payload)
            if mend == "none":
                made.append(decoder.decode(payloads[lost]))
            else:
                made.append(decoder.decode_fec(payloads[lost + 1], 320) if mend == "fec" else decoder.conceal(320))
        errors += [((made[1] - made[0]) ** 2).sum(), ((made[2] - made[0]) ** 2).sum()]
    assert 0 < errors[0] < 0.5 * errors[1]


def test_transcoding_opus_to_g711_costs_no_more_than_g711_itself() -> None:
    """Our Opus-to-G.711 path against the best there can be: libopus decoding straight to 8 kHz, each sample rounded by the table.

    The rest of the loss is G.711's own quantising noise, 0.1 to 0.5 PESQ by the recording, and the same for every transcoder.
    """
    x = prompt("en-vm-review")  # whole: PESQ misjudges sound cut off within a word
    encoder = make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(bitrate=32_000, complexity=9))
    payloads = [encoder.encode(frame) for frame in frames(x)]
    direct, inner = make_decoder(OPUS, rate_hz=8_000), make_decoder(OPUS, rate_hz=16_000)
    out, phone = make_encoder(PCMA, rate_hz=16_000), make_decoder(PCMA, rate_hz=8_000)
    straight = np.concatenate([direct.decode(payload) for payload in payloads])
    best = ALAW.decode[ALAW.encode[to_pcm16(straight).view(np.uint16)]]
    ours = np.concatenate([phone.decode(out.encode(inner.decode(payload))) for payload in payloads])
    reference = soxr.resample(x, 16_000, 8_000, quality="VHQ")
    assert pesq(8_000, reference, ours, "nb") > pesq(8_000, reference, best, "nb") - 0.05


def test_transcoding_g711_to_opus_costs_little() -> None:
    """PESQ-NB of A-law decoded and encoded as Opus by us, against the same A-law decoded directly: at most 0.15 less."""
    x = prompt("en-vm-review")  # whole: PESQ misjudges sound cut off within a word
    encoder, inner = make_encoder(PCMA, rate_hz=16_000), make_decoder(PCMA, rate_hz=16_000)
    payloads = [encoder.encode(frame) for frame in frames(x)]
    straight = np.concatenate([make_decoder(PCMA, rate_hz=8_000).decode(payload) for payload in payloads])
    out, browser = make_encoder(OPUS, rate_hz=16_000), make_decoder(OPUS, rate_hz=8_000)
    ours = np.concatenate([browser.decode(out.encode(inner.decode(payload))) for payload in payloads])
    reference = soxr.resample(x, 16_000, 8_000, quality="VHQ")
    assert pesq(8_000, reference, ours, "nb") > pesq(8_000, reference, straight, "nb") - 0.15


def test_the_first_bytes_of_a_packet_tell_what_libopus_would() -> None:
    """Length and in-band FEC are read here where one frame makes it plain, else asked of libopus: the same for any bytes."""
    chance = random.Random(5)
    for toc in range(256):
        for size in (1, 2, 3, 40):
            packet = bytes([toc]) + chance.randbytes(size - 1)
            assert libopus.packet_has_fec(packet) == (libopus._has_lbrr(packet, size) == 1)
            for rate_hz in libopus.RATES_HZ:
                told = libopus._library.opus_packet_get_nb_samples(packet, size, rate_hz)
                assert libopus.packet_samples(packet, rate_hz) == told


def laid_out(payloads: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return np.frombuffer(b"".join(payloads), np.uint8), np.cumsum([len(payload) for payload in payloads])


def test_many_at_once_are_as_each_alone() -> None:
    tone = sine(16_000, 300.0).reshape(-1, 320)
    alone, together = [[OpusEncoder(16_000, OpusSettings(bitrate=rate)) for rate in (12_000, 32_000, 64_000)] for _ in range(2)]
    hears_alone, hears_together = [[OpusDecoder(16_000) for _ in range(3)] for _ in range(2)]
    for frame in tone:
        block = np.stack((frame, 0.3 * frame, np.zeros_like(frame)))
        payloads = libopus.encode_all([encoder.state for encoder in together], [0, 1, 2], block)
        assert payloads == [encoder.encode(row) for encoder, row in zip(alone, block, strict=True)]
        sound, results = libopus.decode_all([decoder.state for decoder in hears_together], *laid_out(payloads), 320)
        assert list(results) == [320] * 3
        assert np.array_equal(sound, np.stack([decoder.decode(payload) for decoder, payload in zip(hears_alone, payloads, strict=True)]))
    sound, results = libopus.decode_all([decoder.state for decoder in hears_together], *laid_out([b"", b"\xff" * 9, payloads[2]]), 160)
    assert (results < 0).all(), "an empty one, a broken one, and one that is longer than there is room"
    assert libopus.encode_all([together[0].state], [0], np.zeros((1, 100), np.float32)) == [b""], "no frame of Opus"


def test_a_forked_encoder_goes_on_where_the_first_one_is() -> None:
    voice = np.stack(frames(prompt("en-vm-intro"))[:120])
    encoder = OpusEncoder(16_000, OpusSettings())
    for frame in voice[:60]:
        encoder.encode(frame)
    fork = encoder.fork()
    assert [fork.encode(frame) for frame in voice[60:]] == [encoder.encode(frame) for frame in voice[60:]]
