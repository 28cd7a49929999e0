"""Playouts pulled together say what each would have said alone, whatever the network does; and long pauses cost nothing."""

import random

import numpy as np
import pytest

from dsp.conceal import Concealer
from dsp.netem import NetworkEmulator
from media.codec import OpusSettings, make_encoder, native_rate_hz
from media.intake import Intake
from media.playout import Playout, settling_s
from media.sounds import load_prompt
from rooms.audio import G722, KNOWN_CODECS, OPUS, PCMA, PCMU, AudioCodec
from tests.kit.speech import frames

CODECS = (OPUS, PCMA, G722, PCMU, OPUS)
Arrivals = list[tuple[float, int, bytes]]


def arrivals(codec: AudioCodec, seed: int, *, loss: float, jitter_ms: float) -> Arrivals:
    """Two seconds of speech, two of silence with a sign of life now and then, and two of speech: (arrival, timestamp / 20 ms, payload)."""
    encoder = make_encoder(codec, rate_hz=16_000, settings=OpusSettings(fec=True, expected_loss=0.1, dtx=True))
    speech = np.roll(load_prompt("en-vm-review"), 8_000 * seed)[:96_000].copy()
    speech[32_000:64_000] *= 1e-3
    network = NetworkEmulator(seed, loss=loss, burst=2.0, jitter_ms=jitter_ms)
    payloads = [encoder.encode(frame) for frame in frames(speech)]
    sent = [(k, payload) for k, payload in enumerate(payloads) if payload and (codec is OPUS or not 105 < k < 200 or k % 20 == 0)]
    return sorted((at_s, index, payload) for index, payload in sent for at_s in network.fates(index * 0.02, len(payload)))


def by_itself(codec: AudioCodec, rate_hz: int, row: int) -> Playout:
    """A playout whose made-up noise is that of the row."""
    concealer = Concealer(native_rate_hz(codec.name, rate_hz), settling_s=settling_s(codec), seed=row)
    return Playout(codec, rate_hz=rate_hz, concealer=concealer)


@pytest.mark.parametrize("rate_hz", [16_000, 8_000])
@pytest.mark.parametrize(("loss", "jitter_ms"), [(0.0, 0.0), (0.1, 4.0), (0.02, 40.0)])
def test_together_is_as_alone(loss: float, jitter_ms: float, rate_hz: int) -> None:
    intake = Intake(16, rate_hz)
    rows = [3, 0, 7, 12, 5]
    together = {row: intake.open(row, codec) for row, codec in zip(rows, CODECS, strict=True)}
    alone = {row: by_itself(codec, rate_hz, row) for row, codec in zip(rows, CODECS, strict=True)}
    packets = {
        row: arrivals(codec, seed, loss=loss, jitter_ms=jitter_ms) for seed, (row, codec) in enumerate(zip(rows, CODECS, strict=True))
    }
    numbers = {(row, index): place for row, sent in packets.items() for place, index in enumerate(sorted({index for _, index, _ in sent}))}
    differences, chance = [], random.Random(5)
    for tick in range(310):
        now_s, said = tick * 0.02 + 0.007, np.zeros((16, rate_hz // 50), np.float32)
        came = []
        for row, codec in zip(rows, CODECS, strict=True):
            while packets[row] and packets[row][0][0] <= now_s:
                at_s, index, payload = packets[row].pop(0)
                if chance.random() < 0.01:
                    payload = chance.randbytes(chance.randrange(1_600))
                timestamp, ssrc = index * codec.clock_rate // 50, row + (tick > 250)
                alone[row].put(numbers[row, index], timestamp, False, payload, at_s, ssrc=ssrc)
                came.append(((row, numbers[row, index], timestamp, ssrc, len(payload)), at_s, payload))
        heads, arrivals_s = np.array([head for head, _, _ in came], np.int64), np.array([at_s for _, at_s, _ in came])
        intake.put(heads.tobytes(), arrivals_s.tobytes(), b"".join(payload for _, _, payload in came))
        intake.pull(said, now_s)
        differences.append([np.abs(said[row] - alone[row].pull(now_s)).max() for row in rows])
    assert intake.faults == 0
    for row in rows:
        assert together[row].counters == alone[row].counters
        assert together[row].delay_ms == alone[row].delay_ms
    assert np.max(differences) < 1e-6


def test_what_is_no_opus_harms_its_own_row_only() -> None:
    intake = Intake(16, 16_000)
    playouts = {row: intake.open(row, OPUS) for row in (0, 1)}
    encoder = make_encoder(OPUS, rate_hz=16_000)
    said = np.zeros((16, 320), np.float32)
    broken = bytes([0x4B, 0xFF]) + bytes(40)  # says that it holds 63 frames
    for tick, frame in enumerate(frames(load_prompt("en-vm-review")[:64_000])):
        payload = encoder.encode(frame)
        for row, playout in playouts.items():
            bad = row == 1 and tick >= 100
            playout.put(tick, tick * 960, False, b"\x48" + bytes(1_200) if bad and tick % 2 else broken if bad else payload, tick * 0.02)
        said[:] = 0.0
        intake.pull(said, tick * 0.02 + 0.005)
        assert np.isfinite(said).all() and np.abs(said).max() <= 1.0
    assert playouts[0].counters.concealed_samples == 0 and playouts[0].counters.packets_malformed == 0
    assert playouts[1].counters.packets_malformed > 40
    assert intake.faults == 0


@pytest.mark.parametrize("codec", ["opus", "pcma"])
def test_a_long_pause_comes_to_rest_and_the_next_word_begins_softly(codec: str) -> None:
    spoken = KNOWN_CODECS[codec]
    encoder, intake = make_encoder(spoken, rate_hz=16_000, settings=OpusSettings(dtx=True)), Intake(16, 16_000)
    playout = intake.open(0, spoken)
    noise = np.random.default_rng(2).normal(0.0, 10 ** (-72 / 20), 320 * 400).astype(np.float32)
    tone = 0.25 * np.sin(2 * np.pi * 150 * np.arange(320 * 400) / 16_000).astype(np.float32)
    heard, said, sequence = [], np.zeros((16, 320), np.float32), 0
    for tick in range(300):
        talks = tick < 100 or tick >= 250
        source = tone if talks else np.zeros_like(tone)
        payload = encoder.encode((source + noise)[320 * tick : 320 * (tick + 1)])
        if payload and (codec == "opus" or talks or tick % 20 == 0):
            playout.put(sequence, tick * spoken.clock_rate // 50, False, payload, tick * 0.02)
            sequence += 1
        said[:] = 0.0
        intake.pull(said, tick * 0.02 + 0.005)
        heard.append(said[0].copy())
    sound = np.concatenate(heard)
    assert not sound[320 * 150 : 320 * 245].any(), "signs of life are no voice"
    assert np.abs(np.diff(sound[320 * 95 :])).max() < 0.05, "neither its end nor its beginning clicks"
    assert np.abs(sound[-320 * 20 :]).max() == pytest.approx(0.25, rel=0.15)
    assert playout.counters.concealed_samples == 0 and playout.counters.comfort_noise_samples > 100 * 320
