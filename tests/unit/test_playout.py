"""Playout on real speech over bad networks: one frame per tick, time kept, holes mended, everything counted."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pesq import pesq

from dsp.jitter import JitterSettings
from dsp.levels import longest_silence_s, rms_dbfs
from dsp.netem import NetworkEmulator
from media.codec import OpusSettings, Samples, make_encoder
from media.playout import Playout, Received
from rooms.audio import G722, KNOWN_CODECS, OPUS, PCMA, AudioCodec
from tests.kit.speech import frames, prompt, speech

NAMES = sorted(KNOWN_CODECS)
FEC = OpusSettings(bitrate=40_000, fec=True, expected_loss=0.05)


class Listener:
    """One sender through the emulator into a playout that is pulled every 20 ms (late by up to 2 ms, as ticks are)."""

    def __init__(
        self, codec: AudioCodec, x: Samples, network: NetworkEmulator, *, lost: frozenset[int] = frozenset(), drift: float = 0.0, **options
    ) -> None:
        self.playout = Playout(codec, rate_hz=16_000, **options)
        encoder = make_encoder(codec, rate_hz=16_000, settings=FEC)
        due = []
        self.lost: set[int] = set()
        for index, frame in enumerate(frames(x)):
            payload = encoder.encode(frame)
            times = network.fates(index * 0.02 * (1 - drift), len(payload)) if index not in lost else []
            due += [(at_s, index, payload) for at_s in times]
            if not times:
                self.lost.add(index)
        due.sort()
        heard, self.delays_ms = [], []
        rng = np.random.default_rng(5)
        for tick in range(len(frames(x)) + 10):
            now_s = tick * 0.02 + 0.004 + 0.002 * rng.random()
            while due and due[0][0] <= now_s:
                at_s, index, payload = due.pop(0)
                self.playout.put(
                    (65_500 + index) & 0xFFFF, (2**32 - 9_600 + index * codec.clock_rate // 50) & 0xFFFFFFFF, False, payload, at_s
                )
            frame = self.playout.pull(now_s)
            assert frame.shape == (320,) and frame.dtype == np.float32
            heard.append(frame)
            self.delays_ms.append(self.playout.delay_ms)
        self.heard = np.concatenate(heard)


def lag_of(heard: Samples, sent: Samples) -> int:
    """Samples by which ``heard`` is late."""
    n = len(heard) + len(sent)
    return int(np.argmax(np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(sent, n)))[: len(heard)]))


@pytest.mark.parametrize("name", NAMES)
def test_a_good_network_gives_the_speech_back(name: str) -> None:
    x = prompt("en-vm-intro")
    listener = Listener(KNOWN_CODECS[name], x, NetworkEmulator(1))
    counters = listener.playout.counters
    assert counters.concealed_samples == counters.packets_discarded == counters.packets_malformed == 0
    assert counters.packets_received == len(frames(x)) and counters.total_samples_received == len(listener.heard)
    band, floor = ("nb", 3.6) if name.startswith("pcm") else ("wb", 4.0)
    assert pesq(16_000, x, listener.heard, band) > floor
    lag_ms = lag_of(listener.heard, x) / 16
    assert lag_ms < 60 if name == "opus" else lag_ms < 35


@pytest.mark.parametrize("name", NAMES)
def test_one_lost_packet_costs_20_ms(name: str) -> None:
    listener = Listener(KNOWN_CODECS[name], speech(3.0), NetworkEmulator(1), lost=frozenset({70}))
    counters = listener.playout.counters
    assert counters.concealed_samples == 320 and counters.concealment_events == 1
    assert counters.comfort_noise_samples == 0
    assert counters.inserted_samples_for_deceleration + counters.removed_samples_for_acceleration < 400  # settling after the start only


@pytest.mark.parametrize("name", NAMES)
def test_the_heard_delay_is_as_before_200_ms_after_each_loss(name: str) -> None:
    """Found in the sound itself: noise, whose every stretch correlates with itself alone."""
    rng = np.random.default_rng(2)
    noise = np.convolve(rng.standard_normal(16_000 * 8), np.ones(8) / 8, "same").astype(np.float32) * np.float32(0.3)
    lost = frozenset({60, 120, 121, 180, 181, 182, 183, 260, 262, 264})
    listener = Listener(KNOWN_CODECS[name], noise, NetworkEmulator(1, delay_ms=15), lost=lost)
    lags = []
    for index in (30, *sorted(lost)):
        at = (index + 10) * 320
        lags.append(
            lag_of(listener.heard[at : at + 4_800], noise[at : at + 1_600]) if not lost & set(range(index + 8, index + 16)) else lags[-1]
        )
    assert max(lags) - min(lags) <= 8  # half a millisecond


@pytest.mark.parametrize("codec", [OPUS, PCMA, G722], ids=lambda codec: codec.name)
def test_burst_loss_is_concealed(codec: AudioCodec) -> None:
    """5 % in bursts of 2: no hole beyond 60 ms inside speech, and at least 0.3 PESQ above zeros for lost packets."""
    gains = []
    band = "nb" if codec is PCMA else "wb"
    for seed, name in enumerate(("en-vm-review", "en-queue-youarenext", "es-vm-intro")):
        x = prompt(name)

        def hear(loss: float, concealment: bool, seed: int = seed, x: Samples = x) -> Samples:
            return Listener(codec, x, NetworkEmulator(seed, loss=loss, burst=2.0, jitter_ms=2), concealment=concealment).heard

        whole, mended, holed = hear(0.0, True), hear(0.05, True), hear(0.05, False)
        gains.append(pesq(16_000, x, mended, band) - pesq(16_000, x, holed, band))
        lag = max(0, lag_of(mended, whole)) if lag_of(mended, whole) < 1_600 else 0
        assert longest_silence_s(mended[lag:], whole, 16_000) <= 0.06
    assert np.mean(gains) >= 0.3


@pytest.mark.parametrize("name", ["opus", "pcma", "pcmu"])
def test_a_word_begins_although_the_packet_with_its_beginning_was_lost(name: str) -> None:
    """It is made up backwards from the packet behind it, which is here already. (G.722's own decoder rises slowly out of silence.)"""
    x = np.concatenate((np.zeros(16_000, np.float32), speech(3.0)[17_440:33_440], np.zeros(8_000, np.float32)))

    def hear(lost: frozenset[int]) -> Samples:
        settings = JitterSettings(lowest_s=0.045)
        return Listener(KNOWN_CODECS[name], x, NetworkEmulator(1, delay_ms=4), lost=lost, settings=settings).heard

    whole, holed = hear(frozenset()), hear(frozenset({50}))
    begin = int(np.argmax(np.abs(whole) > 0.01))
    assert rms_dbfs(holed[begin + 160 : begin + 320]) > rms_dbfs(whole[begin : begin + 640]) - 12


def test_in_band_fec_is_used() -> None:
    listener = Listener(OPUS, speech(6.0), NetworkEmulator(3, loss=0.1, burst=1.2))
    assert listener.playout.counters.fec_packets_received > 0.4 * len(listener.lost) > 2


def test_off_means_zeros() -> None:
    listener = Listener(PCMA, 0.2 * np.ones(32_000, np.float32), NetworkEmulator(1), lost=frozenset({50, 51}), concealment=False)
    silent = (np.abs(listener.heard.reshape(-1, 320)).max(axis=1) < 0.05).nonzero()[0]
    assert len([tick for tick in silent if tick > 10 and tick < 95]) >= 1
    assert listener.playout.counters.concealed_samples == 640


@pytest.mark.parametrize("name", NAMES)
def test_jitter_raises_the_delay_and_calm_lowers_it(name: str) -> None:
    x = np.tile(speech(5.0), 10)
    rough, calm = NetworkEmulator(1, jitter_ms=15), NetworkEmulator(2)

    class Changing(NetworkEmulator):
        def fates(self, now_s: float, size: int) -> list[float]:
            return (rough if 3 < now_s < 9 else calm).fates(now_s, size)

    listener = Listener(KNOWN_CODECS[name], x, Changing(0))
    before, during, after = (np.mean(listener.delays_ms[int(a * 50) : int(b * 50)]) for a, b in ((2, 3), (8, 9), (48, 50)))
    assert during > before + 15 and after < before + 8
    counters = listener.playout.counters
    assert counters.removed_samples_for_acceleration > 100 and counters.inserted_samples_for_deceleration + counters.concealed_samples > 100
    assert counters.concealed_samples < 0.02 * counters.total_samples_received


@pytest.mark.parametrize("drift", [-500e-6, 500e-6])
def test_clock_drift_does_not_grow_the_buffer(drift: float) -> None:
    x = np.tile(speech(5.0), 18)
    listener = Listener(PCMA, x, NetworkEmulator(1, jitter_ms=1), drift=drift)
    counters = listener.playout.counters
    assert max(listener.delays_ms[-500:]) < 20 + 30  # target, and time in hand by whole frames
    assert counters.concealed_samples == 0
    moved = counters.removed_samples_for_acceleration - counters.inserted_samples_for_deceleration
    assert abs(moved - drift * len(x)) < 640  # 45 ms of drift, followed to within two frames
    assert moved > 320 if drift > 0 else moved < -100


@pytest.mark.parametrize("drift", [-0.01, 0.01])
def test_a_clock_one_percent_off_is_kept_up_with_unheard(drift: float) -> None:
    x = np.tile(speech(5.0), 4)
    listener = Listener(PCMA, x, NetworkEmulator(1, jitter_ms=1), drift=drift)
    counters = listener.playout.counters
    assert counters.concealed_samples <= 320 and counters.packets_discarded == 0
    moved = counters.removed_samples_for_acceleration - counters.inserted_samples_for_deceleration
    assert moved == pytest.approx(drift * len(x), abs=1_300)  # 0.2 s; the rest is the delay's to bear, for once
    assert listener.delays_ms[-1] < (60 if drift > 0 else 160)  # a base that rises is known ten seconds later


def test_what_an_access_link_holds_up_is_played_and_the_delay_worn_down() -> None:
    """A quarter of a second of standing still, every packet there after it: nothing is discarded, and 3 s later all is as before."""
    x = speech(6.0)

    class Standing(NetworkEmulator):
        def fates(self, now_s: float, size: int) -> list[float]:
            return [max(now_s, 2.24) if 2.0 <= now_s < 2.24 else now_s]

    listener = Listener(PCMA, x, Standing(1))
    counters = listener.playout.counters
    assert counters.packets_discarded == 0 and 3_200 <= counters.concealed_samples <= 4_200 and counters.concealment_events == 1
    assert max(listener.delays_ms[110:120]) > 200 and listener.delays_ms[-1] < 75
    assert counters.removed_samples_for_acceleration > 1_000
    assert counters.jitter_buffer_target_delay_s > 0


def test_the_delay_comes_down_in_noise_too() -> None:
    """Noise has no periods: after a few tries in vain it is shortened where it is least unlike itself."""
    noise = (0.1 * np.random.default_rng(4).standard_normal(16_000 * 12)).astype(np.float32)

    class Standing(NetworkEmulator):
        def fates(self, now_s: float, size: int) -> list[float]:
            return [max(now_s, 2.24) if 2.0 <= now_s < 2.24 else now_s]

    listener = Listener(PCMA, noise, Standing(1))
    assert max(listener.delays_ms[110:120]) > 200 and listener.delays_ms[-1] < 100
    assert listener.playout.counters.packets_discarded == 0


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
def test_other_packet_times(ptime_ms: int) -> None:
    x = speech(4.0)
    encoder = make_encoder(PCMA, rate_hz=16_000)
    stream = b"".join(encoder.encode(frame) for frame in frames(x))
    size = 8 * ptime_ms
    playout, heard, sent = Playout(PCMA), [], 0
    for tick in range(200):
        now_s = tick * 0.02
        while sent * ptime_ms <= tick * 20 - ptime_ms and (sent + 1) * size <= len(stream):
            if sent != 20:
                playout.put(sent, sent * size, False, stream[sent * size : (sent + 1) * size], (sent + 1) * ptime_ms / 1000)
            sent += 1
        heard.append(playout.pull(now_s + 0.003))
    assert playout.counters.concealed_samples == 16 * ptime_ms
    y = np.concatenate(heard)
    lag = lag_of(y, x)
    assert lag < 16 * (ptime_ms + 60) and pesq(16_000, x[: len(y) - lag], y[lag : lag + len(x)], "nb") > 3.0


def test_opus_dtx_pauses_are_comfort_noise_not_loss() -> None:
    x = np.concatenate((speech(2.0), np.zeros(32_000, np.float32), speech(2.0)))
    encoder = make_encoder(OPUS, rate_hz=16_000, settings=OpusSettings(dtx=True))
    playout, sequence = Playout(OPUS), 0
    for index, frame in enumerate(frames(x)):
        payload = encoder.encode(frame)
        if payload:
            playout.put(sequence, index * 960, False, payload, index * 0.02)
            sequence += 1
        playout.pull(index * 0.02 + 0.005)
    counters = playout.counters
    assert counters.comfort_noise_samples > 16_000 and counters.concealed_samples == 0 and counters.packets_discarded == 0


def test_a_new_source_starts_anew() -> None:
    encoder, playout = make_encoder(PCMA, rate_hz=16_000), Playout(PCMA)
    for index, frame in enumerate(frames(speech(2.0))):
        old = index < 50
        playout.put(
            index if old else 30_000 + index,
            (index * 160 if old else 77 + index * 160),
            False,
            encoder.encode(frame),
            index * 0.02,
            ssrc=1 if old else 2,
        )
        playout.pull(index * 0.02 + 0.005)
    assert playout.counters.packets_discarded == 0 and playout.counters.concealed_samples == 0
    assert playout.delay_ms < 50


@given(
    name=st.sampled_from(NAMES),
    packets=st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.binary(max_size=200), st.floats(0, 0.2)), max_size=60),
)
def test_strangers_packets_do_no_harm(name: str, packets: list[tuple[int, int, bytes, float]]) -> None:
    playout, now_s = Playout(KNOWN_CODECS[name]), 0.0
    for sequence, timestamp, payload, later_s in packets:
        now_s += later_s
        playout.put(sequence, timestamp, True, payload, now_s)
        frame = playout.pull(now_s)
        assert frame.shape == (320,) and np.isfinite(frame).all()
    assert playout.counters.packets_received == len(packets)


