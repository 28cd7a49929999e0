"""Logs: JSON lines (coloured ones in a terminal), the call's id in each, nothing about people or secrets in any.

What is redacted: by key, whatever is named like a number, a name, a token or a secret; by pattern, what looks like one inside any other
text: telephone numbers, SIP addresses' users, JWTs, the ICE passwords and SRTP keys of SDP, credentials in URLs. A number keeps its
last two digits, so that two log lines about it can be told to belong together by eye.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

import structlog
from aiohttp.http import HttpProcessingError
from structlog.types import EventDict, Processor, WrappedLogger

HIDDEN = "[redacted]"
_SECRET_KEY = re.compile(r"pass(word|wd)?$|secret|token|authorization|cookie|credential|ice_?pwd|^sdp$|^auth$|api_?key|private", re.I)
_PERSON_KEY = re.compile(
    r"^(caller|caller_name|called|callee|number|phone|party|name|display_name|user|agent|identity|e164|email|to_uri|from_uri)$", re.I
)
_FREE_KEYS = frozenset(
    {"event", "level", "timestamp", "logger", "call_id", "leg_id", "incident", "peer_id", "room_id", "sid", "topic_kind", "checkpoint"}
)
"""Our own words and ids: ids are drawn at random and may look like numbers."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), HIDDEN),  # JWT: base64url of {"...
    (re.compile(r"(a=ice-pwd:|a=ice-ufrag:|inline:|password=|token=|secret=|response=\"?)[^\s\"&;,]+", re.I), r"\1" + HIDDEN),
    (re.compile(r"\b(Bearer|Digest|Basic)\s+\S+", re.I), r"\1 " + HIDDEN),
    (re.compile(r"(://[^/\s:@]+):[^/\s@]+@"), r"\1:" + HIDDEN + "@"),
    (re.compile(r"(sips?:|tel:)[^@\s;>]+(?=@)", re.I), r"\1" + HIDDEN),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[a-z]{2,}\b", re.I), HIDDEN),
)
# Seven or more digits, with or without a plus and the usual separators, neither inside a word, a decimal fraction or an address.
_NUMBER = re.compile(r"(?<![\w.:/-])(?:\+|00)?\d(?:[ ()/-]?\d){6,}(?![\w:]|\.\d)")


def redact(text: str) -> str:
    """The text without what looks like a secret or a telephone number."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _NUMBER.sub(_masked_number, text)


def _masked_number(match: re.Match[str]) -> str:
    digits = [character for character in match[0] if character.isdigit()]
    return f"[number ..{''.join(digits[-2:])}]"


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """structlog processor: the event without what must not be in a log."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if isinstance(value, bool | float | type(None)) or key in _FREE_KEYS - {"event"}:
        return value
    if _SECRET_KEY.search(key):
        return HIDDEN
    if _PERSON_KEY.match(key):
        text = str(value)
        return f"[..{text[-2:]}]" if len(text) > 4 and text[-2:].isdigit() else HIDDEN
    if isinstance(value, Mapping):
        return {inner: _redacted(str(inner), part) for inner, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(key, part) for part in value]
    if isinstance(value, int):
        return (
            value
            if abs(value) < 1_000_000 or key.endswith(("_s", "_ms", "_bytes", "_packets", "_hz", "seq", "ssrc"))
            else redact(str(value))
        )
    return redact(value if isinstance(value, str) else str(value))


def _with_fault(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An exception becomes its place and kind on the one line: where it was raised, through which of our functions it came."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["detail"] = event.get("detail") or str(error)
        event["where"] = " < ".join(_frames(error.__traceback__))
    return event


def _frames(trace: TracebackType | None, most: int = 6) -> Iterator[str]:
    """Innermost first, as file:line function."""
    for frame in list(reversed(traceback.extract_tb(trace)))[:most]:
        yield f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno} {frame.name}"


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _with_fault,
    redact_event,
)


def set_up(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Route structlog and the standard library's logging through the same processors to ``stream`` (standard error).

    ``form``: ``json``, ``console`` or ``auto`` (console in a terminal). Dependencies are heard from warnings on.
    """
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty()) if console else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_one_line)
    logging.getLogger("aiohttp.server").addFilter(_is_news)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(getattr(logging, level.upper()))
    logging.captureWarnings(True)
    for name in ("aiohttp", "asyncio", "socketio", "engineio", "aioice", "aiortc", "sqlalchemy", "alembic", "aiosqlite", "py.warnings"):
        # At lower levels these write what passes through them: requests with their tokens, SQL with its values.
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """That a stranger's HTTP is broken is told to them, by 400, and to nobody else: they could fill the log with it."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _one_line(record: logging.LogRecord) -> bool:
    """The traceback's text, which a foreign record may already carry, is left out: its place is told by ``where``."""
    record.exc_text = None
    record.stack_info = None
    return True


@contextmanager
def about_call(call_id: str) -> Iterator[None]:
    """Everything logged inside, also by tasks begun inside, carries this call's id."""
    with structlog.contextvars.bound_contextvars(call_id=call_id):
        yield
