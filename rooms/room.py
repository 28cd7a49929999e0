"""What is heard in a call's room: derived from the call as it stands, never kept up by hand.

Mute, hold, ringing tones and waiting sounds overlap in time (held while muted while the page reloads). So every event only changes the
call, then ``sounding`` says what should be heard, and ``changes`` gives the effects that lead there from what was heard before.
"""

from dataclasses import dataclass, field

from rooms.call import Call
from rooms.effects import Effect, JoinBridge, Play, SetGains
from rooms.legs import AgentLeg, Leg, PhoneLeg, PhoneState
from rooms.monitor import Announce, Monitor, MonitorMode
from rooms.move import MoveState
from rooms.record import CallState


@dataclass(frozen=True, slots=True)
class Sounding:
    """``joined``: legs that speak and hear in the room. ``gains``: (listener, speaker) entries other than 1. ``sounds``: leg to sound."""

    joined: tuple[str, ...] = ()
    gains: dict[tuple[str, str], float] = field(default_factory=dict)
    sounds: dict[str, str] = field(default_factory=dict)

    def without(self, leg_id: str) -> "Sounding":
        """What is left to be heard when a leg has gone, and its gains and sounds with it."""
        return Sounding(
            tuple(joined for joined in self.joined if joined != leg_id),
            {pair: gain for pair, gain in self.gains.items() if leg_id not in pair},
            {leg: sound for leg, sound in self.sounds.items() if leg != leg_id},
        )


def sounding(call: Call, before: Sounding) -> Sounding:
    """What is to be heard now. A leg that has joined stays: a page that reloads comes back to a leg that is where it was.

    Of an incoming call nobody hears anything before it is accepted, prewarmed media or not. A held leg is alone with its music, a muted one
    is heard by nobody; all others hear one another. What supervisors are to them is said in ``rooms/monitor.py``.
    """
    monitors = {monitor.leg.leg_id: monitor for monitor in call.monitors.values()}
    everybody: list[Leg] = [*call.every_leg, *(monitor.leg for monitor in monitors.values())]
    joined = [*before.joined, *(leg.leg_id for leg in everybody if leg.audible and leg.leg_id not in before.joined)]
    legs = {leg.leg_id: leg for leg in everybody if leg.leg_id in joined}
    sounds = {leg.leg_id: sound for leg in call.every_leg if leg.up and (sound := _sound(call, leg, before)) is not None}
    gains = {
        (hears.leg_id, speaks.leg_id): 0.0
        for speaks in legs.values()
        for hears in legs.values()
        if hears is not speaks
        and (speaks.held or hears.held or (isinstance(speaks, AgentLeg) and speaks.muted) or _parts(call, hears, speaks, monitors, sounds))
    }
    return Sounding(tuple(joined), gains, sounds)


def _parts(call: Call, hears: Leg, speaks: Leg, monitors: dict[str, Monitor], sounds: dict[str, str]) -> bool:
    """Are these two kept from one another because one of them monitors the call?"""
    heard = monitors.get(speaks.leg_id)
    if heard is None and hears.leg_id not in monitors:
        return False
    on_its_way = call.move is not None and not call.owner
    if on_its_way or any(leg.leg_id in sounds and leg is not call.own_leg for leg in (hears, speaks)):
        return True
    listens = monitors.get(hears.leg_id)
    if heard is None and listens is not None and listens.announce is Announce.EVERYONE and not call.told.get(speaks.leg_id):
        return True
    match heard.mode if heard is not None else MonitorMode.BARGE:
        case MonitorMode.BARGE:
            return False
        case MonitorMode.WHISPER:
            return hears is not call.own_leg
        case MonitorMode.LISTEN:
            return True


def _sound(call: Call, leg: AgentLeg | PhoneLeg, before: Sounding) -> str | None:
    """What this leg hears beside the others: music while it waits on hold, ringing while somebody is being called for it."""
    if not leg.takes_part:
        return None
    if leg.held or call.moving in (MoveState.PARKED, MoveState.REFERRED):
        return "hold"
    target = call.target
    if target is not None and target.audible:
        return None
    if call.journey is not None and call.moving in (MoveState.GUIDED, MoveState.WAITING):
        return "ringback" if target is not None else call.journey.music or None
    match call.moving:
        case MoveState.SENT | MoveState.RETURNING:
            return "ringback"
        case MoveState.CALLING | MoveState.OBEYED if leg.leg_id != _referrer(call):
            rings = not isinstance(target, PhoneLeg) or target.state is PhoneState.EARLY
            return "ringback" if rings else None
    if isinstance(leg, AgentLeg):
        phone = call.phone
        waits = call.outgoing and call.state is CallState.RINGING and phone is not None and not phone.early_media
        return "ringback" if waits else None
    if call.impatient and not any(other.audible for other in call.every_leg if other is not leg):
        own = call.own_leg
        return "hold" if own is not None and own.leg_id in before.joined else "ringback"
    return None


def _referrer(call: Call) -> str:
    return call.move.referrer if call.move is not None else ""


def changes(room_id: str, before: Sounding, after: Sounding) -> list[Effect]:
    """The effects that lead from one to the other: tones off, gains, joins, tones on; nobody hears for a moment what they must not."""
    effects: list[Effect] = [Play(leg, None) for leg in before.sounds if leg not in after.sounds]
    entries = {**dict.fromkeys(before.gains, 1.0), **after.gains}
    gains = tuple((hears, speaks, gain) for (hears, speaks), gain in entries.items() if before.gains.get((hears, speaks), 1.0) != gain)
    if gains:
        effects.append(SetGains(room_id, gains))
    effects.extend(JoinBridge(room_id, leg) for leg in after.joined if leg not in before.joined)
    effects.extend(Play(leg, sound) for leg, sound in after.sounds.items() if before.sounds.get(leg) != sound)
    return effects
