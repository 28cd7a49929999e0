"""How long a token is good, when a new one is due, and when to stop asking. Pure.

3CX has one living token per client id: a new one kills the one before. So a 401 on a token that should still live means that somebody else
drew one with our client id. Then a new one of ours kills theirs, and so on: after ``most_thefts`` in ``theft_window_s`` we stop and say so,
and try again after a pause that doubles. What the token endpoint itself refuses is worse: repeated, it puts our address on the PBX's block
list. After two such refusals in a row nobody asks again before a pause that doubles.
"""

import base64
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pbx.threecx.faults import Contested, Denied

_MINUTES_BELOW = 300
"""``expires_in`` counts minutes up to 20.0.8 (60) and seconds from 20.0.9 on: below this it can only be minutes."""
_SHORTEST_S = 30.0
_URGENT_S = 120.0
"""With less than this left a token is renewed though a stream of sound may end by it."""
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 900.0
_CONTESTED = (
    "Another program uses the 3CX client id of this server: each token that it draws ends ours. Give every program, and every node, "
    "a client of its own (3CX: Admin, Integrations, API)."
)
_DENIED = (
    "3CX refuses our client id and secret ({}): check threecx.client_id and threecx.secret. It is asked again later, not to be blocked."
)


@dataclass(frozen=True, slots=True)
class Token:
    """Times in seconds on the caller's clock."""

    value: str = field(repr=False)
    at_s: float
    life_s: float

    def age(self, now: float) -> float:
        return now - self.at_s

    def left_s(self, now: float) -> float:
        return self.at_s + self.life_s - now


def life_s(answer: Mapping[str, object]) -> float:
    """How long the token of this answer is good, in seconds: what ``expires_in`` says, or its own claims where they say less."""
    said = answer.get("expires_in")
    lives = []
    if isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
        lives.append(said * 60.0 if said < _MINUTES_BELOW else float(said))
    if (claimed := _claimed_s(str(answer.get("access_token", "")))) is not None:
        lives.append(claimed)
    return max(_SHORTEST_S, min(lives, default=1_800.0))


def _claimed_s(token: str) -> float | None:
    """``exp`` less ``iat`` of a JWT. Nothing is decided on it but when to renew, so nobody checks the signature."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        life = float(claims["exp"]) - float(claims.get("iat", claims.get("nbf")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return life if life > 0 else None


class TokenLife:
    """``early``: at which share of its life (0.8 to 0.9, drawn by the caller) a token is renewed in a quiet moment."""

    def __init__(self, *, early: float = 0.8, most_thefts: int = 3, theft_window_s: float = 300.0) -> None:
        self._early = early
        self._most_thefts = most_thefts
        self._window_s = theft_window_s
        self._thefts: deque[float] = deque(maxlen=most_thefts)
        self._pauses = 0
        self._held_until_s = float("-inf")
        self._held: Denied | None = None
        self._denials = 0
        self.token: Token | None = None
        self.drawn = 0
        self.refused = 0

    def usable(self, now: float) -> Token | None:
        """The token to use now, if there is one."""
        token = self.token
        return token if token is not None and token.left_s(now) > 0 else None

    def is_due(self, now: float, *, quiet: bool) -> bool:
        """Is a new token wanted? ``quiet``: no stream of sound runs that would end by it."""
        token = self.usable(now)
        if token is None or token.left_s(now) < min(_URGENT_S, token.life_s * (1 - self._early)):
            return True
        return quiet and token.age(now) >= token.life_s * self._early

    def check(self, now: float) -> None:
        """May a new one be drawn? Raises ``Denied`` or ``Contested`` while not."""
        if now < self._held_until_s and self._held is not None:
            self._held.retry_after_s = self._held_until_s - now
            raise self._held

    def granted(self, token: Token) -> None:
        self.token = token
        self.drawn += 1
        self._denials = 0

    def on_refused(self, value: str, now: float, *, ours: bool = True) -> None:
        """An API answered 401 to this token, which is ``ours`` where the same address gave it. Raises ``Contested`` where that has
        happened too often."""
        token = self.token
        if token is None or token.value != value:
            return  # renewed meanwhile
        self.token = None
        self.refused += 1
        if token.left_s(now) <= 0 or not ours:
            return
        self._thefts.append(now)
        if len(self._thefts) == self._most_thefts and now - self._thefts[0] <= self._window_s:
            self._thefts.clear()
            self._hold(Contested(_CONTESTED), now)
            self.check(now)

    def on_worked(self, now: float) -> None:
        """A request succeeded with the token of now; after a while of that the quarrel over it is over."""
        if self._pauses and self.token is not None and self.token.age(now) > self._window_s:
            self._pauses, self._held = 0, None

    def on_denied(self, reason: str, now: float) -> Denied:
        """The token endpoint refused. Gives the fault to raise."""
        self.token = None
        self._denials += 1
        fault = Denied(_DENIED.format(reason or "no reason given"))
        if self._denials >= 2:
            self._hold(fault, now)
        return fault

    def _hold(self, fault: Denied, now: float) -> None:
        self._held = fault
        self._held_until_s = now + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**self._pauses)
        self._pauses = min(self._pauses + 1, 10)

    def trouble(self, now: float) -> str:
        """Why no token is drawn now; empty where one may be."""
        return str(self._held) if self._held is not None and now < self._held_until_s else ""
