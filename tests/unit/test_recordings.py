"""The recordings of a worker: what passes by is on disk within two seconds, whatever happens, and nobody waits for it."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from media import rtp
from media.recording import manifest
from media.recording.file import ChunkWriter, Ending, measure
from media.recording.keys import KeyRing
from media.recording.recordings import Outcome, Recording, Recordings, RecordingSettings
from media.recording.records import RecordEncoder, Side, read_recording
from media.recording.retention import StillRunning, erase, expire, sign_interrupted
from rooms.audio import OPUS, PCMA, PCMU

KEY = bytes(range(32))
RING = KeyRing([KEY])


def packet(number: int, payload_type: int = 8, payload: bytes = b"\xd5" * 160) -> bytes:
    return rtp.build(payload_type, 65_500 + number, 160 * number, 77, payload)


class Listener:
    """What the writing thread told of one recording."""

    def __init__(self) -> None:
        self.started, self.ended = threading.Event(), threading.Event()
        self.outcome: Outcome | None = None

    def start(self, path: Path) -> None:
        self.started.set()

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.ended.set()


def begin(recordings: Recordings, listener: Listener, **details: str) -> Recording:
    return recordings.start(100.0, details, who=("alice",), consent="given", on_start=listener.start, on_end=listener.end)


def test_both_sides_and_events_are_read_back_with_their_times(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path / "new", (KEY,))) as recordings:
        recording = begin(recordings, listener, caller="+34 600 123 456")
        for number in range(50):
            recording.said(packet(number), 100.0 + 0.02 * number, PCMA)
            recording.heard(packet(number, 111, b"opus"), 100.001 + 0.02 * number, OPUS)
        recording.heard(rtp.build(101, 7, 0, 77, b"\x05\x00\x00\xa0"), 101.0, OPUS)
        recording.said(packet(50, 0), 101.0, PCMU)
        recording.tell("end", 101.5, {"reason": "hung up"})
        recording.tell("end", 102.0)
        assert listener.ended.wait(5)
    assert listener.outcome is not None and listener.outcome.fault == ""
    read = read_recording(listener.outcome.path, RING)
    assert (read.ending, read.length_s, read.digest) == (Ending.COMPLETE, 1.5, measure(listener.outcome.path)[1])
    assert manifest.entries(listener.outcome.path)[-1].details["seconds"] == 1.5
    said = [entry for entry in read.packets if entry.side is Side.SAID]
    heard = [entry for entry in read.packets if entry.side is Side.HEARD]
    assert [entry.at_s for entry in said[:50]] == pytest.approx([0.02 * n for n in range(50)], abs=1.01e-4)
    assert [entry.header.sequence for entry in said] == [(65_500 + n) & 0xFFFF for n in range(51)]
    assert {(entry.codec.name, entry.payload) for entry in heard} == {("opus", b"opus")}, "and no digit"
    assert (said[49].codec.name, said[50].codec.name) == ("pcma", "pcmu")
    assert [event.name for event in read.events] == ["start", "codec", "codec", "codec", "end"]
    assert read.events[0].details["caller"] == "+34 600 123 456"


def test_numbers_are_neither_in_names_nor_in_the_bytes_nor_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    listener, number = Listener(), "+34600123456"
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        begin(recordings, listener, caller=number)
        assert listener.started.wait(5)
        with pytest.raises(ValueError, match="cannot stand in a manifest"):
            manifest.append(tmp_path / "a", RING, "listened", at_unix_s=0.0, who=("+34 600 12 34 56",))
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert not any(number[1:] in file.name or number[1:].encode() in file.read_bytes() for file in files)
    assert number[1:] not in "".join(capfd.readouterr())


def test_the_first_packets_behind_a_pause_are_left_out() -> None:
    """An Opus packet may carry a copy of the frame before it: the end of the pause."""
    encoder = RecordEncoder(100.0)
    encoder.put(Side.SAID, packet(0), 100.0, PCMA)
    encoder.put(Side.HEARD, packet(0), 100.0, PCMA)
    encoder.tell("pause", 100.1, {})
    encoder.tell("resume", 100.5, {})
    encoder.put(Side.SAID, packet(30), 100.6, PCMA)
    encoder.put(Side.HEARD, packet(30), 100.6, PCMA)
    encoder.put(Side.SAID, packet(31), 100.62, PCMA)
    assert encoder.take()[1] == 3 and encoder.take() == (b"", 0)


def test_a_stopped_server_ends_its_recordings(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        recording.said(packet(0), 100.0, PCMA)
    assert listener.outcome is not None
    read = read_recording(listener.outcome.path, RING)
    assert (read.ending, len(read.packets), read.events[-1].details["reason"]) == (Ending.COMPLETE, 1, "the server was stopped")


def test_an_end_that_was_written_before_it_was_known_as_such_still_closes_the_file(tmp_path: Path) -> None:
    """The thread may run between the last event and the mark that nothing follows it."""
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        assert listener.started.wait(5)
        recording.over = True
        assert listener.ended.wait(5)
    assert listener.outcome is not None and read_recording(listener.outcome.path, RING).ending is Ending.COMPLETE


def test_a_slow_disk_costs_packets_and_the_file_says_how_many(tmp_path: Path) -> None:
    listener = Listener()
    recordings = Recordings(RecordingSettings(tmp_path, (KEY,), queued=2))  # its thread does not run yet: the disk is slow
    recording = begin(recordings, listener)
    for number in range(40):
        recording.said(packet(number), 100.0 + 0.12 * number, PCMA)
    assert recording.lost == 24, "1.9 s were kept: one chunk beside that of the start, and one in the making"
    with recordings:
        assert listener.started.wait(5)
    assert listener.outcome is not None and recordings.lost == listener.outcome.lost == 24
    read = read_recording(listener.outcome.path, RING)
    assert len(read.packets) == 16
    assert [event.details["packets"] for event in read.events if event.name == "lost"] == [24]


def test_a_full_disk_ends_the_recording_is_told_and_leaves_what_was_written(tmp_path: Path) -> None:
    listener, other = Listener(), Listener()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
            recording, small = begin(recordings, listener), begin(recordings, other)
            assert listener.started.wait(5) and other.started.wait(5)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
            for number in range(200):
                recording.said(packet(number), 100.0 + 0.02 * number, PCMA)
            assert listener.ended.wait(5)
            recording.said(packet(201), 104.0, PCMA)
            small.said(packet(1), 104.0, PCMA)
            assert recordings.failed == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert listener.outcome is not None and listener.outcome.fault.startswith("File too large")
    assert manifest.faults(listener.outcome.path, RING.public_keys, listener.outcome.checkpoint) == []
    assert read_recording(listener.outcome.path, RING).ending is Ending.EARLY
    assert other.outcome is not None and other.outcome.fault == "", "the other recording goes on"
    assert len(read_recording(other.outcome.path, RING).packets) == 1


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path / "gone", (KEY,))) as recordings:
        (tmp_path / "gone").rmdir()
        begin(recordings, listener)
        assert listener.ended.wait(5)
    assert listener.outcome is not None and "No such file" in listener.outcome.fault and not listener.started.is_set()


def test_details_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        begin(Recordings(RecordingSettings(tmp_path, (KEY,))), Listener(), note="x" * 10_000)


_CHILD = """
import sys, time
from pathlib import Path
from media import rtp
from media.recording.recordings import Recordings, RecordingSettings
from rooms.audio import PCMA
with Recordings(RecordingSettings(Path(sys.argv[1]), (bytes(range(32)),))) as recordings:
    start_s = time.monotonic()
    recording = recordings.start(start_s, {}, who=(), consent="given", on_start=lambda path: None, on_end=lambda outcome: None)
    number = 0
    while True:
        now_s = time.monotonic()
        while number * 0.02 < now_s - start_s:
            recording.said(rtp.build(8, number & 0xFFFF, 160 * number, 77, b"x" * 160), now_s, PCMA)
            number += 1
            print(number, flush=True)
        time.sleep(0.005)
