"""The manifest: whatever is done to it or to its recording is named, by whoever has the public key alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from media.recording.file import ChunkWriter
from media.recording.keys import KeyRing
from media.recording.manifest import Checkpoint, append, entries, faults

RING = KeyRing([bytes(range(32))])


def sealed(folder: Path, digit: str = "a") -> tuple[Path, Checkpoint]:
    """A recording of four chunks, to which two people have listened."""
    path = folder / f"{digit * 32}.rec"
    writer = ChunkWriter(path, RING, file_id=bytes.fromhex(path.stem), data_key=digit.encode() * 32)
    append(path, RING, "begun", at_unix_s=1.0, who=("leg-7", "alice"), details={"consent": "given"})
    for number in range(4):
        writer.write(b"contents" * 10, last=number == 3)
    append(path, RING, "ended", at_unix_s=2.0, details={"chunks": writer.chunks, "digest": writer.digest.hex()})
    append(path, RING, "listened", at_unix_s=3.0, who=("carol",))
    return path, append(path, RING, "listened", at_unix_s=4.0, who=("dave",))


def test_a_manifest_tells_who_when_with_what_consent_and_who_listened(tmp_path: Path) -> None:
    path, checkpoint = sealed(tmp_path)
    assert faults(path, RING.public_keys, checkpoint) == []
    told = entries(path)
    assert [(entry.what, entry.who, entry.at_unix_s) for entry in told] == [
        ("begun", ("leg-7", "alice"), 1.0),
        ("ended", (), 2.0),
        ("listened", ("carol",), 3.0),
        ("listened", ("dave",), 4.0),
    ]
    assert told[0].details == {"consent": "given"} and checkpoint.entries == 4
    assert path.with_suffix(".manifest").stat().st_mode & 0o077 == 0


def without(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        (lambda lines: [lines[0].replace(b"given", b"taken"), *lines[1:]], "entry 0 was altered"),
        (lambda lines: [*lines[:2], lines[2].replace(b"carol", b"caral"), lines[3]], "entry 2 was altered"),
        (lambda lines: [*lines[:2], b"0" + lines[2][1:] if lines[2][:1] != b"0" else b"1" + lines[2][1:], lines[3]], "entry 2 was altered"),
        (lambda lines: [*lines[:2], b"\xff\xfe", lines[3]], "entry 2 was altered"),
        (without(2), "entry 3 stands where entry 2 belongs"),
        (without(3), "1 entries were cut from the end"),
        (lambda lines: [lines[0], lines[1], lines[3], lines[2]], "entry 3 stands where entry 2 belongs"),
        (lambda lines: [*lines, lines[3]], "entry 3 stands where entry 4 belongs"),
        (without(1), "nothing is signed yet about how it ended"),
    ],
)
def test_what_was_done_to_it_is_named(tmp_path: Path, altered: Callable[[list[bytes]], list[bytes]], named: str) -> None:
    path, checkpoint = sealed(tmp_path)
    file = path.with_suffix(".manifest")
    file.write_bytes(b"".join(line + b"\n" for line in altered(file.read_bytes().splitlines())))
    assert any(named in fault for fault in faults(path, RING.public_keys, checkpoint))


def test_entries_of_another_recording_or_key_do_not_pass(tmp_path: Path) -> None:
    path, checkpoint = sealed(tmp_path)
    other, _ = sealed(tmp_path, "b")
    path.with_suffix(".manifest").write_bytes(other.with_suffix(".manifest").read_bytes())
    found = faults(path, RING.public_keys, checkpoint)
    assert found[0] == "entry 0 is of another recording" and "entry 3 is another than it was once" in found
    assert "is signed under a key that is not known" in faults(other, KeyRing([bytes(32)]).public_keys)[0]


def test_an_insider_who_signs_a_shorter_story_is_found_by_the_checkpoint(tmp_path: Path) -> None:
    """With the key that signs, one can cut and go on: then what was kept elsewhere tells."""
    path, checkpoint = sealed(tmp_path)
    file = path.with_suffix(".manifest")
    file.write_bytes(b"".join(line + b"\n" for line in file.read_bytes().splitlines()[:3]))
    append(path, RING, "listened", at_unix_s=4.0, who=("mallory",))
    assert faults(path, RING.public_keys) == []
    assert faults(path, RING.public_keys, checkpoint) == ["entry 3 is another than it was once"]


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        (lambda data: data[: len(data) // 2], "the recording was cut: it has 1 whole chunks and had 4"),
        (lambda data: data[:-1], "the recording was cut: it has 3 whole chunks and had 4"),
        (lambda data: data + b"x", "the recording was altered after it ended"),
        (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "the recording was altered after it ended"),
    ],
)
def test_what_was_done_to_the_recording_is_named_without_its_key(tmp_path: Path, altered: Callable[[bytes], bytes], named: str) -> None:
    path, checkpoint = sealed(tmp_path)
    path.write_bytes(altered(path.read_bytes()))
    assert faults(path, RING.public_keys, checkpoint) == [named]


def test_a_line_torn_by_a_crash_is_told_and_then_replaced(tmp_path: Path) -> None:
    path, checkpoint = sealed(tmp_path)
    with path.with_suffix(".manifest").open("ab") as file:
        file.write(b'abcdef {"file_id":"')
    assert faults(path, RING.public_keys, checkpoint) == ["the last line of the manifest is incomplete"]
    later = append(path, RING, "exported", at_unix_s=5.0, who=("erin",))
    assert later.entries == 5 and faults(path, RING.public_keys, checkpoint) == []


def test_an_older_key_still_verifies_what_it_signed(tmp_path: Path) -> None:
    path, checkpoint = sealed(tmp_path)
    newer = KeyRing([b"n" * 32, bytes(range(32))])
    append(path, newer, "listened", at_unix_s=6.0, who=("frank",))
    assert faults(path, newer.public_keys, checkpoint) == []
