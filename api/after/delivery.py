"""What becomes of an entry of the outbox that was not taken: tried again, when, or given to a person. Pure; ``now`` in seconds since the
epoch."""

from dataclasses import dataclass

from api.backends.protocols import BackendFault

_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """``most_tries`` within ``give_up_s``; ``keep_done_s``: so long what was delivered is remembered. Times in seconds.

    Tries are three times as far apart each time: ten of them take half a day.
    """

    most_tries: int = 10
    give_up_s: float = 86_400.0
    first_retry_s: float = 5.0
    longest_retry_s: float = 21_600.0
    deliver_within_s: float = 30.0
    keep_done_s: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class PutOff:
    due_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Dead:
    """``why``: for the person who looks at it."""

    why: str
    attempts: int


def after_fault(fault: BackendFault, attempts: int, since_at: float, now: float, jitter: float, settings: OutboxSettings) -> PutOff | Dead:
    """``attempts`` before this one; ``since_at``: when it was first tried. ``jitter``: 0-1, drawn.

    A backend that is let alone (its breaker is open) was not asked: that is no try, but its time runs.
    """
    tries = attempts if fault.cause == "open" else attempts + 1
    if not fault.retryable:
        return Dead(str(fault), tries)
    if tries >= settings.most_tries:
        return Dead(f"{fault} It was tried {tries} times.", tries)
    wait_s = min(settings.longest_retry_s, settings.first_retry_s * _FACTOR ** min(attempts, 30)) * (0.75 + 0.5 * jitter)
    if fault.retry_after_s is not None:
        wait_s = fault.retry_after_s + settings.first_retry_s * jitter if fault.cause == "open" else max(wait_s, fault.retry_after_s)
    if now + wait_s - since_at > settings.give_up_s:
        return Dead(f"{fault} It was tried for {(now - since_at) / 3600:.0f} hours.", tries)
    return PutOff(now + wait_s, tries)
