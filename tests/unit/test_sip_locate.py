"""Locating a SIP service (RFC 3263) from what the name system says, and the order of SRV records (RFC 2782)."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from pbx.locate import NameUnknown, Naptr, NoAnswer, Srv, Wanted, in_order, locate
from pbx.transactions import Hop

V4, V6 = "192.0.2.1", "2001:db8::1"


@dataclass
class Zone:
    """What the name system says. ``broken``: it answers nothing but addresses."""

    naptrs: dict[str, tuple[Naptr, ...]] = field(default_factory=dict)
    srvs: dict[str, tuple[Srv, ...]] = field(default_factory=dict)
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        self.asked.append(name)
        if self.broken:
            raise NoAnswer
        return self.naptrs.get(name, ())

    async def srv(self, name: str) -> tuple[Srv, ...]:
        self.asked.append(name)
        if self.broken:
            raise NoAnswer
        return self.srvs.get(name, ())

    async def addresses(self, name: str, families: Sequence[socket.AddressFamily]) -> tuple[str, ...]:
        return self.hosts.get(name, ())


def find(zone: Zone, server: str = "pbx.test", port: int = 0, transport: str | None = "udp", **more: Sequence[str]) -> list[str]:
    hops, _ = asyncio.run(locate(Wanted(server, port, transport, **more), zone, Random(1)))  # type: ignore[arg-type]
    return [f"{hop.transport} {hop.host} {hop.port}" for hop in hops]


HOSTS = {"pbx.test": (V4, V6), "a.test": (V4,), "b.test": ("192.0.2.2", "192.0.2.3")}
SRV = {"_sip._udp.pbx.test": (Srv(20, 0, 5070, "b.test"), Srv(10, 0, 5060, "a.test")), "_sips._tcp.pbx.test": (Srv(1, 0, 5071, "b.test"),)}


def test_an_address_and_a_port_are_taken_as_they_are() -> None:
    zone = Zone(srvs=SRV, hosts=HOSTS)
    assert find(zone, "192.0.2.9") == ["udp 192.0.2.9 5060"]
    assert find(zone, "[2001:db8::9]", 5070, "tls") == ["tls 2001:db8::9 5070"]
    assert find(zone, "pbx.test", 5080) == [f"udp {V4} 5080", f"udp {V6} 5080"]
    assert zone.asked == []


def test_srv_records_give_hosts_and_ports_by_priority() -> None:
    zone = Zone(srvs=SRV, hosts=HOSTS)
    first, *then = find(zone)
    assert first == f"udp {V4} 5060" and sorted(then) == ["udp 192.0.2.2 5070", "udp 192.0.2.3 5070"]
    assert sorted(find(zone, transport="tls")) == ["tls 192.0.2.2 5071", "tls 192.0.2.3 5071"]


def test_who_looks_again_finds_the_same_order_although_answers_rotate() -> None:
    records = tuple(Srv(1, 10, 5060, f"{name}.test") for name in "abcdef")
    hosts = {f"{name}.test": (f"192.0.2.{2 * number}", f"192.0.2.{2 * number + 1}") for number, name in enumerate("abcdef")}
    rotated = {name: tuple(reversed(addresses)) for name, addresses in hosts.items()}
    once = find(Zone(srvs={"_sip._udp.pbx.test": records}, hosts=hosts))
    assert once == find(Zone(srvs={"_sip._udp.pbx.test": records[3:] + records[:3]}, hosts=rotated))
    assert once != sorted(once)


def test_without_srv_records_the_usual_port() -> None:
    assert find(Zone(hosts=HOSTS), transport="tls") == [f"tls {V4} 5061", f"tls {V6} 5061"]
    assert find(Zone(srvs=SRV, hosts=HOSTS, broken=True)) == [f"udp {V4} 5060", f"udp {V6} 5060"]


def test_naptr_records_choose_the_transport_among_those_spoken() -> None:
    naptrs = (
        Naptr(20, 1, "s", "SIP+D2U", "_sip._udp.pbx.test"),
        Naptr(10, 2, "S", "sips+d2t", "_sips._tcp.pbx.test"),
        Naptr(10, 1, "s", "SIP+D2S", "_sip._sctp.pbx.test"),
        Naptr(1, 1, "u", "E2U+sip", "elsewhere.test"),
    )
    zone = Zone({"pbx.test": naptrs}, SRV, HOSTS)
    assert find(zone, transport=None)[0].startswith("tls 192.0.2.")
    assert find(zone, transport=None, speaks=("tcp", "udp"))[0] == f"udp {V4} 5060"


def test_without_naptr_records_the_first_service_that_is_there() -> None:
    assert find(Zone(srvs=SRV, hosts=HOSTS), transport=None, speaks=("tcp", "udp"))[0] == f"udp {V4} 5060"
    assert find(Zone(hosts=HOSTS), transport=None) == [f"udp {V4} 5060", f"udp {V6} 5060"]


def test_a_service_that_is_decidedly_not_there_and_a_name_of_nobody() -> None:
    with pytest.raises(NameUnknown, match="no SIP over TCP"):
        find(Zone(srvs={"_sip._tcp.pbx.test": (Srv(0, 0, 0, ""),)}, hosts=HOSTS), transport="tcp")
    with pytest.raises(NameUnknown, match="nobody"):
        find(Zone(), "nobody.test")


def test_weights_share_the_load_and_priorities_never_mix() -> None:
    records = [Srv(2, 100, 1, "spare"), Srv(1, 0, 1, "seldom"), Srv(1, 75, 1, "large"), Srv(1, 25, 1, "small")]
    random = Random(7)
    drawn = [in_order(records, random) for _ in range(4000)]
    first = Counter(order[0].host for order in drawn)
    assert all(order[-1].host == "spare" and len(order) == 4 for order in drawn)
    assert 2850 < first["large"] < 3100 and 880 < first["small"] < 1130 and 0 < first["seldom"] < 100


def test_a_hop_is_where_it_goes_and_not_how_it_came() -> None:
    assert Hop("tcp", V4, 5060) == Hop("tcp", V4, 5060, anew_port=5070) and not Hop("udp", V4, 1).reliable
