"""The encrypted file of a recording: what was written is read back, and whatever was done to it is noticed and named."""

import resource
from collections.abc import Callable
from pathlib import Path
from struct import Struct

import pytest

from media.recording.file import ChunkWriter, Ending, measure, read_chunks, rewrap
from media.recording.keys import KeyRing, PersonKey, UnknownKey

RING = KeyRing([bytes(range(32))])
CONTENTS = tuple(bytes([65 + number]) * (100 + number) for number in range(6))
HEAD_BYTES = 72
FRAME = Struct("!IIB8s")


def written(path: Path, *, file_id: bytes = b"a" * 16, data_key: bytes = b"k" * 32, last: bool = True, ring: KeyRing = RING) -> Path:
    writer = ChunkWriter(path, ring, file_id=file_id, data_key=data_key)
    for number, content in enumerate(CONTENTS):
        writer.write(content, last=last and number == len(CONTENTS) - 1)
    writer.close()
    return path


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """The head and the chunks, each with its frame."""
    chunks, position = [], HEAD_BYTES
    while position < len(data):
        size = FRAME.size + FRAME.unpack_from(data, position)[0]
        chunks.append(data[position : position + size])
        position += size
    return data[:HEAD_BYTES], chunks


def test_what_was_written_is_read_back_and_is_nowhere_in_clear(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    read = read_chunks(path, RING)
    assert (read.contents, read.ending, read.detail, read.file_id) == (CONTENTS, Ending.COMPLETE, "", b"a" * 16)
    data = path.read_bytes()
    assert not any(content[:8] in data for content in CONTENTS) and b"k" * 8 not in data
    assert path.stat().st_mode & 0o077 == 0


def swapped(head: bytes, chunks: list[bytes]) -> bytes:
    return head + b"".join([*chunks[:2], chunks[3], chunks[2], *chunks[4:]])


def swapped_and_renumbered(head: bytes, chunks: list[bytes]) -> bytes:
    """Whoever swaps may as well write the numbers that are expected."""
    renumbered = [FRAME.pack(len(c) - FRAME.size, n, 0, b"a" * 8) + c[FRAME.size :] for n, c in ((2, chunks[3]), (3, chunks[2]))]
    return head + b"".join([*chunks[:2], *renumbered, *chunks[4:]])


def doubled(head: bytes, chunks: list[bytes]) -> bytes:
    return head + b"".join([*chunks[:3], *chunks[2:]])


def left_out(head: bytes, chunks: list[bytes]) -> bytes:
    return head + b"".join([*chunks[:2], *chunks[3:]])


def marked_last(head: bytes, chunks: list[bytes]) -> bytes:
    size, number, _, owner = FRAME.unpack_from(chunks[2])
    return head + b"".join(chunks[:2]) + FRAME.pack(size, number, 1, owner) + chunks[2][FRAME.size :]


def with_more(head: bytes, chunks: list[bytes]) -> bytes:
    return head + b"".join([*chunks, chunks[0]])


@pytest.mark.parametrize(
    ("altered", "readable", "ending", "detail"),
    [
        (swapped, 2, Ending.ALTERED, "chunk 3 stands where chunk 2 belongs"),
        (swapped_and_renumbered, 2, Ending.ALTERED, "chunk 2 was altered"),
        (doubled, 3, Ending.ALTERED, "chunk 2 stands where chunk 3 belongs"),
        (left_out, 2, Ending.ALTERED, "chunk 3 stands where chunk 2 belongs"),
        (marked_last, 2, Ending.ALTERED, "chunk 2 was altered"),
        (with_more, 6, Ending.ALTERED, "bytes follow the last chunk"),
        (lambda head, chunks: head + b"".join(chunks)[:-1], 5, Ending.EARLY, "chunk 5 is incomplete"),
        (lambda head, chunks: head + b"".join(chunks[:4]) + chunks[4][:9], 4, Ending.EARLY, "chunk 4 is incomplete"),
        (lambda head, chunks: head + b"".join(chunks[:4]), 4, Ending.EARLY, "nothing follows chunk 3"),
        (lambda head, chunks: head, 0, Ending.EARLY, "it has no chunk"),
    ],
)
def test_what_was_done_to_it_is_named(
    tmp_path: Path, altered: Callable[[bytes, list[bytes]], bytes], readable: int, ending: Ending, detail: str
) -> None:
    path = written(tmp_path / "a")
    path.write_bytes(altered(*split(path.read_bytes())))
    read = read_chunks(path, RING)
    assert (read.contents, read.ending) == (CONTENTS[:readable], ending)
    assert detail in read.detail


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    data = path.read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            read = read_chunks(path, RING)
        except ValueError:
            assert position < HEAD_BYTES
        else:
            assert read.ending is not Ending.COMPLETE, position
            assert read.contents == CONTENTS[: len(read.contents)]


def test_chunks_of_another_file_do_not_pass(tmp_path: Path) -> None:
    mine, other = written(tmp_path / "a"), written(tmp_path / "b", file_id=b"b" * 16)  # and under the same key, which never happens
    head, chunks = split(mine.read_bytes())
    foreign = split(other.read_bytes())[1][2]
    mine.write_bytes(head + b"".join([*chunks[:2], foreign, *chunks[3:]]))
    assert read_chunks(mine, RING).detail == "chunk 2 is of another recording"
    disguised = foreign[: FRAME.size - 8] + b"a" * 8 + foreign[FRAME.size :]
    mine.write_bytes(head + b"".join([*chunks[:2], disguised, *chunks[3:]]))
    assert read_chunks(mine, RING).detail == "chunk 2 was altered"
    mine.write_bytes(head + b"".join(split(other.read_bytes())[1]))
    assert read_chunks(mine, RING).contents == ()


def test_keys_change_without_writing_the_file_anew(tmp_path: Path) -> None:
    old, new = bytes(32), b"n" * 32
    path = written(tmp_path / "a", ring=KeyRing([old]))
    before = path.read_bytes()
    with pytest.raises(UnknownKey, match="previous_keys"):
        read_chunks(path, KeyRing([new]))
    assert read_chunks(path, KeyRing([new, old])).ending is Ending.COMPLETE
    assert rewrap(path, KeyRing([new, old])) and not rewrap(path, KeyRing([new, old]))
    assert read_chunks(path, KeyRing([new])).contents == CONTENTS
    assert path.read_bytes()[HEAD_BYTES:] == before[HEAD_BYTES:]
    with pytest.raises(UnknownKey):
        read_chunks(path, KeyRing([old]))


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"RIFF" * 40):
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(ValueError, match="no recording"):
            read_chunks(tmp_path / "a", RING)
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing([b"short"])