def packets_of(codec: AudioCodec, x: Samples, network: NetworkEmulator) -> list[Received]:
    encoder = make_encoder(codec, rate_hz=16_000, settings=FEC)
    sent = [(index, encoder.encode(frame)) for index, frame in enumerate(frames(x))]
    arrived = [Received(i, i * codec.clock_rate // 50, payload, at_s) for i, payload in sent for at_s in network.fates(i * 0.02, 100)]
    return sorted(arrived, key=lambda packet: packet.arrival_s)


def taken_over(codec: AudioCodec, packets: list[Received], *, primed: bool) -> tuple[Playout, Samples]:
    """What is pulled from the 51st tick on, when all before was heard another way."""
    playout = Playout(codec)
    before = [packet for packet in packets if packet.arrival_s <= 1.004]
    waiting, heard = packets[len(before) :], []
    if primed:
        playout.prime(before, ssrc=1)
    for tick in range(51, 150):
        while waiting and waiting[0].arrival_s <= tick * 0.02 + 0.004:
            packet = waiting.pop(0)
            playout.put(packet.sequence, packet.timestamp, False, packet.payload, packet.arrival_s, ssrc=1)
        heard.append(playout.pull(tick * 0.02 + 0.004))
    return playout, np.concatenate(heard)


@pytest.mark.parametrize("name", NAMES)
def test_a_playout_that_takes_over_goes_on_without_a_hole(name: str) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(48_000) / 16_000)).astype(np.float32)
    playout, heard = taken_over(KNOWN_CODECS[name], packets_of(KNOWN_CODECS[name], tone, NetworkEmulator(1)), primed=True)
    assert np.abs(heard.reshape(-1, 80)).max(axis=1).min() > 0.2
    counters = playout.counters
    assert counters.concealed_samples == counters.packets_discarded == 0
    assert 0 < counters.inserted_samples_for_deceleration <= 960
    assert playout.delay_ms == pytest.approx(playout.target_ms, abs=15)


