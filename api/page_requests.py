"""What pages may ask, each request in its own function: checked by call control, done by the exchange."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from api.after.after_call import AfterCall
from api.backends.lookup import ContextLookup
from api.call_handling import CallHandling
from api.call_line import LineFull
from api.card_numbers import without_card_numbers
from api.exchange import Exchange
from api.metrics import Metrics
from api.nodes.nodes import Nodes
from api.outbound.do_not_call import DoNotCall
from api.room_questions import AnyRoomQuestion, RoomQuestion
from api.sound_checks import SoundChecks
from api.supervision import Supervision
from api.tolls import Tolls
from api.visits.visits import Visits
from media.messages import MediaRefusal, PeerAnswered
from pbx.loopback import LoopbackTrunk
from pbx.numbers import Number, parse_number, zones_of
from pbx.routing import NoRoute, NotANumber, Route, Routing
from rooms import events as ev
from rooms.agent import AgentState
from rooms.move import Target
from rooms.record import CallView
from rooms.recording import RecordingAction
from rooms.switchboard import NotPossible, Switchboard
from signaling import messages as wire
from signaling.grants import Grant, Permission, Resource, allows
from signaling.refusal import Refusal

DEMO_CALLER = "601"
"""Whom the demo line shows as caller: dialling it back gives the same voice."""
InRooms = Callable[[Grant, wire.RoomRequest | wire.ChatRequest | AnyRoomQuestion], Awaitable[Struct | None]]


class PageRequests:
    """``in_rooms`` does what is asked about rooms and chat. ``demo``: the demo line, where there is one.
    ``tolls`` watches over what is dialled; ``ask_pbx`` raises ``Refusal`` where the PBX has no room for another call.
    ``teams_of`` says in which teams an agent is. ``handling``: what people want done with calls to them.
    ``supervision``: of other people's calls. ``unwanted``: who does not want to be called. ``context``: what is known of callers;
    ``after``: what is written of calls. ``checks``: of people's sound. ``day(identity, since)``: somebody's own calls.
    ``refer_blind``: is the telephone system to be asked for blind transfers too, where it can?"""

    def __init__(
        self,
        exchange: Exchange,
        switchboard: Switchboard,
        routing: Routing,
        metrics: Metrics,
        nodes: Nodes,
        in_rooms: InRooms,
        *,
        demo: LoopbackTrunk | None,
        tolls: Tolls | None = None,
        ask_pbx: Callable[[Number], None] = lambda number: None,
        teams_of: Callable[[str], frozenset[str]] = lambda identity: frozenset(),
        handling: CallHandling | None = None,
        supervision: Supervision | None = None,
        unwanted: DoNotCall | None = None,
        context: ContextLookup | None = None,
        after: AfterCall | None = None,
        checks: SoundChecks | None = None,
        day: Callable[[str, float], Awaitable[wire.MyDay]] | None = None,
        refer_blind: bool = False,
        visits: Visits | None = None,
    ) -> None:
        self._exchange = exchange
        self._switchboard = switchboard
        self._routing = routing
        self._metrics = metrics
        self._in_rooms = in_rooms
        self._nodes = nodes
        self._demo = demo
        self._tolls = tolls
        self._ask_pbx = ask_pbx
        self._teams_of = teams_of
        self._handling = handling
        self._supervision = supervision
        self._unwanted = unwanted
        self._context = context
        self._after = after
        self._checks = checks
        self._day = day
        self._refer_blind = refer_blind
        self._visits = visits

    async def perform(self, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> Struct | None:
        """Do what a page asks. Raises ``Refusal`` with whose fault it is and what to do."""
        try:
            return await self._perform(grant, request)
        except NotPossible as error:
            raise Refusal(error.code, str(error), error.retry_after_s) from None
        except MediaRefusal as error:
            raise Refusal(error.code, str(error)) from None
        except TimeoutError:
            raise Refusal("timeout", "The server took too long to do this and gave it up: try again.", 1.0) from None
        except LineFull:
            raise Refusal("busy", "This call is still busy with earlier requests: wait a moment.", 1.0) from None

    async def _perform(self, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> Struct | None:
        identity, feed = grant.identity, self._exchange.feed
        match request:
            case wire.Dial(number=number):
                return self._dial(identity, number)
            case wire.LookNumber(number=number):
                return self._look(number)
            case wire.Accept(call_id=call_id):
                feed(ev.CallAccepted(call_id, identity))
            case wire.Decline(call_id=call_id):
                feed(ev.CallDeclined(call_id, identity))
            case wire.HangUp(call_id=call_id):
                feed(ev.HangUpRequested(call_id, identity))
            case wire.Mute(call_id=call_id, muted=muted):
                feed(ev.MuteRequested(call_id, identity, muted))
            case wire.Hold(call_id=call_id, held=held):
                feed(ev.HoldRequested(call_id, identity, held))
            case wire.Digits(call_id=call_id, digits=digits):
                feed(ev.DigitsPressed(call_id, identity, digits))
            case wire.Monitor():
                self._supervised().monitor(grant, request)
            case wire.TakeOver():
                self._supervised().take_over(grant, request)
            case wire.Transfer():
                self._transfer(identity, request)
            case wire.TransferStep(call_id=call_id, action=action):
                refer = action == "complete" and self._exchange.can_refer(call_id)
                feed(ev.TransferActed(call_id, identity, ev.TransferAction(action), refer))
            case wire.Park(call_id=call_id, slot=slot):
                feed(ev.ParkRequested(call_id, identity, slot))
            case wire.PickUp(call_id=call_id):
                self._pick_up(identity, call_id)
            case wire.ReadHandling():
                return await self._handled().read(identity)
            case wire.SetHandling():
                return await self._handled().set(identity, request)
            case wire.Record(call_id=call_id, action=action):
                supervisor = allows(grant, Permission.CALL_RECORD_ANY, self._of(call_id))
                feed(ev.RecordingRequested(call_id, identity, RecordingAction(action), supervisor=supervisor))
            case wire.SetPresence(available=available, reason=reason, away=away):
                if available and self._handling is not None:
                    await self._handling.disturb(identity)
                self._nodes.wish(identity, available=available, reason=without_card_numbers(reason), away=away)
            case wire.WatchPresence():
                return self._nodes.watchers.watch(grant)
            case wire.PeerOffer():
                return await self._offer(identity, request)
            case wire.OpenSoundCheck():
                return await self._checked().open(identity, request)
            case wire.CloseSoundCheck(check_id=check_id):
                return await self._checked().close(identity, check_id)
            case wire.ReadDay(since=since):
                return await self._day(identity, since) if self._day is not None else wire.MyDay([])
            case wire.AskHelp(on=on):
                return self._exchange.board.help(identity, on)
            case wire.ReportSound(call_id=call_id, what=what):
                await self._written().refuse_others(call_id, identity)
                self._exchange.board.report(identity, call_id, what)
            case wire.WatchQueues():
                return self._exchange.queues.watch(identity)
            case wire.FinishWrapUp(call_id=call_id, code=code):
                feed(ev.WrapUpFinished(identity, call_id, code))
            case wire.ExtendWrapUp(call_id=call_id):
                feed(ev.WrapUpExtended(identity, call_id))
            case wire.UndoWrapUp(call_id=call_id):
                feed(ev.WrapUpTakenBack(identity, call_id))
            case wire.CancelCallBack(call_back_id=call_back_id):
                feed(ev.CallBackCancelled(call_back_id))
            case wire.WatchBoard():
                return self._exchange.board.watch(identity, grant.teams)
            case wire.CallMe():
                self._call_me(identity)
            case wire.GetContext(call_id=call_id):
                self._known().show(call_id, identity)
            case wire.ChooseContact(call_id=call_id, backend=backend, id=contact_id):
                self._known().choose(call_id, identity, backend, contact_id)
            case wire.GetNote(call_id=call_id):
                return await self._written().note(call_id, identity)
            case wire.WriteNote():
                return await self._written().write_note(identity, request)
            case wire.MakeTicket():
                await self._written().make_ticket(identity, request)
            case wire.CloseTicket():
                await self._written().close_ticket(identity, request)
            case wire.VisitCall() | wire.VisitOffer() | wire.VisitDigits() | wire.VisitHangUp() | wire.InviteVisitor():
                return await self._visited().perform(grant, request)
            case wire.RoomRequest() | wire.ChatRequest() | RoomQuestion():
                return await self._in_rooms(grant, request)
            case wire.PeerCandidate():
                pass  # an ICE-lite server learns a browser's addresses from its checks (RFC 8445, section 2.5)
            case wire.PeerPath():
                self._exchange.keep_path(self._view(identity, request.call_id), request)
            case wire.PeerHeadset():
                self._exchange.keep_headset(self._view(identity, request.call_id), request)
            case wire.RefreshSession():
                raise Refusal("bad_message", "The hub renews sessions itself.")
        return None

    def _of(self, call_id: str) -> Resource:
        """A call as a thing that rights are about."""
        call = self._switchboard.call(call_id)
        agent = call.agent if call is not None else ""
        return Resource(owner=agent, teams=self._teams_of(agent))

    def _refuse_when_stopping(self) -> None:
        if self._exchange.draining:
            raise Refusal("stopping", "The server is being stopped and takes no new calls: try again in a minute.", 60.0)

    def _dial(self, identity: str, number: str) -> wire.CallRef:
        self._refuse_when_stopping()
        route = route_of(self._routing, number)
        if self._unwanted is not None:
            self._unwanted.ask(identity, route.number)
        if self._tolls is not None:
            self._tolls.ask(identity, route.number)
        if self._demo is None or route.trunk != self._demo.name:
            self._ask_pbx(route.number)
        call_id = self._exchange.new_call_id()
        self._exchange.dial(call_id, identity, route.dialled, route.trunk)
        return wire.CallRef(call_id=call_id)

    def _look(self, text: str) -> wire.NumberSeen:
        try:
            number = parse_number(text, self._routing.plan.region)
        except NotANumber as error:
            return wire.NumberSeen(text.strip(), code="not_a_number", message=str(error))
        code, message = self._objection(text, number)
        zones = zones_of(number.e164) if number.e164 is not None else ()
        return wire.NumberSeen(
            number.display,
            number.e164 or "",
            number.region,
            number.kind,
            zones[0] if len(zones) == 1 else "",
            code=code,
            message=message,
        )

    def _objection(self, text: str, number: Number) -> tuple[str, str]:
        """Code and words of why nobody here can call it; empty where somebody can."""
        try:
            route_of(self._routing, text)
        except Refusal as refusal:
            return refusal.code, refusal.message
        objection = self._tolls.objection(number) if self._tolls is not None else None
        return ("number_not_allowed", objection) if objection else ("", "")

    def _transfer(self, identity: str, request: wire.Transfer) -> None:
        self._refuse_when_stopping()
        if sum(map(bool, (request.number, request.agent, request.queue))) != 1:
            raise Refusal("bad_message", "A call is transferred either to a number, or to a colleague, or to a queue.")
        view = self._switchboard.call(request.call_id)
        if view is None or view.agent != identity:  # whatever is wrong with it is said by call control; nothing is counted for it
            target, refer = Target(request.agent, request.number, queue=request.queue), False
        elif not request.number:
            target, refer = Target(agent=request.agent, queue=request.queue), False
        else:
            route = route_of(self._routing, request.number)
            if self._tolls is not None:
                self._tolls.ask(identity, route.number)
            if self._demo is None or route.trunk != self._demo.name:
                self._ask_pbx(route.number)
            target = Target(number=route.dialled, trunk=route.trunk)
            refer = self._refer_blind and not request.ask and self._exchange.can_refer(request.call_id, route.trunk)
        self._exchange.feed(ev.TransferRequested(request.call_id, identity, target, request.ask, refer))

    def _pick_up(self, identity: str, call_id: str) -> None:
        parked = next((view for view in self._switchboard.parked() if view.call_id == call_id), None)
        if parked is not None and not self._exchange.sees(identity, parked.by):
            raise Refusal("forbidden", "This call was parked by another team: ask them to pick it up.")
        self._exchange.feed(ev.PickUpRequested(call_id, identity))

    def _handled(self) -> CallHandling:
        if self._handling is None:
            raise Refusal("bad_message", "This server keeps no settings of people.")
        return self._handling

    def _supervised(self) -> Supervision:
        if self._supervision is None:
            raise Refusal("bad_message", "This server lets nobody monitor calls.")
        return self._supervision

    def _known(self) -> ContextLookup:
        if self._context is None:
            raise Refusal("bad_message", "This server asks nobody who calls.")
        return self._context

    def _visited(self) -> Visits:
        if self._visits is None:
            raise Refusal("widget_off", "No site may show this button: the server's setting widget.sites names those that may.")
        return self._visits

    def _written(self) -> AfterCall:
        if self._after is None:
            raise Refusal("bad_message", "This server writes nothing of calls.")
        return self._after

    def _checked(self) -> SoundChecks:
        if self._checks is None:
            raise Refusal("bad_message", "This server checks nobody's sound.")
        return self._checks

    def _call_me(self, identity: str) -> None:
        self._refuse_when_stopping()
        if self._demo is None:
            raise Refusal("no_demo", "This server has no demo line: start it with --demo to have yourself called.")
        if self._switchboard.agent_state(identity) is not AgentState.AVAILABLE:
            raise Refusal("not_available", "You take no calls now, or are in one: be available and call again.")
        self._demo.call(DEMO_CALLER, "", identity)

    async def _offer(self, identity: str, request: wire.PeerOffer) -> wire.PeerAnswer:
        view = self._view(identity, request.call_id)
        loop = asyncio.get_running_loop()
        offered_s = loop.time()
        answered: PeerAnswered = await self._exchange.answer_browser(view, request.peer_id, request.sdp)
        self._metrics.offer_answered(loop.time() - offered_s)
        return wire.PeerAnswer(sdp=answered.sdp)

    def _view(self, identity: str, call_id: str) -> CallView:
        """A call of this person. Raises ``Refusal``."""
        view = next((view for view in self._switchboard.calls_of(identity) if view.call_id == call_id), None)
        if view is None:
            raise Refusal("unknown_call", "This call is over, or was never yours.")
        return view


def route_of(routing: Routing, number: str) -> Route:
    """Which line a number takes. Raises ``Refusal``."""
    try:
        return routing.route(number)
    except NotANumber as error:
        raise Refusal("not_a_number", str(error)) from None
    except NoRoute as error:
        raise Refusal("no_route", str(error)) from None
