"""A folder whose files are documents of the plan: what changes there is put in, by the same function as everything else.

``queues.toml`` is the document ``queues``, ``flows/main.toml`` (or ``.json``) is ``flows/main``. A file counts when the folder has stood
still from one look to the next, so that nothing half written is read; all that changed is put in together, and a file that is removed takes
its document along. At the start a file is put in where it says what its document never said before: else the plan was changed by another
door since, and the file is the older one (``stale``) until it is written anew.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import structlog
from msgspec import Struct

from api.centre.plan_documents import LARGEST_DOCUMENT, NAMES_SAID, files_in, is_document
from api.centre.plan_faults import PlanBroken
from api.centre.plans import Plans
from api.store import StoreUnavailable
from signaling.refusal import Refusal, TextFault

log = structlog.get_logger()
LOOK_EVERY_S = 2.0
BY = "folder"
_Stamps = Mapping[str, tuple[int, int, int]]


class FolderState(Struct, frozen=True):
    """``faults``: why what stands there was not taken. ``stale``: documents that were changed by another door since."""

    path: str
    faults: list[TextFault]
    stale: list[str]


class PlanFolder:
    """``async with``: owns the task that looks. ``look`` may be called by hand too."""

    def __init__(self, path: Path, plans: Plans, *, every_s: float = LOOK_EVERY_S) -> None:
        self._path = path
        self._plans = plans
        self._every_s = every_s
        self._seen: _Stamps | None = None
        self._done: _Stamps | None = None
        self._given: dict[str, str] | None = None
        self._stale: list[str] = []
        self._faults: list[TextFault] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> FolderState:
        return FolderState(str(self._path), self._faults, self._stale)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look_on(), name="plan-folder")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Put in what changed since the last time and stands still now."""
        try:
            stamps = await asyncio.to_thread(_stamps, self._path)
            still, self._seen = stamps == self._seen, stamps
            if still and stamps != self._done:
                await self._take(await asyncio.to_thread(read_folder, self._path))
                self._done = stamps
        except (PlanBroken, FolderUnreadable) as broken:
            self._done = self._seen
            self._faults = list(broken.faults)
            for fault in broken.faults:
                log.error("plan.file_refused", document=fault.document, line=fault.line, detail=fault.message)
        except OSError as error:
            self._faults = [TextFault(str(self._path), 0, f"The folder cannot be read: {error.strerror}.")]
        except (StoreUnavailable, Refusal) as error:  # looked at again
            log.warning("plan.folder_waits", detail=str(error))

    async def _take(self, texts: dict[str, str]) -> None:
        if self._given is None:
            self._given = {name: text for name, text in texts.items() if await self._plans.ever_said(name, text)}
            self._stale = [name for name, text in self._given.items() if self._plans.documents.get(name) != text]
            if self._stale:
                log.warning("plan.files_stale", documents=self._stale)
        given = self._given
        changes: dict[str, str | None] = {name: text for name, text in texts.items() if given.get(name) != text}
        changes |= {name: None for name in given if name not in texts}
        if changes:
            await self._plans.put(changes, by=BY, comment=f"from {self._path}")
        self._given, self._faults = texts, []
        self._stale = [name for name in self._stale if name not in changes]


class FolderUnreadable(Exception):
    """``faults``: files that are no documents."""

    def __init__(self, faults: list[TextFault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def read_folder(folder: Path) -> dict[str, str]:
    """What every document of a folder says, by name. Blocks. Raises ``FolderUnreadable``, OSError."""
    texts: dict[str, str] = {}
    faults: list[TextFault] = []
    for path, name in files_in(folder).items():
        file = path.relative_to(folder).as_posix()
        if not is_document(name):
            faults.append(TextFault(file, 0, f"This is no document: {NAMES_SAID}."))
        elif name in texts:
            faults.append(TextFault(file, 0, "There is another file for this document: remove one of them."))
        elif path.stat().st_size > 4 * LARGEST_DOCUMENT:
            faults.append(TextFault(file, 0, f"A document has {LARGEST_DOCUMENT} characters at most."))
        else:
            try:
                texts[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                line = path.read_bytes()[: error.start].count(b"\n") + 1
                faults.append(TextFault(file, line, "This is not UTF-8: save the file in that encoding."))
    if faults:
        raise FolderUnreadable(faults)
    return texts


def _stamps(folder: Path) -> _Stamps:
    def stamp(path: Path) -> tuple[int, int, int]:
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    return {str(path): stamp(path) for path in files_in(folder)}
