"""The recordings of a worker: what passes by is on disk within two seconds, whatever happens, and nobody waits for it."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from media import rtp
from media.recording import manifest
from media.recording.file import Chunks, ChunkWriter, Ending, measure
from media.recording.keys import KeyRing
from media.recording.recordings import Outcome, Recording, Recordings, RecordingSettings
from media.recording.records import Records, Side, decode, read_recording
from media.recording.retention import StillRunning, erase, expire, sign_interrupted
from rooms.audio import OPUS, PCMA, PCMU
from tests.kit.wires import RECORDS

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
            recording.records.put(Side.SAID, packet(number), 100.0 + 0.02 * number, PCMA)
            recording.records.put(Side.HEARD, packet(number, 111, b"opus"), 100.001 + 0.02 * number, OPUS)
        recording.records.put(Side.HEARD, rtp.build(101, 7, 0, 77, b"\x05\x00\x00\xa0"), 101.0, OPUS)
        recording.records.put(Side.SAID, packet(50, 0), 101.0, PCMU)
        recording.tell("end", 101.5, {"reason": "hung up"})
        recording.tell("end", 102.0)
        assert listener.ended.wait(30)
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
        assert listener.started.wait(30)
        with pytest.raises(ValueError, match="cannot stand in a manifest"):
            manifest.append(tmp_path / "a", RING, "listened", at_unix_s=0.0, who=("+34 600 12 34 56",))
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert not any(number[1:] in file.name or number[1:].encode() in file.read_bytes() for file in files)
    assert number[1:] not in "".join(capfd.readouterr())


@pytest.mark.parametrize("make", RECORDS)
def test_the_first_packets_behind_a_pause_are_left_out(make: type[Records]) -> None:
    """An Opus packet may carry a copy of the frame before it: the end of the pause."""
    records = make(100.0, 100)
    records.put(Side.SAID, packet(0), 100.0, PCMA)
    records.put(Side.HEARD, packet(0), 100.0, PCMA)
    records.tell("pause", 100.1, {})
    records.tell("resume", 100.5, {})
    records.put(Side.SAID, packet(29), 100.49, PCMA)  # came in the pause, and was looked at behind it
    records.put(Side.SAID, packet(30), 100.6, PCMA)
    records.put(Side.HEARD, packet(30), 100.6, PCMA)
    records.put(Side.SAID, packet(31), 100.62, PCMA)
    read = decode(Chunks(b"f" * 16, (records.take()[0],), b"", Ending.EARLY, ""))
    assert [(entry.side, entry.header.sequence) for entry in read.packets] == [(0, 65_500), (1, 65_500), (0, 65_531)]
    assert records.take() == (b"", 0)


@pytest.mark.parametrize("make", RECORDS)
def test_what_comes_while_too_much_waits_is_counted_and_the_gap_told(make: type[Records]) -> None:
    records = make(100.0, 4)
    for number in range(5):
        records.put(Side.SAID, packet(number), 100.0 + 0.02 * number, PCMA)
    records.put(Side.HEARD, packet(5), 100.1, PCMA)
    records.put(Side.HEARD, rtp.build(101, 6, 0, 77, b"key"), 100.2, PCMA)  # no sound is missing
    records.tell("pause", 100.3, {})
    content, packets = records.take()
    assert (packets, records.lost, records.length_s) == (3, 3, pytest.approx(0.3))
    records.put(Side.HEARD, packet(6), 100.4, PCMA)
    read = decode(Chunks(b"f" * 16, (content, records.take()[0]), b"", Ending.EARLY, ""))
    assert [entry.header.sequence for entry in read.packets] == [65_500, 65_501, 65_502, 65_506]
    assert [event.name for event in read.events] == ["codec", "pause", "lost", "codec"]
    assert [event.at_s for event in read.events] == pytest.approx([0.0, 0.3, 0.1, 0.4], abs=1.01e-4)
    assert read.events[2].details == {"packets": 3}


def test_the_compiled_records_are_those_of_python_byte_for_byte() -> None:
    chance = random.Random(5)
    made, now_s = [make(100.0, 40) for make in RECORDS], 99.0
    codecs = [PCMA, PCMU, OPUS, replace(PCMA), replace(OPUS, channels=1)]
    for step in range(3_000):
        now_s += chance.choice([0.01, 0.02, 5.0])
        at_s, side, codec = now_s - 0.1 * chance.random(), chance.randrange(2), chance.choice(codecs)
        sound = rtp.build(chance.choice([codec.payload_type, 101]), step, 0, 1, chance.randbytes(chance.randrange(1_400)))
        kind = chance.random()
        for records in made:
            if kind < 0.02:
                records.tell(("pause", "resume", "start")[step % 3], at_s, {"step": step})
            elif kind < 0.95:
                records.put(side, sound, at_s, codec)
        if kind >= 0.95:
            taken, compiled = (records.take() for records in made)
            assert taken == compiled
        assert made[0].length_s == made[1].length_s
    assert made[0].lost == made[1].lost > 0


def test_the_compiled_records_refuse_what_cannot_be_recorded() -> None:
    records = RECORDS[1](100.0, 40)
    for wrong in (lambda: records.put(2, packet(1), 100.0, PCMA), lambda: records.put(0, packet(1), 100.0, replace(PCMA, name="x" * 300))):
        with pytest.raises(ValueError, match=r"two sides|too long"):
            wrong()
    with pytest.raises(ValueError, match="too long"):
        records.tell("start", 100.0, {"note": "x" * 70_000})
    assert records.take() == (b"", 0)


def test_a_stopped_server_ends_its_recordings(tmp_path: Path) -> None:
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        recording.records.put(Side.SAID, packet(0), 100.0, PCMA)
    assert listener.outcome is not None
    read = read_recording(listener.outcome.path, RING)
    assert (read.ending, len(read.packets), read.events[-1].details["reason"]) == (Ending.COMPLETE, 1, "the server was stopped")


def test_an_end_that_was_written_before_it_was_known_as_such_still_closes_the_file(tmp_path: Path) -> None:
    """The thread may run between the last event and the mark that nothing follows it."""
    listener = Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        assert listener.started.wait(30)
        recording.over = True
        assert listener.ended.wait(30)
    assert listener.outcome is not None and read_recording(listener.outcome.path, RING).ending is Ending.COMPLETE


def test_a_slow_disk_costs_packets_and_the_file_says_how_many(tmp_path: Path) -> None:
    listener = Listener()
    recordings = Recordings(RecordingSettings(tmp_path, (KEY,), most_records=18))  # its thread does not run yet: the disk is slow
    recording = begin(recordings, listener)
    for number in range(40):
        recording.records.put(Side.SAID, packet(number), 100.0 + 0.12 * number, PCMA)
    assert recording.records.lost == 24
    with recordings:
        assert listener.started.wait(30)
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
            assert listener.started.wait(30) and other.started.wait(30)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
            for number in range(200):
                recording.records.put(Side.SAID, packet(number), 100.0 + 0.02 * number, PCMA)
            assert listener.ended.wait(30)
            recording.records.put(Side.SAID, packet(201), 104.0, PCMA)
            small.records.put(Side.SAID, packet(1), 104.0, PCMA)
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
        assert listener.ended.wait(30)
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
    nobody = lambda told: None
    recording = recordings.start(start_s, {}, who=(), consent="given", on_start=nobody, on_end=nobody, pictures=True)
    recording.pictures.show(3, 9, "vp8", (160, 120), start_s)
    number = 0
    while True:
        now_s = time.monotonic()
        start_s = max(start_s, now_s - number * 0.02 - 0.1)  # a call does not make up with a burst for a machine that stopped
        while number * 0.02 < now_s - start_s:
            recording.records.put(0, rtp.build(8, number & 0xFFFF, 160 * number, 77, b"x" * 160), now_s, PCMA)
            recording.pictures.put(3, 9, number & 0xFFFF, 1800 * number, True, b"x" * 900, now_s)
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
    assert [entry.header.sequence for entry in read.pictures] == list(range(len(read.pictures)))
    assert 0.02 * (put_in - min(len(read.packets), len(read.pictures))) <= 2.0


def test_old_recordings_go_and_interrupted_ones_are_signed_as_they_are(tmp_path: Path) -> None:
    listener, running = Listener(), Listener()
    with Recordings(RecordingSettings(tmp_path, (KEY,))) as recordings:
        recording = begin(recordings, listener)
        recording.records.put(Side.SAID, packet(0), 100.0, PCMA)
        recording.tell("end", 100.5)
        begin(recordings, running)
        assert listener.ended.wait(30) and running.started.wait(30)
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
        recording.records.put(Side.SAID, packet(0), 100.0, PCMA)
        assert listener.started.wait(30)
        with pytest.raises(StillRunning):
            erase(recording.path, RING, at_unix_s=5.0, who=("eve",), reason="asked for")
        recording.tell("end", 100.5)
        assert listener.ended.wait(30)
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
        assert listener.ended.wait(30)
    assert listener.outcome is not None
    listener.outcome.path.unlink()
    assert "is gone" in manifest.faults(listener.outcome.path, RING.public_keys)[0]
