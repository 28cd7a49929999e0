"""``centralita recording``: what an administrator does with the files."""

import asyncio
import os
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.store import StoredRecording
from media import rtp
from media.recording import manifest
from media.recording.file import ChunkWriter, read_chunks
from media.recording.keys import KeyRing
from media.recording.records import RecordingEvent
from rooms.audio import PCMA
from tests.kit.recorded import Taken, encoded
from tests.kit.vaults import store_of

OLD, NEW = "01" * 32, "02" * 32


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of one second under the configured key."""
    monkeypatch.setenv("CENTRALITA_MEDIA__RECORDING__KEY", OLD)
    monkeypatch.setenv("CENTRALITA_MEDIA__RECORDING__FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ring, path = KeyRing([bytes.fromhex(OLD)]), tmp_path / ("ab" * 16 + ".rec")
    writer = ChunkWriter(path, ring, file_id=b"\xab" * 16, data_key=b"k" * 32)
    said: list[Taken | RecordingEvent] = [(0, 0.02 * n, rtp.build(8, n, 160 * n, 77, b"\xd5" * 160), PCMA) for n in range(50)]
    writer.write(encoded(0.0, [*said, RecordingEvent("end", 1.0, {})]), last=True)
    manifest.append(path, ring, "begun", at_unix_s=1.0)
    manifest.append(path, ring, "ended", at_unix_s=2.0, details={"chunks": 1, "digest": writer.digest.hex()})
    return path


def done(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["recording", *arguments])
    return result.exit_code, result.output


def test_a_recording_is_checked_exported_and_the_export_is_on_record(file: Path) -> None:
    assert done("check", str(file)) == (0, "1.0 s, 50 packets in 1 chunks, complete\n")
    assert done("export", str(file), "call.wav", "--by", "carol")[0] == 0
    with wave.open("call.wav") as sound:
        assert (sound.getnchannels(), sound.getnframes()) == (2, 16_000)
    assert [(entry.what, entry.who) for entry in manifest.entries(file)][2:] == [("exported", ("carol",))]
    assert (exported := manifest.entries(file)[2].details)["seconds"] == 1.0 and exported["said_peak_dbfs"] < -60
    assert done("check", str(file))[0] == 0
    assert done("export", str(file), "mix.opus", "--by", "carol", "--mix")[0] == 0 and Path("mix.opus").read_bytes()[:4] == b"OggS"
    assert done("export", str(file), "mix.wav", "--by", "carol", "--mix")[0] == 0
    with wave.open("mix.wav") as sound:
        assert sound.getnchannels() == 1
    status, told = done("export", str(file), "call.opus", "--by", "carol", "--side", "said")
    assert status == 2 and "spoken in pcma" in told
    status, told = done("export", str(file), "call.mp3", "--by", "carol")
    assert status == 2 and "NAME.wav or NAME.opus" in told
    status, told = done("export", str(file), "call.wav", "--by", "+34 600 123 456")
    assert status == 2 and "telephone number" in told


def test_what_is_wrong_is_told(file: Path) -> None:
    status, told = done("check", str(file), "--entries", "3", "--digest", "00")
    assert status == 1 and "1 entries were cut from the end" in told
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    status, told = done("check", str(file))
    assert status == 1 and "the recording was altered after it ended" in told and "chunk 0 was altered" in told
    status, told = done("check", str(file.with_suffix(".none")))
    assert status == 2 and "No such file" in told


def test_a_new_key_takes_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALITA_MEDIA__RECORDING__KEY", NEW)
    status, told = done("check", str(file))
    assert status == 2 and "previous_keys" in told
    Path("centralita.toml").write_text(f'[media.recording]\nprevious_keys = ["{OLD}"]\n')
    os.utime(file, (1_000.0, 1_000.0))
    assert done("rewrap") == (0, "1 of 1 recordings were put under the new key.\n")
    assert file.stat().st_mtime == 1_000.0, "it is no younger for it"
    assert done("rewrap") == (0, "0 of 1 recordings were put under the new key.\n")
    assert len(read_chunks(file, KeyRing([bytes.fromhex(NEW)])).contents) == 1
    assert done("check", str(file))[0] == 0


def test_an_audit_compares_every_recording_with_what_the_database_knows(file: Path) -> None:
    Path("var").mkdir()

    async def known() -> None:
        async with store_of(Path("var")) as store:
            stands = manifest.checkpoint(file)
            row = StoredRecording("c-1", "c", "ana", "given", file.name, 1.0, 2.0, entries=stands.entries, digest=stands.digest)
            store.put_recording(row)

    asyncio.run(known())
    assert done("audit") == (0, "Every recording is there and whole.\n")
    stranger = file.with_name("cd" * 16 + ".rec")
    stranger.write_bytes(file.read_bytes())
    assert done("audit") == (1, f"{stranger.name}: no call is known that it belongs to\n1 faults.\n")
    stranger.unlink()
    lines = file.with_suffix(".manifest").read_bytes().splitlines(keepends=True)
    file.with_suffix(".manifest").write_bytes(lines[0])
    status, told = done("audit")
    assert status == 1 and "c-1" in told and "1 entries were cut from the end" in told and told.endswith("faults.\n")
