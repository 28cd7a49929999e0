"""What crossed the server is read right from its packet logs: forwarded, changed on the way, decoded and encoded again, lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from api.demo_call import wire
from api.demo_call.speech import Sentence, sentence
from api.demo_call.stock import heard_through_aiortc
from media import rtp
from media.codec import make_encoder
from media.recorder import Recorder
from rooms.audio import G722, OPUS, PCMA, AudioCodec

RATE_HZ = 16_000
Row = tuple[float, bytes]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Sentence:
    return sentence("en-vm-intro", tmp_path_factory.mktemp("speech") / "said.wav", repeats=1)


def stream(said: Sentence, codec: AudioCodec, *, sequence: int = 65_500, late_s: float = 0.0) -> list[Row]:
    """The sentence with 1.5 s of silence around it as RTP, one packet each 20 ms; the sequence number wraps in its middle."""
    silence = np.zeros(RATE_HZ * 3 // 2, np.float32)
    pcm = np.concatenate([silence, said.pcm, silence])
    encoder = make_encoder(codec, rate_hz=RATE_HZ)
    rows = []
    for number in range(len(pcm) // 320):
        payload = encoder.encode(pcm[number * 320 : (number + 1) * 320])
        timestamp = number * codec.clock_rate // 50
        rows.append((number * 0.02 + late_s, rtp.build(codec.payload_type, (sequence + number) & 0xFFFF, timestamp, 1, payload)))
    return rows


def renumbered(rows: list[Row], *, by: int, late_s: float, change: Callable[[bytes], bytes] = lambda payload: payload) -> list[Row]:
    """As forwarding rewrites them: other sequence numbers and SSRC, the same payloads unless ``change``."""
    made = []
    for at_s, packet in rows:
        header = rtp.parse(packet)
        assert header is not None
        payload = change(packet[header.payload_start : header.payload_end])
        made.append((at_s + late_s, rtp.build(header.payload_type, (header.sequence + by) & 0xFFFF, header.timestamp, 2, payload)))
    return made


def logged(folder: Path, leg: str, came: list[Row], went: list[Row]) -> wire.LegLogs:
    with Recorder(folder) as recorder:
        begin_s = recorder._start_s
        for direction, rows in (("in", came), ("out", went)):
            put = recorder.log(leg, direction)
            for at_s, packet in rows:
                put(packet, begin_s + at_s)
    (found,) = wire.read_legs(sorted(folder.glob(f"{leg}-*.rtpdump")))
    return found


def test_forwarded_packets_are_identical_and_timed(said: Sentence, tmp_path: Path) -> None:
    came = stream(said, G722)
    logs = logged(tmp_path, "leg", came, renumbered(came, by=777, late_s=0.002))
    crossing = wire.passage(logs.heard, logs.told, said.pcm, RATE_HZ)
    assert (crossing.codec_in, crossing.codec_out, crossing.identical, crossing.share) == ("g722", "g722", 1.0, 0.0)
    assert crossing.added_ms == pytest.approx(2.0, abs=0.6)
    assert crossing.slowest_ms is not None
    assert crossing.slowest_ms <= 3.0
    assert crossing.missing_in == 0


def test_one_changed_payload_is_seen(said: Sentence, tmp_path: Path) -> None:
    came = stream(said, G722)
    went = renumbered(came, by=5, late_s=0.001)
    at_s, packet = went[150]
    went[150] = (at_s, packet[:-1] + bytes([packet[-1] ^ 1]))
    logs = logged(tmp_path, "leg", came, went)
    crossing = wire.passage(logs.heard, logs.told, said.pcm, RATE_HZ)
    assert crossing.identical is not None
    assert 0.99 < crossing.identical < 1.0


def test_one_packet_that_did_not_leave_is_seen(said: Sentence, tmp_path: Path) -> None:
    came = stream(said, G722)
    went = renumbered(came, by=5, late_s=0.001)
    del went[150]
    logs = logged(tmp_path, "leg", came, went)
    crossing = wire.passage(logs.heard, logs.told, said.pcm, RATE_HZ)
    assert crossing.identical is not None
    assert 0.99 < crossing.identical < 1.0


def test_transcoded_speech_is_timed_by_its_sound(said: Sentence, tmp_path: Path) -> None:
    logs = logged(tmp_path, "leg", stream(said, G722), stream(said, PCMA, sequence=9, late_s=0.06))
    crossing = wire.passage(logs.heard, logs.told, said.at(8_000), 8_000)
    assert crossing.identical is None
    assert crossing.added_ms == pytest.approx(60.0, abs=3.0)
    assert 0.0 < crossing.share < 1.0
    assert crossing.silence_ms == 0.0
    assert crossing.excursion_ms == 0.0


def test_the_same_codec_encoded_anew_is_no_forwarding(said: Sentence, tmp_path: Path) -> None:
    """Same codec, but decoded and mixed on the way: payloads differ, and that is not called forwarding with losses."""
    came = stream(said, G722)
    quieter = Sentence(said.pcm * np.float32(0.9), said.wav)
    logs = logged(tmp_path, "leg", came, stream(quieter, G722, sequence=9, late_s=0.04))
    crossing = wire.passage(logs.heard, logs.told, said.pcm, RATE_HZ)
    assert crossing.identical is None or crossing.identical < 0.2


def test_losses_are_counted_and_stock_aiortc_suffers(said: Sentence, tmp_path: Path) -> None:
    came = stream(said, OPUS)
    holed = [row for number, row in enumerate(came) if number % 20 not in (7, 8)]
    logs = logged(tmp_path, "leg", holed, renumbered(came, by=1, late_s=0.1))
    assert logs.heard.missing == len(came) - len(holed)
    assert logs.heard.longest_gap_s == pytest.approx(0.06, abs=0.002)
    whole = heard_through_aiortc(logged(tmp_path / "whole", "leg", came, came).heard, RATE_HZ)
    broken = heard_through_aiortc(logs.heard, RATE_HZ)
    assert wire.score.pesq(said.pcm, whole, RATE_HZ) > 3.5
    assert wire.score.pesq(said.pcm, broken, RATE_HZ) < 2.0


def test_legs_are_told_apart_by_what_they_said(said: Sentence, tmp_path: Path) -> None:
    other = sentence("es-queue-youarenext", tmp_path / "other.wav", repeats=1)
    legs = [
        logged(tmp_path, "one", stream(said, G722), stream(other, G722)),
        logged(tmp_path, "two", stream(other, G722), stream(said, G722)),
    ]
    assert wire.leg_that_said(said.pcm, legs) is legs[0]
    assert wire.leg_that_said(other.pcm, legs) is legs[1]
    third = sentence("es-vm-rec-unv", tmp_path / "third.wav", repeats=1)
    with pytest.raises(wire.PeerFailure, match="none of the 2 logged legs"):
        wire.leg_that_said(third.pcm, legs)


def test_wide_band_needs_both_ends() -> None:
    assert wire.wide_band("opus", "g722")
    assert not wire.wide_band("opus", "pcma")
