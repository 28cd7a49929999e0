"""REST's quotas over several nodes, counted in a real Redis: as each node counts by itself, but together."""

from collections.abc import Iterator

import pytest

from api.allowance import SharedAllowance
from api.rest_limits import Quota, Rates, RestLimits, RestLimitSettings, Standing
from api.shared_limits import SharedLimits
from signaling.bus import BusState
from signaling.redis_bus import RedisBus
from tests.kit.bus import HURRY, Heard, redis_bus
from tests.kit.redis_server import RedisServer

PATIENT_S = 30.0  # these tests ask what is counted; a busy machine's pause must not make a node count by itself
SLOW = 0.06
"""A token is due again after a quarter of an hour, and not because a machine stopped for ten seconds."""
SETTINGS = RestLimitSettings(person={"agent": Rates(30, SLOW, 10)}, address=Rates(12))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def limits(heard: Heard) -> RestLimits:
    assert isinstance(heard.bus, RedisBus)
    return RestLimits(SETTINGS, lambda: 0.0, SharedLimits(heard.bus, within_s=PATIENT_S))


async def ask(limits: RestLimits, who: str = "ana", address: str = "192.0.2.1") -> Standing:
    standing = await limits.take_everywhere(limits.of_address(address), limits.of_person(who, "agent"))
    assert standing is not None
    return standing


async def test_redis_counts_as_a_node_alone_does(server: RedisServer) -> None:
    def now() -> float:
        seconds, microseconds = server.do("TIME")
        return float(seconds) + float(microseconds) / 1e6

    alone = RestLimits(SETTINGS, now)  # by the same clock: the hour may turn meanwhile
    rates_of = {"ana": Rates(7, SLOW, 4), "ben": Rates(3), "eva": Rates(2, SLOW, 1)}
    quotas = [Quota("person", who, rates, "you") for who, rates in rates_of.items()]
    async with redis_bus(server.url, "a") as heard:
        assert isinstance(heard.bus, RedisBus)
        together = SharedLimits(heard.bus, within_s=PATIENT_S)
        for quota in [quota for quota in quotas for _ in range(9)]:
            found, expected = await together.take([quota]), alone.take(quota)
            assert found is not None
            (standing,) = found
            assert (standing.limit, standing.remaining, standing.whose) == (expected.limit, expected.remaining, expected.whose)
            assert standing.wait_s == pytest.approx(expected.wait_s, abs=60.0)  # the two looked at the clock one after the other
            assert (standing.wait_s > 0.0) is (expected.wait_s > 0.0)
            assert standing.reset_s == pytest.approx(expected.reset_s, abs=60.0)


async def test_what_is_allowed_so_often_an_hour_is_so_over_all_nodes(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b:
        assert isinstance(a.bus, RedisBus) and isinstance(b.bus, RedisBus)
        shared = [SharedLimits(bus, within_s=PATIENT_S) for bus in (a.bus, b.bus)]
        one, two = (SharedAllowance("visits", 3, lambda: 0.0, each) for each in shared)
        assert [await each.take("192.0.2.1") for each in (one, two, one)] == [0.0, 0.0, 0.0]
        assert 0.0 < await two.take("192.0.2.1") <= 7_200.0, "two of the three were used at the other node"
        assert await two.take("192.0.2.2") == 0.0
    alone = SharedAllowance("visits", 3, lambda: 0.0, None)
    assert [await alone.take("192.0.2.1") for _ in range(4)] == [0.0, 0.0, 0.0, 3_600.0]


async def test_a_caller_has_one_quota_over_all_nodes(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b:
        one, two = limits(a), limits(b)
        standings = [await ask(node) for node in (one, two) * 5]
        assert [standing.remaining for standing in standings] == list(range(29, 19, -1))
        for node in (one, two):
            refused = await ask(node)
            assert 0.0 < refused.wait_s <= 1_000.0 and (refused.whose, refused.remaining) == ("you", 20)
        assert [(await ask(two, who)).wait_s for who in ("ben", "eva")] == [0.0, 0.0], "what was refused cost their network nothing"
        refused = await ask(one, "leo")
        assert refused.whose == "your network" and refused.wait_s > 10.0
        assert (await ask(two, "leo", "192.0.2.2")).remaining == 29, "nor did it cost leo anything"


async def test_without_redis_each_node_counts_by_itself(server: RedisServer) -> None:
    async with redis_bus(server.url, "a", **HURRY) as a:
        assert isinstance(a.bus, RedisBus)
        shared = SharedLimits(a.bus, within_s=PATIENT_S)
        node = RestLimits(SETTINGS, lambda: 0.0, shared)
        assert (await ask(node)).remaining == 29
        server.freeze()
        assert (await ask(node)).remaining == 28 and shared.alone == 1, "the first finds out"
        await a.is_(BusState.ALONE)
        assert [(await ask(node)).wait_s > 0.0 for _ in range(9)] == [False] * 8 + [True]
        assert shared.alone == 9, "what is refused here asks nobody"
        server.thaw()


async def test_a_redis_at_its_memory_limit_is_not_filled_with_quotas(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a:
        assert isinstance(a.bus, RedisBus)
        shared = SharedLimits(a.bus, within_s=PATIENT_S)
        server.do("CONFIG", "SET", "maxmemory", "100000")
        assert (await ask(RestLimits(SETTINGS, lambda: 0.0, shared))).remaining == 29
        assert shared.alone == 1 and not [key for key in server.do("KEYS", "*") if b"quota" in key]
