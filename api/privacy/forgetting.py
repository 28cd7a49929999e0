"""Forgetting a person wherever something of theirs is, with proof (GDPR article 17).

First the files go: recordings, messages left, what they wrote and sent in rooms. Then their keys are destroyed, so that no copy of anything
can be read, and everything that leads to them goes from the tables. At last what programs remember of them is dropped. Whatever fails on
the way, it may be done again; done again, it changes nothing.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

from msgspec import Struct

from api.privacy.asking import WhoAsked, handle_asked, person_asked
from api.privacy.erasure import Erasure, Person
from api.privacy.vault import Vault
from api.store import Store
from signaling.refusal import Refusal


class Recordings(Protocol):
    async def erase(self, recording_id: str, who: str, reason: str) -> None: ...


class Written(Protocol):
    async def erase_person(self, identity: str, by: str) -> int: ...


class ForgottenProof(Struct, frozen=True):
    """What was done; zeros where nothing was left of them. ``person``: the pseudonym under which the audit has it. ``at``: seconds since
    the epoch. ``rows``: out of how many of each table somebody was taken. ``stays``: what is kept all the same, and why."""

    person: str
    at: float
    keys: int
    rows: Mapping[str, int]
    recordings: int
    messages: int
    stays: tuple[str, ...]


_STAYS = (
    "Rows of calls, bookings and payments stay without a name, number or word of theirs: the company's books need times and sums.",
    "The list of numbers that must not be called keeps a pseudonym, so that nobody calls them again.",
    "The audit keeps a pseudonym, which leads nowhere once the keys are gone.",
)
_SAID_STAYS = "What pages were told in the last hour stays in Redis until the hour is over: Redis is away. Ask again when it is back."


class Forgetting:
    """``recordings`` is None where none are kept. ``drop`` makes programs forget whoever has these handles, ``forget_said``
    the bus what it told pages, of anybody; False where it cannot now. ``note`` is the audit's: kind, by whom, handle, detail.
    ``settle`` returns when what was told of calls until now is in the store.
    ``region``: the country of numbers without one. ``now``: seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        recordings: Recordings | None,
        written: Written,
        drop: Callable[[Collection[str]], Awaitable[None]],
        forget_said: Callable[[], Awaitable[bool]],
        settle: Callable[[], Awaitable[None]],
        note: Callable[[str, str, str, str], None],
        region: str,
        now: Callable[[], float],
    ) -> None:
        self._store, self._vault, self._erasure = store, vault, store.part(Erasure)
        self._recordings, self._written, self._drop, self._note = recordings, written, drop, note
        self._forget_said, self._settle = forget_said, settle
        self._region, self._now = region, now

    async def forget(self, asked: WhoAsked, by: str) -> ForgottenProof:
        """Raises ``Refusal`` where nobody is named, where a legal hold is in force (``held``), or while a call of theirs is recorded;
        ``StoreUnavailable`` when the database or the books of keys are away."""
        await self._settle()
        await self._store.settle()
        handle = handle_asked(self._vault, asked, self._region)
        person = await person_asked(self._erasure, asked, self._region)
        if holds := await self._store.legal_holds.in_force_for(person.handles):
            raise Refusal("held", f"A legal hold is in force: {holds[0].hold_id} ({holds[0].reason}). Lift it first, or wait for its end.")
        self._note("person_forgetting", by, handle, asked.reason)
        recordings = await self._erase_recordings(person, by, asked.reason)
        messages = sum([await self._written.erase_person(guest, by) for guest in sorted(person.ids.get("guest", ()))])
        erased = await self._erasure.erase(person)
        await self._drop(person.handles)
        stays = _STAYS if await self._forget_said() else (*_STAYS, _SAID_STAYS)
        proof = ForgottenProof(handle, self._now(), erased.keys, erased.rows, recordings, messages, stays)
        self._note("person_forgotten", by, handle, f"{erased.keys} keys, {sum(erased.rows.values())} rows, {recordings} recordings")
        return proof

    async def _erase_recordings(self, person: Person, by: str, reason: str) -> int:
        count = 0
        for call_id in sorted(person.ids.get("call", ())):
            for recording in await self._store.recordings_of(call_id):
                if recording.erased_at is None and self._recordings is not None:
                    await self._recordings.erase(recording.recording_id, by, reason)
                    await self._store.voicemails.mark_erased(recording.recording_id, self._now(), by)
                    count += 1
        return count
