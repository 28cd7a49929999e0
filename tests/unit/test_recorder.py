"""The packet log: what is written is read back, decodes to the same speech, and a slow disk costs log, not call."""

from pathlib import Path

import numpy as np
import pytest

from media import rtp
from media.codec import make_encoder
from media.recorder import Recorder, decode_capture, read_capture
from rooms.audio import PCMA


def packets(count: int) -> list[bytes]:
    encoder = make_encoder(PCMA, rate_hz=8_000)
    t = np.arange(160 * count) / 8_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    return [rtp.build(8, 65_530 + i, 160 * i, 1, encoder.encode(tone[160 * i : 160 * (i + 1)])) for i in range(count)]


def test_what_was_logged_is_read_back(tmp_path: Path) -> None:
    sent = packets(20)
    with Recorder(tmp_path / "log") as recorder:
        log = recorder.log("leg/../7", "in")
        for index, packet in enumerate(sent):
            log(packet, recorder._start_s + 0.02 * index)
    read = read_capture(tmp_path / "log" / "leg____7-in.rtpdump")
    assert [packet for _, packet in read] == sent
    assert [time_s for time_s, _ in read] == pytest.approx([0.02 * i for i in range(20)], abs=0.0006)


def test_reordered_doubled_and_missing_packets_decode_in_place(tmp_path: Path) -> None:
    sent = packets(20)
    with Recorder(tmp_path) as recorder:
        log = recorder.log("a", "in")
        for packet in [*sent[:3], sent[4], sent[3], sent[4], *sent[6:]]:
            log(packet, recorder._start_s)
        recorder.close_leg("a")
    speech = decode_capture(tmp_path / "a-in.rtpdump", PCMA, rate_hz=8_000)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3_200) / 8_000)
    expected[5 * 160 : 6 * 160] = 0
    assert speech.shape == (3_200,)
    assert np.abs(speech - expected).max() < 0.02


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, queued_packets=5)  # its thread does not run yet: nobody empties the queue
    log = recorder.log("a", "out")
    for packet in packets(8):
        log(packet, 0.0)
    assert recorder.dropped == 3


def test_a_torn_file_ends_early_and_a_foreign_one_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        log = recorder.log("a", "in")
        for packet in packets(3):
            log(packet, recorder._start_s)
    file = tmp_path / "a-in.rtpdump"
    file.write_bytes(file.read_bytes()[:-5])
    assert len(read_capture(file)) == 2
    file.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="no rtpdump file"):
        read_capture(file)
