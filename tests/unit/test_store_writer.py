"""The writer by itself, with a database that is there or not at the flick of a switch."""

import asyncio

import pytest
from structlog.testing import capture_logs

from api.store.errors import StoreRefused, StoreUnavailable
from api.store.rows import CallRows, Sample
from api.store.writer import Writer
from media.messages import LegSample


def call(call_id: str, version: int = 0) -> CallRows:
    return CallRows(call_id, False, {"version": version}, ())


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


class Shelf:
    """A database of two lists. ``there``: does it answer? ``never``: a call that it refuses. ``turned_away``: it was tried in vain."""

    def __init__(self, *, never: str = "") -> None:
        self.there = asyncio.Event()
        self.there.set()
        self.turned_away = asyncio.Event()
        self.never = never
        self.calls: list[tuple[str, int]] = []
        self.samples: list[float] = []
        self.batches: list[tuple[int, int]] = []

    async def write(self, calls: list[CallRows], samples: list[Sample]) -> None:
        await asyncio.sleep(0)
        names = [call.call_id for call in calls] + [sample.call_id for sample in samples]
        if not self.there.is_set():
            self.turned_away.set()
            raise StoreUnavailable("It is away.")
        if self.never in names:
            raise StoreRefused("It says no.")
        self.calls += [(call.call_id, call.call["version"]) for call in calls]
        self.samples += [sample.at for sample in samples]
        self.batches.append((len(calls), len(samples)))

    def writer(self, **settings: float) -> Writer:
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
        for at in range(25):
            writer.put(call(f"c{at}"))
            writer.put_sample(sample(at))
        await writer.flush()
    assert shelf.batches == [(10, 10), (10, 10), (5, 5)] and shelf.samples == [float(at) for at in range(25)]


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
    assert logs[-1] == {"event": "store.records_lost", "records": ["c"], "count": 1, "log_level": "error"}


async def test_a_write_that_hangs_does_not_hold_up_the_end() -> None:
    async def hang(calls: list[CallRows], samples: list[Sample]) -> None:
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with Writer(hang, drain_s=0.05) as writer:
            writer.put(call("c"))
    assert logs[-1]["records"] == ["c"]


async def test_a_defect_of_ours_is_seen() -> None:
    tried = asyncio.Event()

    async def broken(calls: list[CallRows], samples: list[Sample]) -> None:
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

    async def write(calls: list[CallRows], samples: list[Sample]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise StoreUnavailable("It went away just now.")
        await plain_write(calls, samples)

    async with Writer(write, first_retry_s=0.0) as writer:
        for name in ("bad", "b", "c"):
            writer.put(call(name))
        writer.put_sample(sample(1.0))
        await writer.flush()
        assert shelf.calls == [("b", 0), ("c", 0)] and shelf.samples == [1.0] and writer.refused == 1
