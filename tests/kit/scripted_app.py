"""A telephone application that does with each call what a script says, for trunks of any kind: ``answer.confirmed.hold.reagreed.bye``.

A script is a list of words with dots between. What an application does: ring, early, answer, busy, decline, bye, hold, resume, digit5,
refer400, done200 (how a transfer asked of us went), and what it waits for: the name of an event in small letters. The script of a call
that arrives is the number that was called.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    DigitArrived,
    HungUp,
    Rang,
    Reagreed,
    Refused,
    StatusChanged,
    TransferAsked,
    TransferProgressed,
    Trunk,
    TrunkEvent,
)
from rooms.audio import G722, PCMA, PCMU, RtpEndpoint
from rooms.causes import Cause, EndReason

_WAITED_FOR = {
    "confirmed": Confirmed,
    "rang": Rang,
    "answered": Answered,
    "reagreed": Reagreed,
    "heard": DigitArrived,
    "asked": TransferAsked,
    "progressed": TransferProgressed,
}


@dataclass(slots=True)
class _Call:
    words: list[str]
    ours: RtpEndpoint
    missed: list[TrunkEvent] = field(default_factory=list)
    """Events that no word has waited for yet."""


class ScriptedApp:
    """``told``: every event of a call, in words. ``on_told`` is called after each."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.trunk: Trunk
        self.told: list[str] = []
        self.on_told: Callable[[], None] = lambda: None
        self._status_came = asyncio.Event()
        self._host = host
        self._calls: dict[str, _Call] = {}
        self._sockets: list[socket.socket] = []

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()

    async def ready(self) -> None:
        """Until the line to the PBX is there."""
        while not self.trunk.status.ready:
            self._status_came.clear()
            await asyncio.wait_for(self._status_came.wait(), 30.0)

    def dial(self, number: str, script: str) -> None:
        """Call a number, and do with that call what the script says."""
        leg_id = f"dialled{len(self._calls)}"
        call = self._calls[leg_id] = _Call(_words(script), self._endpoint())
        self.trunk.dial(leg_id, number, "Agent Ana", call.ours)
        self._go_on(leg_id, call)

    def on_event(self, event: TrunkEvent) -> None:
        if isinstance(event, StatusChanged):
            self._status_came.set()
            return
        self.told.append(in_words(event))
        if isinstance(event, Arrived):
            self._calls[event.leg_id] = _Call(_words(event.called), self._endpoint())
        call = self._calls[event.leg_id]
        call.missed.append(event)
        self._go_on(event.leg_id, call)
        self.on_told()

    def _go_on(self, leg_id: str, call: _Call) -> None:
        while call.words:
            word = call.words[0]
            wanted = _WAITED_FOR.get(word)
            if wanted is None:
                call.words.pop(0)
                self._do(word, leg_id, call)
                continue
            found = next((event for event in call.missed if isinstance(event, wanted)), None)
            if found is None:
                return
            call.missed.remove(found)
            call.words.pop(0)

    def _do(self, word: str, leg_id: str, call: _Call) -> None:
        trunk = self.trunk
        if word == "ring":
            trunk.ring(leg_id)
        elif word == "early":
            trunk.progress(leg_id, call.ours)
        elif word == "answer":
            trunk.answer(leg_id, call.ours)
        elif word in ("busy", "decline", "bye", "gone"):
            reasons = {"busy": EndReason.BUSY, "decline": EndReason.DECLINED, "gone": EndReason.NOT_FOUND}
            trunk.hang_up(leg_id, Cause(reasons.get(word, EndReason.COMPLETED)))
        elif word in ("hold", "resume"):
            trunk.hold(leg_id, word == "hold")
        elif word.startswith("digit"):
            trunk.send_digit(leg_id, word[5:])
        elif word.startswith("refer"):
            trunk.refer(leg_id, word[5:])
        elif word.startswith("done"):
            trunk.transfer_progress(leg_id, int(word[4:]))
        else:
            raise AssertionError(f"{word!r} is nothing that an application does")

    def _endpoint(self) -> RtpEndpoint:
        sock = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self._host, 0))
        self._sockets.append(sock)
        return RtpEndpoint(self._host, sock.getsockname()[1], (G722, PCMA, PCMU), 101)


def _words(script: str) -> list[str]:
    return [word for word in script.split(".") if word]


def in_words(event: TrunkEvent) -> str:
    """An event as a table of expectations names it: ``Reagreed:sendonly``, ``Refused:busy:486``."""
    detail: tuple[object, ...] = ()
    if isinstance(event, Arrived):
        flags = ("private",) * event.private + ("verified",) * event.verified + ("replaces",) * bool(event.replaces)
        detail = (*((event.caller,) if event.caller != "300" else ()), *flags, *(f"by-{number}" for number in event.diversions))
    if isinstance(event, Answered | Confirmed | Rang) and isinstance(event.remote, RtpEndpoint):
        detail = (event.remote.codecs[0].name,)
    elif isinstance(event, Reagreed) and isinstance(event.remote, RtpEndpoint):
        detail = (event.remote.direction,)
    elif isinstance(event, DigitArrived):
        detail = (event.digit,)
    elif isinstance(event, HungUp):
        detail = (event.cause.reason,)
    elif isinstance(event, Refused):
        detail = (event.cause.reason, event.cause.sip)
    elif isinstance(event, TransferAsked):
        detail = (event.target,)
    elif isinstance(event, TransferProgressed):
        detail = (event.status,)
    return ":".join([type(event).__name__, *(str(each) for each in detail)])