def test_a_full_disk_leaves_whole_chunks(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: the first bytes of the chunk still fit."""
    writer = ChunkWriter(tmp_path / "a", RING, file_id=b"a" * 16, data_key=b"k" * 32)
    writer.write(CONTENTS[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.path.stat().st_size + 40, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            writer.write(CONTENTS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    read = read_chunks(tmp_path / "a", RING)
    assert (read.contents, read.ending, read.detail) == (CONTENTS[:1], Ending.EARLY, "nothing follows chunk 0, which is not the last")


def test_a_file_that_is_a_persons_opens_with_their_key_and_never_again_without(tmp_path: Path) -> None:
    half, opened = b"h" * 32, {"~1sealed": (b"h" * 32).hex()}
    path = tmp_path / "a"
    writer = ChunkWriter(path, RING, file_id=b"a" * 16, data_key=b"k" * 32, person=PersonKey(half, "~1sealed"))
    for number, content in enumerate(CONTENTS):
        writer.write(content, last=number == len(CONTENTS) - 1)
    ring = KeyRing([bytes(range(32))], lambda sealed: opened.get(sealed, ""))
    assert (read_chunks(path, ring).contents, read_chunks(path, ring).ending) == (CONTENTS, Ending.COMPLETE)
    newer = KeyRing([b"n" * 32, bytes(range(32))], lambda sealed: opened.get(sealed, ""))
    assert rewrap(path, newer) and read_chunks(path, newer).contents == CONTENTS
    assert measure(path) == (len(CONTENTS), read_chunks(path, newer).digest)
    for blind in (KeyRing([b"n" * 32]), KeyRing([b"n" * 32], lambda sealed: sealed), KeyRing([b"n" * 32], lambda sealed: "00" * 31)):
        with pytest.raises(UnknownKey, match="destroyed"):
            read_chunks(path, blind)
    wrong = KeyRing([b"n" * 32], lambda sealed: "00" * 32)
    assert (read_chunks(path, wrong).contents, read_chunks(path, wrong).ending) == ((), Ending.ALTERED)
    opened.clear()
    with pytest.raises(UnknownKey):
        read_chunks(path, newer)
