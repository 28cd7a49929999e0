"""Several nodes as one: who is where, commands to the node that has the call, and what happens when one of them is gone.

Every node is the same program. A call lives on the node that its telephone line and its media are on, whose name stands in the call's id:
what is asked about it goes there and is decided there, by one switchboard, in one order. So of two agents who accept the same call in the
same moment on two nodes exactly one has it, and the other is told. No lock is needed for that, and none can be held by a dead node: a call
whose node is dead has died with it.

Who is there is told by each node to all others (``rooms/presence.py``): with every change, with a heartbeat that says how many changes
there were, and whole where somebody asks for it. So Redis holds nothing of it, and nothing has to be repaired when it loses its memory.

With one node (``MemoryBus``) the same functions are called and there is nobody else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Protocol, Self, cast

import msgspec
import structlog
from msgspec import Raw

from api.board import Board, BoardSummary
from api.identity.sessions import Ended
from api.nodes import words
from api.nodes.questions import AskTimes, NodeSilent, Questions
from api.nodes.watchers import Topics, Watchers, presence_state
from api.room_questions import AnyRoomQuestion, OwnRooms, room_of
from rooms import events as ev
from rooms.agent import AgentState
from rooms.presence import Attendance, Facts, Person, Wish
from signaling import messages as wire
from signaling.bus import Bus, BusState
from signaling.grants import Grant
from signaling.refusal import Refusal
from signaling.topics import LINES, person

_OF_PAST_CALLS = (wire.GetNote, wire.WriteNote, wire.MakeTicket, wire.CloseTicket, wire.ReportSound)
"""Asked also of calls whose node is gone: they are on record."""

log = structlog.get_logger()
Perform = Callable[[Grant, wire.AnyRequest], Awaitable[object]]

LEASE_S = 3.0
BEAT_S = 0.5
_MOST_WORK = 2_000
"""Things that other nodes asked or said that this one is at."""


class CallControl(Protocol):
    """What is asked of ``api.exchange.Exchange``."""

    def feed(self, event: ev.Event) -> None: ...

    def calls_of(self, identity: str) -> list[wire.CallState]: ...


class RoomHolder(Protocol):
    """What is asked of ``api.room_owners.RoomOwners``."""

    async def perform(self, room_id: str, grant: Grant, request: wire.AnyRequest) -> object: ...

    async def answer(self, room_id: str, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> object: ...

    def on_there(self, identity: str, there: bool) -> None: ...

    def on_state(self) -> None: ...

    def on_gone(self, node: str) -> None: ...

    def on_over(self, room_id: str) -> None: ...


class Pages(Topics, Protocol):
    """What is asked of ``signaling.hub.Hub``."""

    def bring_up_to_date(self, seen: Mapping[str, int], identity: str = "") -> None: ...

    def make_way(self, identity: str) -> None: ...


def call_id_of(node: str) -> str:
    """A new call's id; it says where the call is."""
    return f"{token_hex(16)}-{node}" if node else token_hex(16)


