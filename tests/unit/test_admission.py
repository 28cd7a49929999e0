"""Whose messages are looked at."""

import pytest

from pbx.admission import SourceTrust, UnknownNetwork


def test_several_networks_of_both_families_are_trusted() -> None:
    trust = SourceTrust(("192.0.2.0/24", "198.51.100.7", "2001:db8:1::/48"))
    for host in ("192.0.2.1", "192.0.2.255", "198.51.100.7", "2001:db8:1:ffff::1", "::ffff:192.0.2.9", "2001:db8:1::1%eth0"):
        assert trust.allows(host), host
    for host in ("192.0.3.1", "198.51.100.8", "2001:db8:2::1", "::1", "127.0.0.1", "::ffff:192.0.3.9"):
        assert not trust.allows(host), host


def test_what_the_name_stands_for_now_is_trusted_and_what_it_stood_for_is_not() -> None:
    trust = SourceTrust(("192.0.2.0/24",))
    trust.resolved(["203.0.113.1", "203.0.113.2"])
    assert trust.allows("203.0.113.2") and trust.allows("192.0.2.1")
    trust.resolved(["203.0.113.3"])
    assert not trust.allows("203.0.113.2") and trust.allows("203.0.113.3")


def test_a_network_that_is_none_says_how_to_write_one() -> None:
    with pytest.raises(UnknownNetwork, match=r"10\.0\.0\.5 or 10\.0\.0\.0/24"):
        SourceTrust(("pbx.example.com",))
