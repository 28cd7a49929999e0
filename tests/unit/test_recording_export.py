"""Sound files of a recording: both sides on one clock, packets untouched, holes of the right length, pauses of zeros."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import correlate

from media import rtp
from media.codec import make_encoder
from media.libopus import packet_samples
from media.recording import ogg
from media.recording.export import render, side_packets, write_mixed_opus, write_mixed_wav, write_opus, write_side_opus, write_wav
from media.recording.file import Chunks, Ending
from media.recording.records import Recorded, RecordingEvent, Side, decode
from media.recording.timeline import streams
from rooms.audio import G722, OPUS, PCMA, AudioCodec
from tests.kit.leg_bench import level_at
from tests.kit.recorded import Taken, encoded

Passed = list[Taken | RecordingEvent]


def recorded(passed: Passed, length_s: float) -> Recorded:
    """As read from a file whose recording began at 100 s."""
    in_order = sorted([*passed, RecordingEvent("end", 100.0 + length_s, {})], key=lambda entry: at_s(entry))
    return decode(Chunks(b"f" * 16, (encoded(100.0, in_order),), b"", Ending.COMPLETE, ""))


def at_s(entry: Taken | RecordingEvent) -> float:
    return entry.at_s if isinstance(entry, RecordingEvent) else entry[1]


def tone(seconds: float, frequency_hz: float) -> NDArray[np.float32]:
    return (0.25 * np.sin(2 * np.pi * frequency_hz * np.arange(round(16_000 * seconds)) / 16_000)).astype(np.float32)


def spoken(
    side: Side,
    codec: AudioCodec,
    samples: NDArray[np.float32],
    *,
    from_s: float = 0.0,
    jitter_s: float = 0.0,
    seed: int = 1,
    first: int = 65_500,
) -> Passed:
    """The packets of ``samples`` at 16 kHz: each arrives ``jitter_s`` late at most, some on time."""
    encoder, random = make_encoder(codec, rate_hz=16_000), np.random.default_rng(seed)
    found: Passed = []
    for number in range(len(samples) // 320):
        payload = encoder.encode(samples[320 * number : 320 * (number + 1)])
        packet = rtp.build(codec.payload_type, first + number, 2**32 - 4_000 + number * codec.clock_rate // 50, 77, payload)
        found.append((int(side), 100.0 + from_s + 0.02 * number + jitter_s * random.random(), packet, codec))
    return found


def payload_of(entry: Taken | RecordingEvent) -> bytes:
    assert not isinstance(entry, RecordingEvent)
    return entry[2][12:]


@pytest.mark.parametrize(("left", "right"), [(PCMA, OPUS), (G722, G722), (OPUS, PCMA)])
def test_what_sounded_together_is_heard_together(left: AudioCodec, right: AudioCodec) -> None:
    """Both sides say the same noise at the same time, one over a network with 60 ms of jitter, from 0.5 s on."""
    noise = np.random.default_rng(5).standard_normal(32_000).astype(np.float32)
    noise *= np.repeat(np.random.default_rng(6).random(40) > 0.5, 800)
    noise = 0.1 * np.convolve(noise, np.ones(8) / 8, "same").astype(np.float32)
    both = recorded([*spoken(Side.SAID, left, noise, from_s=0.5, jitter_s=0.06), *spoken(Side.HEARD, right, noise, from_s=0.5)], 3.0)
    one, other = (render(both, side).astype(np.float64) for side in Side)
    assert len(one) == len(other) == 48_000
    for found in (one, other):
        lag = np.argmax(correlate(found, noise, "valid", method="fft")) - 8_000
        assert 0 <= lag <= 0.012 * 16_000, "the codec's own delay and no more"
    assert not one[:7_600].any() and not other[:7_600].any()


def test_a_pause_is_zeros_and_what_was_said_in_it_is_nowhere(tmp_path: Path) -> None:
    """The tap is closed in a pause; here only the events tell of it. Behind it the decoder knows nothing of what was before."""
    for codec in (OPUS, G722):
        voice = tone(4.0, 440)
        voice[16_000:48_000] = tone(2.0, 1_700)  # the card's number, from 1 s to 3 s
        passed = [entry for entry in spoken(Side.SAID, codec, voice) if not 101.0 <= at_s(entry) < 103.0]
        passed += [entry for entry in spoken(Side.HEARD, codec, tone(4.0, 900)) if not 101.0 <= at_s(entry) < 103.0]
        both = recorded([*passed, RecordingEvent("pause", 101.0, {}), RecordingEvent("resume", 103.0, {})], 4.0)
        assert both.pauses_s == [(1.0, 3.0)]
        write_wav(both, tmp_path / "a.wav")
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 16_000, 64_000)
            samples = np.frombuffer(file.readframes(64_000), "<i2").reshape(-1, 2)
        assert not samples[16_000:48_000].any()
        for channel, frequency_hz in ((0, 440), (1, 900)):
            heard = samples[:, channel].astype(np.float32) / 32_768
            assert level_at(heard[:16_000], frequency_hz) == pytest.approx(0.25, rel=0.1)
            assert level_at(heard[50_000:], frequency_hz) == pytest.approx(0.25, rel=0.1)
            assert level_at(heard[50_000:], 1_700) < 0.005 and level_at(heard[:16_000], 1_700) < 0.005


def test_a_lost_packet_is_mended_and_shifts_nothing() -> None:
    voice = tone(3.0, 440)
    passed = [entry for number, entry in enumerate(spoken(Side.SAID, PCMA, voice)) if number not in (40, 90, 91)]
    found = render(recorded([*passed, passed[10]], 3.0), Side.SAID).astype(np.float32) / 32_768
    assert level_at(found, 440) == pytest.approx(0.25, rel=0.05)
    whole = render(recorded(spoken(Side.SAID, PCMA, voice), 3.0), Side.SAID).astype(np.float32) / 32_768
    assert np.abs(found - whole)[36_000:].max() < 0.002, "behind the holes it is as if nothing had been lost"


def test_the_clock_of_a_sender_is_followed() -> None:
    """Three minutes of a sender 500 ppm fast, which is 90 ms, with 50 ms of jitter."""
    random = np.random.default_rng(3)
    passed: Passed = []
    for number in range(9_000):
        packet = rtp.build(8, number, 160 * number, 77, b"\xd5" * 160)
        passed.append((0, 100.0 + 0.02 * number * (1 - 500e-6) + 0.05 * random.random(), packet, PCMA))
    (stream,) = streams(recorded(passed, 180.0), Side.SAID)
    late_s = np.array([packet.start_s - 0.02 * number * (1 - 500e-6) for number, packet in enumerate(stream.packets)])
    assert len(late_s) == 9_000 and np.abs(late_s).max() < 0.012


def test_streams_end_at_a_new_source_a_pause_and_a_jump_of_the_clock() -> None:
    passed = [*spoken(Side.SAID, PCMA, tone(1.0, 440)), *spoken(Side.SAID, PCMA, tone(1.0, 440), from_s=1.0, first=9_000)]
    passed += spoken(Side.SAID, G722, tone(1.0, 440), from_s=2.0)
    found = streams(recorded(passed, 3.0), Side.SAID)
    assert [(stream.codec.name, len(stream.packets)) for stream in found] == [("pcma", 50), ("pcma", 50), ("g722", 50)]
    assert [stream.packets[0].start_s for stream in found] == pytest.approx([0.0, 1.0, 2.0], abs=1e-3)


def heard_in(path: Path) -> NDArray[np.float32]:
    """Decoded by FFmpeg: (channels, samples) at 48 kHz."""
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(pieces, axis=1).astype(np.float32)


def test_both_opus_channels_in_one_file_without_encoding_anew(tmp_path: Path) -> None:
    said, heard = spoken(Side.SAID, OPUS, tone(3.0, 440), from_s=0.4), spoken(Side.HEARD, OPUS, tone(3.0, 900))
    lost = {60, 61, 62}
    both = recorded([*(entry for number, entry in enumerate(said) if number not in lost), *heard], 3.6)
    write_opus(both, tmp_path / "both.opus")
    sound = heard_in(tmp_path / "both.opus")
    assert sound.shape == (2, 48_000 * 36 // 10)
    assert level_at(sound[1, : 3 * 48_000], 900, 48_000) == pytest.approx(0.25, rel=0.1)
    assert level_at(sound[0, 24_000 : 33 * 4_800], 440, 48_000) == pytest.approx(0.25, rel=0.1)
    assert np.abs(sound[0, :19_000]).max() < 1e-3
    write_side_opus(both, Side.SAID, tmp_path / "said.opus")
    with av.open(str(tmp_path / "said.opus")) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    kept = [payload_of(entry) for number, entry in enumerate(said) if number not in lost]
    assert [packet for packet in packets if packet != ogg.SILENCE and len(packet) > 1] == kept
    assert packets[:20] == [ogg.SILENCE] * 20 and [number for number, packet in enumerate(packets) if len(packet) == 1] == [80, 81, 82]
    assert packets[180 - 10 :] == [ogg.SILENCE] * 10


def test_a_pause_in_opus_is_silence(tmp_path: Path) -> None:
    passed = [entry for entry in spoken(Side.SAID, OPUS, tone(4.0, 440)) if not 101.0 <= at_s(entry) < 103.0]
    both = recorded([*passed, RecordingEvent("pause", 101.0, {}), RecordingEvent("resume", 103.0, {})], 4.0)
    write_side_opus(both, Side.SAID, tmp_path / "a.opus")
    sound = heard_in(tmp_path / "a.opus")
    assert sound.shape[1] == 192_000
    assert np.abs(sound[0, 49_500:143_000]).max() < 1e-4
    assert level_at(sound[0, 150_000:], 440, 48_000) == pytest.approx(0.25, rel=0.1)


def test_a_mix_has_both_sides_whatever_they_spoke_and_tells_their_peaks(tmp_path: Path) -> None:
    passed = [*spoken(Side.SAID, OPUS, 0.5 * tone(3.0, 440)), *spoken(Side.HEARD, PCMA, tone(3.0, 900))]
    kept = [entry for entry in passed if not 101.0 <= at_s(entry) < 102.0]
    both = recorded([*kept, RecordingEvent("pause", 101.0, {}), RecordingEvent("resume", 102.0, {})], 3.01)
    told = write_mixed_wav(both, tmp_path / "mix.wav")
    assert told == write_mixed_opus(both, tmp_path / "mix.opus") == write_wav(both, tmp_path / "both.wav")
    assert told == {"said_peak_dbfs": pytest.approx(-17.5, abs=2.0), "heard_peak_dbfs": pytest.approx(-12, abs=1.0)}
    with wave.open(str(tmp_path / "mix.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (1, 48_160)
        plain = np.frombuffer(file.readframes(48_160), "<i2").astype(np.float32) / 32_768
    encoded = heard_in(tmp_path / "mix.opus")[0]
    assert len(encoded) == 3 * 151 * 320
    for mixed, rate_hz in ((plain, 16_000), (encoded, 48_000)):
        for begin, end in ((rate_hz // 5, rate_hz), (round(2.2 * rate_hz), 3 * rate_hz)):
            assert level_at(mixed[begin:end], 440, rate_hz) == pytest.approx(0.125, rel=0.12)
            assert level_at(mixed[begin:end], 900, rate_hz) == pytest.approx(0.25, rel=0.12)
    assert not plain[16_000:32_000].any() and np.abs(encoded[50_000:94_000]).max() < 1e-3
    loud = recorded([*spoken(Side.SAID, PCMA, 3.9 * tone(1.0, 440)), *spoken(Side.HEARD, PCMA, 3.9 * tone(1.0, 440))], 1.0)
    write_mixed_wav(loud, tmp_path / "loud.wav")
    with wave.open(str(tmp_path / "loud.wav")) as file:
        steps = np.diff(np.frombuffer(file.readframes(16_000), "<i2").astype(np.int32))
    assert np.abs(steps[1_600:-1_600]).max() < 20_000, "cut at full scale and not wrapped"


def test_what_is_no_opus_is_not_called_so(tmp_path: Path) -> None:
    mixed = recorded([*spoken(Side.SAID, OPUS, tone(1.0, 440)), *spoken(Side.HEARD, PCMA, tone(1.0, 900))], 1.0)
    with pytest.raises(ValueError, match="spoken in pcma"):
        write_opus(mixed, tmp_path / "a.opus")
    assert not (tmp_path / "a.opus").exists()
    write_side_opus(mixed, Side.SAID, tmp_path / "said.opus")
    assert heard_in(tmp_path / "said.opus").shape[1] == 48_000


def test_a_fast_opus_clock_does_not_part_the_sides() -> None:
    passed: Passed = []
    for number in range(6_000):
        packet = rtp.build(111, number, 960 * number, 77, ogg.SILENCE)
        passed.append((0, 100.0 + 0.02 * number * (1 - 0.002), packet, OPUS))
    written = list(side_packets(recorded(passed, 119.76), Side.SAID))
    assert sum(samples for _, samples in written) / 48_000 == pytest.approx(119.76, abs=0.08)


def test_pages_carry_the_checksum_of_the_rfc() -> None:
    """RFC 3533, section 6: polynomial 0x04C11DB7, neither mirrored nor inverted, bit by bit."""
    page = np.random.default_rng(1).bytes(333)
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
    assert ogg._checksum(page) == register


def test_durations_are_those_of_the_rfc() -> None:
    """RFC 6716, table 2 and section 3.1."""
    assert [packet_samples(bytes([config << 3]), ogg.RATE_HZ) for config in (0, 3, 11, 12, 15, 16, 19, 31)] == [
        480,
        2_880,
        2_880,
        480,
        960,
        120,
        960,
        960,
    ]
    assert [max(0, packet_samples(packet, ogg.RATE_HZ)) for packet in (b"", b"\xf8", b"\xf9", b"\xfb\x03", b"\xfb", b"\x1b\x09")] == [
        0,
        960,
        1_920,
        2_880,
        0,
        0,
    ]
