"""Who does not want to be called: one list for all, asked before every call that a person dials.

The list stands in the database and is held in memory, because nobody waits for a database before a call: each node looks every half minute
whether it is still the same. No campaign calls a number on it. A person may, who dials it twice: somebody has to be told that their flight
is cancelled.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Self

import structlog
from msgspec import Meta, Struct

from api.audit.audit import Audit
from api.card_numbers import without_card_numbers
from api.store import StoreUnavailable
from api.store.outbound import OutboundStore, Unwanted
from pbx.numbers import NotANumber, Number, parse_number
from signaling.refusal import Refusal

log = structlog.get_logger()
_LOOKED_EVERY_S = 30.0
_CONFIRMED_WITHIN_S = 60.0
_MOST_ASKED = 1_024
MOST_SHOWN = 500


class NewUnwanted(Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[str, Meta(max_length=64)]
    reason: Annotated[str, Meta(max_length=200)] = ""


class DoNotCall:
    """``async with``: owns the task that looks. ``now``: seconds since the epoch. ``region``: the country of numbers without one."""

    def __init__(self, store: OutboundStore, audit: Audit, region: str, now: Callable[[], float]) -> None:
        self._store = store
        self._audit = audit
        self._region = region
        self._now = now
        self._handles: frozenset[str] = frozenset()
        self._mark = (0, 0.0)
        self._asked: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._look()
        self._task = asyncio.create_task(self._look_on(), name="do-not-call")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def __contains__(self, e164: str) -> bool:
        return self._store.handle_of(e164) in self._handles

    def ask(self, who: str, number: Number) -> None:
        """May this person call this number? Raises ``Refusal`` the first time; not when it is dialled again within a minute."""
        if number.e164 is None or number.e164 not in self:
            return
        now, key = self._now(), (who, int(number.e164))
        asked = self._asked.pop(key, None)
        if asked is not None and now - asked <= _CONFIRMED_WITHIN_S:
            self._asked[key] = asked
            return
        self._asked[key] = now
        while len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)
        self._audit.note("call.refused", who, detail="do_not_call")
        raise Refusal(
            "do_not_call",
            f"{number.display} wants no calls. Where it must be, about a trip of theirs, dial it again within a minute.",
        )

    async def add(self, new: NewUnwanted, by: str) -> Unwanted:
        """Raises ``Refusal``."""
        row = Unwanted(self._e164(new.number), without_card_numbers(new.reason), by, self._now())
        await self._store.add_unwanted(row)
        self._audit.note("do_not_call.added", by)
        await self._look()
        return row

    async def remove(self, number: str, by: str) -> bool:
        """False where it was not on the list. Raises ``Refusal``."""
        removed = await self._store.remove_unwanted(self._e164(number))
        if removed:
            self._audit.note("do_not_call.removed", by)
            await self._look()
        return removed

    async def newest(self) -> tuple[list[Unwanted], int]:
        """The newest on the list, and how many there are."""
        return await self._store.unwanted(MOST_SHOWN), (await self._store.unwanted_mark())[0]

    def _e164(self, text: str) -> str:
        try:
            number = parse_number(text, self._region)
        except NotANumber as error:
            raise Refusal("not_a_number", str(error)) from None
        if number.e164 is None:
            raise Refusal("not_a_number", "Only public numbers stand on this list: extensions and emergency numbers are always called.")
        return number.e164

    async def _look(self) -> None:
        mark = await self._store.unwanted_mark()
        if mark != self._mark:
            self._handles = frozenset(await self._store.every_unwanted())
            self._mark = mark

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(_LOOKED_EVERY_S)
            try:
                await self._look()
            except StoreUnavailable as error:
                log.warning("do_not_call.stale", detail=str(error))
