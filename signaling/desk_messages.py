"""What somebody at a desk asks for beside calls: whether their sound gets through."""

from typing import Annotated

from msgspec import Meta, Struct

from signaling.message_bases import Id, Request, Sdp


class OpenSoundCheck(Request, frozen=True, tag="sound.check"):
    """Send my voice back to me, as a call would carry it, and measure both ways. The browser's SDP offer, as in ``peer.offer``. One at a
    time: a former one of mine ends. It ends by itself after ``seconds``. Result: ``SoundCheckOpened``."""

    peer_id: Id
    sdp: Sdp


class CloseSoundCheck(Request, frozen=True, tag="sound.checked"):
    """I have heard enough. Result: ``SoundChecked``."""

    check_id: Id


class SoundCheckOpened(Struct, frozen=True):
    check_id: str
    sdp: str
    """The answer to the offer."""
    seconds: Annotated[float, Meta(ge=0)]


class SoundWay(Struct, frozen=True):
    """One direction, over the whole check. ``cause``: what cost most, as in ``LegSample``; None, ``unclassified``: not measured."""

    packets: int
    loss: float | None
    jitter_ms: float | None
    mos: float | None
    scale: str
    cause: str


class SoundChecked(Struct, frozen=True):
    """``up``: from the browser to the server, ``down``: back. ``seconds`` in which anything was measured; ``level_dbfs``: the loudest."""

    seconds: int
    up: SoundWay
    down: SoundWay
    round_trip_ms: float | None
    level_dbfs: float | None
