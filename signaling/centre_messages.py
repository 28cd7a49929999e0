"""What is said about the contact centre: queues, wrap-up, call-backs.

A call that came through a flow or a queue is an ordinary ``call.state`` with ``centre`` in it. A break is ``presence.set`` with its reason.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from signaling.message_bases import Id, Notice, Request

QueueName = Annotated[str, Meta(max_length=64)]


class CentreCall(Struct, frozen=True):
    """What is known of a call that came through a flow or a queue, for whom it rings or whose it is. ``queued_at``: since when it has
    waited, null where it does not; ``waited_s``: how long it waited, once somebody has it."""

    entry: str = ""
    """The label of the number that was called."""
    queue: str = ""
    """In which it waits, or last waited."""
    language: str = ""
    facts: dict[str, str] = {}
    """What the flow and the look-ups learned of the caller."""
    queued_at: float | None = None
    waited_s: float | None = None
    call_back: str = ""
    """Of which call-back it is."""


class WatchQueues(Request, frozen=True, tag="queues.watch"):
    """Show me the queues and the call-backs. Result: ``QueuesNow``, and ``queues.changed`` notices while the page asks again in time."""


class QueueFigures(Struct, frozen=True):
    """One queue now. ``titles`` by language. ``longest_since``: since when the caller waits who waits longest. The counts are those since
    the server's start: ``in_time`` of ``served`` within the queue's service level, ``short_abandoned`` of ``abandoned`` who gave up too
    soon to count; ``wait_s`` and ``handle_s``: how long those served waited, and how long they took, on average."""

    name: str
    titles: dict[str, str]
    waiting: int
    longest_since: float | None
    agents: int
    """Signed in and able to take its calls."""
    available: int
    offered: int
    served: int
    abandoned: int
    short_abandoned: int
    in_time: int
    service_level: float | None
    wait_s: float | None
    handle_s: float | None


class CallBackState(Struct, frozen=True):
    """Somebody who asked to be called back. ``since``: from when its place counts. ``tries`` so far; the next one at ``next_at`` where one
    was in vain. ``state``: ``waiting``, ``offered`` (it rings at ``agent``), ``calling``."""

    call_back_id: str
    queue: str
    number: str
    name: str
    language: str
    since: float
    tries: int
    next_at: float | None
    state: str
    agent: str = ""


class QueuesNow(Struct, frozen=True):
    at: float
    queues: list[QueueFigures]
    call_backs: list[CallBackState]
    break_reasons: list[str] = []
    """From which one chooses; none: whatever one writes."""


class QueuesChanged(Notice, frozen=True, tag="queues.changed"):
    """All of it, at most once a second, when something has changed."""

    at: float
    queues: list[QueueFigures]
    call_backs: list[CallBackState]


class CancelCallBack(Request, frozen=True, tag="call_back.cancel"):
    """Nobody need call this one back any more. Result: ``{}``."""

    call_back_id: Id


class WrapUpState(Notice, frozen=True, tag="wrap_up.state"):
    """The timed work after a call from a queue, in which no calls are offered to me. ``ends_at`` null: it is over. ``codes``: what may be
    said of the call; ``required``: one of them has to be. ``more_s``: by so much it can still be made longer.

    ``due``: the time is over and a code is still missing, without which no call is offered. ``undo_until``: I said that I am done, with
    ``code``, and may take that back (``wrap_up.undo``) until then.
    """

    call_id: str
    queue: str = ""
    ends_at: float | None = None
    codes: list[str] = msgspec.field(default_factory=list)
    required: bool = False
    more_s: float = 0.0
    due: bool = False
    code: str = ""
    undo_until: float | None = None


class FinishWrapUp(Request, frozen=True, tag="wrap_up.finish"):
    """I am done with this call, which was of that kind (``code``; empty: none was needed). Result: ``{}``."""

    call_id: Id
    code: Annotated[str, Meta(max_length=64)] = ""


class UndoWrapUp(Request, frozen=True, tag="wrap_up.undo"):
    """I was not done with this call after all. A call from a queue that rings at mine meanwhile is offered to somebody else. Possible for
    some seconds, while no other call is mine. Result: ``{}``."""

    call_id: Id


class ExtendWrapUp(Request, frozen=True, tag="wrap_up.extend"):
    """I need more time. Result: ``{}``."""

    call_id: Id


class VoicemailChanged(Notice, frozen=True, tag="voicemail.changed"):
    """A message in a box of mine: it was ``left``, ``heard`` by somebody, counts as ``unheard`` again, or was ``erased``."""

    box: str
    what: str
    voicemail_id: str
    caller: str
    caller_name: str
    left_at: float
    duration_s: float
