"""The calls of the emulated PBX: sans-IO. Whoever owns it tells the time, asks and answers; what became of it comes as changes.

A call has a *seeker* (who waits to be connected) and, while it waits, a ``Search`` with the legs that ring for it. Who is behind a number
is played by the directory's ``Reaction``s, unless the DN is ``wired``: then a SIP peer answers with ``answer`` and ``drop``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from pbx.threecx.double.directory import Device, Directory, Dn, DnType, Reaction, Refusing
from pbx.threecx.double.legs import NOBODY, Leg, Party, Status, Step
from pbx.threecx.double.manners import Manners
from pbx.timers import Timer, Timers

REPEAT_S = 0.75
ROUND_S = 12.0
GAP_S = 1.5
"""A queue rings its members for a round, then nobody for the gap, then again."""
ROUTER = Party("ROUTER", DnType.ROUTE_POINT)


@dataclass(frozen=True, slots=True)
class Upserted:
    """A leg is new, or changed (or, while it rings, is told again)."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class Removed:
    leg: Leg


@dataclass(frozen=True, slots=True)
class Digits:
    """The other side of a route point's leg pressed these."""

    leg: Leg
    digits: str


Change = Upserted | Removed | Digits


class Rejected(Exception):
    """The PBX does not make the call. ``reason`` of 3CX's vocabulary; the message is its reasontext."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class LicenceFull(Rejected):
    """As many calls are on as the licence allows."""


@dataclass(slots=True, eq=False)
class _Search:
    """``on_failed`` gets the reason. ``rounds``: members of a queue, rung again and again."""

    seeker: Leg
    on_found: Callable[[Leg], None]
    on_failed: Callable[[str], None]
    referred_by: Party = NOBODY
    on_behalf_of: Party = NOBODY
    ringing: list[Leg] = field(default_factory=list)
    waiting_in: Leg | None = None
    reason: str = "NoAnswer"
    timers: list[Timer] = field(default_factory=list)
    rounds: Dn | None = None
    voicemail: Dn | None = None
    forwarded: set[str] = field(default_factory=set)
    """Extensions that sent the call on: each does it once, so that no two play ball with it."""
    open: bool = True


class Calls:
    """``on_change`` hears of every leg of every DN; who may see it is the shell's business."""

    def __init__(self, directory: Directory, manners: Manners, on_change: Callable[[Change], None], *, random: Random) -> None:
        self.directory = directory
        self.manners = manners
        self.timers = Timers()
        self.legs: dict[int, Leg] = {}
        self._on_change = on_change
        self._random = random
        self._searches: list[_Search] = []
        self._first_rung: dict[int, Callable[[], None]] = {}
        self._number_from_one()

    def _number_from_one(self) -> None:
        self._last_leg = self._last_call = 0
        self._last_legids: dict[int, int] = {}

    # -- what a client or a script sees

    def of(self, dn: str) -> list[Leg]:
        return [leg for leg in self.legs.values() if leg.dn == dn]

    def active(self) -> int:
        """Simultaneous calls in the licence's sense: one per call with two ends, two where both are on the trunk."""
        calls: dict[int, list[Leg]] = {}
        for leg in self.legs.values():
            calls.setdefault(leg.callid, []).append(leg)
        return sum(max(1, sum(leg.me.kind is DnType.LINE for leg in legs)) for legs in calls.values())

    # -- how calls begin

    def arrive(self, caller: str, called: str, *, name: str = "", wired: bool = False, trunk: str = "") -> Leg:
        """Somebody outside calls one of our numbers. The trunk's leg; raises ``Rejected`` where no rule takes the call."""
        destination = self.directory.dids.get(called, called if called in self.directory.dns else "")
        if not destination:
            raise Rejected("NoDestinations", f"no inbound rule takes {called}")
        self._check_licence()
        leg = self._leg(Party(trunk or self.directory.trunk, DnType.LINE, caller, name or caller), Status.CONNECTED)
        leg.originated_by, leg.did, leg.wired = ROUTER, called, wired
        self._tell(leg)
        self._seek(leg, destination, on_found=lambda found: self._connect(leg, found), on_failed=lambda reason: self.drop(leg, reason))
        return leg

    def dial(
        self,
        dn: str,
        destination: str,
        *,
        device_id: str = "",
        timeout_s: float | None = None,
        attached: dict[str, str] | None = None,
        by_phone: bool = False,
    ) -> Leg:
        """A call of a DN of ours, by ``makecall`` or by its phone itself: its own leg. Raises ``Rejected``."""
        owner = self.directory.dns[dn]
        device, phone_first = self._device(owner, device_id)
        phone_first = (phone_first or owner.wired) and not by_phone
        self._check_destination(destination)
        self._check_licence()
        leg = self._leg(self._who(owner), Status.RINGING if phone_first else Status.DIALING, device)
        leg.originated_by, leg.party = leg.me, self._announced(destination)
        leg.attached = dict(attached or {})
        leg.wired = owner.wired
        self._tell(leg)
        if phone_first:
            self._play_phone(leg, owner.reaction, lambda: self._picked_up_first(leg, destination, timeout_s))
        else:
            self._call_out(leg, destination, timeout_s)
        return leg

    def _picked_up_first(self, leg: Leg, destination: str, timeout_s: float | None) -> None:
        leg.step(Step.PICKED_UP_FIRST)
        self._tell(leg)
        self._call_out(leg, destination, timeout_s)

    def _call_out(self, leg: Leg, destination: str, timeout_s: float | None) -> None:
        def found(other: Leg) -> None:
            leg.step(Step.ANSWERED)
            self._connect(leg, other)

        self._seek(leg, destination, on_found=found, on_failed=lambda reason: self.drop(leg, reason), timeout_s=timeout_s)

    def _device(self, owner: Dn, device_id: str) -> tuple[Device | None, bool]:
        """What it is called from, and whether that rings first. Raises ``Rejected``."""
        if owner.kind is DnType.ROUTE_POINT:
            return None, False
        if device_id:
            return next(device for device in owner.devices if device.device_id == device_id), False
        if not owner.devices:
            raise Rejected("PhoneNotRegistered", f"extension {owner.number} has no device")
        several = len(owner.devices) > 1 and self.manners.legacy_makecall == "phone_first"
        return owner.devices[0], several

    def _check_destination(self, destination: str) -> None:
        if destination not in self.directory.dns and not self.directory.is_outside(destination):
            raise Rejected("NoDestinations", f"there is no {destination[:40]}")

    def _check_licence(self) -> None:
        if self.active() >= self.directory.max_calls:
            raise LicenceFull("NoDestinations", f"the licence allows {self.directory.max_calls} simultaneous calls")

    # -- what may be asked of a leg (whether its status allows it is looked up before, in ``legs.ACTIONS``)

    def answer(self, leg: Leg) -> None:
        """The leg's owner takes the call."""
        for search in list(self._searches):
            if leg in search.ringing:
                self._found(search, leg)
                return
        picked_up = self._first_rung.pop(leg.id, None)
        if picked_up is not None:
            picked_up()

    def drop(self, leg: Leg, reason: str = "NoAnswer") -> None:
        """The leg is over, and with it whoever talked to it and nobody else."""
        if not leg.alive:
            return
        leg.reason = reason
        self._give_up(leg, reason)
        for search in list(self._searches):
            if leg in search.ringing:
                search.ringing.remove(leg)
                search.reason = reason
                self._fail_if_alone(search)
        for other in [other for other in self.legs.values() if other.other is leg and other.status is Status.CONNECTED]:
            if not any(search.seeker is other for search in self._searches):
                self.drop(other)

    def divert(self, leg: Leg, destination: str, timeout_s: float | None = None) -> None:
        """Somebody else is to ring in the leg's place. Raises ``Rejected``."""
        self._check_destination(destination)
        search = next((search for search in self._searches if leg in search.ringing), None)
        if search is None:
            raise Rejected("NoDestinations", "the phone rings for a call of its own")
        search.ringing.remove(leg)
        search.on_behalf_of = leg.me
        search.rounds = None
        self._remove(leg)
        self._extend(search, destination)
        self._time_limit(search, timeout_s)
        self._fail_if_alone(search)

    def transfer(self, leg: Leg, destination: str, timeout_s: float | None = None) -> None:
        """Blind: the other side goes on to the destination, and the leg is over at once. Raises ``Rejected``."""
        self._check_destination(destination)
        other = leg.other
        if other is None or not other.alive:
            raise Rejected("NoDestinations", "nobody is left to be transferred")
        other.other, other.referred_by = None, leg.me
        self._give_up(leg, "NoAnswer")
        self._seek(
            other,
            destination,
            on_found=lambda taker: self._connect(other, taker),
            on_failed=lambda reason: self.drop(other, reason),
            timeout_s=timeout_s,
            referred_by=leg.me,
        )

    def join(self, leg: Leg, consulted: Leg) -> None:
        """Attended transfer: the other sides of two legs of one person are connected, and both legs are over. Raises ``Rejected``."""
        one, other = leg.other, consulted.other
        if one is None or other is None or not one.alive or not other.alive or consulted.status is not Status.CONNECTED:
            raise Rejected("NoDestinations", "one of the calls is not connected")
        one.referred_by = leg.me
        one.other = other.other = None
        self._give_up(leg, "NoAnswer")
        self._give_up(consulted, "NoAnswer")
        self._connect(one, other)

    def route(
        self,
        leg: Leg,
        destination: str,
        settled: Callable[[str], None],
        timeout_s: float | None = None,
        *,
        referred_by: Party = NOBODY,
    ) -> None:
        """Ring the destination for the leg's other side while the leg stays. ``settled``: "" where it was taken, else why not.

        Raises ``Rejected``.
        """
        self._check_destination(destination)
        other = leg.other
        if other is None or not other.alive:
            raise Rejected("NoDestinations", "nobody is left to be routed")

        def found(taker: Leg) -> None:
            self._connect(other, taker)
            if leg.status is Status.RINGING:
                self.drop(leg)
            settled("")

        def failed(reason: str) -> None:
            settled(reason)
            if self.is_alone(other):
                self.drop(other, reason)

        self._seek(other, destination, on_found=found, on_failed=failed, timeout_s=timeout_s, on_behalf_of=leg.me, referred_by=referred_by)

    def rings_for(self, leg: Leg) -> bool:
        """Does somebody ring for this leg?"""
        return any(other.other is leg and other.status is Status.RINGING for other in self.legs.values())

    def is_routing(self, leg: Leg) -> bool:
        """Is somebody being looked for, for the leg's other side, while the leg stays?"""
        return any(search.seeker is leg.other and search.on_behalf_of is leg.me for search in self._searches)

    def rename(self, leg: Leg, name: str) -> None:
        """The PBX learnt who is behind a leg: those who face it see the name."""
        leg.me = replace(leg.me, name=name)
        for other in [other for other in self.legs.values() if other.other is leg]:
            other.party = leg.me
            self._tell(other)

    def press(self, leg: Leg, digits: str) -> None:
        """The person or phone behind a leg presses digits: told on the route point's leg that hears them."""
        hearer = leg.other
        if hearer is not None and hearer.alive and hearer.me.kind is DnType.ROUTE_POINT:
            self._on_change(Digits(hearer, digits))

    def restart(self) -> None:
        """Everything is forgotten without a word, and counting begins at 1 again."""
        for search in self._searches:
            for timer in search.timers:
                timer.cancel()
        for leg in self.legs.values():
            leg.alive = False
        self.legs.clear()
        self._searches.clear()
        self._first_rung.clear()
        self._number_from_one()

    # -- looking for somebody

    def _seek(
        self,
        seeker: Leg,
        destination: str,
        *,
        on_found: Callable[[Leg], None],
        on_failed: Callable[[str], None],
        timeout_s: float | None = None,
        referred_by: Party = NOBODY,
        on_behalf_of: Party = NOBODY,
    ) -> None:
        search = _Search(seeker, on_found, on_failed, referred_by, on_behalf_of)
        self._searches.append(search)
        self._time_limit(search, timeout_s)
        self._extend(search, destination)
        self._fail_if_alone(search)

    def _time_limit(self, search: _Search, timeout_s: float | None) -> None:
        for timer in search.timers:
            timer.cancel()
        limit_s = timeout_s or self.directory.ring_s
        search.timers = [self.timers.start(limit_s, lambda: self._fail(search, "NoAnswer"))]

    def _extend(self, search: _Search, destination: str) -> None:
        """Ring one more destination for the seeker; whatever answers by itself is found at once."""
        dn = self.directory.dns.get(destination)
        if dn is None:
            trunk, number = self.directory.outbound(destination)
            who = Party(trunk, DnType.LINE, number, number)
            line = self.directory.dns.get(trunk)
            reaction = self.directory.reaction(trunk, destination)
            self._ring(search, who, reaction, wired=line is not None and line.wired)
        elif dn.kind is DnType.EXTENSION:
            search.voicemail = dn if dn.voicemail else None
            self._ring_extension(search, dn)
        elif dn.kind is DnType.QUEUE:
            self._wait_in_queue(search, dn)
        elif dn.kind is DnType.RING_GROUP:
            search.on_behalf_of = self._who(dn)
            for member in self._members(dn):
                self._ring_extension(search, member)
        else:
            leg = self._leg_for(search, self._who(dn), Status.CONNECTED, None)
            search.ringing.append(leg)
            self._found(search, leg)

    def _members(self, dn: Dn) -> list[Dn]:
        known = [self.directory.dns[number] for number in dn.members if number in self.directory.dns and number not in dn.logged_out]
        talking = {leg.dn for leg in self.legs.values()}
        return [member for member in known if member.number not in talking]

    def _ring_extension(self, search: _Search, dn: Dn) -> None:
        if not dn.devices and not dn.wired:
            search.reason = Refusing.UNREGISTERED
            other = dn.unregistered_to.get(search.seeker.me.kind is DnType.LINE, "")
            if other and dn.number not in search.forwarded:
                search.forwarded.add(dn.number)
                self._extend(search, other)
            return
        self._ring(search, self._who(dn), dn.reaction, dn.devices[0] if dn.devices else None, wired=dn.wired)

    def _ring(self, search: _Search, who: Party, reaction: Reaction, device: Device | None = None, *, wired: bool = False) -> None:
        if reaction.refuse and not wired:
            search.reason = reaction.refuse
            return
        leg = self._leg_for(search, who, Status.RINGING, device)
        leg.wired = wired
        search.ringing.append(leg)
        self._tell(leg)
        self._repeat(leg)
        if search.seeker.status is not Status.CONNECTED:
            search.seeker.faces(leg)
            self._tell(search.seeker)
        self._play_person(leg, reaction)

    def _leg_for(self, search: _Search, who: Party, status: Status, device: Device | None) -> Leg:
        seeker = search.seeker
        leg = self._leg(who, status, device, callid=seeker.callid)
        leg.faces(seeker)
        leg.did = seeker.did if self.manners.inbound_did == "filled" else ""
        leg.originated_by = seeker.originated_by if seeker.originated_by is not NOBODY else seeker.me
        leg.referred_by, leg.on_behalf_of = search.referred_by, search.on_behalf_of
        leg.attached = dict(seeker.attached)
        return leg

    def _wait_in_queue(self, search: _Search, queue: Dn) -> None:
        search.on_behalf_of, search.rounds = self._who(queue), queue
        if self.manners.queue_shows_caller == "yes":
            search.waiting_in = self._leg(self._who(queue), Status.CONNECTED, callid=search.seeker.callid)
            search.waiting_in.faces(search.seeker)
            self._tell(search.waiting_in)
        self._begin_round(search)

    def _begin_round(self, search: _Search) -> None:
        if search.rounds is None or not search.open:
            return
        for member in self._members(search.rounds):
            self._ring_extension(search, member)
        search.timers.append(self.timers.start(ROUND_S, lambda: self._end_round(search)))

    def _end_round(self, search: _Search) -> None:
        if search.rounds is None or not search.open:
            return
        for leg in search.ringing:
            self._remove(leg)
        search.ringing.clear()
        search.timers.append(self.timers.start(GAP_S, lambda: self._begin_round(search)))

    def _found(self, search: _Search, leg: Leg) -> None:
        if not search.open or not search.seeker.alive:
            return
        search.ringing.remove(leg)
        if leg.status is Status.RINGING:
            leg.step(Step.ANSWERED)
        rivals = self._searches_for(search.seeker)
        for each in rivals:
            self._close(each)
        search.on_found(leg)
        for each in rivals:
            if each is not search:
                each.on_failed("NoAnswer")

    def _fail_if_alone(self, search: _Search) -> None:
        if search.open and not search.ringing and search.rounds is None:
            self._fail(search, search.reason)

    def _fail(self, search: _Search, reason: str) -> None:
        if not search.open:
            return
        self._close(search)
        if search.voicemail is None:
            search.on_failed(reason)
        else:
            menu = Party(search.voicemail.number, DnType.MENU, search.voicemail.number, search.voicemail.name)
            search.on_found(self._leg_for(search, menu, Status.CONNECTED, None))

    def _searches_for(self, leg: Leg) -> list[_Search]:
        return [search for search in self._searches if search.seeker is leg]

    def _give_up(self, leg: Leg, reason: str) -> None:
        """The leg is over, and nobody is looked for on its behalf any more."""
        searches = self._searches_for(leg)
        for search in searches:
            self._close(search)
        self._remove(leg)
        for search in searches:
            search.on_failed(reason)

    def is_alone(self, leg: Leg) -> bool:
        """Is nobody there for a leg, and nobody looked for?"""
        return (leg.other is None or not leg.other.alive) and not self._searches_for(leg)

    def _close(self, search: _Search) -> None:
        search.open = False
        self._searches.remove(search)
        for timer in search.timers:
            timer.cancel()
        for leg in [*search.ringing, *filter(None, [search.waiting_in])]:
            self._remove(leg)

    def _connect(self, one: Leg, other: Leg) -> None:
        one.faces(other)
        other.faces(one)
        self._tell(one)
        self._tell(other)

    # -- people

    def _play_person(self, leg: Leg, reaction: Reaction) -> None:
        if leg.wired or reaction.answer_after_s is None:
            return
        self.timers.start(reaction.answer_after_s, lambda: self._person_answers(leg, reaction))

    def _person_answers(self, leg: Leg, reaction: Reaction) -> None:
        if not leg.alive or leg.status is not Status.RINGING:
            return
        self.answer(leg)
        if reaction.hang_up_after_s is not None:
            self.timers.start(reaction.hang_up_after_s, lambda: self.drop(leg))

    def _play_phone(self, leg: Leg, reaction: Reaction, picked_up: Callable[[], None]) -> None:
        """The owner's own phone rings first; what it does once picked up."""
        self._first_rung[leg.id] = picked_up
        self._repeat(leg)
        self._play_person(leg, reaction)

    # -- legs

    def _leg(self, me: Party, status: Status, device: Device | None = None, *, callid: int = 0) -> Leg:
        if not callid:
            self._last_call += 1
            callid = self._last_call
        self._last_leg += 1
        legid = self._last_legids[callid] = self._last_legids.get(callid, 0) + 1
        leg = Leg(self._last_leg, legid, callid, me, status, device.device_id if device else "")
        leg.direct_control = me.kind is DnType.ROUTE_POINT or (device is not None and device.controllable)
        leg.born = self.timers.now
        leg.uid = f"{self._random.getrandbits(64):016x}"
        self.legs[leg.id] = leg
        return leg

    def _remove(self, leg: Leg) -> None:
        if leg.alive:
            leg.alive = False
            del self.legs[leg.id]
            self._first_rung.pop(leg.id, None)
            if not any(other.callid == leg.callid for other in self.legs.values()):
                del self._last_legids[leg.callid]
            self._on_change(Removed(leg))

    def _tell(self, leg: Leg) -> None:
        if leg.alive:
            self._on_change(Upserted(leg))

    def _repeat(self, leg: Leg) -> None:
        if self.manners.ringing_repeats == "yes":
            self.timers.start(REPEAT_S, lambda: self._still_rings(leg))

    def _still_rings(self, leg: Leg) -> None:
        if leg.alive and leg.status is Status.RINGING:
            self._tell(leg)
            self._repeat(leg)

    def _who(self, dn: Dn) -> Party:
        return Party(dn.number, dn.kind, dn.number, dn.name or dn.number)

    def _announced(self, destination: str) -> Party:
        dn = self.directory.dns.get(destination)
        return self._who(dn) if dn is not None else Party(self.directory.outbound(destination)[0], DnType.LINE, destination, destination)
