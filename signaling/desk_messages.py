"""What somebody at a desk asks for beside calls: whether their sound gets through, and a supervisor's help."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.message_bases import Id, Notice, Request, Sdp


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


class AskHelp(Request, frozen=True, tag="help.ask"):
    """I want a supervisor's help, or no longer; null: how does it stand? Boards show it until I say otherwise. Result: ``HelpState``."""

    on: bool | None = None


class ReportSound(Request, frozen=True, tag="sound.report"):
    """The sound of this call of mine, running or over, was bad: supervisors are told, and see its seconds. Result: ``{}``."""

    call_id: Id
    what: Literal["heard_badly", "hear_badly", "echo", "broke_off"]


class HelpState(Notice, frozen=True, tag="help.state"):
    """``since``: when I asked for help; null: I do not. ``by``: who sees to it; empty: nobody yet."""

    since: float | None
    by: str


class ReadDay(Request, frozen=True, tag="day.read"):
    """My calls since ``since``, where my day began. Result: ``MyDay``."""

    since: Annotated[float, Meta(ge=0, le=2**40)]


class DayCall(Struct, frozen=True):
    """``answered_at`` null: nobody talked with me."""

    direction: str
    started_at: float
    answered_at: float | None
    ended_at: float


class MyDay(Struct, frozen=True):
    """Oldest first; of very many the newest."""

    calls: list[DayCall]
