"""Key presses, as RTP events and as tones: each is heard once, whatever is lost."""

import numpy as np
import pytest

from dsp.tones import dtmf
from media import rtp
from media.codec import make_encoder
from media.digits import DigitHearing, DigitQueue, ToneHearing
from media.rtp import TelephoneEvent, build_event, parse_event
from rooms.audio import KNOWN_CODECS, PCMA
from tests.kit.leg_bench import EVENT, BenchLeg
from tests.kit.speech import frames


def sent(digits: str, clock_rate_hz: int = 8_000) -> list[tuple[int, bool, bytes]]:
    """(timestamp, marker, payload) of every packet of these digits."""
    queue = DigitQueue()
    assert queue.put(digits) == len(digits)
    packets, tick, timestamp = [], 0, 0
    while queue.busy:
        for packet in queue.frame(clock_rate_hz):
            timestamp = tick * 160 if packet.begin else timestamp
            packets.append((timestamp, packet.marker, packet.payload))
        tick += 1
        assert tick < 1_000
    return packets


def test_one_press_has_three_starts_with_marker_and_three_ends() -> None:
    packets = sent("5")
    events = [parse_event(payload) for _, _, payload in packets]
    assert [marker for _, marker, _ in packets] == [True] * 3 + [False] * 7
    assert [event.end for event in events if event] == [False] * 7 + [True] * 3
    assert [event.duration for event in events if event] == [160] * 3 + [320, 480, 640, 800] + [960] * 3
    assert len({timestamp for timestamp, _, _ in packets}) == 1


def test_durations_count_in_the_clock_of_the_payload_type() -> None:
    events = [parse_event(payload) for _, _, payload in sent("1", 48_000)]
    assert events[-1] is not None and events[-1].duration == 6 * 960


def test_every_press_is_heard_once_and_in_order() -> None:
    hearing = DigitHearing()
    heard = [hearing.packet(timestamp, payload, timestamp / 8_000) for timestamp, _, payload in sent("5550#*Ad")]
    assert "".join(filter(None, heard)) == "5550#*AD"


@pytest.mark.parametrize("lost", range(10))
def test_a_press_is_heard_from_any_one_of_its_packets(lost: int) -> None:
    hearing = DigitHearing()
    survivors = sent("7")[lost:]
    assert [digit for t, _, p in survivors if (digit := hearing.packet(t, p, 0.0))] == ["7"]


def test_the_queue_is_bounded_and_refuses_what_is_no_digit() -> None:
    queue = DigitQueue(limit=3)
    assert queue.put("12345") == 3
    with pytest.raises(ValueError, match="can be sent as digits"):
        queue.put("1x")
    assert not DigitQueue().busy


def test_what_is_no_digit_is_not_heard() -> None:
    hearing = DigitHearing()
    assert hearing.packet(1, b"", 0.0) is None
    assert hearing.packet(2, bytes((16, 0, 0, 80)), 0.0) is None  # a flash is no digit


def test_a_flood_of_presses_is_not_told() -> None:
    hearing = DigitHearing()
    payload = build_event(TelephoneEvent("1", False, 160))
    told = [hearing.packet(timestamp, payload, timestamp / 1_000) for timestamp in range(2_000)]
    assert 20 <= sum(digit is not None for digit in told) <= 60


def tones(digits: str, codec: str) -> list[bytes]:
    """Presses of 80 ms with pauses of 80 ms, as payloads of 20 ms."""
    silence = np.zeros(1_280, np.float32)
    line = np.concatenate([part for digit in digits for part in (silence, dtmf(digit, 16_000, duration_s=0.08))] + [silence, silence])
    encoder = make_encoder(KNOWN_CODECS[codec], rate_hz=16_000)
    return [encoder.encode(frame) for frame in frames(line)]


@pytest.mark.parametrize("codec", sorted(KNOWN_CODECS))
def test_keys_pressed_as_tones_are_heard(codec: str) -> None:
    hearing = ToneHearing(KNOWN_CODECS[codec])
    assert "".join(hearing.packet(payload) for payload in tones("5550#*AD", codec)) == "5550#*AD"


@pytest.mark.parametrize("size", [40, 99, 240])
def test_keys_pressed_as_tones_are_heard_in_packets_of_any_length(size: int) -> None:
    hearing, stream = ToneHearing(PCMA), b"".join(tones("5550#*AD", "pcma"))
    assert "".join(hearing.packet(stream[at : at + size]) for at in range(0, len(stream), size)) == "5550#*AD"


def test_a_lost_packet_neither_parts_nor_invents_a_press() -> None:
    payloads = tones("9", "pcma")
    for lost in range(len(payloads)):
        hearing = ToneHearing(PCMA)
        told = "".join(hearing.packet(payload) for payload in payloads[:lost] + payloads[lost + 1 :])
        assert told in ("", "9")
    assert ToneHearing(PCMA).packet(b"") == "", "what cannot be decoded holds no key"


def test_tones_count_only_for_a_phone_that_agreed_to_no_events() -> None:
    told = {}
    for kind, event in (("phone", None), ("phone", EVENT), ("peer", None)):
        bench = BenchLeg("a", "pcma", kind=kind, event=event)
        for index, payload in enumerate(tones("12", "pcma")):
            bench.leg.receive(rtp.build(PCMA.payload_type, index, 160 * index, 77, payload), 0.02 * index)
        told[kind, event] = ("".join(bench.digits), bench.counters["digits_heard"])
    assert told == {("phone", None): ("12", 2), ("phone", EVENT): ("", 0), ("peer", None): ("", 0)}