@pytest.mark.parametrize("jitter_ms", [20, 40, 80])
def test_a_playout_that_takes_over_knows_how_the_packets_come(jitter_ms: int) -> None:
    x = speech(3.0)
    late = {True: 0, False: 0}
    for seed in range(8):
        packets = packets_of(PCMA, x, NetworkEmulator(seed, delay_ms=30, jitter_ms=jitter_ms))
        for primed in late:
            late[primed] += taken_over(PCMA, packets, primed=primed)[0].counters.packets_discarded
    assert late[True] <= 0.6 * late[False]


def test_what_was_heard_long_ago_is_no_beginning() -> None:
    playout = Playout(PCMA)
    packets = packets_of(PCMA, speech(1.0), NetworkEmulator(1))
    playout.prime(packets, ssrc=1)
    assert np.abs(np.concatenate([playout.pull(1.5 + 0.02 * i) for i in range(10)])).max() == 0.0
    for i in range(100):
        late = packets[i % 50]
        playout.put(200 + i, 160 * (100 + i), False, late.payload, 2.0 + 0.02 * i, ssrc=1)
        frame = playout.pull(2.0 + 0.02 * i)
    assert playout.counters.packets_discarded == 0 and playout.delay_ms < 60 and np.abs(frame).max() > 0.0


