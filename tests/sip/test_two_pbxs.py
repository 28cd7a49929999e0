"""Two real PBXs as one trunk: two kamailios with digest, of which one is killed."""

import asyncio
import signal
from contextlib import AsyncExitStack
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


async def test_one_of_two_pbxs_is_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(kamailio(tmp_path / "first", USERS))
        second = await stack.enter_async_context(kamailio(tmp_path / "second", USERS))
        phones = [
            await stack.enter_async_context(sip_bench(pbx.host, pbx.port, domain="pbx.test", extension="400", password="pw400"))
            for pbx in (first, second)
        ]
        bench = await stack.enter_async_context(
            group_bench({"port": first.port}, {"port": second.port}, domain="pbx.test", password="pw100")
        )
        group = bench.trunk
        assert isinstance(group, TrunkGroup)
        async with asyncio.TaskGroup() as tasks:
            answering = [tasks.create_task(_answer(phone)) for phone in phones]
            for phone in phones:
                await phone.ready()
            while not all(line.status.ready for line in group.lines()):
                await bench.event(StatusChanged)

            async def call(leg_id: str) -> list[int]:
                group.dial(leg_id, "400", "Ana", bench.endpoint())
                assert (await bench.event(Answered, within_s=30)).leg_id == leg_id
                return [len([event for event in phone.seen if isinstance(event, Arrived)]) for phone in phones]

            assert await call("before") == [1, 0]
            phones[1].trunk.dial("in", "100", "Clara", phones[1].endpoint())
            incoming = (await bench.event(Arrived)).leg_id
            group.answer(incoming, bench.endpoint())
            await bench.event(Confirmed)
            await first.process.stop(signal.SIGKILL)

            assert await call("next") == [1, 1]
            assert group.counts["pbx"]["silent_calls"] == 1, "it waited for the first PBX, in vain"
            assert await call("later") == [1, 2]
            assert group.counts["pbx"]["silent_calls"] == 1, "and this one did not wait"
            assert [line.status.ready for line in group.lines()] == [False, True]
            assert not [event for event in bench.seen if isinstance(event, HungUp)], "live calls of the other are untouched"
            group.hang_up(incoming, BYE)
            assert (await phones[1].event(HungUp)).leg_id == "in"
            for task in answering:
                task.cancel()
