"""What one connection may send. Pure: decides about each frame before anything else is done with it.

Token buckets: one for all frames; one for each class of requests that cost more than their reading, or that others have to bear; one for
refusals for haste, so that a client that does not slow down when told to is disconnected; one for malformed frames, which no honest client
sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from signaling.frames import Frame, Kind
from signaling.limits import TokenBucket
from signaling.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Allowance:
    rate_per_s: float
    burst: float


def _classes(**allowances: tuple[Allowance, tuple[str, ...]]) -> Mapping[str, tuple[str, Allowance]]:
    return MappingProxyType({tag: (name, allowance) for name, (allowance, tags) in allowances.items() for tag in tags})


CLASSES = _classes(
    dial=(Allowance(0.5, 10), ("call.dial", "call.transfer", "demo.call_me", "room.call_me")),  # rings somebody, and may cost money
    media=(Allowance(5, 30), ("peer.offer", "room.offer", "room.check", "sound.check")),  # keys are made
    make=(Allowance(0.5, 10), ("room.create", "room.invite", "room.link", "device.add", "device.remove")),
    decide=(Allowance(2, 20), ("room.join", "room.leave", "room.admit", "room.kick", "room.move", "room.lock", "room.update")),
    upload=(Allowance(0.5, 10), ("chat.attach",)),
    write=(Allowance(5, 20), ("chat.message", "chat.edit", "chat.delete", "chat.react", "room.key")),  # kept for ever
    look=(
        Allowance(5, 30),
        (
            "chat.history",
            "chat.overview",
            "room.list",
            "room.links",
            "people.list",
            "room.keys",
            "device.list",
            "board.watch",
            "queues.watch",
            "day.read",
        ),
    ),  # asks the database, or makes much
    gesture=(
        Allowance(5, 20),
        ("typing.indicator", "reaction", "hand.raise", "chat.read", "room.microphone"),
    ),  # told to everybody
    caption=(Allowance(5, 20), ("caption.say",)),  # told to everybody as it grows
    call=(Allowance(1, 10), ("help.ask", "sound.report")),  # told to supervisors
    watch=(Allowance(5, 20), ("room.watch",)),  # moves layers of pictures
)
"""By request: its class and what one connection may do of that. The others have their part of all frames."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Frames per second and at once; refusals for haste and malformed frames that are borne before disconnecting."""

    rate_per_s: float = 20.0
    burst: float = 60.0
    hasty_per_s: float = 1.0
    hasty_burst: float = 20.0
    malformed_per_s: float = 0.1
    malformed_burst: float = 10.0
    largest_message: int = 65_536


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refusal`` None: let it pass. ``dismiss``: disconnect with the refusal."""

    refusal: Refusal | None = None
    dismiss: bool = False


_PASS = Verdict()


class Guard:
    """One connection's account."""

    def __init__(self, limits: ClientLimits, now: float) -> None:
        self._frames = TokenBucket(limits.rate_per_s, limits.burst, now)
        self._haste = TokenBucket(limits.hasty_per_s, limits.hasty_burst, now)
        self._malformed = TokenBucket(limits.malformed_per_s, limits.malformed_burst, now)
        self._connected = False
        self._classes: dict[str, TokenBucket] = {}

    def check(self, frame: Frame, now: float) -> Verdict:
        wait = self._frames.take(now) or self._wait_in_class(frame.name, now)
        if wait > 0.0:
            message = f"Too many requests at once: wait {max(wait, 0.1):.1f} s. Nothing of this request was done."
            return Verdict(Refusal("too_many_requests", message, wait), dismiss=self._haste.take(now) > 0.0)
        fault = frame.fault if frame.kind is Kind.MALFORMED else self._out_of_turn(frame)
        if fault:
            return Verdict(Refusal("bad_message", f"The page sent what the server cannot read: {fault}."), self._malformed.take(now) > 0.0)
        return _PASS

    def _wait_in_class(self, request: str, now: float) -> float:
        if request not in CLASSES:
            return 0.0
        name, allowance = CLASSES[request]
        bucket = self._classes.get(name)
        if bucket is None:
            bucket = self._classes[name] = TokenBucket(allowance.rate_per_s, allowance.burst, now)
        return bucket.take(now)

    def _out_of_turn(self, frame: Frame) -> str:
        """A connection signs in once, first."""
        if frame.kind is Kind.CONNECT:
            again, self._connected = self._connected, True
            return "a second sign-in on one connection" if again else ""
        if frame.kind is Kind.REQUEST and not self._connected:
            return "a request before the sign-in"
        return ""
