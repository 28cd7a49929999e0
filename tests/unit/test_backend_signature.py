"""Requests and events that are signed: only those of the secret, of now, and once."""

import pytest

from api.backends.signature import SIGNATURE, TIMESTAMP, BadSignature, ReplayWindow, signed

SECRET, OLD = b"s" * 32, b"o" * 32
NOW = 1_800_000_000.0
TARGET, BODY = "/api/v1/backends/crm/events", b'{"event": "contact.changed"}'


def reason(
    window: ReplayWindow, headers: dict[str, str], *, body: bytes = BODY, target: str = TARGET, method: str = "POST", now: float = NOW
) -> str:
    try:
        window.check(headers, method, target, body, [SECRET, OLD], now)
    except BadSignature as bad:
        return bad.reason
    return ""


def test_what_is_signed_is_taken_once() -> None:
    window = ReplayWindow()
    headers = signed(SECRET, "POST", TARGET, BODY, NOW)
    assert reason(window, headers) == ""
    assert reason(window, headers) == "replayed"
    assert reason(window, headers, now=NOW + 299) == "replayed"
    assert reason(window, headers, now=NOW + 301) == "stale"


def test_the_scheme_is_the_documented_one() -> None:
    """The figure is what sha256sum and openssl dgst -hmac make of it."""
    headers = signed(SECRET, "post", "/x?a=1", b"", NOW, "us")
    assert headers == {
        TIMESTAMP: "1800000000",
        SIGNATURE: "v1=af72e7ad494f0caddd00d83f0add52f6b8491859eb7baca9143db15b2d18832e",
        "X-Centralita-Key": "us",
    }


def test_a_secret_can_be_changed_for_another() -> None:
    assert reason(ReplayWindow(), signed(OLD, "POST", TARGET, BODY, NOW)) == ""


def test_what_was_changed_on_the_way_is_refused() -> None:
    headers = signed(SECRET, "POST", TARGET, BODY, NOW)
    assert reason(ReplayWindow(), headers, body=BODY + b" ") == "forged"
    assert reason(ReplayWindow(), headers, target="/api/v1/backends/other/events") == "forged"
    assert reason(ReplayWindow(), headers, method="PUT") == "forged"
    assert reason(ReplayWindow(), headers | {TIMESTAMP: str(int(NOW) + 1)}) == "forged"
    assert reason(ReplayWindow(), signed(b"x" * 32, "POST", TARGET, BODY, NOW)) == "forged"
    assert reason(ReplayWindow(), headers | {SIGNATURE: "v1=ñ"}) == "forged"


@pytest.mark.parametrize("at", [NOW - 301, NOW + 302])
def test_what_was_signed_at_another_time_is_refused(at: float) -> None:
    assert reason(ReplayWindow(), signed(SECRET, "POST", TARGET, BODY, at)) == "stale"


@pytest.mark.parametrize("left_out", [TIMESTAMP, SIGNATURE])
def test_what_is_not_signed_is_refused(left_out: str) -> None:
    headers = signed(SECRET, "POST", TARGET, BODY, NOW)
    assert reason(ReplayWindow(), headers | {left_out: ""}) == "unsigned"
    assert reason(ReplayWindow(), headers | {TIMESTAMP: "1e9"}) == "unsigned"


def test_one_of_the_future_cannot_come_again_in_its_own_time() -> None:
    window, headers = ReplayWindow(), signed(SECRET, "POST", TARGET, BODY, NOW + 299)
    assert reason(window, headers) == ""
    assert reason(window, headers, now=NOW + 598) == "replayed"


def test_more_than_can_be_remembered_is_refused_and_nothing_forgotten() -> None:
    window = ReplayWindow(most=2)
    first, second, third = (signed(SECRET, "POST", TARGET, bytes([n]), NOW) for n in range(3))
    assert [reason(window, first, body=b"\0"), reason(window, second, body=b"\1")] == ["", ""]
    assert reason(window, third, body=b"\2") == "busy"
    assert reason(window, first, body=b"\0") == "replayed"
    later = signed(SECRET, "POST", TARGET, BODY, NOW + 601)
    assert reason(window, later, now=NOW + 601) == ""
