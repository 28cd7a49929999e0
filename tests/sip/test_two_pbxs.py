"""Two real PBXs as one trunk: two kamailios with digest, of which one is killed."""

import asyncio
import signal
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from api.demo_call.kamailio import kamailio
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, StatusChanged
from pbx.trunk_group import TrunkGroup
from rooms.causes import Cause, EndReason
from tests.kit.trunk_bench import TrunkBench, group_bench, sip_bench

USERS = {"100": "pw100", "400": "pw400"}
BYE = Cause(EndReason.COMPLETED)


async def _answer(bench: TrunkBench) -> None:
    """A phone that takes every call."""
    while True:
        arrived = await bench.event(Arrived, within_s=60)
        bench.trunk.answer(arrived.leg_id, bench.endpoint())


async def _both_ready(bench: TrunkBench) -> None:
    assert isinstance(bench.trunk, TrunkGroup)
    while not all(line.status.ready for line in bench.trunk.lines()):
        await bench.event(StatusChanged)


async def test_one_of_two_pbxs_is_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(kamailio(tmp_path / "first", USERS))
        second = await stack.enter_async_context(kamailio(tmp_path / "second", USERS))
        phones = [
            await stack.enter_async_context(sip_bench(pbx.host, pbx.port, domain="pbx.test", extension="400", password="pw400"))
            for pbx in (first, second)
        ]

        def group(silent_s: float) -> AbstractAsyncContextManager[TrunkBench]:
            return group_bench({"port": first.port}, {"port": second.port}, domain="pbx.test", password="pw100", silent_s=silent_s)

        async def call(bench: TrunkBench, leg_id: str) -> list[int]:
            bench.trunk.dial(leg_id, "400", "Ana", bench.endpoint())
            assert (await bench.event(Answered, within_s=30)).leg_id == leg_id
            return [len([event for event in phone.seen if isinstance(event, Arrived)]) for phone in phones]

        async with asyncio.TaskGroup() as tasks:
            for phone in phones:
                await phone.ready()
            answering = [tasks.create_task(_answer(phone)) for phone in phones]
            # As long as both live it has all the patience that a starved PBX may need: only the dead one's silence counts below.
            async with group(30.0) as patient:
                await _both_ready(patient)
                assert await call(patient, "before") == [1, 0]

            bench = await stack.enter_async_context(group(6.0))
            await _both_ready(bench)
            trunk = bench.trunk
            assert isinstance(trunk, TrunkGroup)
            phones[1].trunk.dial("in", "100", "Clara", phones[1].endpoint())
            incoming = (await bench.event(Arrived)).leg_id
            trunk.answer(incoming, bench.endpoint())
            await bench.event(Confirmed)
            await first.process.stop(signal.SIGKILL)

            assert await call(bench, "next") == [1, 1]
            assert trunk.counts["pbx"]["silent_calls"] == 1, "it waited for the first PBX, in vain"
            assert await call(bench, "later") == [1, 2]
            assert trunk.counts["pbx"]["silent_calls"] == 1, "and this one did not wait"
            assert [line.status.ready for line in trunk.lines()] == [False, True]
            assert not [event for event in bench.seen if isinstance(event, HungUp)], "live calls of the other are untouched"
            trunk.hang_up(incoming, BYE)
            assert (await phones[1].event(HungUp)).leg_id == "in"
            for task in answering:
                task.cancel()
