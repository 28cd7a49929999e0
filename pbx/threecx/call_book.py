"""The calls that a 3CX shows us, from what is read of its legs. Pure: events out, ``now`` in.

A leg is named by (epoch, callid, legid). The PBX counts both from small numbers again when it restarts, so an epoch is over where a
reconnect finds none of the legs that were known. Readings may come late and twice: what is read after a change that is newer does not
count (``mark``). A leg may move to another call: it is keyed anew by each reading. Between two waves of a ring group a call may have no
leg for a second or two: it is over only when it has had none for ``grace_s``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx.threecx.objects import Participant

GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class CallKey:
    epoch: int
    call_id: int


@dataclass(frozen=True, slots=True)
class LegKey:
    call: CallKey
    leg_id: int


@dataclass(frozen=True, slots=True)
class LegAppeared:
    """``adopted``: it was connected when it was first seen, so nobody is told that it rings."""

    key: LegKey
    leg: Participant
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class LegChanged:
    key: LegKey
    leg: Participant
    before: Participant


@dataclass(frozen=True, slots=True)
class LegGone:
    key: LegKey
    leg: Participant


@dataclass(frozen=True, slots=True)
class CallOver:
    key: CallKey


BookEvent = LegAppeared | LegChanged | LegGone | CallOver


@dataclass(slots=True)
class _Known:
    key: LegKey
    leg: Participant
    mark: int


@dataclass(slots=True)
class _Call:
    legs: set[tuple[str, int]] = field(default_factory=set)
    empty_since_s: float | None = None


class CallBook:
    """``legs`` are known by (DN, participant id), as the PBX's paths name them."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._legs: dict[tuple[str, int], _Known] = {}
        self._calls: dict[CallKey, _Call] = {}
        self._removed: dict[tuple[str, int], int] = {}
        self._mark = 0
        self.epoch = 1

    # ------------------------------------------------------------------ reading

    def mark(self) -> int:
        """To be drawn before something is asked for, and given with the answer."""
        self._mark += 1
        return self._mark

    def read(self, leg: Participant, mark: int, now: float) -> list[BookEvent]:
        """One leg as the PBX showed it."""
        entity = (leg.dn, leg.id)
        known = self._legs.get(entity)
        if self._removed.get(entity, 0) >= mark or (known is not None and known.mark > mark):
            return []
        key = LegKey(CallKey(self.epoch if known is None else known.key.call.epoch, leg.call_id), leg.leg_id)
        if known is None:
            self._legs[entity] = _Known(key, leg, mark)
            self._join(key.call, entity)
            return [LegAppeared(key, leg, adopted=leg.connected)]
        before, old_key = known.leg, known.key
        known.leg, known.mark, known.key = leg, mark, key
        if old_key.call != key.call:
            self._part(old_key.call, entity, now)
            self._join(key.call, entity)
        return [LegChanged(key, leg, before)] if leg != before or key != old_key else []

    def remove(self, dn: str, participant: int, now: float) -> list[BookEvent]:
        """A leg is gone: told by the PBX, or not found any more (404)."""
        entity = (dn, participant)
        self._removed[entity] = self.mark()
        while len(self._removed) > 1_000:
            del self._removed[next(iter(self._removed))]
        known = self._legs.pop(entity, None)
        if known is None:
            return []
        self._part(known.key.call, entity, now)
        return [LegGone(known.key, known.leg)]

    def snapshot(self, legs: Iterable[Participant], mark: int, now: float, *, reconnected: bool = False) -> list[BookEvent]:
        """Everything at once: legs that are missing are gone, unless they changed since ``mark`` was drawn."""
        shown = {(leg.dn, leg.id): leg for leg in legs}
        events: list[BookEvent] = []
        if reconnected and self._legs and not any(self._is_same(entity, leg) for entity, leg in shown.items()):
            for entity in tuple(self._legs):
                events += self.remove(*entity, now)
            self._removed.clear()
            events += self._end_all()
            self.epoch += 1
        for entity, known in tuple(self._legs.items()):
            if entity not in shown and known.mark <= mark:
                events += self.remove(*entity, now)
        for leg in shown.values():
            events += self.read(leg, mark, now)
        return events

    def _is_same(self, entity: tuple[str, int], leg: Participant) -> bool:
        known = self._legs.get(entity)
        return known is not None and (known.leg.call_id, known.leg.leg_id) == (leg.call_id, leg.leg_id)

    # ------------------------------------------------------------------ calls and their end

    def expire(self, now: float) -> list[BookEvent]:
        """Calls that have had no leg for long enough."""
        over = [key for key, call in self._calls.items() if call.empty_since_s is not None and now - call.empty_since_s >= self._grace_s]
        for key in over:
            del self._calls[key]
        return [CallOver(key) for key in over]

    def next_deadline(self) -> float | None:
        waiting = [call.empty_since_s + self._grace_s for call in self._calls.values() if call.empty_since_s is not None]
        return min(waiting, default=None)

    def _end_all(self) -> list[BookEvent]:
        over = [CallOver(key) for key in self._calls]
        self._calls.clear()
        return list(over)

    def _join(self, key: CallKey, entity: tuple[str, int]) -> None:
        call = self._calls.setdefault(key, _Call())
        call.legs.add(entity)
        call.empty_since_s = None

    def _part(self, key: CallKey, entity: tuple[str, int], now: float) -> None:
        call = self._calls[key]
        call.legs.discard(entity)
        if not call.legs:
            call.empty_since_s = now

    # ------------------------------------------------------------------ as it stands

    @property
    def calls(self) -> int:
        return len(self._calls)

    @property
    def keys(self) -> list[LegKey]:
        return [known.key for known in self._legs.values()]

    @property
    def legs(self) -> list[Participant]:
        return [known.leg for known in self._legs.values()]

    def leg(self, dn: str, participant: int) -> Participant | None:
        known = self._legs.get((dn, participant))
        return known.leg if known is not None else None
