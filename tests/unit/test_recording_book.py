"""Which recordings are awaited, whatever the media plane tells of them or does not."""

from pathlib import Path

from api.recording_book import RecordingBook
from api.store import Store
from media.messages import RecordingStarted, RecordingStopped
from tests.kit.vaults import VAULT


async def test_what_had_not_begun_when_its_call_was_over_is_awaited_no_longer(tmp_path: Path) -> None:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'book.db'}", node="one", vault=VAULT) as store:
        book = RecordingBook(store)
        for name, call_id in (("a-1", "a"), ("a-2", "a"), ("a-3", "a"), ("b-1", "b")):
            book.expect(name, call_id, "ana", "given", 1.0)
        book.granted("a-3")
        book.started(RecordingStarted("a", "a-1", "first.rec"))
        book.call_over("a")
        assert book.running == {"a-1", "a-3", "b-1"}, "what was granted is told of, however late"
        book.stopped(RecordingStopped("a", "a-1", "first.rec", 10, 0, 3, "digest"), 2.0)
        book.stopped(RecordingStopped("a", "a-3", "third.rec", 1, 0, 3, "digest"), 2.0)
        book.call_over("b")
        await book.settled(0.0)
        assert book.running == set()
        await store.flush()
        assert [row.recording_id for row in await store.recordings_of("a")] == ["a-1", "a-3"]
