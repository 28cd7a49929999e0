"""What this server itself knows of who calls from the calls before; who it is, the backends say (``api/backends/lookup.py``)."""

import time
from collections.abc import Callable

from api.store.centre import CentreStore
from pbx.numbers import spellings
from rooms.flows.conditions import Facts, FactValue

_DAY_S = 86_400.0
REMEMBERED_S = 30 * _DAY_S
LATELY_S = _DAY_S


class EarlierCalls:
    """Satisfies ``CallerLookup``: of the last thirty days ``last_agent``, who talked with this number last, and ``last_call_h``, hours ago;
    ``missed_calls``: how often they were not answered since, of the last day. ``region``: whose national spellings a PBX may use."""

    name = "calls"

    def __init__(self, store: CentreStore, region: str, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._region = region
        self._now = now

    async def look_up(self, caller: str) -> Facts:
        now = self._now()
        facts: dict[str, FactValue] = {}
        missed = 0
        for call in await self._store.calls_with(spellings(caller, self._region), now - REMEMBERED_S):
            if call.answered_at is not None and call.agent:
                facts = {"last_agent": call.agent, "last_call_h": round((now - call.answered_at) / 3_600, 2)}
                break
            missed += call.direction == "in" and call.ended_at is not None and call.started_at > now - LATELY_S
        return facts | {"missed_calls": float(missed)} if missed else facts
