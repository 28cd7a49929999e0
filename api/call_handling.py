"""Forwarding and do-not-disturb: what people set, kept in the database and told to call control of every node.

A forward is checked when it is set, on the account of whom it is: the number, the line, and whether it may be called at all, with the same
confirming as when it is dialled. When a call is led on, it is asked for again (``api/tolls.py``), and counts for that person.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from api.store import StoreUnavailable
from api.store.call_handling import CallHandlingStore
from api.store.rows import StoredHandling
from rooms.events import Event, HandlingChanged
from rooms.handling import Handling
from rooms.move import Target
from signaling import messages as wire
from signaling.refusal import Refusal

log = structlog.get_logger()
_FORWARDS = ("always", "busy", "no_answer", "offline")


class CallHandling:
    """``reached(text)`` says where what was written is reached, or raises ``Refusal``; ``ask(who, text)`` whether that person may call it.

    ``exists``: is there somebody of this identity? ``feed`` tells call control, ``tell_nodes`` the other nodes, ``wish(who, takes calls)``
    everybody who sees them: who does not want to be disturbed is shown to take no calls. A forward to a colleague is written ``@identity``.
    """

    def __init__(
        self,
        store: CallHandlingStore,
        *,
        reached: Callable[[str], Target],
        ask: Callable[[str, str], None],
        exists: Callable[[str], Awaitable[bool]],
        feed: Callable[[Event], None],
        tell_nodes: Callable[[str], None],
        wish: Callable[[str, bool], None],
    ) -> None:
        self._store = store
        self._reached = reached
        self._ask = ask
        self._exists = exists
        self._feed = feed
        self._tell_nodes = tell_nodes
        self._wish = wish
        self._quiet: set[str] = set()

    async def restore(self) -> None:
        """What everybody wished before this start."""
        for stored in await self._store.everybodys():
            self._apply(stored)

    async def look(self, identity: str) -> None:
        """Another node was told something new."""
        try:
            stored = await self._store.of(identity)
        except StoreUnavailable:
            log.warning("handling.unread", detail="Another node changed how somebody's calls are handled; the database does not answer.")
            return
        if stored is not None:
            self._apply(stored)

    async def read(self, identity: str) -> wire.CallHandling:
        stored = await self._store.of(identity)
        return _shown(stored or StoredHandling(identity, False, "", "", "", "", Handling().no_answer_s))

    async def set(self, identity: str, wish: wire.SetHandling) -> wire.CallHandling:
        """Raises ``Refusal`` for what cannot be called, or not by this person."""
        stored = StoredHandling(
            identity,
            wish.do_not_disturb,
            wish.always.strip(),
            wish.busy.strip(),
            wish.no_answer.strip(),
            wish.offline.strip(),
            wish.no_answer_s,
        )
        before = await self._store.of(identity)
        for name in _FORWARDS:
            text = getattr(stored, name)
            if not text or (before is not None and text == getattr(before, name)):
                continue
            colleague = _colleague(text)
            if colleague == identity or (colleague and not await self._exists(colleague)):
                raise Refusal("no_such_colleague", "Your calls can be forwarded to a colleague who is known here, or to a number.")
            if not colleague:
                self._reached(text)
                self._ask(identity, text)
        await self._store.keep(stored)
        self._apply(stored)
        self._tell_nodes(identity)
        return _shown(stored)

    async def disturb(self, identity: str) -> None:
        """This person takes calls again."""
        stored = await self._store.of(identity) if identity in self._quiet else None
        if stored is not None:
            stored = replace(stored, do_not_disturb=False)
            await self._store.keep(stored)
            self._apply(stored)
            self._tell_nodes(identity)

    def _apply(self, stored: StoredHandling) -> None:
        targets: dict[str, Target] = {}
        for name in _FORWARDS:
            text = getattr(stored, name)
            if text:
                try:
                    targets[name] = Target(agent=_colleague(text)) if _colleague(text) else self._reached(text)
                except Refusal as refused:  # a number that was good once: the line is gone, or its numbers are read otherwise now
                    log.warning("handling.unreachable", who=stored.identity, forward=name, code=refused.code)
        always, busy, no_answer, offline = (targets.get(name) for name in _FORWARDS)
        handling = Handling(stored.do_not_disturb, always, busy, no_answer, offline, stored.no_answer_s)
        self._feed(HandlingChanged(stored.identity, handling))
        if stored.do_not_disturb is not (stored.identity in self._quiet):
            (self._quiet.add if stored.do_not_disturb else self._quiet.discard)(stored.identity)
            self._wish(stored.identity, not stored.do_not_disturb)


def _colleague(text: str) -> str:
    return text.removeprefix("@") if text.startswith("@") else ""


def _shown(stored: StoredHandling) -> wire.CallHandling:
    return wire.CallHandling(
        do_not_disturb=stored.do_not_disturb,
        always=stored.always,
        busy=stored.busy,
        no_answer=stored.no_answer,
        offline=stored.offline,
        no_answer_s=stored.no_answer_s,
    )
