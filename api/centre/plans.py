"""The contact centre's plan in force at this node, and the one way in which it is changed, whoever wants it.

The database has every version whole. A change is read and checked with everything that it stands among; a broken one is refused with all
its faults, and the plan in force goes on. What was accepted counts at every node: one tells the others, and each looks by itself besides,
because a word may get lost and a command may write into the database while servers run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import structlog

from api.card_numbers import without_card_numbers
from api.centre.plan_faults import PlanBroken
from api.store import StoreUnavailable
from api.store.centre import CentreStore, PlanVersion
from api.store.errors import StoreRefused
from rooms.centre_plan import CentrePlan
from signaling.refusal import Refusal, TextFault

log = structlog.get_logger()
LOOK_EVERY_S = 5.0
_TRIES = 5
Documents = Mapping[str, str]
Changes = Mapping[str, str | None]
"""What documents say from now on, by name; None: it is there no more."""
Read = Callable[[Documents, int], CentrePlan]
OnPlan = Callable[[CentrePlan], Awaitable[None]]
_NOTHING = PlanVersion(0, 0.0, "", "")
"""What is in force before anybody wrote a plan."""


class Plans:
    """``async with``: owns the task that looks for newer versions.

    ``read`` makes a plan of documents or raises ``PlanBroken``; it runs in a thread.
    ``on_plan`` puts one in force here, ``tell_nodes`` says at the others that there is a newer one, ``note(kind, who, detail=)`` is of the
    audit. Changes raise ``StoreUnavailable`` when the database is away; the plan in force goes on.
    """

    def __init__(
        self,
        store: CentreStore,
        read: Read,
        on_plan: OnPlan,
        *,
        tell_nodes: Callable[[], None] = lambda: None,
        note: Callable[..., None] = lambda *what, **more: None,
        now: Callable[[], float] = time.time,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._read = read
        self._on_plan = on_plan
        self._tell_nodes = tell_nodes
        self._note = note
        self._now = now
        self._look_every_s = look_every_s
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._unread = False
        self.plan: CentrePlan | None = None
        self.version = 0
        self.documents: Documents = {}
        self.faults: tuple[TextFault, ...] = ()
        """Of the newest version, where this program cannot read it: the one before goes on."""

    async def __aenter__(self) -> Self:
        await self.look()
        self._task = asyncio.create_task(self._look_on(), name="plan-look")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            await self.look()

    # ------------------------------------------------------------------ what is in force

    async def look(self) -> None:
        """Take what is newer in the database. While that is away the plan in force goes on."""
        try:
            async with self._lock:
                await self._look()
            self._unread = False
        except StoreUnavailable as error:
            if not self._unread:
                log.warning("plan.unread", detail=str(error))
            self._unread = True

    async def _look(self) -> None:
        newest = await self._store.newest()
        if newest <= self.version:
            return
        documents = await self._store.documents(newest)
        try:
            plan = await asyncio.to_thread(self._read, documents, newest)
        except PlanBroken as broken:  # written by another version of this program
            self.version, self.documents, self.faults = newest, documents, broken.faults
            log.error("plan.unreadable", version=newest, faults=[str(fault) for fault in broken.faults])
            return
        await self._take(plan, documents)

    async def _take(self, plan: CentrePlan, documents: Documents) -> None:
        await self._on_plan(plan)
        # From here on calls are led by it: whoever leads them has it already.
        self.plan, self.version, self.documents, self.faults = plan, plan.version, documents, ()

    # ------------------------------------------------------------------ changes

    async def check(self, changes: Changes) -> CentrePlan:
        """The plan as it would be. Raises ``PlanBroken``."""
        return await asyncio.to_thread(self._read, _changed(self.documents, changes), self.version + 1)

    async def put(self, changes: Changes, *, by: str, comment: str = "", based_on: int | None = None) -> PlanVersion:
        """Change these documents together, and put the plan in force. What is no change makes no version.

        ``based_on``: the version that whoever wants it has seen. Raises ``PlanBroken``, or ``Refusal`` where another is in force meanwhile.
        """
        async with self._lock:
            for _ in range(_TRIES):
                await self._look()
                if based_on is not None and based_on != self.version:
                    raise _overtaken(self.version)
                documents = _changed(self.documents, changes)
                if documents == self.documents:
                    return await self._made(self.version) if self.version else _NOTHING
                plan = await asyncio.to_thread(self._read, documents, self.version + 1)
                made = PlanVersion(plan.version, self._now(), by, without_card_numbers(comment))
                try:
                    await self._store.add_version(made, documents)
                except StoreRefused:  # another node was faster: again, on top of its version
                    continue
                names = ", ".join(sorted(name for name in {*documents, *self.documents} if documents.get(name) != self.documents.get(name)))
                self._note("plan_changed", by, detail=f"version {made.version}: {names}"[:500])
                await self._take(plan, documents)
                self._tell_nodes()
                return made
            raise _overtaken(self.version)

    async def restore(self, version: int, *, by: str, comment: str = "") -> PlanVersion:
        """Put an earlier version in force again, as a new one. Raises ``PlanBroken``, or ``Refusal`` where there was none such."""
        documents = await self.of_version(version)
        changes: Changes = dict.fromkeys(self.documents) | documents
        return await self.put(changes, by=by, comment=comment or f"as version {version}")

    # ------------------------------------------------------------------ what was before

    async def versions(self, limit: int, before: int | None = None) -> list[PlanVersion]:
        """The newest first."""
        return await self._store.versions(limit, before)

    async def of_version(self, version: int) -> dict[str, str]:
        """What every document said then. Raises ``Refusal``."""
        await self._made(version)
        return await self._store.documents(version)

    async def ever_said(self, name: str, text: str) -> bool:
        """Did this document say exactly this in any version?"""
        return await self._store.ever_said(name, text)

    async def _made(self, version: int) -> PlanVersion:
        found = await self._store.versions(1, version + 1)
        if not found or found[0].version != version:
            raise Refusal("unknown_version", f"The plan never had a version {version}.")
        return found[0]


def _changed(documents: Documents, changes: Changes) -> dict[str, str]:
    return {name: text for name, text in {**documents, **changes}.items() if text is not None}


def _overtaken(version: int) -> Refusal:
    return Refusal("plan_overtaken", f"The plan was changed meanwhile and has version {version}: look at it, and change it again.")
