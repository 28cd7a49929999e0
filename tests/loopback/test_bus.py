"""Both twins of the bus, the one in Redis with a real Redis that dies, freezes and runs out of memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from signaling.bus import BusState, MemoryBus
from signaling.messages import CallDigit, CallQuality, LineState
from signaling.redis_bus import RedisBus
from tests.kit.bus import HURRY, WITHIN_S, Heard, digit_of, redis_bus
from tests.kit.redis_server import RedisServer

TOPIC = "person:ana"


def digit(digit: str) -> CallDigit:
    return CallDigit(call_id="c", digit=digit)


def line(detail: str) -> LineState:
    """On a topic that all nodes share it is a notice as any other whose later one takes the earlier one's place."""
    return LineState(trunk="t", ready=True, detail=detail)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def heard(request: pytest.FixtureRequest) -> AsyncIterator[Heard]:
    if request.param == "memory":
        yield Heard(MemoryBus(topics=100, kept=4))
        return
    with RedisServer() as server:
        async with redis_bus(server.url, "a", kept=4) as found:
            yield found


# --- both twins


async def test_numbers_count_up_by_one_on_each_topic(heard: Heard) -> None:
    for number in "0123":
        heard.bus.publish(TOPIC, digit(number))
        heard.bus.publish("person:bea", digit(number))
    await heard.until(lambda: len(heard.said) == 8)
    seqs = [said.seq for said in heard.said if said.topic == TOPIC]
    assert seqs == list(range(seqs[0], seqs[0] + 4)) and seqs[0] > 1_700_000_000_000
    assert heard.digits(TOPIC) == heard.digits("person:bea") == "0123"
    assert (await heard.bus.last_seqs([TOPIC]))[TOPIC] == seqs[-1]


async def test_replay_gives_what_was_missed_and_no_more(heard: Heard) -> None:
    before = (await heard.bus.last_seqs([TOPIC]))[TOPIC]
    heard.bus.publish(TOPIC, digit("1"))
    await heard.until(lambda: len(heard.said) == 1)
    seen = heard.said[0].seq
    assert seen > before
    for number in "23":
        heard.bus.publish(TOPIC, digit(number))
    await heard.until(lambda: len(heard.said) == 3)
    missed = await heard.bus.since(TOPIC, seen)
    assert missed is not None and [digit_of(said) for said in missed] == ["2", "3"]
    assert [said.line.frame for said in missed] == [said.line.frame for said in heard.said[1:]], "as it was told"
    assert await heard.bus.since(TOPIC, seen + 2) == []
    assert await heard.bus.since(TOPIC, seen + 3) is None, "a number that was never given"
    assert await heard.bus.since(TOPIC, seen - 2) is None


async def test_the_log_is_bounded_and_says_so(heard: Heard) -> None:
    for number in "0123456":
        heard.bus.publish(TOPIC, digit(number))
    await heard.until(lambda: len(heard.said) == 7)
    first = heard.said[0].seq
    kept = await heard.bus.since(TOPIC, first + 2)
    assert kept is not None and "".join(map(digit_of, kept)) == "3456"
    assert await heard.bus.since(TOPIC, first + 1) is None


async def test_the_later_one_takes_the_place_of_the_earlier_one(heard: Heard) -> None:
    for number in "01234":
        heard.bus.publish(TOPIC, line(number))
    heard.bus.publish(TOPIC, digit("9"))
    await heard.until(lambda: len(heard.said) == 6)
    kept = await heard.bus.since(TOPIC, heard.said[0].seq)
    assert kept is not None and [said.seq for said in kept] == [said.seq for said in heard.said[4:]]


async def test_what_is_volatile_has_a_number_and_is_not_kept(heard: Heard) -> None:
    heard.bus.publish(TOPIC, digit("1"))
    heard.bus.publish(TOPIC, CallQuality(call_id="c", at=0.0, legs=[]))
    heard.bus.publish(TOPIC, digit("2"))
    await heard.until(lambda: len(heard.said) == 3)
    assert [said.volatile for said in heard.said] == [False, True, False] and heard.said[1].key == "quality:c"
    kept = await heard.bus.since(TOPIC, heard.said[0].seq)
    assert kept is not None and [said.seq for said in kept] == [heard.said[2].seq]


