"""What may go wrong with the emulated PBX, on demand: each fault is used up by the request that it meets."""

from collections import deque
from dataclasses import dataclass, field

from pbx.threecx.double.reply import Reply


@dataclass(slots=True)
class Faults:
    """``late_gets``: seconds that the next GETs wait before they look, and so see later states. ``held_gets``: seconds that they wait
    after, so that answers overtake one another. ``codes``: statuses that the next requests get. ``truncated``: how many of the next
    answers break off in the middle of their JSON. ``odd_status``: what every participant's status reads instead."""

    late_gets: deque[float] = field(default_factory=deque)
    held_gets: deque[float] = field(default_factory=deque)
    codes: deque[int] = field(default_factory=deque)
    truncated: int = 0
    slow_token_s: float = 0.0
    odd_status: str = ""

    def late_s(self) -> float:
        return self.late_gets.popleft() if self.late_gets else 0.0

    def held_s(self) -> float:
        return self.held_gets.popleft() if self.held_gets else 0.0

    def instead(self) -> Reply | None:
        """What the next request gets in place of its answer."""
        return Reply(self.codes.popleft(), {"reasontext": "a fault on demand"}) if self.codes else None

    def spoil(self, shown: object) -> object:
        """An answer with its statuses replaced, where that is asked for."""
        if not self.odd_status:
            return shown
        if isinstance(shown, list):
            return [self.spoil(each) for each in shown]
        if isinstance(shown, dict):
            return {name: self.odd_status if name == "status" else self.spoil(value) for name, value in shown.items()}
        return shown

    def cut(self, text: str) -> str:
        """The JSON text, broken off where that is asked for."""
        if self.truncated <= 0 or len(text) < 2:
            return text
        self.truncated -= 1
        return text[: len(text) // 2]
