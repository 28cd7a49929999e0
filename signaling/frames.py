"""What a client sent, read before any library does: Socket.IO protocol 5 inside Engine.IO protocol 4, over WebSocket.

A client may say ``3`` (pong), ``1`` (close), ``40{auth}`` (connect), ``41`` (disconnect) and ``42ID["event",payload]`` (a request). The
rest of both protocols (binary attachments, other namespaces, acknowledgements of ours, upgrades) has no use here and is malformed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from signaling import messages


class Kind(StrEnum):
    PONG = "pong"
    CLOSE = "close"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    REQUEST = "request"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Frame:
    """``ack`` is the number under which the client waits for an answer, ``name`` what it asks for and ``arguments`` with what; ``fault``
    says what is wrong with a malformed frame."""

    kind: Kind
    ack: int | None = None
    fault: str = ""
    name: str = ""
    arguments: tuple[object, ...] = ()


REQUEST_TYPES = frozenset(str(struct.__struct_config__.tag) for struct in messages.AnyRequest.__args__)
_REQUEST_HEAD = re.compile(r"42(\d{1,9})?(?=\[)")
_PLAIN = {"3": Frame(Kind.PONG), "1": Frame(Kind.CLOSE), "41": Frame(Kind.DISCONNECT), "40": Frame(Kind.CONNECT)}
_AUTH = msgspec.json.Decoder(dict[str, object]).decode
_ARGUMENTS = msgspec.json.Decoder(list[object]).decode


def read_frame(data: str | bytes, largest: int) -> Frame:
    """What a WebSocket message is. Never raises; ``largest`` is in characters."""
    if isinstance(data, bytes):
        return Frame(Kind.MALFORMED, fault="binary messages are not part of this protocol")
    plain = _PLAIN.get(data)
    if plain is not None:
        return plain
    if data.startswith("40{"):
        return _checked(Frame(Kind.CONNECT), data, 2, _AUTH, largest)
    head = _REQUEST_HEAD.match(data)
    if head is None:
        return Frame(Kind.MALFORMED, fault="not a Socket.IO request")
    ack = None if head[1] is None else int(head[1])
    return _checked(Frame(Kind.REQUEST, ack), data, head.end(), _ARGUMENTS, largest)


def _checked(frame: Frame, data: str, start: int, decode: Callable[[str], object], largest: int) -> Frame:
    """The frame, if what follows its head is JSON of the right shape: Python's own parser, which comes later, fails on deep nesting."""
    if len(data) > largest:
        return Frame(Kind.MALFORMED, frame.ack, f"message of {len(data)} characters: {largest} are allowed")
    try:
        content = decode(data[start:])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return Frame(Kind.MALFORMED, frame.ack, "its content is not JSON of the right shape")
    if frame.kind is Kind.REQUEST:
        # A name such as "connect" or "disconnect" must not get further: the library would run its own events.
        name, *arguments = content if isinstance(content, list) and content else [None]
        if not isinstance(name, str) or name not in REQUEST_TYPES:
            return Frame(Kind.MALFORMED, frame.ack, "unknown request: this page and this server differ in version, reload it")
        return Frame(Kind.REQUEST, frame.ack, name=name, arguments=tuple(arguments))
    return frame


def read_request(event: str, arguments: tuple[object, ...]) -> messages.AnyRequest:
    """The typed request of a Socket.IO event. Raises ``ValueError`` saying where it is wrong, without quoting it."""
    if len(arguments) > 1:
        raise ValueError(f"{event}: one object is expected, {len(arguments)} values came")
    payload = arguments[0] if arguments else {}
    if not isinstance(payload, dict) or "type" in payload:
        raise ValueError(f"{event}: one object is expected, without `type`")
    try:
        request: messages.AnyRequest = msgspec.convert({"type": event, **payload}, messages.AnyRequest)
    except msgspec.ValidationError as error:
        raise ValueError(f"{event}: {error}") from None
    return request
