"""The writer by itself, with a database that is there or not at the flick of a switch."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.store.errors import StoreRefused, StoreUnavailable
from api.store.rows import CallRows, Line, Record, Sample
from api.store.spool import RecordSpool
from api.store.writer import Writer
from media.messages import LegSample
from tests.kit.vaults import VAULT

WITHIN_S, ENDLESS_S = 30.0, 1e6
NUMBER, NAME = "+34600111222", "Luz Marina"


def call(call_id: str, version: int = 0) -> CallRows:
    row = {
        "call_id": call_id,
        "direction": "in",
        "caller": NUMBER,
        "caller_name": NAME,
        "called": "900",
        "end_detail": None,
        "ended_by": "",
    }
    return CallRows(call_id, False, row | {"version": version}, ())


def sample(at: float, call_id: str = "c") -> Sample:
    leg = LegSample(
        leg_id="l",
        packets=50,
        loss=None,
        jitter_ms=None,
        round_trip_ms=None,
        discarded=0,
        concealed_ms=0.0,
        level_dbfs=None,
        r=None,
        mos=None,
        scale="nb",
        cause="good",
        codec="pcma",
    )
    return Sample(call_id, at, leg)


def line(seq: int, call_id: str = "c") -> Line:
    return Line("call_events", {"call_id": call_id, "seq": seq, "party": NUMBER, "by": "ana", "detail": ""})


class Shelf:
    """A database of two lists. ``there``: does it answer? ``never``: a call that it refuses. ``turned_away``: it was tried in vain."""

    def __init__(self, *, never: str = "") -> None:
        self.there = asyncio.Event()
        self.there.set()
        self.turned_away = asyncio.Event()
        self.never = never
        self.calls: list[tuple[str, int]] = []
        self.lines: list[tuple[str, int]] = []
        self.samples: list[float] = []
        self.batches: list[tuple[int, int]] = []

    async def write(self, calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        await asyncio.sleep(0)
        names = [call.call_id for call in calls] + [sample.call_id for sample in samples] + [line.row["call_id"] for line in lines]
        if not self.there.is_set():
            self.turned_away.set()
            raise StoreUnavailable("It is away.")
        if self.never in names:
            raise StoreRefused("It says no.")
        self.calls += [(call.call_id, call.call["version"]) for call in calls]
        self.lines += [(line.row["call_id"], line.row["seq"]) for line in lines]
        self.samples += [sample.at for sample in samples]
        self.batches.append((len(calls), len(samples)))

    def writer(self, **settings: object) -> Writer:
        return Writer(self.write, first_retry_s=0.0, longest_retry_s=0.0, **settings)  # type: ignore[arg-type]


async def test_only_the_newest_record_of_a_call_is_written() -> None:
    shelf = Shelf()
    async with shelf.writer() as writer:
        for version in range(5):
            writer.put(call("c", version))
        writer.put(call("d"))
        assert writer.waiting == (2, 0)
        await writer.flush()
        assert shelf.calls == [("c", 4), ("d", 0)] and writer.waiting == (0, 0)


async def test_batches_are_bounded_and_in_order() -> None:
    shelf = Shelf()
    async with shelf.writer(batch=10) as writer:
        for at in range(100):
            writer.put(call(f"c{at // 4}"))
            writer.put_sample(sample(at))
        await writer.flush()
    assert shelf.batches == [(10, 80), (10, 20), (5, 0)] and shelf.samples == [float(at) for at in range(100)]


async def test_what_comes_in_a_moment_is_one_transaction_and_whoever_flushes_does_not_wait_for_more() -> None:
    shelf = Shelf()
    async with shelf.writer(gather_s=60.0) as writer:
        for name in ("a", "b"):
            writer.put(call(name))
            for _ in range(5):
                await asyncio.sleep(0)
        await writer.flush()
        assert shelf.batches == [(2, 0)]
        writer.put(call("c"))
    assert shelf.batches == [(2, 0), (1, 0)]


async def test_records_wait_for_a_database_that_is_away_and_samples_give_way() -> None:
    shelf = Shelf()
    shelf.there.clear()
    async with shelf.writer(most_samples=3) as writer:
        writer.put(call("c", 1))
        for at in range(5):
            writer.put_sample(sample(at))
        await shelf.turned_away.wait()
        writer.put(call("c", 2))
        writer.put_sample(sample(5))
        assert not shelf.calls
        shelf.there.set()
        await writer.flush()
        assert shelf.calls == [("c", 2)], "what was under way when it failed does not come back over something newer"
        assert shelf.samples == [3.0, 4.0, 5.0] and writer.dropped_samples == 3
        assert writer.reachable


async def test_who_wants_what_was_put_waits_for_a_busy_database_and_not_for_one_that_is_away() -> None:
    shelf = Shelf()
    async with shelf.writer(gather_s=60.0) as writer:
        assert await writer.caught_up(WITHIN_S), "there is nothing to wait for"
        writer.put(call("c", 1))
        assert await writer.caught_up(WITHIN_S) and shelf.calls == [("c", 1)]
        shelf.there.clear()
        writer.put(call("c", 2))
        assert not await writer.caught_up(ENDLESS_S), "it is found to be away meanwhile"
        writer.put(call("c", 3))
        assert not await writer.caught_up(ENDLESS_S), "it is known to be away"
        shelf.there.set()
        await writer.flush()
        writer.put(call("c", 4))
        assert await writer.caught_up(WITHIN_S) and shelf.calls[-1] == ("c", 4)


async def test_who_wants_what_was_put_waits_no_longer_than_they_said() -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def write(*rows: object) -> None:
        begun.set()
        await goes_on.wait()

    async with Writer(write) as writer:
        writer.put(call("c"))
        assert not await writer.caught_up(0.0)
        await begun.wait()
        assert not await writer.caught_up(0.0)
        goes_on.set()
        assert await writer.caught_up(WITHIN_S)


async def test_an_outage_is_said_once() -> None:
    shelf = Shelf()
    shelf.there.clear()
    with capture_logs() as logs:
        async with shelf.writer() as writer:
            writer.put(call("c"))
            for _ in range(5):
                shelf.turned_away.clear()
                await shelf.turned_away.wait()
            assert not writer.reachable and writer.waiting == (1, 0)
            shelf.there.set()
            await writer.flush()
    assert [entry["event"] for entry in logs] == ["store.away", "store.back"]


async def test_what_is_refused_for_good_is_counted_and_the_rest_written() -> None:
    shelf = Shelf(never="bad")
    async with shelf.writer() as writer:
        for name in ("a", "bad", "c"):
            writer.put(call(name))
            writer.put_sample(sample(1.0, name))
        await writer.flush()
        assert [name for name, _ in shelf.calls] == ["a", "c"] and shelf.samples == [1.0, 1.0]
        assert writer.refused == 2 and writer.reachable


async def test_closing_writes_what_waits() -> None:
    shelf = Shelf()
    async with shelf.writer() as writer:
        writer.put(call("c"))
    assert shelf.calls == [("c", 0)] and not writer.alive


async def test_closing_without_a_database_ends_and_says_what_is_lost() -> None:
    shelf = Shelf()
    shelf.there.clear()
    with capture_logs() as logs:
        async with shelf.writer(drain_s=0.05) as writer:
            writer.put(call("c"))
    assert logs[-1] == {"event": "store.records_lost", "records": ["c"], "count": 1, "lines": 0, "log_level": "error"}


async def test_a_write_that_hangs_does_not_hold_up_the_end() -> None:
    async def hang(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with Writer(hang, drain_s=0.05) as writer:
            writer.put(call("c"))
    assert logs[-1]["records"] == ["c"]


async def test_a_defect_of_ours_is_seen() -> None:
    tried = asyncio.Event()

    async def broken(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        tried.set()
        raise KeyError("defect")

    with pytest.raises(KeyError):
        async with Writer(broken) as writer:
            writer.put(call("c"))
            await tried.wait()
            await asyncio.sleep(0)
            assert not writer.alive


async def test_a_database_that_goes_away_in_the_middle_of_row_by_row_loses_nothing() -> None:
    shelf = Shelf(never="bad")
    plain_write, left = shelf.write, 3

    async def write(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise StoreUnavailable("It went away just now.")
        await plain_write(calls, lines, samples)

    async with Writer(write, first_retry_s=0.0) as writer:
        for name in ("bad", "b", "c"):
            writer.put(call(name))
        writer.put_sample(sample(1.0))
        await writer.flush()
        assert shelf.calls == [("b", 0), ("c", 0)] and shelf.samples == [1.0] and writer.refused == 1


async def test_a_record_is_never_written_before_the_lines_that_came_before_it() -> None:
    shelf, order = Shelf(), []
    plain_write = shelf.write

    async def write(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        await plain_write(calls, lines, samples)
        order.append((len(calls), len(lines)))

    async with Writer(write, batch=2) as writer:
        writer.put_lines(line(seq) for seq in range(1, 20))
        writer.put(call("c"))
    assert order == [(0, 8), (0, 8), (1, 3)]
    assert shelf.lines == [("c", seq) for seq in range(1, 20)]


async def test_lines_wait_in_order_for_a_database_that_is_away_and_none_is_lost() -> None:
    shelf = Shelf(never="bad")
    shelf.there.clear()
    async with shelf.writer() as writer:
        writer.put_lines([line(1), line(1, "bad"), line(2)])
        await shelf.turned_away.wait()
        writer.put_lines([line(3)])
        shelf.there.set()
        await writer.flush()
    assert shelf.lines == [("c", 1), ("c", 2), ("c", 3)] and writer.refused == 1


class WatchedSpool(RecordSpool):
    """``holds``: waits until so many rows are in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, VAULT)
        self._loop, self._came = asyncio.get_running_loop(), asyncio.Event()

    def append(self, rows: Iterable[Record | Line]) -> None:
        super().append(rows)
        self._loop.call_soon_threadsafe(self._came.set)

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.read(0)[0]) < count:
                await self._came.wait()
                self._came.clear()


