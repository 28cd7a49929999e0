"""Token bucket, addresses and back-off, with made-up time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.addresses import is_within, networks, origin_of
from signaling.limits import AddressGate, AddressLimits, Backoff, TokenBucket, network_of


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(0.25) == 0.25
    assert bucket.take(0.5) == 0.0
    assert not bucket.is_full(1.0)
    assert bucket.is_full(100.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=1, now=10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) == 1.0
    assert bucket.take(10.5) == 0.5


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 20), st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow(gaps: list[float], rate: float, burst: int) -> None:
    bucket, now, granted = TokenBucket(rate, burst, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        granted += wait == 0.0
        assert granted <= burst + rate * now + 1e-6
        if wait:
            probe = TokenBucket(rate, burst, 0.0)
            assert 0 < wait <= 1 / rate
            assert probe.take(0.0) == 0.0


def test_addresses_are_bounded_and_the_idle_forgotten() -> None:
    gate = AddressGate(AddressLimits(rate_per_s=1.0, burst=2, open_at_once=2, remembered=2))
    assert [gate.admit("192.0.2.1", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    gate.release("192.0.2.1")
    assert gate.admit("192.0.2.1", 0.5) == 0.5
    gate.admit("192.0.2.2", 0.5)
    gate.admit("192.0.2.3", 0.5)
    assert len(gate._buckets) == 2
    assert gate.admit("192.0.2.1", 0.5) == 0.0  # forgotten, so begun anew


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whom_we_hold_responsible(address: str, network: str) -> None:
    assert network_of(address) == network


def test_guesses_wait_twice_as_long_each_time_up_to_a_bound() -> None:
    backoff = Backoff(free=2, longest_s=5.0)
    waits, now = [], 0.0
    for _ in range(7):
        waits.append(backoff.wait("a", now))
        now += waits[-1]
        backoff.failed("a", now)
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff.wait("b", now) == 0.0
    assert backoff.wait("a", now + 10.1) == 0.0
    backoff.failed("a", now + 10.1)
    assert backoff.wait("a", now + 10.1) == 0.0  # begun anew


def test_success_forgets_and_forgiveness_takes_one_back() -> None:
    backoff = Backoff(free=2)
    backoff.failed("a", 0.0)
    backoff.failed("a", 0.0)
    assert backoff.wait("a", 0.0) == 1.0
    backoff.forgiven("a")
    assert backoff.wait("a", 0.0) == 0.0
    backoff.forgiven("a")
    backoff.forgiven("a")
    for _ in range(3):
        backoff.failed("a", 0.0)
    backoff.succeeded("a")
    assert backoff.wait("a", 0.0) == 0.0


def test_guesses_are_remembered_of_a_bounded_number() -> None:
    backoff = Backoff(free=1, remembered=2)
    for key in "abc":
        backoff.failed(key, 0.0)
    assert [backoff.wait(key, 0.0) for key in "abc"] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("peer", "header", "origin"),
    [
        ("192.0.2.9", "", "192.0.2.9"),
        ("192.0.2.9", "6.6.6.6", "192.0.2.9"),  # not our proxy: what it says is worth nothing
        ("10.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.9, 10.0.0.2", "192.0.2.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("::ffff:10.0.0.1", "192.0.2.9", "192.0.2.9"),
    ],
)
def test_where_a_request_comes_from(peer: str, header: str, origin: str) -> None:
    assert origin_of(peer, header, networks(["10.0.0.0/8"])) == origin


def test_what_is_no_address_is_in_no_network() -> None:
    assert not is_within("nonsense", networks(["0.0.0.0/0", "::/0"]))
    assert not is_within("::1", networks(["0.0.0.0/0"]))
