"""Keys that telephones press, each told once: many send a key twice, in the audio stream and by signalling. Pure."""

from collections import OrderedDict, deque
from enum import StrEnum

_SAME_S = 2.0
"""Within so long the two words of one press come; the later one is often sent when the key is let go of."""
_MOST_OPEN = 32
_MOST_LEGS = 10_000


class Way(StrEnum):
    """How a key came: as an event or tone in the audio (RFC 4733), or by SIP INFO."""

    AUDIO = "audio"
    SIGNALLING = "signalling"


class Presses:
    """A key that comes again the other way is the same press; one that comes again the same way is another."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, deque[tuple[str, Way, float]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def is_new(self, leg_id: str, digit: str, way: Way, now_s: float) -> bool:
        """Was this key not told of yet?"""
        pressed = self._open.setdefault(leg_id, deque(maxlen=_MOST_OPEN))
        self._open.move_to_end(leg_id)
        while len(self._open) > _MOST_LEGS:
            self._open.popitem(last=False)
        while pressed and now_s - pressed[0][2] > _SAME_S:
            pressed.popleft()
        known = next((press for press in pressed if press[0] == digit and press[1] is not way), None)
        if known is not None:
            pressed.remove(known)
            return False
        pressed.append((digit, way, now_s))
        return True

    def forget(self, leg_id: str) -> None:
        self._open.pop(leg_id, None)
