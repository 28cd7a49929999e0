"""Packets of the length that a far end asked for: every byte in order, every timestamp where its sound belongs."""

from itertools import pairwise

import numpy as np
import pytest

from media import libopus, rtp
from media.codec import OpusEncoder, OpusSettings, make_decoder
from media.leg import Agreement
from media.packing import Packing, packet_ms
from rooms.audio import KNOWN_CODECS, OPUS
from tests.kit.leg_bench import BenchLeg, bench_bridge, level_at, tick


@pytest.mark.parametrize(
    ("codec", "wanted", "length"),
    [("pcma", 30, 30), ("g722", 45, 40), ("pcmu", 200, 120), ("pcma", 5, 10), ("opus", 10, 10), ("opus", 30, 20), ("opus", 60, 60)],
)
def test_packets_are_no_longer_than_wanted(codec: str, wanted: int, length: int) -> None:
    assert packet_ms(codec, wanted) == length


@pytest.mark.parametrize("length_ms", [10, 30, 40, 60])
def test_bytes_stay_in_order_and_begin_where_they_belong(length_ms: int) -> None:
    packing, said = Packing("pcma", length_ms), bytes(k % 251 for k in range(160 * 12))
    packed = [one for k in range(12) for one in packing.put(said[160 * k : 160 * k + 160], 0.02 * k, marker=k == 0)]
    assert b"".join(one.payload for one in packed) == said and {len(one.payload) for one in packed} == {8 * length_ms}
    assert [one.begin_s for one in packed] == pytest.approx([length_ms / 1000 * k for k in range(len(packed))])
    assert [one.marker for one in packed] == [True, *[False] * (len(packed) - 1)] and packing.flush() == []


def test_a_pause_sends_what_is_left() -> None:
    packing = Packing("g722", 60)
    assert packing.put(b"a" * 160, 1.0, marker=True) == []
    assert [(one.payload, one.begin_s, one.marker) for one in packing.flush()] == [(b"a" * 160, 1.0, True)]
    assert packing.put(b"b" * 160, 3.0, marker=True) == [] and [one.begin_s for one in packing.flush()] == [3.0]


def test_frames_of_another_configuration_begin_another_packet() -> None:
    packing = Packing("opus", 60)
    one, other = bytes((0x48, 1, 2, 3)), bytes((0x08, 4, 5, 6))
    assert packing.put(one, 0.0, marker=True) == []
    assert [packed.payload for packed in packing.put(other, 0.02, marker=False)] == [one]


@pytest.mark.parametrize("constant", [False, True])
def test_joined_frames_of_opus_are_the_same_frames(constant: bool) -> None:
    encoder = OpusEncoder(16_000, OpusSettings(constant_rate=constant))
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, (3, 320)).astype(np.float32)
    packets = [encoder.encode(frame) for frame in noise]
    whole = libopus.joined(packets)
    assert libopus.packet_samples(whole, 16_000) == 960
    alone, together = make_decoder(OPUS, rate_hz=16_000), make_decoder(OPUS, rate_hz=16_000)
    assert np.array_equal(together.decode(whole), np.concatenate([alone.decode(packet) for packet in packets]))
    with pytest.raises(ValueError, match="cannot be joined"):
        libopus.joined([packets[0], b"\x08abc"])


@pytest.mark.parametrize(("codec", "wanted_ms"), [("pcma", 10), ("pcma", 30), ("g722", 40), ("opus", 10), ("opus", 40), ("opus", 60)])
def test_a_phone_hears_the_other_one_in_packets_of_its_own_length(codec: str, wanted_ms: int) -> None:
    """And after forwarding, which keeps the sender's own: nothing is missing, twice, or out of its time."""
    phone, other = BenchLeg("phone", codec), BenchLeg("other", "g722" if codec != "g722" else "pcma")
    known = KNOWN_CODECS[codec]
    phone.leg.agree(Agreement(known, {known.payload_type: known}, wanted_ms=wanted_ms))
    bridge = bench_bridge()
    for each in (phone, other):
        bridge.add(each.leg)
        bridge.join(each.leg.leg_id)
    for number in range(100):
        other.say(0.02 * number)
        tick(bridge, 0.02 * number + 0.005)
    headers = phone.out.headers
    ticks = known.clock_rate * wanted_ms // 1000
    steps = {(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in pairwise(headers)}
    assert steps == {ticks} and len(headers) in range(1_900 // wanted_ms, 2_000 // wanted_ms + 1)
    assert [header.sequence for header in headers] == [headers[0].sequence + k for k in range(len(headers))]
    assert level_at(phone.out.heard(known)[8_000:], 440.0) == pytest.approx(0.25, rel=0.1)


def test_what_waits_for_a_longer_packet_goes_before_the_stream_is_forwarded() -> None:
    one, other = BenchLeg("one"), BenchLeg("other")
    one.leg.agree(Agreement(one.codec, {one.codec.payload_type: one.codec}, wanted_ms=60))
    bridge = bench_bridge()
    for each in (one, other):
        bridge.add(each.leg)
        bridge.join(each.leg.leg_id)
    bridge.set_gains([("one", "other", 0.5)])
    for number in range(20):
        other.say(0.02 * number)
        tick(bridge, 0.02 * number + 0.005)
    mixed = sum(map(len, one.out.payloads))
    bridge.set_gains([("one", "other", 1.0)])
    assert sum(map(len, one.out.payloads)) - mixed == 20 % 3 * 160
    said = other.say(0.4)
    assert one.out.payloads[-1] == said
    lengths = [len(payload) for payload in one.out.payloads]
    timestamps = [header.timestamp - one.out.headers[0].timestamp for header in one.out.headers]
    assert timestamps == [sum(lengths[:k]) for k in range(len(lengths))]
    assert rtp.parse(one.out.rtp[-1]) is not None
