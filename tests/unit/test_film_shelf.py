"""Films fetched from the shelf and made by command: who did stands with each part, and what cannot be had is said."""

from io import BytesIO
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.recording_shelf import RecordingShelf
from api.store import Store, StoredRecording
from media.recording import manifest
from media.recording.file import ChunkWriter
from media.recording.keys import KeyRing
from signaling.refusal import Refusal
from tests.kit.filmed import Filmed, flat, h264, vp8
from tests.kit.vaults import VAULT
from tests.unit.test_film import nal_payloads, tone

KEY = b"\x01" * 32
RING = KeyRing([KEY])


def written(folder: Path, name: str, someone: Filmed) -> Path:
    """A recording that ended well, as its writer leaves it."""
    file_id = name.encode().ljust(16, b"-")
    path = folder / f"{file_id.hex()}.rec"
    writer = ChunkWriter(path, RING, file_id=file_id, data_key=b"k" * 32)
    writer.write(someone.contents(2.2), last=True)
    manifest.append(path, RING, "begun", at_unix_s=1.0)
    manifest.append(path, RING, "ended", at_unix_s=2.0, details={"chunks": writer.chunks, "digest": writer.digest.hex()})
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Ana's in VP8, Ben's in H.264."""
    ana, ben = Filmed(name="Ana"), Filmed(name="Ben")
    ana.say(tone(1.0))
    ana.show(vp8([flat(60)] * 10), (160, 120))
    ben.say(tone(1.0))
    ben.show(h264([flat(60)] * 10), (0, 0), codec="h264", divide=nal_payloads)
    return [written(tmp_path, "ana", ana), written(tmp_path, "ben", ben)]


def codecs(film: bytes) -> list[str]:
    with av.open(BytesIO(film)) as container:
        return [stream.codec_context.name for stream in container.streams]


def last_entry(path: Path) -> tuple[str, tuple[str, ...], object]:
    entry = manifest.entries(path)[-1]
    return entry.what, entry.who, entry.details["as"]


async def test_who_watched_a_consultation_stands_with_each_part(tmp_path: Path, files: list[Path]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/store"
    async with Store.open(url, vault=VAULT) as store, RecordingShelf(store, tmp_path, (KEY,), clock=lambda: 3.0) as shelf:
        for number, path in enumerate(files):
            store.put_recording(StoredRecording(f"r-{number}", "r", "ana", "given", path.name, started_at=1.0, ended_at=2.0))
        film = await shelf.watch("r", "mkv", "eva")
        assert (film.content_type, codecs(film.body)) == ("video/matroska", ["vp8", "h264", "opus", "opus", "opus"])
        assert [last_entry(path) for path in files] == [("watched", ("person eva",), "mkv")] * 2
        alone = await shelf.listen("r-0", "webm", "eva")
        assert codecs(alone.body) == ["vp8", "opus"] and last_entry(files[0]) == ("watched", ("person eva",), "webm")
        assert [row.entries for row in await shelf.parts_of("r")] == [4, 3] and await shelf.faults() == []
        refused = []
        for call_id, form in (("r", "webm"), ("r", "mp4"), ("x", "webm")):
            with pytest.raises(Refusal) as refusal:
                await shelf.watch(call_id, form, "eva")
            refused.append(refusal.value.code)
        assert refused == ["not_a_film", "not_a_film", "unknown_recording"]
        await shelf.erase("r-1", "eva", "test")
        assert codecs((await shelf.watch("r", "webm", "eva")).body) == ["vp8", "opus"], "what was erased is not in it"


def test_an_administrator_makes_a_film_of_files(tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALITA_MEDIA__RECORDING__KEY", KEY.hex())
    monkeypatch.chdir(tmp_path)

    def made(name: str, *paths: Path) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["recording", "film", name, *map(str, paths), "--by", "carol"])
        return result.exit_code, result.output

    assert made("both.mkv", *files)[0] == 0 and codecs(Path("both.mkv").read_bytes())[:2] == ["vp8", "h264"]
    assert [last_entry(path) for path in files] == [("exported", ("carol",), "mkv")] * 2
    status, told = made("both.webm", *files)
    assert status == 2 and ".webm does not hold" in told
    status, told = made("both.avi", *files)
    assert status == 2 and "NAME.webm" in told
