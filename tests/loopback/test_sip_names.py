"""A PBX found by its name at a real name server of ours: SRV, time to live, silence, and another address when the first one is dead."""

import asyncio
import socket

import pytest

from api.demo_call.process import free_port
from pbx import resolver as resolver_module
from pbx.locate import NoAnswer, Srv
from pbx.resolver import LONGEST_NEGATIVE_S, LONGEST_S, SHORTEST_S, Resolver, split_server
from pbx.sip_settings import SipTransport
from pbx.trunk import Answered, Arrived
from tests.kit.name_server import name_server
from tests.kit.trunk_bench import sip_bench

IPV4 = (socket.AF_INET,)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_answers_are_remembered_as_long_as_they_hold() -> None:
    clock = Clock()
    async with name_server({("_sip._udp.pbx.test", "SRV"): ["0 5 5070 a.pbx.test."], ("a.pbx.test", "A"): ["127.0.0.9"]}) as (server, at):
        names = Resolver([at], clock)
        for _ in range(2):
            assert await names.srv("_sip._udp.pbx.test") == (Srv(0, 5, 5070, "a.pbx.test"),)
            assert await names.addresses("a.pbx.test", IPV4) == ("127.0.0.9",)
        assert len(server.asked) == 2
        assert names.lasts_s(["_sip._udp.pbx.test", "a.pbx.test"]) == 60
        clock.now += 61
        await names.srv("_sip._udp.pbx.test")
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("ttl_s", "exists", "holds_s"), [(0, True, SHORTEST_S), (10**6, True, LONGEST_S), (10**6, False, LONGEST_NEGATIVE_S)]
)
async def test_time_to_live_is_bounded(ttl_s: int, exists: bool, holds_s: float) -> None:
    clock = Clock()
    async with name_server({("_sip._udp.pbx.test", "SRV"): ["0 5 5070 a.test."]} if exists else {}) as (server, at):
        server.ttl_s = ttl_s
        names = Resolver([at], clock)
        assert bool(await names.srv("_sip._udp.pbx.test")) is exists
        clock.now += holds_s - 1
        await names.srv("_sip._udp.pbx.test")
        assert len(server.asked) == 1
        clock.now += 2
        await names.srv("_sip._udp.pbx.test")
        assert len(server.asked) == 2


async def test_silence_is_no_answer_and_an_old_answer_better_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "SYSTEM_WITHIN_S", 30.0)
    clock = Clock()
    async with name_server({("_sip._udp.pbx.test", "SRV"): ["0 5 5070 a.test."]}) as (server, at):
        names = Resolver([at], clock)
        known = await names.srv("_sip._udp.pbx.test")
        server.silent = True
        monkeypatch.setattr(resolver_module, "RESOLVE_S", 0.1)  # only who says nothing is given up so soon
        clock.now += 1000
        assert await names.srv("_sip._udp.pbx.test") == known
        with pytest.raises(NoAnswer):
            await names.srv("_sip._tcp.pbx.test")
        # The hosts file knows this one.
        assert await names.addresses("localhost", IPV4) == ("127.0.0.1",)
        assert await names.addresses("no.such..name", IPV4) == ()


def test_name_servers_are_addresses() -> None:
    assert split_server("192.0.2.1") == ("192.0.2.1", None) and split_server("2001:db8::1") == ("2001:db8::1", None)
    assert split_server("[::1]:5353") == ("::1", 5353) and split_server("192.0.2.1:54") == ("192.0.2.1", 54)
    with pytest.raises(ValueError, match="is no address"):
        split_server("ns.example")


async def test_a_call_takes_the_second_address_when_nobody_is_at_the_first() -> None:
    dead, alive = free_port(), free_port()
    srv = [f"1 0 {dead} one.pbx.test.", f"2 0 {alive} two.pbx.test."]
    zone = {
        ("_sip._tcp.pbx.test", "SRV"): srv,
        ("one.pbx.test", "A"): ["127.0.0.1"],
        ("two.pbx.test", "A"): ["127.0.0.1"],
    }
    quiet = {"register": False, "keepalive_s": 0.0, "transport": SipTransport.TCP}
    async with (
        name_server(zone) as (_, at),
        sip_bench("127.0.0.1", free_port(), extension="200", bind_port=alive, **quiet) as pbx,
        sip_bench("pbx.test", 0, name_servers=(at,), **quiet) as bench,
    ):
        await bench.ready()
        bench.trunk.dial("a", "200", "Ana", bench.endpoint())
        arrived = await pbx.event(Arrived, 30)
        pbx.trunk.answer(arrived.leg_id, pbx.endpoint())
        await bench.event(Answered, 30)


async def test_naptr_chooses_tcp_for_a_line_without_a_transport() -> None:
    port = free_port()
    zone = {
        ("pbx.test", "NAPTR"): ['1 1 "s" "SIP+D2T" "" _sip._tcp.pbx.test.'],
        ("_sip._tcp.pbx.test", "SRV"): [f"1 0 {port} one.pbx.test."],
        ("one.pbx.test", "A"): ["127.0.0.1"],
    }
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", port)
    async with name_server(zone) as (_, at), sip_bench("pbx.test", 0, name_servers=(at,), find_transport=True):
        request = await asyncio.wait_for(heard, 30)
        assert b"SIP/2.0/TCP" in request and b";transport=tcp>" in request
    server.close()
    await server.wait_closed()
