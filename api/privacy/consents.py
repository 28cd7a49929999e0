"""The register of consents: who was asked or told what, for which purpose, when and how, and what they said. All purposes write to it and
ask it; silence is no.

Two kinds of words stand in it. What counts from then on (a page's box, a word to an agent, a list, REST) has no end, or the one that it was
given. What was said to one call, message or consultation (a key, a voice behind the tone, a page's button there) is about that one alone:
its ``until_at`` is its own moment, so that nobody is recorded tomorrow because they pressed a key today.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Annotated, Literal, Self, get_args

import structlog
from msgspec import Meta, Struct

from api.privacy.vault import Vault
from api.store.consents import Consent, ConsentStore
from api.store.contacts import Contact, ContactStore
from api.store.errors import StoreUnavailable

log = structlog.get_logger()

Purpose = Literal["survey", "call_recording", "consultation_recording", "voicemail", "marketing", "analytics", "call_back"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
"""``survey``: to be asked how a call or a consultation was. ``call_recording``, ``consultation_recording``, ``voicemail``: that their voice
is kept. ``marketing``: to be called by a campaign. ``analytics``: to be counted as a person; nothing here does so. ``call_back``: to be
called about what they asked for on a page."""
Means = Literal["spoken", "voice", "page", "rest", "agent", "list"]
"""``spoken``: a sentence, and a key where it asks for one. ``voice``: what they said behind the tone. ``agent``: they said it to an agent.
``list``: it came with a list of numbers."""
Answer = Literal["yes", "no", "withdrawn", "told"]

_MOST_WAITING = 10_000
_RETRY_S = 2.0
_DRAIN_S = 3.0
_MOST_CONTACTS = 5


class SaidConsent(Struct, frozen=True, forbid_unknown_fields=True):
    """``wording``: what the customer was asked, in this ``language``. ``until_at``: seconds since the epoch; null: until taken back."""

    given: bool
    wording: Annotated[str, Meta(min_length=1, max_length=1_000)]
    language: Annotated[str, Meta(max_length=16)] = ""
    until_at: Annotated[float, Meta(gt=0, le=1e11)] | None = None


Note = Callable[[str, str, str, str], None]


class Consents:
    """``async with``: owns the task that writes what was said in calls, and nobody waits for; leaving writes what waits, for at most three
    seconds. ``note`` is the audit's. ``now``: seconds since the epoch. What is awaited raises ``StoreUnavailable``.
    """

    def __init__(
        self, store: ConsentStore, contacts: ContactStore, vault: Vault, *, note: Note, now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._contacts, self._vault, self._note = store, contacts, vault, note
        self._now = now
        self._waiting: deque[tuple[str, Consent]] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.counts = {"kept": 0.0, "lost": 0.0}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_on(), name="consents")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.written(), _DRAIN_S)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting:  # the audit has them all the same
            log.error("consents.lost", words=len(self._waiting))

    # ------------------------------------------------------------------ asking

    async def given(self, handles: Sequence[str], purpose: Purpose) -> bool:
        """Did whoever has one of these handles agree, and not take it back, and does it count now?"""
        said = _standing(await self._store.said(handles, purpose))
        return said is not None and said.given and (said.until_at is None or said.until_at > self._now())

    async def objects(self, handles: Sequence[str], purpose: Purpose) -> bool:
        """Did they take it back, or say no to it for good?"""
        said = _standing(await self._store.said(handles, purpose))
        return said is not None and not said.given

    async def objecting(self, handles: Collection[str], purpose: Purpose) -> dict[str, float]:
        """Who of these objects, each by their handle, and since when."""
        standing = {handle: _standing(said) for handle, said in (await self._store.of_many(handles, purpose)).items()}
        return {handle: said.at for handle, said in standing.items() if said is not None and not said.given}

    async def handles_of_number(self, e164: str) -> list[str]:
        """Of whoever has this number: its own, and those of the contacts that have it."""
        known = await self._contacts.by_number(e164, _MOST_CONTACTS)
        return [self._vault.number(e164), *(self._vault.person("contact", contact.contact_id) for contact in known)]

    def handles_of(self, contact: Contact) -> list[str]:
        """Of a contact, their numbers and their address: whatever somebody is known by in a call counts for them."""
        mail = [self._vault.email(contact.email)] if contact.email else []
        return [self._vault.person("contact", contact.contact_id), *map(self._vault.number, contact.numbers), *mail]

    async def of(self, handles: Sequence[str]) -> list[Consent]:
        """All they said, the newest first."""
        return await self._store.said(handles)

    # ------------------------------------------------------------------ saying

    async def say(
        self,
        handles: str | Sequence[str],
        purpose: Purpose,
        said: SaidConsent,
        by: str = "",
        *,
        means: Means = "page",
        about: str = "",
    ) -> None:
        """What counts from now on. ``by``: who notes it; empty: the customer does."""
        told = self._consent(purpose, "yes" if said.given else "withdrawn", said.wording, said.language, means, by, about, said.until_at)
        whose = [handles] if isinstance(handles, str) else list(handles)
        await self._store.add_all([(handle, told) for handle in whose])
        self._note("consent_given" if said.given else "consent_taken_back", by, purpose, whose[0])

    def say_once(
        self, handle: str, purpose: Purpose, answer: Answer, wording: str, *, language: str = "", means: Means, about: str, by: str = ""
    ) -> None:
        """What was said to, or told in, one call, message or consultation (``about``). Returns at once; it is written when the database
        takes it. Beyond 10,000 that wait the newest are lost and counted, and are in the audit alone."""
        self._note(f"consent_{_AUDITED[answer]}", by, f"{purpose} {about}", handle)
        if len(self._waiting) >= _MOST_WAITING:
            self.counts["lost"] += 1
            return
        at = self._now()
        self._waiting.append((handle, self._consent(purpose, answer, wording, language, means, by, about, at)))
        self._idle.clear()
        self._wanted.set()

    async def listed(self, said: Iterable[tuple[str, str, float, str]], purpose: Purpose, by: str) -> None:
        """What a list of people brings along: (handle, wording, when they agreed, id) each."""
        rows = [
            (handle, Consent(purpose, True, wording, at, by, "yes", "", version_of(wording), "list", about))
            for handle, wording, at, about in said
        ]
        await self._store.add_all(rows)

    async def written(self) -> None:
        """Wait until all that was said so far is in the database."""
        await self._idle.wait()

    def _consent(
        self, purpose: Purpose, answer: Answer, wording: str, language: str, means: Means, by: str, about: str, until_at: float | None
    ) -> Consent:
        version = version_of(wording)
        return Consent(purpose, answer == "yes", wording, self._now(), by, answer, language, version, means, about, until_at)

    async def _write_on(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                batch = list(self._waiting)
                try:
                    await self._store.add_all(batch)
                except StoreUnavailable as error:
                    log.error("consents.away", detail=str(error), waiting=len(self._waiting))
                    await asyncio.sleep(_RETRY_S)
                    continue
                for _ in batch:
                    self._waiting.popleft()
                self.counts["kept"] += len(batch)
            self._idle.set()


_AUDITED = {"yes": "given", "no": "refused", "withdrawn": "taken_back", "told": "told"}


def version_of(wording: str) -> str:
    """The same for the same words, and of no use to find them by; empty for none."""
    return hashlib.blake2b(wording.encode(), digest_size=6).hexdigest() if wording else ""


def _standing(said: Sequence[Consent]) -> Consent | None:
    """The newest word that is not about one moment alone; of before, every word stands."""
    return next((word for word in said if word.until_at is None or word.until_at > word.at), None)
