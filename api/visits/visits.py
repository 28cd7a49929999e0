"""Visitors' calls: begun by a guest's token that names a queue, led straight into it, and told how they stand.

What visitors say of themselves goes to the agent as facts of the call whose names begin with ``visitor_``; nothing is decided by them.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Self

import structlog
from msgspec import Struct

from api.card_numbers import without_card_numbers
from api.exchange import Exchange
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visitor_line import VisitorLine
from media import messages as media
from pbx.trunk import Arrived
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.centre_plan import Arrival, NumberEntry
from rooms.flows.straight import straight_to
from rooms.record import CallState
from rooms.switchboard import Switchboard
from signaling import messages as wire
from signaling.grants import GUEST_PREFIX, Grant, Role, VisitGrant
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from signaling.topics import person

log = structlog.get_logger()

LANGUAGES = ("en", "es")
_TELL_EVERY_S = 1.0
_REFUSED = Cause(EndReason.FAILED, 500)

Publish = Callable[[str, wire.Notice], None]
AgentOf = Callable[[str], str]
"""Who of the house has the chat of this link; empty where nobody does."""
VisitRequest = wire.VisitCall | wire.VisitOffer | wire.VisitDigits | wire.VisitHangUp | wire.InviteVisitor
Invite = Callable[[Grant, wire.InviteVisitor], None]
"""Somebody of the house asks the visitors of a chat to call."""


def plain(text: str) -> str:
    """Words of a visitor as they may be shown: one line, no control characters, no numbers of cards."""
    return without_card_numbers(" ".join("".join(character if character.isprintable() else " " for character in text).split()))


@dataclass(slots=True)
class _Call:
    """One visitor's call. ``told``: what they were last told of it."""

    identity: str
    grant: VisitGrant
    said: wire.Said
    agent: str = ""
    call_id: str = ""
    leg_id: str = ""
    told: Struct | None = None


