"""People, extensions, queues and numbers of a 3CX, taken into our store."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from api.identity.passwords import NO_PASSWORD
from api.store.pbx import PbxDidRow, PbxExtension, PbxQueueRow, PbxStore
from api.store.people import PeopleStore
from pbx.threecx.directory import PbxUser
from pbx.threecx.xapi import Xapi
from signaling.grants import GUEST_PREFIX, Role

log = structlog.get_logger()
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 64


def identities_of(users: Sequence[PbxUser], people: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Which of ``people`` has which extension: identity by number. As ``given`` says (extension by identity), else who is named like the
    e-mail address or the number, else like the part of the address before the @. Nobody has two."""
    known = {identity.casefold(): identity for identity in people}
    found = {number: known[identity.casefold()] for identity, number in given.items() if identity.casefold() in known}
    taken = {identity.casefold() for identity in given}
    for names in (lambda user: (user.email, user.number), lambda user: (user.email.partition("@")[0],)):
        for user in users:
            fitting = (name.casefold() for name in names(user) if name.casefold() in known and name.casefold() not in taken)
            if user.number not in found and user.number not in given.values() and (name := next(fitting, "")):
                found[user.number] = known[name]
                taken.add(name)
    return found


def new_identity(user: PbxUser, people: Iterable[str]) -> str | None:
    """What somebody is called here who is not there yet: the part of the e-mail address before the @, else the number. None where both
    are names of others."""
    known = {identity.casefold() for identity in people}
    for name in (user.email.partition("@")[0], user.number):
        made = _STRANGE.sub(".", name).strip(".")[:_LONGEST]
        if made and made.casefold() not in known and not made.startswith(GUEST_PREFIX):
            return made
    return None


class ThreeCxImport:
    """``given``: extension by identity. ``own_numbers``: of our line, nobody's. ``make_people``: whoever has an extension and is unknown
    here becomes an agent of their departments, without a password, to whom an administrator gives one, or another issuer a way in."""

    def __init__(
        self,
        xapi: Xapi,
        store: PbxStore,
        people: PeopleStore,
        *,
        given: Mapping[str, str],
        own_numbers: frozenset[str] = frozenset(),
        make_people: bool,
        note: Callable[..., None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._xapi, self._store, self._people = xapi, store, people
        self._own_numbers = own_numbers
        self._given, self._make_people, self._note, self._clock = given, make_people, note, clock

    async def run(self) -> list[PbxExtension]:
        """Ask for everything and keep it. Raises ``ThreeCxFault``, ``StoreUnavailable``; then what was known stays."""
        users = [user for user in await self._xapi.users() if user.number]
        queues = await self._xapi.queues()
        dids = await self._xapi.dids()
        here = await self._people.users()
        now = self._clock()
        extensions = []
        names = [each.identity for each in here]
        identities = identities_of(users, names, self._given)
        for user in users:
            identity = identities.get(user.number)
            if identity is None and self._make_people and user.number not in {*self._given.values(), *self._own_numbers}:
                identity = await self._make(user, names, now)
            extensions.append(
                PbxExtension(user.number, user.id, user.name, user.email, identity, user.profile, user.queue_status, user.registered, now)
            )
        await self._store.replace(
            extensions,
            [PbxQueueRow(queue.number, queue.name, list(queue.agents), now) for queue in queues if queue.number],
            [PbxDidRow(did.number, did.name, did.target, now) for did in {did.number: did for did in dids}.values()],
        )
        log.info("threecx.imported", extensions=len(extensions), queues=len(queues), dids=len(dids))
        return extensions

    async def _make(self, user: PbxUser, names: list[str], now: float) -> str | None:
        made = new_identity(user, names)
        if made is None:
            return None
        teams = [_STRANGE.sub("-", department) for department in await self._xapi.departments_of(user)]
        await self._people.save_user(made, name=user.name or made, role=Role.AGENT, password_hash=NO_PASSWORD, teams=teams, at=now)
        self._note("user_made", made, by="3CX", detail=f"{Role.AGENT}, without a password")
        names.append(made)
        return made
