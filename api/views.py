"""Call control's view of things, worded for the wire: core seconds become epoch seconds, causes become codes."""

from media.messages import LegSample
from rooms.agent import FinishedWork, WrapUp
from rooms.record import CallView, CentreView, MoveView, ParkedView
from signaling.messages import (
    CallMonitor,
    CallMove,
    CallParty,
    CallQuality,
    CallState,
    CentreCall,
    LegQuality,
    ParkedCall,
    WrapUpState,
)


class EpochClock:
    """Turns the core's monotonic seconds into seconds since the epoch, by one offset taken at start."""

    def __init__(self, monotonic_s: float, epoch_s: float) -> None:
        self._offset_s = epoch_s - monotonic_s

    def at(self, now_s: float) -> float:
        return now_s + self._offset_s

    def core_s(self, epoch_s: float) -> float:
        """Back again."""
        return epoch_s - self._offset_s

    def at_or_none(self, now_s: float | None) -> float | None:
        return None if now_s is None else now_s + self._offset_s


def call_state(view: CallView, clock: EpochClock, codecs: dict[str, str]) -> CallState:
    """The notice that shows this call on a page."""
    cause = view.cause
    return CallState(
        call_id=view.call_id,
        direction=view.direction,
        state=view.state.value,
        number=view.number,
        name=view.name,
        agent=view.agent,
        muted=view.muted,
        held=view.held,
        held_by_other=view.held_by_other,
        agent_connected=view.agent_connected,
        started_at=clock.at(view.started_s),
        answered_at=clock.at_or_none(view.answered_s),
        ended_at=clock.at_or_none(view.ended_s),
        reason=cause.reason.value if cause else None,
        detail=(cause.detail or None) if cause else None,
        codecs=codecs,
        recording=view.recording.value,
        came=view.came,
        by=view.by,
        owned=view.owned,
        parties=[CallParty(party.kind, party.party, party.there, party.held) for party in view.parties],
        move=_move(view.move, clock) if view.move is not None else None,
        note=view.note.reason.value if view.note is not None else None,
        private=view.private,
        verified=view.verified,
        mode=view.mode,
        monitors=[CallMonitor(monitor.identity, monitor.mode) for monitor in view.monitors],
        centre=_centre(view.centre, clock) if view.centre is not None else None,
    )


def _centre(view: CentreView, clock: EpochClock) -> CentreCall:
    return CentreCall(
        entry=view.entry,
        queue=view.queue,
        language=view.language,
        facts=dict(view.facts),
        queued_at=clock.at_or_none(view.queued_s),
        waited_s=view.waited_s,
        call_back=view.call_back,
    )


def wrap_up_state(wrap_up: WrapUp, clock: EpochClock) -> WrapUpState:
    """An agent's work on their last call as their page sees it."""
    return WrapUpState(
        call_id=wrap_up.call_id,
        queue=wrap_up.queue,
        ends_at=clock.at(wrap_up.until_s),
        codes=list(wrap_up.codes),
        required=wrap_up.required,
        more_s=wrap_up.more_s,
        due=wrap_up.due,
    )


def finished_work(done: FinishedWork, clock: EpochClock) -> WrapUpState:
    """Work that its agent may take up again, as their page sees it."""
    return WrapUpState(call_id=done.wrap_up.call_id, queue=done.wrap_up.queue, code=done.code, undo_until=clock.at(done.until_s))


def _move(move: MoveView, clock: EpochClock) -> CallMove:
    why = move.why.reason.value if move.why is not None else None
    return CallMove(move.state, move.by, move.target, move.slot, why, clock.at(move.since_s))


def parked_call(view: ParkedView, clock: EpochClock) -> ParkedCall:
    """A parked call as pages see it."""
    return ParkedCall(view.slot, view.call_id, view.number, view.name, view.by, clock.at(view.since_s))


def call_quality(call_id: str, epoch_s: float, sides: list[tuple[str, LegSample]]) -> CallQuality:
    """The notice that shows a call's last second on a page. ``sides``: (``agent`` or ``phone``, sample)."""
    return CallQuality(call_id=call_id, at=epoch_s, legs=[_leg_quality(side, sample) for side, sample in sides])


def _leg_quality(side: str, sample: LegSample) -> LegQuality:
    return LegQuality(
        side=side,
        packets=sample.packets,
        loss=sample.loss,
        jitter_ms=sample.jitter_ms,
        round_trip_ms=sample.round_trip_ms,
        discarded=sample.discarded,
        concealed_ms=sample.concealed_ms,
        level_dbfs=sample.level_dbfs,
        r=sample.r,
        mos=sample.mos,
        scale=sample.scale,
        cause=sample.cause,
        speech=sample.speech,
        noise_dbfs=sample.noise_dbfs,
        echo_return_loss_db=sample.echo_return_loss_db,
        echo_return_loss_enhancement_db=sample.echo_return_loss_enhancement_db,
    )