class Visits:
    """``async with`` around the server's life. ``agent_of``: see ``AgentOf``."""

    def __init__(
        self,
        settings: VisitSettings,
        line: VisitorLine,
        desk: FrontDesk,
        switchboard: Switchboard,
        exchange: Exchange,
        tokens: TokenIssuer,
        relays: Callable[[str], list[wire.IceServer]],
    ) -> None:
        self._settings = settings
        self._line = line
        self._desk = desk
        self._switchboard = switchboard
        self._exchange = exchange
        self._tokens = tokens
        self._relays = relays
        self._publish: Publish = lambda topic, notice: None
        self._agent_of: AgentOf = lambda link: ""
        self._invite: Invite = lambda grant, request: None
        self._coming: _Call | None = None
        self._calls: dict[str, _Call] = {}
        """By leg."""
        self._looking = False
        self._telling: asyncio.Task[None] | None = None
        self.counts = {"calls": 0, "refused": 0}
        line.on_over = self._over

    def meet(self, publish: Publish, agent_of: AgentOf, invite: Invite) -> None:
        """The hub, and the chats."""
        self._publish, self._agent_of, self._invite = publish, agent_of, invite

    async def __aenter__(self) -> Self:
        self._telling = asyncio.create_task(self._tell_on())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._telling is not None
        self._telling.cancel()
        await asyncio.gather(self._telling, return_exceptions=True)

    # ------------------------------------------------------------------ tokens

    def enter(self, queue: str, language: str) -> wire.Session:
        """A session of somebody new, for calls to this queue alone. Raises ``Refusal``."""
        self._desk.queue(queue)
        return self._session(GUEST_PREFIX + token_hex(20), VisitGrant(queue, language if language in LANGUAGES else LANGUAGES[0]))

    def renew(self, grant: Grant) -> wire.Session:
        """The next one of the same visitor. Raises ``Refusal``."""
        if grant.visit is None:
            raise Refusal("token_expired", "This session is none of a visitor.")
        return self._session(grant.identity, grant.visit, grant.signed_in_at)

    def _session(self, identity: str, visit: VisitGrant, signed_in_at: float | None = None) -> wire.Session:
        session = self._tokens.issue(identity, "", Role.CUSTOMER, visit=visit, signed_in_at=signed_in_at)
        return wire.Session(
            session.token, identity, "", session.role, session.expires_at, session.expires_in, ice_servers=self._relays(identity)
        )

    # ------------------------------------------------------------------ what visitors ask

    async def perform(self, grant: Grant, request: VisitRequest) -> Struct | None:
        """Raises ``Refusal``, ``NotPossible``, ``MediaRefusal``."""
        if isinstance(request, wire.InviteVisitor):
            self._invite(grant, request)
            return None
        if isinstance(request, wire.VisitCall):
            return self._call(grant, request)
        call = self._of(grant, request.call_id)
        match request:
            case wire.VisitOffer(peer_id=peer_id, sdp=sdp):
                if call is None:
                    raise Refusal("unknown_call", "This call is over, or was never yours.")
                answered = await self._exchange.answer_caller(call.call_id, call.leg_id, peer_id, sdp)
                return wire.PeerAnswer(sdp=answered.sdp)
            case wire.VisitDigits(digits=digits) if call is not None:
                self._line.press(call.leg_id, digits)
            case wire.VisitHangUp() if call is not None:
                self._line.leave(call.leg_id)
                self._forget(call)
        return None

    def _of(self, grant: Grant, call_id: str) -> _Call | None:
        return next((call for call in self._calls.values() if (call.identity, call.call_id) == (grant.identity, call_id)), None)

    def _call(self, grant: Grant, request: wire.VisitCall) -> wire.VisitCalled:
        visit = grant.visit
        if visit is None:
            raise Refusal("forbidden", "This token is for no calls.")
        if self._exchange.draining:
            raise Refusal("stopping", "The server is being stopped and takes no new calls: try again in a minute.", 60.0)
        self._desk.queue(visit.queue)
        if not self._desk.is_open():
            raise Refusal("closed", "It is closed now: ask to be called back.")
        for call in [call for call in self._calls.values() if call.identity == grant.identity]:
            self._line.leave(call.leg_id)
            self._forget(call)
        if self._line.full:
            self.counts["refused"] += 1
            raise Refusal("visits_full", "As many visitors are in calls as there may be: try again soon, or ask to be called back.", 30.0)
        call = self._coming = _Call(grant.identity, visit, request.said, self._free_agent(request.chat))
        try:
            call.leg_id = self._line.call(f"web-{visit.queue}")
        finally:
            self._coming = None
        if not call.call_id or not self._line.has(call.leg_id):
            raise Refusal("busy", "The call could not be begun: try again in a moment.", 1.0)
        self._calls[call.leg_id] = call
        self.counts["calls"] += 1
        return wire.VisitCalled(call_id=call.call_id)

    def _free_agent(self, chat: str) -> str:
        agent = self._agent_of(chat) if chat else ""
        return agent if agent and self._switchboard.agent_state(agent) is AgentState.AVAILABLE else ""

    # ------------------------------------------------------------------ how their calls go

    def receive(self, call_id: str, event: Arrived) -> Arrival:
        """Where a visitor's call goes that arrives now: to whom they write with, then into their queue."""
        call = self._coming
        if call is None:
            return Arrival(refused=_REFUSED)
        call.call_id, language = call_id, call.grant.language
        entry = NumberEntry(f"web-{call.grant.queue}", "", language, label="web")
        said = {f"visitor_{name}": plain(text) for name, text in _said(call.said).items()}
        return Arrival(
            entry=entry,
            facts={"called": entry.pattern, "entry": entry.label, "withheld": True, **{name: text for name, text in said.items() if text}},
            flow=straight_to(call.grant.queue, language, LANGUAGES, agent=call.agent),
        )

    def hear_media(self, event: media.AnyMediaEvent) -> bool:
        """Is this about a visitor's peer connection, which nobody else need hear of?"""
        if not isinstance(event, media.PeerConnected | media.PeerLost | media.ReofferWanted) or event.leg_id not in self._calls:
            return False
        if isinstance(event, media.PeerConnected):
            self._line.connected(event.leg_id)
        elif isinstance(event, media.PeerLost):
            self._line.lost(event.leg_id)
        return True

    def shown(self) -> None:
        """Some call has changed."""
        if self._calls and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self.look)

    def look(self) -> None:
        """Tell those visitors whose calls stand otherwise than they were told."""
        self._looking = False
        for call in list(self._calls.values()):
            self._tell(call)

    def _tell(self, call: _Call) -> None:
        state = self._state(call)
        if state is not None and state != call.told:
            call.told = state
            self._publish(person(call.identity), state)

    def _state(self, call: _Call) -> wire.VisitState | None:
        view = self._switchboard.call(call.call_id)
        if view is None:
            return None
        waits = self._switchboard.waiting(call.call_id, asyncio.get_running_loop().time())
        if waits is not None:
            wait_s = None if waits[1] is None else 15.0 * round(waits[1] / 15.0)
            return wire.VisitState(call.call_id, "waiting", waits[0], wait_s)
        if view.agent and view.state is CallState.LIVE:
            return wire.VisitState(call.call_id, "held" if view.held else "talking")
        return wire.VisitState(call.call_id, "ringing" if call.agent else "waiting")

    def _over(self, leg_id: str, cause: Cause) -> None:
        """Their call is over, and not by them."""
        call = self._calls.get(leg_id)
        if call is not None:
            self._forget(call)
            self._publish(person(call.identity), wire.VisitState(call.call_id, "ended", reason=cause.reason.value))

    def _forget(self, call: _Call) -> None:
        self._calls.pop(call.leg_id, None)

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self.look()


def _said(said: wire.Said) -> Mapping[str, str]:
    return {"name": said.name, "reason": said.reason, "page": said.page}
