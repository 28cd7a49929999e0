"""An agent's own day: the calls since it began, and nothing of who was on the line."""

import time

from api.store import Store
from signaling.messages import DayCall, MyDay

MOST_CALLS = 400
LONGEST_S = 36 * 3_600.0
"""A day that began in another time zone is no longer ago."""


async def day_of(store: Store, agent: str, since: float, now: float | None = None) -> MyDay:
    """What was this person's, or rang at theirs, since then (seconds since the epoch), oldest first. Raises ``StoreUnavailable``."""
    since = max(since, (time.time() if now is None else now) - LONGEST_S)
    calls = [call for call in await store.recent_calls(agent, MOST_CALLS) if call.started_at >= since and call.ended_at is not None]
    return MyDay([DayCall(call.direction, call.started_at, call.answered_at, call.ended_at or 0.0) for call in reversed(calls)])
