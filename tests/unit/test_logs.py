"""Logs: one JSON line each, and canaries that must never get through."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage

from api.logs import about_call, redact, set_up
from signaling.tokens import TokenIssuer

TOKEN = TokenIssuer("a secret for tests, long enough: 0123456789").issue("ana", "Ana", "agent").token


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up("info", "json", stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        ("call from +34600111222 lost", "600111"),
        ("call from 600 111 222", "600 111"),
        ("call from (0034) 600-111-222.", "600-111"),
        ("number 600/111/222", "600/111"),
        ("to sip:alice.canary@pbx.example:5060", "alice"),
        ("<tel:+34600111222>", "600111"),
        ("From: <sip:+34600111222@10.0.0.1>;tag=1", "600111"),
        pytest.param(f"token {TOKEN} refused", TOKEN.split(".")[1], id="token"),
        pytest.param(f"GET /x?token={TOKEN}", TOKEN.split(".")[2], id="token in a query"),
        ("a=ice-pwd:canaryPwd0123456789012", "canary"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:canaryKey+abc/def|2^20", "canary"),
        ('Digest username="ana", response="canarycanary"', "canarycanary"),
        ("Authorization: Bearer canary.canary", "canary.canary"),
        ("postgresql+asyncpg://user:canary@host/db", "canary"),
        ("mail to canary@example.com", "canary"),
    ],
)
def test_canaries_inside_text_are_redacted(text: str, canary: str) -> None:
    assert canary in text
    assert canary not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:8080",
        "took 0.1234567 s",
        "2026-11-21T05:35:00",
        "call 600 answered",
        "192.168.100.200:40000",
        "6f9619ff8b86d011b42d00c0",
    ],
)
def test_what_is_no_number_stays_readable(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "canary"},
        {"caller_name": "Canary Canary"},
        {"password": "canary"},
        {"sip_password": "canary"},
        {"access_token": "canary"},
        {"headers": {"Authorization": "canary"}},
        {"offer": {"sdp": "v=0 canary"}},
        {"caller": "+34600canary"},
        {"many": [{"token": "canary"}]},
        {"detail": "a=ice-pwd:canary"},
    ],
)
def test_canaries_by_key_are_redacted(out: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger().info("something", **fields)
    assert "canary" not in out.getvalue().lower()
    assert lines(out)[0]["event"] == "something"


def test_a_number_keeps_two_digits_and_ids_stay(out: io.StringIO) -> None:
    structlog.get_logger().info("call.arrived", caller="+34600111222", call_id="12345678901234567890123456789012", at_s=123456789)
    (line,) = lines(out)
    assert line["caller"] == "[..22]"
    assert line["call_id"] == "12345678901234567890123456789012"
    assert line["at_s"] == 123456789
    assert line["level"] == "info"


async def test_the_call_id_is_in_every_line_of_the_call(out: io.StringIO) -> None:
    with about_call("c1"):
        structlog.get_logger().info("inside")
        logging.getLogger("some.library").warning("also inside")
    structlog.get_logger().info("outside")
    assert [line.get("call_id") for line in lines(out)] == ["c1", "c1", None]


def test_an_exception_is_one_line_that_says_where(out: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("number +34600111222 is wrong")

    for log in (structlog.get_logger(), logging.getLogger("some.library")):
        try:
            fail()
        except ValueError as error:
            log.error("failed", exc_info=error)
    told = lines(out)
    assert len(told) == 2
    for line in told:
        assert line["error"] == "ValueError"
        assert line["where"].startswith("unit/test_logs.py:")
        assert "600111" not in line["detail"]
    assert "Traceback" not in out.getvalue()


def test_everything_goes_to_one_stream_and_nowhere_else(out: io.StringIO) -> None:
    """ASVS 5.0, 16.2.3: no library of ours opens a log of its own."""
    from api import server  # noqa: F401 - all of it, with what it brings along

    ours_alone = set(logging.root.manager.loggerDict) - {"engineio.client", "socketio.client"}  # those are of other tests' clients
    handlers = {name: logger.handlers for name in ours_alone if (logger := logging.getLogger(name)).handlers}
    assert {name: kept for name, kept in handlers.items() if any(not isinstance(one, logging.NullHandler) for one in kept)} == {}
    (ours,) = [handler for handler in logging.getLogger().handlers if "pytest" not in type(handler).__module__]
    assert isinstance(ours, logging.StreamHandler) and ours.stream is out


def test_libraries_are_redacted_and_heard_from_warnings_on(out: io.StringIO) -> None:
    logging.getLogger("engineio.server").info("Received packet %s", "canary")
    logging.getLogger("aiortc.x").warning("ice-pwd is a=ice-pwd:%s", "canary")
    (line,) = lines(out)
    assert line["logger"] == "aiortc.x"
    assert "canary" not in out.getvalue()


def test_broken_http_of_strangers_does_not_fill_the_log(out: io.StringIO) -> None:
    server = logging.getLogger("aiohttp.server")
    for error in (BadHttpMessage("Invalid header"), RuntimeError("ours")):
        server.error("Error handling request from %s", "192.0.2.1", exc_info=(type(error), error, None))
    assert [line["error"] for line in lines(out)] == ["RuntimeError"]