async def test_what_was_said_can_be_forgotten_and_the_numbers_go_on(heard: Heard) -> None:
    for number in "012":
        heard.bus.publish(TOPIC, digit(number))
        heard.bus.publish("person:bea", digit(number))
    await heard.until(lambda: len(heard.said) == 6)
    first = heard.said[0].seq
    assert await heard.bus.forget_said()
    assert await heard.bus.since(TOPIC, first) is None, "who comes back gets a snapshot"
    assert await heard.bus.since(TOPIC, first + 2) == []
    heard.bus.publish(TOPIC, digit("3"))
    await heard.until(lambda: len(heard.said) == 7)
    kept = await heard.bus.since(TOPIC, first + 2)
    assert kept is not None and [(said.seq, digit_of(said)) for said in kept] == [(first + 3, "3")]


# --- several nodes


async def test_both_nodes_hear_the_same_and_replay_it_for_one_another(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b:
        for number in "0123456789":
            (a if number in "02468" else b).bus.publish(TOPIC, digit(number))
        for heard in (a, b):
            await heard.until(lambda heard=heard: len(heard.said) == 10)  # type: ignore[misc]
        assert [(said.seq, said.line.frame) for said in a.said] == [(said.seq, said.line.frame) for said in b.said]
        assert sorted(a.digits(TOPIC)) == list("0123456789")
        missed = await b.bus.since(TOPIC, a.said[4].seq)
        assert missed is not None and [said.seq for said in missed] == [said.seq for said in a.said[5:]]


async def test_what_is_about_a_node_stays_there(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b:
        a.bus.publish("lines", line("mine"))
        a.bus.publish("board", line("mine too"))
        a.bus.publish("team:north", line("and this"))
        a.bus.publish(TOPIC, digit("1"))
        await b.until(lambda: len(b.said) == 1)
        await a.until(lambda: len(a.said) == 4)
        assert b.said[0].topic == TOPIC
        assert await a.bus.since("lines", a.said[0].seq) == []


async def test_words_reach_one_node_or_all_others(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b, redis_bus(server.url, "c") as c:
        a.bus.send(b'"to b"', "b")
        a.bus.send(b'"to all"')
        await b.until(lambda: len(b.words) == 2)
        await c.until(lambda: len(c.words) == 1)
        assert b.words == [("a", b'"to b"'), ("a", b'"to all"')] and c.words == [("a", b'"to all"')] and not a.words


async def test_a_later_life_has_a_higher_token_and_a_name_is_of_one_node(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as first:
        token = first.bus.token
        async with redis_bus(server.url, "a", alone_s=2.0) as other:
            assert isinstance(other.bus, RedisBus)
            assert other.bus.state is BusState.ALONE and other.bus.name_taken and not other.bus.is_fit
    async with redis_bus(server.url, "a") as second:
        assert second.bus.state is BusState.TOGETHER and second.bus.token > token > 0


# --- Redis goes and comes


async def test_without_redis_a_node_goes_on_alone_and_finds_the_others_again(server: RedisServer) -> None:
    async with redis_bus(server.url, "a", **HURRY) as a, redis_bus(server.url, "b", **HURRY) as b:
        tokens = a.bus.token, b.bus.token
        a.bus.publish(TOPIC, digit("1"))
        await b.until(lambda: b.digits(TOPIC) == "1")
        server.kill()
        await a.is_(BusState.ALONE)
        await b.is_(BusState.ALONE)
        assert isinstance(a.bus, RedisBus) and a.bus.is_fit, "there is nobody better"
        assert not await a.bus.forget_said(), "what Redis kept is out of reach"
        a.bus.publish(TOPIC, digit("2"))
        assert a.digits(TOPIC) == "12" and b.digits(TOPIC) == "1"
        assert a.said[1].seq > a.said[0].seq
        assert await a.bus.since(TOPIC, a.said[0].seq) is None, "what the others said is not known"
        gaps = len(a.gaps), len(b.gaps)
        server.start()
        await a.is_(BusState.TOGETHER)
        await b.is_(BusState.TOGETHER)
        assert (a.bus.token, b.bus.token) > tokens
        await a.until(lambda: len(a.gaps) > gaps[0])
        await b.until(lambda: len(b.gaps) > gaps[1])
        b.bus.publish(TOPIC, digit("3"))
        await a.until(lambda: a.digits(TOPIC) == "123")
        assert a.said[2].seq > a.said[1].seq
        assert await b.bus.since(TOPIC, a.said[1].seq) is None, "a number of the time alone is none of the log's"


async def test_a_short_break_loses_nothing_and_says_nothing_twice(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a, redis_bus(server.url, "b") as b:
        for number in "0123":
            a.bus.publish(TOPIC, digit(number))
        await a.until(lambda: len(a.said) == 4)
        server.do("CLIENT", "KILL", "TYPE", "pubsub")
        for number in "456":
            a.bus.publish(TOPIC, digit(number))
        await a.until(lambda: BusState.PARTED in a.states)
        for number in "789":
            a.bus.publish(TOPIC, digit(number))
        await a.is_(BusState.TOGETHER)
        await b.is_(BusState.TOGETHER)
        a.bus.publish(TOPIC, digit("A"))
        for heard in (a, b):
            await heard.until(partial(_heard_last, heard))
            before = [said for said in heard.said if said.seq <= heard.gaps[-1][TOPIC]]
            after = await heard.bus.since(TOPIC, heard.gaps[-1][TOPIC])
            assert after is not None
            assert "".join(map(digit_of, [*before, *after])) == "0123456789A"
        assert BusState.ALONE not in a.states


def _heard_last(heard: Heard) -> bool:
    return heard.digits(TOPIC).endswith("A")


async def test_a_frozen_redis_is_as_none(server: RedisServer) -> None:
    async with redis_bus(server.url, "a", **HURRY) as a:
        server.freeze()
        a.bus.publish(TOPIC, digit("1"))
        await a.is_(BusState.ALONE)
        await a.until(lambda: a.digits(TOPIC) == "1")
        server.thaw()
        await a.is_(BusState.TOGETHER)
        a.bus.publish(TOPIC, digit("2"))
        await a.until(lambda: a.digits(TOPIC).endswith("2"))
        assert a.digits(TOPIC) == "12", "what Redis took before it froze is not told a second time"


async def test_many_questions_at_once_part_nobody_from_redis(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a:
        answers = await asyncio.gather(*(a.bus.last_seqs([f"person:{number}"]) for number in range(300)))
        assert len(answers) == 300 and all(answers)
        a.bus.publish(TOPIC, digit("1"))
        await a.until(lambda: a.digits(TOPIC) == "1")
        assert a.states == [BusState.TOGETHER]


async def test_too_much_that_waits_makes_a_node_alone(server: RedisServer) -> None:
    async with redis_bus(server.url, "a", waiting=5, deaf_s=1.0) as a:
        server.freeze()
        for number in "012345":
            a.bus.publish(TOPIC, digit(number))
        assert a.bus.state is BusState.ALONE and a.digits(TOPIC) == "012345"


async def test_a_node_that_redis_does_not_let_hear_is_not_fit(server: RedisServer) -> None:
    async with redis_bus(server.url, "a", **HURRY) as a:
        assert isinstance(a.bus, RedisBus) and a.bus.is_fit
        server.do("ACL", "SETUSER", "default", "resetchannels")
        await a.is_(BusState.ALONE)
        async with asyncio.timeout(WITHIN_S):
            while a.bus.is_fit:  # noqa: ASYNC110 - where its last try ended in a stopped machine's time-out, Redis has not answered yet
                await asyncio.sleep(0.01)
        server.do("ACL", "SETUSER", "default", "allchannels")
        await a.is_(BusState.TOGETHER)
        assert a.bus.is_fit


async def test_redis_at_its_memory_limit_still_carries_what_is_said(server: RedisServer) -> None:
    async with redis_bus(server.url, "a") as a:
        a.bus.publish(TOPIC, digit("1"))
        await a.until(lambda: len(a.said) == 1)
        server.do("CONFIG", "SET", "maxmemory", "100000")
        assert isinstance(a.bus, RedisBus)
        bus = a.bus
        await _kept_nothing_more(a)
        async with redis_bus(server.url, "b") as b:
            a.bus.publish(TOPIC, digit("2"))
            await b.until(lambda: b.digits(TOPIC) == "2")
            assert await b.bus.since(TOPIC, a.said[0].seq) is None, "kept for nobody"
            assert bus.state is b.bus.state is BusState.TOGETHER


async def _kept_nothing_more(heard: Heard) -> None:
    """Until the bus has seen that the memory is full: it looks with each heartbeat."""
    assert isinstance(heard.bus, RedisBus)
    while not heard.bus.memory_full:
        heard.bus.publish("person:tick", digit("0"))
        count = len(heard.said)
        await heard.until(partial(_more, heard, count))


def _more(heard: Heard, count: int) -> bool:
    return len(heard.said) > count
