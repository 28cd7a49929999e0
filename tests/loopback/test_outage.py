"""PostgreSQL is killed under calls: none fails, and every record, entry and second of theirs is there once when it is back."""

import asyncio
from dataclasses import replace
from pathlib import Path

from sqlalchemy import func, select

from api.store.record_tables import call_events
from api.store.schema import calls, legs
from rooms import events as ev
from tests.kit.exchange_bench import POLICY, ExchangeBench, exchange_bench
from tests.kit.postgres import Postgres

PATIENT = replace(POLICY, agent_media_s=60.0)
"""Nobody here has sound, and is to stay in the call all the same."""
_AT_ONCE = 10
_LEAST = 60


async def _call(bench: ExchangeBench, number: int) -> str:
    """One that is answered, held, resumed and ended by who made it."""
    who = f"agent{number}"
    call_id = bench.dial(who, "600")
    await bench.told.call(who, "live")
    bench.exchange.feed(ev.HoldRequested(call_id, who, True))
    bench.exchange.feed(ev.HoldRequested(call_id, who, False))
    bench.exchange.feed(ev.HangUpRequested(call_id, who))
    await bench.told.call(who, "ended")
    return call_id


async def test_no_call_fails_and_every_record_is_there_once_after_postgresql_was_killed(tmp_path: Path) -> None:
    with Postgres() as server:
        async with exchange_bench(tmp_path, policy=PATIENT, database=await server.create("outage")) as bench:
            ids: list[str] = []

            async def calls_made() -> None:
                ids.extend(await asyncio.gather(*(_call(bench, len(ids) + number) for number in range(_AT_ONCE))))

            await calls_made()
            await asyncio.gather(calls_made(), asyncio.to_thread(server.kill))
            while bench.store.writer.reachable or len(ids) < _LEAST:
                await calls_made()
            await asyncio.gather(calls_made(), asyncio.to_thread(server.start))
            await calls_made()
            assert {await bench.ended(call_id) for call_id in ids} == {"completed"}
            found = {row["call_id"]: row for row in await bench.store._rows(select(calls))}
            assert found.keys() == set(ids) and all(row["answered_at"] and row["ended_at"] for row in found.values())
            events = select(call_events.c.call_id, func.count().label("entries"), func.max(call_events.c.seq).label("last"))
            told = await bench.store._rows(events.group_by(call_events.c.call_id))
            assert {row["call_id"]: (row["entries"], row["last"]) for row in told} == {
                call_id: (row["entries"], row["entries"]) for call_id, row in found.items()
            }
            open_legs = await bench.store._rows(select(legs.c.leg_id).where(legs.c.ended_at.is_(None)))
            assert open_legs == [] and len(await bench.store._rows(select(legs.c.leg_id))) == 2 * len(ids)
            assert bench.store.writer.counts["lines_dropped"] == bench.store.writer.counts["rows_refused"] == 0
