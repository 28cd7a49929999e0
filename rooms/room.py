"""What is heard in a call's room: derived from the call as it stands, never kept up by hand.

Mute, hold, ringing tones and waiting sounds overlap in time (held while muted while the page reloads). So every event only changes the
call, then ``sounding`` says what should be heard, and ``changes`` gives the effects that lead there from what was heard before.
"""

from dataclasses import dataclass, field

from rooms.call import Call, PhoneState
from rooms.effects import Effect, JoinBridge, Play, SetGains
from rooms.record import CallState


@dataclass(frozen=True, slots=True)
class Sounding:
    """``joined``: legs that speak and hear in the room. ``gains``: (listener, speaker) entries other than 1. ``sounds``: leg to sound."""

    joined: tuple[str, ...] = ()
    gains: dict[tuple[str, str], float] = field(default_factory=dict)
    sounds: dict[str, str] = field(default_factory=dict)


def sounding(call: Call, before: Sounding) -> Sounding:
    """What is to be heard now. A leg that has joined stays: a page that reloads comes back to a leg that is where it was.

    Of an incoming call nobody hears anything before it is accepted, prewarmed media or not. Early media is heard by the agent, and hears
    them: a menu that speaks before it answers wants to be answered too.
    """
    agent, phone = call.own_leg, call.phone
    joined = list(before.joined)
    if agent is not None and agent.up and agent.leg_id not in joined:
        joined.append(agent.leg_id)
    if (phone.state is PhoneState.UP or (phone.state is PhoneState.EARLY and phone.early_media)) and phone.leg_id not in joined:
        joined.append(phone.leg_id)
    if agent is None:
        return Sounding(tuple(joined))
    gains: dict[tuple[str, str], float] = {}
    if agent.leg_id in joined and phone.leg_id in joined:
        if call.muted or call.held:
            gains[phone.leg_id, agent.leg_id] = 0.0
        if call.held:
            gains[agent.leg_id, phone.leg_id] = 0.0
    sounds: dict[str, str] = {}
    if agent.up and call.outgoing and call.state is CallState.RINGING and not phone.early_media:
        sounds[agent.leg_id] = "ringback"
    if phone.state is PhoneState.UP and (sound := _for_the_phone(call, agent.leg_id in before.joined)) is not None:
        sounds[phone.leg_id] = sound
    return Sounding(tuple(joined), gains, sounds)


def _for_the_phone(call: Call, agent_was_there: bool) -> str | None:
    if call.held:
        return "hold"
    if call.impatient:
        return "hold" if agent_was_there else "ringback"
    return None


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