class Nodes:
    """``async with``, inside the bus. ``perform`` does what a page asks about this node's own calls, or raises ``Refusal``.

    ``meet`` introduces call control, the hub and who holds rooms, which need this to be made.
    """

    def __init__(self, bus: Bus, *, lease_s: float = LEASE_S, beat_s: float = BEAT_S, times: AskTimes | None = None) -> None:
        self._bus = bus
        self._times = times or AskTimes()
        self._beat_s = beat_s
        self._loop = asyncio.get_running_loop()
        self.attendance = Attendance(bus.node, lease_s=lease_s)
        self._calls: CallControl | None = None
        self._pages: Pages | None = None
        self._perform: Perform | None = None
        self._rooms: RoomHolder | None = None
        self._board: Board | None = None
        self._on_revoked: Callable[[Sequence[Ended]], object] = lambda ended: None
        self._on_wish: Callable[[str], object] = lambda identity: None
        self._on_handled: Callable[[str], Coroutine[None, None, None]] | None = None
        self._on_skilled: Callable[[str], Coroutine[None, None, None]] | None = None
        self._on_planned: Callable[[], Coroutine[None, None, None]] | None = None
        self._on_renewed: Callable[[str, Collection[str], str], Coroutine[None, None, None]] | None = None
        self._on_together: Callable[[], Coroutine[None, None, None]] | None = None
        self._health: Callable[[], Awaitable[bytes]] | None = None
        self._number = 0
        self._fed: dict[str, Person] = {}
        self._questions = Questions(self._say, lambda: self.attendance.nodes)
        self._work: set[asyncio.Task[None]] = set()
        self.watchers = Watchers(self.attendance, self._loop.time)
        self._decode = msgspec.json.Decoder(words.AnyWord).decode
        bus.join(self._on_word, self._on_state)

    def meet(self, calls: CallControl, pages: Pages, perform: Perform, rooms: RoomHolder | None = None) -> None:
        self._calls, self._pages, self._perform, self._rooms = calls, pages, perform, rooms
        self.watchers.meet(pages)
        self._look()

    def meet_board(self, board: Board) -> None:
        """The live board, which shows the calls of all nodes."""
        self._board = board
        board.meet_nodes(self)

    def want_board(self, node: str, whole: bool) -> None:
        self._say(words.BoardWanted(self._bus.token, whole), node)

    def tell_board(self, node: str, summary: BoardSummary) -> None:
        self._say(words.BoardTold(self._bus.token, summary), node)

    def hear_revoked(self, on_revoked: Callable[[Sequence[Ended]], object]) -> None:
        """Who hears which sessions and tokens another node's people ended."""
        self._on_revoked = on_revoked

    def hear_wishes(self, on_wish: Callable[[str], object]) -> None:
        """Who hears of whom it was said here whether they take calls."""
        self._on_wish = on_wish

    def hear_handled(self, on_handled: Callable[[str], Coroutine[None, None, None]]) -> None:
        """Who hears whose calls are to be handled otherwise, as another node was told."""
        self._on_handled = on_handled

    def tell_handled(self, identity: str) -> None:
        self._say(words.Handled(self._bus.token, identity))

    def hear_skilled(self, on_skilled: Callable[[str], Coroutine[None, None, None]]) -> None:
        """Who hears of whom another node was told that they can something else now."""
        self._on_skilled = on_skilled

    def tell_skilled(self, identity: str) -> None:
        self._say(words.Skilled(self._bus.token, identity))

    def hear_renewed(self, on_renewed: Callable[[str, Collection[str], str], Coroutine[None, None, None]]) -> None:
        """Who hears of whom another node was told by a backend (its id, handles, its own id of them) that something changed."""
        self._on_renewed = on_renewed

    def tell_renewed(self, backend: str, handles: Collection[str], contact: str) -> None:
        self._say(words.Renewed(self._bus.token, backend, sorted(handles), contact))

    def hear_planned(self, on_planned: Callable[[], Coroutine[None, None, None]]) -> None:
        """Who hears that another node took a newer plan of the contact centre."""
        self._on_planned = on_planned

    def tell_planned(self) -> None:
        self._say(words.Planned(self._bus.token))

    def hear_together(self, on_together: Callable[[], Coroutine[None, None, None]]) -> None:
        """Who hears that this node is with the others, again too: what it was told meanwhile is lost."""
        self._on_together = on_together

    def hear_health(self, health: Callable[[], Awaitable[bytes]]) -> None:
        """Who says how this node is, as JSON, when another one asks."""
        self._health = health

    async def health_of(self, node: str) -> bytes | None:
        """How another node says that it is; None where it does not in time."""
        try:
            answer = await self._questions.ask(node, lambda ask_id: words.AskHealth(self._bus.token, ask_id), self._times.health_s)
        except (NodeSilent, Refusal):
            return None
        return bytes(answer.result) if answer.error is None else None

    async def _tell_health(self, node: str, ask_id: str) -> None:
        if self._health is not None:
            self._say(words.Answer(self._bus.token, ask_id, Raw(await self._health())), node)

    async def __aenter__(self) -> Self:
        self._on_state()
        self._start(self._beat())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._say(words.Leaving(self._bus.token))
        await asyncio.sleep(0)
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def others(self) -> tuple[str, ...]:
        """Nodes that are there beside this one."""
        return self.attendance.nodes

    @property
    def leads(self) -> bool:
        """Is this the node that does what one is enough for? The first by name of those that are there."""
        return self._bus.node <= min(self.others, default=self._bus.node)

    # ------------------------------------------------------------------ what happens here

    def know(self, grant: Grant) -> None:
        """Somebody connected: their name and teams, as colleagues see them."""
        own = self.attendance.own(grant.identity)
        if own.worth_telling:
            self._change(grant.identity, replace(own, name=grant.name, teams=tuple(sorted(grant.teams))))

    def on_phone(self, identity: str, there: bool) -> None:
        """A person's telephone page at this node came or went."""
        self._change(identity, replace(self.attendance.own(identity), phones=int(there)))

    def on_pages(self, identity: str, pages: int) -> None:
        """So many pages of a person that are no telephone are open at this node."""
        self._change(identity, replace(self.attendance.own(identity), pages=pages))

    def on_there(self, identity: str, there: bool) -> None:
        """A person's first connection of any kind to this node is up, or their last one gone."""
        self._change(identity, replace(self.attendance.own(identity), there=there))

    def on_engaged(self, identity: str, state: AgentState | None) -> None:
        """A call of this node rings at a person, is theirs, or (None) neither."""
        self._change(identity, replace(self.attendance.own(identity), engaged=state))

    def on_consulting(self, identity: str, consulting: bool) -> None:
        """A person is in a consultation of this node, or in none any more."""
        self._change(identity, replace(self.attendance.own(identity), consulting=consulting))

    def wish(self, identity: str, *, available: bool, reason: str, away: bool) -> None:
        """A person said whether they take calls."""
        if self.attendance.wish(identity, Wish(available, reason, away, round(time.time() * 1000))):
            self._tell_others([identity])
            self._look()
            if self._pages is not None:
                self._pages.publish(person(identity), presence_state(self.attendance.person(identity)))
            self._on_wish(identity)

    def takes_calls(self, identity: str) -> bool:
        """What this person said last."""
        return self.attendance.person(identity).available

    def tell_revoked(self, ended: Sequence[Ended]) -> None:
        """The other nodes are to believe these sessions and tokens no more."""
        self._say(words.Revoked(self._bus.token, list(ended)))

    def _change(self, identity: str, facts: Facts) -> None:
        if self.attendance.know(identity, facts):
            self._tell_others([identity])
            self._look()

    def _tell_others(self, identities: Iterable[str]) -> None:
        if not self._bus.node:
            return
        self._number += 1
        self._say(words.Changed(self._bus.token, self._number, {identity: self.attendance.told(identity) for identity in identities}))

    # ------------------------------------------------------------------ what follows

    def _look(self) -> None:
        """Tell call control what is new of its agents, wherever they are. Until it is there the news wait."""
        if self._calls is None:
            return
        for someone in self.attendance.news():
            before = self._fed.get(someone.identity, Person(someone.identity))
            self._fed[someone.identity] = someone
            if someone == Person(someone.identity):
                del self._fed[someone.identity]
            if (before.available, before.wish_reason) != (someone.available, someone.wish_reason):
                self._calls.feed(ev.AvailabilityChanged(someone.identity, someone.available, someone.wish_reason))
            if before.elsewhere is not someone.elsewhere:
                self._calls.feed(ev.AgentEngaged(someone.identity, someone.elsewhere))
            if before.consulting is not someone.consulting:
                self._calls.feed(ev.AgentConsulting(someone.identity, someone.consulting))
            if (before.phones > 0) is not (someone.phones > 0):
                changed = ev.AgentConnected if someone.phones else ev.AgentDisconnected
                self._calls.feed(changed(someone.identity))
            if before.there is not someone.there and self._rooms is not None:
                self._rooms.on_there(someone.identity, someone.there)

    # ------------------------------------------------------------------ what others say

    def _on_word(self, node: str, data: bytes) -> None:
        try:
            word = self._decode(data)
        except msgspec.MsgspecError:
            log.error("node.unreadable", node=node, detail="A node says what this one cannot read: run the same version on all.")
            return
        now, known = self._loop.time(), self.attendance.nodes
        match word:
            case words.Alive(token=token, number=number):
                self._in_step(node, self.attendance.hear(node, token, number, now))
            case words.Changed(token=token, number=number, people=people):
                self._make_way(node, people)
                self._in_step(node, self.attendance.change(node, token, number, people, now))
            case words.Everything(token=token, number=number, people=people):
                self.attendance.complete(node, token, number, people, now)
            case words.TellAll():
                self._say(words.Everything(self._bus.token, self._number, self.attendance.own_people()), node)
            case words.Leaving(token=token):
                self.attendance.leave(node, token)
            case words.Ask():
                self._start(self._answer(node, word))
            case words.AskCalls(ask_id=ask_id, identity=identity):
                calls = self._calls.calls_of(identity) if self._calls is not None else []
                self._say(words.Answer(self._bus.token, ask_id, Raw(msgspec.json.encode(calls))), node)
            case words.AskHealth(ask_id=ask_id):
                self._start(self._tell_health(node, ask_id))
            case words.AskAlerts() | words.SeeAlert():
                self._tell_alerts(node, word)
            case words.RoomOver(room_id=room_id):
                if self._rooms is not None:
                    self._rooms.on_over(room_id)
            case words.BoardWanted(whole=whole):
                if self._board is not None:
                    self._board.on_wanted(node, whole)
            case words.BoardTold(summary=summary):
                if self._board is not None and node in self.attendance.nodes:
                    self._board.on_told(node, summary)
            case words.Revoked(ended=ended):
                self._on_revoked(ended)
            case words.Handled(identity=identity):
                if self._on_handled is not None:
                    self._start(self._on_handled(identity))
            case words.Skilled(identity=identity):
                if self._on_skilled is not None:
                    self._start(self._on_skilled(identity))
            case words.Renewed(backend=backend, handles=handles, contact=contact):
                if self._on_renewed is not None:
                    self._start(self._on_renewed(backend, handles, contact))
            case words.Planned():
                if self._on_planned is not None:
                    self._start(self._on_planned())
            case words.Answer():
                self._questions.answered(word)
        self._nodes_changed(known)
        self._look()

    def _make_way(self, node: str, people: Mapping[str, Facts]) -> None:
        """A person has one telephone, the page opened last: where that was opened at another node, ours makes way."""
        for identity, facts in people.items():
            opened = facts.phones and not self.attendance.facts_of(node, identity).phones
            if opened and self.attendance.own(identity).phones and self._pages is not None:
                self._pages.make_way(identity)

    def _in_step(self, node: str, in_step: bool) -> None:
        if not in_step:
            self._say(words.TellAll(self._bus.token), node)

    def _nodes_changed(self, known: tuple[str, ...]) -> None:
        for node in set(self.attendance.nodes) - set(known):
            log.info("node.there", node=node)
            if self._board is not None:
                self._board.on_node(node, True)
        for node in set(known) - set(self.attendance.nodes):
            log.warning("node.gone", node=node)
            if self._board is not None:
                self._board.on_node(node, False)
            self._questions.gone(node)
            if self._rooms is not None:
                self._rooms.on_gone(node)

    def _on_state(self) -> None:
        """The bus is there, or not: say so to the pages of this node, and everything to the other nodes."""
        state = self._bus.state
        if self._rooms is not None:
            self._rooms.on_state()
        if state is BusState.TOGETHER:
            self._say(words.Everything(self._bus.token, self._number, self.attendance.own_people()))
            self._say(words.TellAll(self._bus.token))
            if self._on_together is not None:
                self._start(self._on_together())
        if self._pages is not None and state is not BusState.PARTED:
            self._pages.publish(LINES, wire.NodeState(node=self._bus.node, alone=state is BusState.ALONE))

    async def _beat(self) -> None:
        slept_from_s = self._loop.time()
        while True:
            self._say(words.Alive(self._bus.token, self._number))
            # Whoever overslept, as a loaded machine does, has not read yet what came meanwhile.
            if self._loop.time() < slept_from_s + 2 * self._beat_s:
                self._bury()
            self.watchers.tell()
            slept_from_s = self._loop.time()
            await asyncio.sleep(self._beat_s)

    def _bury(self) -> None:
        """Forget nodes that were not heard of for too long. Calls have died with their node: who had one is shown so."""
        known = self.attendance.nodes
        engaged = [someone.identity for someone in self.attendance.everybody() if someone.elsewhere is not None]
        if not self.attendance.expire(self._loop.time()):
            return
        self._nodes_changed(known)
        self._look()
        for identity in engaged:
            if self._pages is not None and self.attendance.person(identity).elsewhere is None:
                self._pages.bring_up_to_date({}, identity)

    # ------------------------------------------------------------------ asking the node that has the call

    async def perform(self, grant: Grant, request: wire.AnyRequest) -> object:
        """Do what a page asks, here or where its call or its room is. Raises ``Refusal``."""
        assert self._perform is not None
        if not self._bus.node:
            return await self._perform(grant, request)
        room_id = room_of(grant, request)
        if room_id and self._rooms is not None:
            return await self._rooms.perform(room_id, grant, request)
        _, _, node = getattr(request, "call_id", "").partition("-")
        if node in ("", self._bus.node):
            return await self._perform(grant, request)
        try:
            return await self.ask(node, grant, request)
        except NodeSilent as silence:
            if node not in self.attendance.nodes and isinstance(request, _OF_PAST_CALLS):
                return await self._perform(grant, request)
            if node not in self.attendance.nodes:
                raise Refusal(
                    "unknown_call", "This call is over, or its server is not to be reached: the page shows the calls there are."
                ) from silence
            raise Refusal(
                "timeout", "The server of this call took too long to do this: see what the page shows, and try again.", 1.0
            ) from silence

    async def ask(self, node: str, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion, room_id: str = "") -> object:
        """Have another node do this. Raises ``Refusal`` as it did, and ``NodeSilent``."""
        answer = await self._questions.ask(
            node, lambda ask_id: words.Ask(self._bus.token, ask_id, grant, request, room_id), self._times.do_s
        )
        if answer.error is not None:
            raise Refusal(answer.error.code, answer.error.message, answer.error.retry_after)
        return msgspec.json.decode(answer.result)

    async def calls_elsewhere(self, identity: str) -> list[wire.CallState]:
        """The calls that other nodes have for this person. A node that does not answer in time has none to tell."""
        nodes = self.attendance.nodes_engaging(identity)
        answers, _ = await self._questions.ask_all(
            nodes, lambda ask_id: words.AskCalls(self._bus.token, ask_id, identity), self._times.tell_s
        )
        return [call for answer in answers for call in msgspec.json.decode(answer, type=list[wire.CallState])]

    async def alerts_elsewhere(self, teams: frozenset[str]) -> tuple[list[wire.BoardAlert], bool]:
        """What other nodes have open that who has these teams is told of, and whether all have said so."""
        answers, whole = await self._questions.ask_all(
            self.others, lambda ask_id: words.AskAlerts(self._bus.token, ask_id, sorted(teams)), self._times.tell_s
        )
        found = [alert for answer in answers for alert in msgspec.json.decode(answer, type=list[wire.BoardAlert])]
        return found, whole and self._bus.state is BusState.TOGETHER

    async def see_alert(self, alert_id: str, by: str, until: float | None, teams: frozenset[str]) -> tuple[bool, bool]:
        """Other nodes are to know who sees to an alert, or puts it off. Is it open at one of them, and have all said so?"""
        ours = sorted(teams)
        answers, whole = await self._questions.ask_all(
            self.others, lambda ask_id: words.SeeAlert(self._bus.token, ask_id, ours, alert_id, by, until), self._times.see_s
        )
        found = any(msgspec.json.decode(answer, type=bool) for answer in answers)
        if found and self._board is not None:
            self._board.seen_elsewhere(alert_id, by, until)
        return found, whole and self._bus.state is BusState.TOGETHER

    def _tell_alerts(self, node: str, asked: words.AskAlerts | words.SeeAlert) -> None:
        if self._board is None:
            return
        told: object
        match asked:
            case words.AskAlerts(teams=teams):
                told = self._board.own_alerts(frozenset(teams))
            case words.SeeAlert(alert_id=alert_id, by=by, until=until, teams=teams):
                told = self._board.see(alert_id, by, until, frozenset(teams))
        self._say(words.Answer(self._bus.token, asked.ask_id, Raw(msgspec.json.encode(told))), node)

    async def rooms_elsewhere(self, grant: Grant) -> tuple[list[wire.RoomList], bool]:
        """What each other node has of its rooms for this person, and whether all have said so."""
        question = OwnRooms(grant.identity)
        answers, whole = await self._questions.ask_all(
            self.others, lambda ask_id: words.Ask(self._bus.token, ask_id, grant, question), self._times.tell_s
        )
        return [msgspec.json.decode(answer, type=wire.RoomList) for answer in answers], whole

    def tell_over(self, room_id: str) -> None:
        """A room of this node has ended."""
        self._say(words.RoomOver(self._bus.token, room_id))

    async def _answer(self, node: str, ask: words.Ask) -> None:
        assert self._perform is not None
        result: object = None
        error = None
        try:
            if not ask.room_id:
                result = await self._perform(ask.grant, cast(wire.AnyRequest, ask.request))
            elif self._rooms is not None:
                result = await self._rooms.answer(ask.room_id, ask.grant, ask.request)
        except Refusal as refusal:
            error = refusal.as_error()
        self._say(words.Answer(self._bus.token, ask.ask_id, Raw(msgspec.json.encode(result)), error), node)

    # ------------------------------------------------------------------

    def _say(self, word: words.Word, to: str = "") -> None:
        self._bus.send(msgspec.json.encode(word), to)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        if len(self._work) >= _MOST_WORK:
            work.close()
            return
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("node.failed", exc_info=error)
