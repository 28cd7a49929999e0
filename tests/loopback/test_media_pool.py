"""Media workers in processes of their own: where rooms go, what a death takes with it, and that a full or deaf worker is told as such."""

import asyncio
import os
import signal
from itertools import pairwise

import pytest

from media import messages as msg
from media.pool import WorkerPool
from media.settings import MediaSettings
from media.worker_process import MOST_COMMANDS, WorkerLost, WorkerProcess
from rooms.audio import PCMA
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ROOM, MediaDesk, media_desk
from tests.kit.rtp_phone import RtpPhone

WITHIN_S = 120.0
"""A worker takes three seconds to start, on a machine that has nothing else to do."""


def of_worker(desk: MediaDesk, name: str) -> list[float]:
    """One number of each worker."""
    pool: WorkerPool = desk.worker  # type: ignore[assignment]
    return [{**counters, **gauges}[name] for counters, gauges in pool.by_worker.values()]


async def until_ready(pool: WorkerPool) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not pool.ready:  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(0.02)


async def test_a_worker_that_is_killed_takes_its_own_rooms_and_no_others_and_is_replaced() -> None:
    port = 10_000 + 2 * (os.getpid() % 5_000)
    async with RtpPhone(PCMA) as a, RtpPhone(PCMA) as b, RtpPhone(PCMA) as c, RtpPhone(PCMA) as d:
        async with media_desk(MediaSettings(port=port), workers=2) as desk:
            pool: WorkerPool = desk.worker  # type: ignore[assignment]
            (first, _), _ = before = pool.processes
            assert [found for _, found in before] == [port, port + 1]
            await pool.perform(msg.OpenRoom(room_id="other"))
            for leg_id, phone, room_id in (("a", a, ROOM), ("b", b, ROOM), ("c", c, "other"), ("d", d, "other")):
                await desk.phone(leg_id, phone, room_id=room_id)
            await b.hear(30)
            await d.hear(30)
            await desk.numbers()
            assert of_worker(desk, "rooms") == [1, 1]
            assert of_worker(desk, "legs") == [2, 2]
            assert pool.gauges["legs"] == 4

            counted = pool.counters["packets_in"]
            os.kill(first, signal.SIGKILL)
            lost = await desk.hear_of(msg.RoomLost)
            assert lost.room_id == ROOM
            assert not pool.ready
            assert await pool.perform(msg.CloseRoom(room_id=ROOM)) is None
            with pytest.raises(msg.MediaRefusal, match="not open"):
                await pool.perform(msg.SendDigits(leg_id="a", digits="1"))
            await until_ready(pool)
            await d.hear(30)
            assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(d.headers)} == {1}
            assert len({header.ssrc for header in d.headers}) == 1
            assert level_at(d.heard(last=30), 440) == pytest.approx(0.25, rel=0.1)

            after = pool.processes
            assert [found for _, found in after] == [port, port + 1]
            assert after[0] != before[0] and after[1] == before[1]
            assert pool.counters["packets_in"] >= counted
            assert (pool.counters["workers_lost"], pool.counters["rooms_lost"]) == (1, 1)
            await pool.perform(msg.OpenRoom(room_id=ROOM))
            await desk.numbers()
            assert of_worker(desk, "rooms") == [1, 1]
        assert len([event for event in desk.events if isinstance(event, msg.RoomLost)]) == 1


async def test_a_worker_with_too_much_waiting_refuses_but_never_a_close_and_its_death_answers_all() -> None:
    lost: list[str] = []
    process = WorkerProcess(("sh", "-c", "exec cat > /dev/null"), lambda event: None, lost.append)  # it hears and says nothing
    await process.start()
    asked = [asyncio.ensure_future(process.perform(msg.OpenRoom(room_id=str(n)))) for n in range(MOST_COMMANDS)]
    await asyncio.sleep(0)
    with pytest.raises(msg.MediaRefusal) as refusal:
        await process.perform(msg.OpenRoom(room_id="one more"))
    assert refusal.value.code == "worker_busy"
    asked.append(asyncio.ensure_future(process.perform(msg.CloseRoom(room_id="0"))))
    await asyncio.sleep(0)
    assert not any(answer.done() for answer in asked)
    os.kill(process.pid, signal.SIGKILL)
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
    assert all(isinstance(answer, WorkerLost) for answer in answers)
    assert len(lost) == 1
    assert await process.ended() == -signal.SIGKILL
    with pytest.raises(WorkerLost):
        await process.perform(msg.OpenRoom(room_id="late"))
    await process.stop()


async def test_a_worker_that_cannot_start_is_told_in_words_and_the_others_are_stopped() -> None:
    pool = WorkerPool(MediaSettings(), lambda event: None, workers=2, command=("false",))
    with pytest.raises(WorkerLost):
        await pool.__aenter__()
