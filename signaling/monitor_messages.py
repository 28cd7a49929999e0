"""What is said about supervisors in calls that are other people's.

Who monitors a call has it as an ordinary ``call.state`` with ``mode`` in it, makes ``peer.offer`` for it, and leaves by ``call.hang_up``.
"""

from typing import Literal

from msgspec import Struct

from signaling.message_bases import Id, Request


class Monitor(Request, frozen=True, tag="call.monitor"):
    """Let me hear a colleague's call. ``listen``: nobody hears me; ``whisper``: the agent alone; ``barge``: everybody. Again for another
    mode. Result: ``{}``; ``call.state`` follows."""

    call_id: Id
    mode: Literal["listen", "whisper", "barge"]


class TakeOver(Request, frozen=True, tag="call.take_over"):
    """Let a colleague's call be mine, whether I monitor it or not. ``agent_stays``: they go on listening, else they are out of it."""

    call_id: Id
    agent_stays: bool = False


class CallMonitor(Struct, frozen=True):
    """A supervisor in a call. ``mode``: ``listen``, ``whisper`` or ``barge``."""

    identity: str
    mode: str