async def test_what_waits_is_on_the_disk_too_and_comes_from_there_after_a_kill(tmp_path: Path) -> None:
    spool, shelf = WatchedSpool(tmp_path / "calls.spool"), Shelf()
    shelf.there.clear()
    killed = shelf.writer(spool=spool)
    await killed.__aenter__()
    killed.put(call("c", 1))
    killed.put_lines([line(1)])
    await shelf.turned_away.wait()
    killed.put(call("c", 2))
    killed.put_lines([line(2)])
    await spool.holds(4)
    assert killed._task is not None
    killed._task.cancel()
    shelf.there.set()
    async with shelf.writer(spool=spool) as writer:
        await writer.restore()
        await writer.flush()
        assert (shelf.calls, shelf.lines) == ([("c", 2)], [("c", 1), ("c", 2)])
        writer.put(call("d"))
        await writer.flush()
        assert spool.read(0) == ([], 0), "and that is all that was in it"


async def test_the_spool_is_empty_when_the_database_is_back(tmp_path: Path) -> None:
    spool, shelf = WatchedSpool(tmp_path / "calls.spool"), Shelf()
    shelf.there.clear()
    async with shelf.writer(spool=spool) as writer:
        writer.put(call("c"))
        await spool.holds(1)
        shelf.there.set()
        await writer.flush()
        assert shelf.calls == [("c", 0)] and spool.read(0) == ([], 0)