@pytest.mark.parametrize("name", NAMES)
def test_broken_payloads_wild_numbers_and_changing_sources_harm_nobody(name: str) -> None:
    codec, chance = KNOWN_CODECS[name], random.Random(5)
    encoder = make_encoder(codec, rate_hz=16_000, settings=FEC)
    good = [encoder.encode(frame) for frame in frames(speech(3.0))]
    playout, step = Playout(codec), codec.clock_rate // 50
    sequence, timestamp, ssrc = 65_000, 2**32 - 9_600, 1
    for tick in range(20_000):
        sequence = chance.randrange(2**16) if chance.random() < 0.02 else (sequence + 1) & 0xFFFF
        timestamp = chance.randrange(2**32) if chance.random() < 0.02 else (timestamp + step) & 0xFFFFFFFF
        ssrc = chance.randrange(2**32) if chance.random() < 0.01 else ssrc
        payload = broken(chance.choice(good), chance)
        playout.put(sequence, timestamp, False, payload, 0.02 * tick + 0.1 * chance.random(), ssrc=ssrc)
        frame = playout.pull(0.02 * tick)
        assert frame.shape == (320,) and np.abs(frame).max() < 4, "full scale, and what filters make of it; NaN would not be less"
        assert len(playout._jitter) <= 100 and len(playout._pending) < 16_000
    assert playout.counters.packets_malformed > 100
    for index in range(100):
        playout.put(index, step * index, False, good[index], 500.0 + 0.02 * index, ssrc=9)
        playout.pull(500.0 + 0.02 * index)
    assert playout.delay_ms < 60


def broken(payload: bytes, chance: random.Random) -> bytes:
    """The payload with bytes changed, cut off, repeated, replaced by noise, or as it was."""
    kind = chance.randrange(5)
    if kind == 0:
        changed = bytearray(payload)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind == 1:
        return payload[: chance.randrange(len(payload) + 1)]
    if kind == 2:
        return payload * chance.randint(2, 8)
    return chance.randbytes(chance.randint(0, 1_300)) if kind == 3 else payload
