"""Who speaks in a room, from how loud everybody is. Pure.

Theory. Each voice's power is smoothed over a third of a second. Somebody louder than -50 dBFS takes the floor from nobody at once, and from
somebody else when twice as loud as they are and a second after the last change; who has been quiet for two seconds loses it.
"""

from collections.abc import Mapping

_SMOOTHED_S = 0.3
_AUDIBLE_POWER = 1e-5
_LOUDER = 2.0
_HELD_S = 1.0
_QUIET_S = 2.0


class ActiveSpeaker:
    """``leg_id``: who speaks now, "" while nobody does."""

    def __init__(self) -> None:
        self.leg_id = ""
        self._powers: dict[str, float] = {}
        self._looked_s: float | None = None
        self._changed_s = self._audible_s = 0.0

    def heard(self, powers: Mapping[str, float], now_s: float) -> bool:
        """Mean squares (full scale 1.0) of everybody's voice by leg; True when ``leg_id`` is now another."""
        passed_s = now_s - self._looked_s if self._looked_s is not None else _SMOOTHED_S
        self._looked_s = now_s
        weight = min(1.0, passed_s / _SMOOTHED_S)
        self._powers = {leg_id: self._smoothed(leg_id, power, weight) for leg_id, power in powers.items()}
        current = self._powers.get(self.leg_id, 0.0)
        if current > _AUDIBLE_POWER:
            self._audible_s = now_s
        loudest = max(self._powers, key=lambda leg_id: self._powers[leg_id], default="")
        speaks = loudest != "" and self._powers[loudest] > _AUDIBLE_POWER
        if speaks and loudest != self.leg_id:
            free = self.leg_id not in self._powers
            if free or (self._powers[loudest] > _LOUDER * current and now_s - self._changed_s >= _HELD_S):
                return self._change(loudest, now_s)
        elif self.leg_id and (self.leg_id not in powers or now_s - self._audible_s > _QUIET_S):
            return self._change("", now_s)
        return False

    def _smoothed(self, leg_id: str, power: float, weight: float) -> float:
        before = self._powers.get(leg_id, 0.0)
        return before + weight * (power - before)

    def _change(self, leg_id: str, now_s: float) -> bool:
        self.leg_id = leg_id
        self._changed_s = self._audible_s = now_s
        return True
