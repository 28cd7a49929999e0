"""Where media may be sent because somebody named the address, and which of our own are announced."""

import pytest

from media.reach import announced, is_address, may_send_to

OURS = "192.0.2.1"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "169.254.1.1", "fe80::1", "fd00:ec2::254",
        "100.100.100.200", "192.0.0.192", "224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "240.0.0.1", "pbx.example", "",
    ],
)  # fmt: skip
def test_nothing_is_sent_where_only_an_attacker_would_have_it(host: str) -> None:
    assert not may_send_to(host, 4_000, OURS)


@pytest.mark.parametrize("host", ["198.51.100.7", "10.1.2.3", "192.168.1.9", "2001:db8::7", "fd12:3456::7", "::ffff:10.0.0.1"])
def test_phones_of_the_internet_and_of_private_networks_are_sent_to(host: str) -> None:
    assert may_send_to(host, 4_000, OURS)


def test_the_machine_itself_is_sent_to_from_its_loopback_or_when_it_signals() -> None:
    assert may_send_to("127.0.0.1", 4_000, "127.0.0.1") and may_send_to("::1", 4_000, "::1")
    assert may_send_to("127.0.0.1", 4_000, "0.0.0.0", signalled_from="127.0.0.1")
    assert not may_send_to("127.0.0.1", 4_000, "0.0.0.0", signalled_from="198.51.100.7")
    assert not may_send_to("169.254.169.254", 4_000, "127.0.0.1", signalled_from="127.0.0.1")
    assert not may_send_to(OURS, 4_000, OURS) and not may_send_to("::ffff:" + OURS, 4_000, OURS)
    assert not may_send_to("203.0.113.7", 8_443, OURS, own=(OURS, "203.0.113.7"))
    assert may_send_to(OURS, 4_000, OURS, signalled_from=OURS), "a PBX on this machine"


@pytest.mark.parametrize("port", [0, 1, 53, 123, 161, 389, 443, 1_023, 5_060, 5_061])
def test_ports_where_servers_listen_are_sent_nothing(port: int) -> None:
    assert not may_send_to("198.51.100.7", port, OURS)
    assert may_send_to("198.51.100.7", 1_024, OURS)


def test_hold_is_told_from_an_address() -> None:
    assert is_address("192.0.2.9") and not is_address("0.0.0.0") and not is_address("::") and not is_address("name")


def test_what_stands_behind_a_nat_is_announced_by_its_public_address_only() -> None:
    hosts = ("10.0.0.5", "127.0.0.1", "2a02:1234::5", "fd00::5", "fe80::5")
    assert announced(hosts, ()) == hosts, "what was configured is meant"
    assert announced(hosts, ("203.0.113.7",)) == ("203.0.113.7", "2a02:1234::5")
    assert announced(hosts, ("203.0.113.7", "2a02:9::1")) == ("203.0.113.7", "2a02:9::1")