"""


def test_kill_9_loses_at_most_two_seconds(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    put_in = 0
    for line in child.stdout:
        put_in = int(line)
        if put_in == 225:
            child.send_signal(signal.SIGKILL)
            break
    put_in = max([put_in, *(int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n"))])
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    read = read_recording(next(tmp_path.glob("*.rec")), RING)
    assert read.ending is Ending.EARLY and "is not the last" in read.detail
    assert [entry.header.sequence for entry in read.packets] == list(range(len(read.packets))), "without a hole"
    assert 0.02 * (put_in - len(read.packets)) <= 2.0


def test_old_recordings_go_and_interrupted_ones_are_signed_as_they_are(tmp_path: Path) -> None:
    listener, running = Listener(), Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        recording.said(packet(0), 100.0, PCMA)
        recording.tell("end", 100.5)
        begin(recordings, running)
        assert listener.ended.wait(5) and running.started.wait(5)
        assert not list(sign_interrupted(tmp_path, RING, 5.0)), "one has ended, and the other one is being written"
    assert listener.outcome is not None and running.outcome is not None
    crashed = tmp_path / ("c" * 32 + ".rec")
    writer = ChunkWriter(crashed, RING, file_id=b"\xcc" * 16, data_key=b"k" * 32)
    manifest.append(crashed, RING, "begun", at_unix_s=1.0)
    writer.write(b"")
    writer.close()  # without a last chunk, which is how a killed process leaves it
    assert len(manifest.faults(crashed, RING.public_keys)) == 1
    ((path, checkpoint),) = sign_interrupted(tmp_path, RING, 5.0)
    assert path == crashed and not list(sign_interrupted(tmp_path, RING, 6.0))
    assert manifest.faults(crashed, RING.public_keys, checkpoint) == []
    now_s = time.time()
    os.utime(crashed, (0.0, now_s - 100.0))
    ((path, checkpoint),) = expire(tmp_path, RING, 50.0, now_s)
    assert path == crashed and not list(expire(tmp_path, RING, 50.0, now_s))
    kept = [listener.outcome.path.stem, running.outcome.path.stem] * 2
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted([*kept, crashed.stem])
    assert manifest.faults(crashed, RING.public_keys, checkpoint) == [], "that it was erased is on record"
    os.utime(crashed.with_suffix(".manifest"), (0.0, now_s - 100.0))
    assert not list(expire(tmp_path, RING, 50.0, now_s))
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(kept)


def test_what_is_erased_cannot_be_opened_again_and_says_who_wanted_it(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        recording.said(packet(0), 100.0, PCMA)
        assert listener.started.wait(5)
        with pytest.raises(StillRunning):
            erase(recording.path, RING, at_unix_s=5.0, who=("eve",), reason="asked for")
        recording.tell("end", 100.5)
        assert listener.ended.wait(5)
    copy = tmp_path / "stolen"
    os.link(recording.path, copy)  # whoever still has the file open, or an undeleted block
    checkpoint = erase(recording.path, RING, at_unix_s=5.0, who=("eve",), reason="asked for")
    assert erase(recording.path, RING, at_unix_s=6.0, who=("eve",), reason="asked for") is None
    assert not recording.path.exists()
    with pytest.raises(ValueError, match="was altered"):
        read_recording(copy, RING)
    last = manifest.entries(recording.path)[-1]
    assert (last.what, last.who, last.details) == ("erased", ("eve",), {"reason": "asked for"})
    assert manifest.faults(recording.path, RING.public_keys, checkpoint) == []
    os.link(copy, recording.path)
    assert manifest.faults(recording.path, RING.public_keys) == ["the recording was erased, but its file is there"]


def test_a_recording_that_somebody_took_away_is_missed(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        begin(recordings, listener).tell("end", 100.5)
        assert listener.ended.wait(5)
    assert listener.outcome is not None
    listener.outcome.path.unlink()
    assert "is gone" in manifest.faults(listener.outcome.path, RING.public_keys)[0]
