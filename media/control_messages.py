"""What the hub and a media worker's process say to one another, as msgpack: commands and events of ``media.messages`` in envelopes."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from media.messages import AnyCommand, AnyMediaEvent, AnyResult
from media.settings import MediaSettings


class ToWorker(Struct, frozen=True, tag_field="type", tag=str):
    pass


class Begin(ToWorker, frozen=True):
    """The first word. ``seat``: the number under which the worker logs; ``count_every_s``: how often it tells its numbers."""

    seat: int
    settings: MediaSettings
    count_every_s: float = 1.0


class Perform(ToWorker, frozen=True):
    """One command; sockets come beside it. ``number`` is quoted by its answer."""

    number: int
    command: AnyCommand


class FromWorker(Struct, frozen=True, tag_field="type", tag=str):
    pass


class Begun(FromWorker, frozen=True):
    """Everything is warm. ``port``: the UDP port of its browsers."""

    port: int


class Performed(FromWorker, frozen=True):
    number: int
    result: AnyResult


class Refused(FromWorker, frozen=True):
    """``MediaRefusal`` of a command; of the beginning itself where ``number`` is 0."""

    number: int
    code: str
    message: str


class Told(FromWorker, frozen=True):
    event: AnyMediaEvent


class Counted(FromWorker, frozen=True):
    """How things stand, every second: also the sign that the worker lives."""

    counters: dict[str, float]
    gauges: dict[str, float]


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be told to another process")


def _made(kind: type, value: Any) -> Any:
    return Path(value) if kind is Path else value


encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
decode_to_worker = msgspec.msgpack.Decoder(Begin | Perform, dec_hook=_made).decode
decode_from_worker = msgspec.msgpack.Decoder(Begun | Performed | Refused | Told | Counted).decode