async def test_who_closes_without_a_database_leaves_everything_in_the_spool(tmp_path: Path) -> None:
    spool = RecordSpool(tmp_path / "calls.spool", VAULT)

    async def hang(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with Writer(hang, drain_s=0.05, spool=spool) as writer:
            writer.put(call("c"))
            writer.put_lines([line(1)])
    assert spool.read(0)[0] == [call("c"), line(1)]
    assert not any(word in (tmp_path / "calls.spool").read_text() for word in (NUMBER, NAME)), "it is sealed"
    assert logs[-1] == {"event": "store.records_spooled", "count": 1, "lines": 1, "log_level": "warning"}


async def test_what_does_not_fit_into_memory_is_on_the_disk_alone_and_written_once_in_order(tmp_path: Path) -> None:
    spool, shelf = WatchedSpool(tmp_path / "calls.spool"), Shelf()
    shelf.there.clear()
    async with shelf.writer(spool=spool, most_in_memory=50) as writer:
        for number in range(300):
            writer.put_lines([line(number)])
            writer.put(call(f"c{number // 10}", number))
        await spool.holds(330)
        shelf.turned_away.clear()
        await shelf.turned_away.wait()
        assert writer.gauges["lines_waiting"] == 0
        writer.put(call("c0", 1_000))  # newer than what is on the disk
        assert writer.gauges["spool_bytes"] == spool.size > 0 and writer.counts["rows_spooled"] >= 330
        shelf.there.set()
        await writer.flush()
        assert (spool.read(0), writer.gauges["spool_bytes"]) == (([], 0), 0)
    assert shelf.lines == [("c", number) for number in range(300)]
    assert len(shelf.calls) == 31 and shelf.calls[-1] == ("c0", 1_000) and ("c29", 299) in shelf.calls


async def test_a_spool_is_read_in_pieces_that_end_with_a_line(tmp_path: Path) -> None:
    spool = RecordSpool(tmp_path / "calls.spool", VAULT)
    spool.append([line(number) for number in range(6_000)])
    found, at = spool.read(0)
    pieces = 1
    assert 0 < len(found) < 6_000
    while rows := (piece := spool.read(at))[0]:
        found, at, pieces = found + rows, piece[1], pieces + 1
    assert found == [line(number) for number in range(6_000)] and at == spool.size and pieces == 2


async def test_a_database_that_goes_away_again_in_the_middle_of_the_disk_goes_on_there(tmp_path: Path) -> None:
    spool, shelf = RecordSpool(tmp_path / "calls.spool", VAULT), Shelf()
    spool.append([line(number) for number in range(6_000)])
    plain_write, written = shelf.write, 0

    async def write(calls: list[CallRows], lines: list[Line], samples: list[Sample]) -> None:
        nonlocal written
        written += 1
        if written in (2, 3):
            raise StoreUnavailable("It went away again.")
        await plain_write(calls, lines, samples)

    async with Writer(write, first_retry_s=0.0, longest_retry_s=0.0, spool=spool) as writer:
        await writer.restore()
        await writer.flush()
    assert shelf.lines == [("c", number) for number in range(6_000)] and spool.size == 0


async def test_where_the_disk_takes_nothing_either_the_oldest_lines_give_way_and_no_record(tmp_path: Path) -> None:
    spool, shelf = RecordSpool(tmp_path / "none" / "calls.spool", VAULT), Shelf()
    shelf.there.clear()
    async with shelf.writer(spool=spool, most_in_memory=5, most_lines=20) as writer:
        with capture_logs():
            writer.put_lines(line(number) for number in range(50))
            for number in range(50):
                writer.put(call(f"c{number}"))
            await shelf.turned_away.wait()
            writer.put_lines([line(50)])
            shelf.there.set()
            await writer.flush()
        assert len(shelf.calls) == 50 and writer.counts["lines_dropped"] == 31
    assert shelf.lines == [("c", number) for number in range(31, 51)]
