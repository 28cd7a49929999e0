"""Boxes of voicemail as their people see them: what was left, who heard it, what is due. Rules of reach stand in ``signaling/grants.py``.

Whoever a box belongs to hears its messages, and supervisors of the teams that it, or its people, belong to. Each listening stands in the
message's manifest, as with every recording. Messages of which a server's death left no end get one, and old ones are erased, as long as a
box keeps them, or recordings are kept at all.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import structlog
from msgspec import Struct

from api.recording_shelf import Heard, RecordingShelf
from api.store import StoredVoicemail, StoreUnavailable
from api.store.people import PeopleStore
from api.store.voicemails import VoicemailStore
from rooms.centre_plan import VoicemailBox
from rooms.voicemail import MessageLimits, Outcome
from signaling.centre_messages import VoicemailChanged
from signaling.grants import Grant, Permission, Resource, allows
from signaling.refusal import Refusal
from signaling.topics import person

log = structlog.get_logger()

MOST_SHOWN = 100
_LOOK_EVERY_S = 3_600.0
_AGAIN_S = 5.0
_AT_A_TIME = 1_000
_DAY_S = 86_400.0
_RETENTION = "retention"
_LEAST_S = MessageLimits().least_s


class BoxState(Struct, frozen=True):
    """``titles``: by language. ``unheard``: messages that nobody has heard."""

    name: str
    titles: dict[str, str]
    unheard: int


class Voicemail(Struct, frozen=True):
    """A message. Times are seconds since the epoch; ``heard_at`` null: nobody has heard it."""

    voicemail_id: str
    box: str
    call_id: str
    caller: str
    caller_name: str
    language: str
    left_at: float
    duration_s: float
    heard_at: float | None
    heard_by: str | None


class VoicemailPage(Struct, frozen=True):
    """The newest first. ``next``: the cursor of the page after; None: there is none."""

    boxes: list[BoxState]
    voicemails: list[Voicemail]
    next: str | None


class Boxes:
    """``async with``: owns the task that looks after what is due, at once and every ``look_every_s``. ``boxes``: those of the plan in
    force. ``meet`` who tells people. ``now``: seconds since the epoch.

    Everything raises ``StoreUnavailable`` when the database is away.
    """

    def __init__(
        self,
        store: VoicemailStore,
        people: PeopleStore,
        shelf: RecordingShelf,
        boxes: Callable[[], Mapping[str, VoicemailBox]],
        *,
        now: Callable[[], float] = time.time,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._store, self._people, self._shelf = store, people, shelf
        self._boxes = boxes
        self._publish: Callable[[str, VoicemailChanged], None] = lambda topic, notice: None
        self._now = now
        self._look_every_s = look_every_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def meet(self, publish: Callable[[str, VoicemailChanged], None]) -> None:
        """The hub, which comes later; whom nothing was told sees it when they look."""
        self._publish = publish

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_looking(), name="voicemail-boxes")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*self._tasks)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ------------------------------------------------------------------ what people want

    async def page(self, grant: Grant, *, box: str = "", unheard: bool = False, before: str = "", limit: int = MOST_SHOWN) -> VoicemailPage:
        """Messages of the boxes that somebody reaches. ``before``: behind this message. Raises ``Refusal``."""
        reached = await self._reached(grant)
        if box and box not in reached:
            raise _unknown_box()
        wanted = [box] if box else reached
        last = await self._find(grant, before) if before else None
        behind = (last.left_at, last.voicemail_id) if last is not None else None
        found = await self._store.kept(wanted, limit + 1, unheard=unheard, before=behind)
        counts = await self._store.unheard(reached)
        known = self._boxes()
        states = [BoxState(name, dict(known[name].titles) if name in known else {}, counts.get(name, 0)) for name in reached]
        return VoicemailPage(states, [_shown(row) for row in found[:limit]], found[limit - 1].voicemail_id if len(found) > limit else None)

    async def listen(self, grant: Grant, voicemail_id: str, form: str) -> Heard:
        """One message as sound; its manifest says who fetched it. Raises ``Refusal``."""
        row = await self._find(grant, voicemail_id)
        return await self._shelf.listen(row.voicemail_id, form, grant.identity)

    async def mark(self, grant: Grant, voicemail_id: str, *, heard: bool) -> Voicemail:
        """It was heard, or counts as new again. Raises ``Refusal``."""
        row = await self._find(grant, voicemail_id)
        if await self._store.set_heard(voicemail_id, self._now() if heard else None, grant.identity if heard else None):
            await self._tell(row, "heard" if heard else "unheard")
        return _shown(await self._find(grant, voicemail_id))

    async def erase(self, grant: Grant, voicemail_id: str) -> None:
        """For good. Raises ``Refusal``."""
        row = await self._find(grant, voicemail_id)
        await self._shelf.erase(voicemail_id, grant.identity, "it was asked for")
        if await self._store.mark_erased(voicemail_id, self._now(), grant.identity):
            await self._tell(row, "erased")

    # ------------------------------------------------------------------ what happens

    def taken(self, voicemail: StoredVoicemail) -> None:
        """Somebody has just left this message."""
        task = asyncio.create_task(self._tell_soon(voicemail), name="voicemail-news")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_soon(self, voicemail: StoredVoicemail) -> None:
        try:
            await self._tell(voicemail, "left")
        except StoreUnavailable as error:  # they see it when they look
            log.warning("voicemail.untold", box=voicemail.box, detail=str(error))

    async def _tell(self, voicemail: StoredVoicemail, what: str) -> None:
        """Everybody whose box it is."""
        box = self._boxes().get(voicemail.box)
        if box is None:
            return
        notice = VoicemailChanged(
            box=box.name,
            what=what,
            voicemail_id=voicemail.voicemail_id,
            caller=voicemail.caller,
            caller_name=voicemail.caller_name,
            left_at=voicemail.left_at,
            duration_s=voicemail.duration_s,
        )
        for identity in sorted({*box.agents, *(await self._people.members_of(box.teams) if box.teams else ())}):
            self._publish(person(identity), notice)

    # ------------------------------------------------------------------ what is due

    async def look_after(self) -> bool:
        """Settle what a death left open, and erase what boxes keep no longer, of what lies here. False where something is still being
        written. Raises ``StoreUnavailable``."""
        settled = [await self._settle(row) for row in await self._store.left_open() if await self._shelf.is_here(row.voicemail_id)]
        now = self._now()
        for box in self._boxes().values():
            for row in await self._store.older(box.name, now - box.keep_days * _DAY_S, _AT_A_TIME) if box.keep_days > 0 else ():
                if await self._shelf.is_here(row.voicemail_id):
                    await self._shelf.erase(row.voicemail_id, "", _RETENTION)
                    await self._store.mark_erased(row.voicemail_id, self._now(), _RETENTION)
        return all(settled)

    async def _settle(self, row: StoredVoicemail) -> bool:
        duration_s = 0.0
        try:
            duration_s = await self._shelf.length_s(row.voicemail_id)
        except Refusal as refusal:
            if refusal.code in ("recording_running", "busy"):
                return False
            log.error("voicemail.lost", voicemail=row.voicemail_id, detail=str(refusal))
        outcome = Outcome.TAKEN if duration_s >= _LEAST_S else Outcome.FAILED
        await self._store.settle(row.voicemail_id, self._now(), duration_s, outcome.value)
        if outcome is Outcome.TAKEN:
            await self._tell(row, "left")
        return True

    async def _keep_looking(self) -> None:
        while True:
            wait_s = self._look_every_s
            try:
                await self._shelf.look_after()
                if not await self.look_after():
                    wait_s = _AGAIN_S
            except (OSError, StoreUnavailable, Refusal) as error:
                log.error("voicemail.neglected", fault=str(error), hint="look after the database and the folder of recordings")
                wait_s = _AGAIN_S
            await asyncio.sleep(wait_s)

    # ------------------------------------------------------------------ reach

    async def _reached(self, grant: Grant) -> list[str]:
        """The boxes whose messages somebody may hear; of boxes that are in the plan no more, those who may hear any."""
        known = self._boxes()
        names = [*known, *(name for name in await self._store.boxes() if name not in known)]
        return [name for name in names if await self._reaches(grant, known.get(name))]

    async def _reaches(self, grant: Grant, box: VoicemailBox | None) -> bool:
        if box is None:
            return allows(grant, Permission.VOICEMAIL_ANY, Resource())
        if grant.identity in box.agents or grant.teams & {*box.teams}:
            return allows(grant, Permission.VOICEMAIL_HEAR)
        if not allows(grant, Permission.VOICEMAIL_ANY):
            return False
        return allows(grant, Permission.VOICEMAIL_ANY, Resource(teams=frozenset(box.teams) | await self._teams(box.agents)))

    async def _teams(self, identities: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*[await self._people.teams_of(identity) for identity in identities])

    async def _find(self, grant: Grant, voicemail_id: str) -> StoredVoicemail:
        """Whoever may not reach it learns nothing of it."""
        row = await self._store.voicemail(voicemail_id)
        if row is None or row.outcome != Outcome.TAKEN or not await self._reaches(grant, self._boxes().get(row.box)):
            raise Refusal("unknown_voicemail", "There is no such message.")
        if row.erased_at is not None:
            raise Refusal("voicemail_erased", "This message was erased.")
        return row


def _shown(row: StoredVoicemail) -> Voicemail:
    return Voicemail(**{name: getattr(row, name) for name in Voicemail.__struct_fields__})


def _unknown_box() -> Refusal:
    return Refusal("unknown_box", "There is no such box of messages, or it is not yours.")
