"""What administrators do with other people's accounts."""

from collections.abc import Callable

from api.identity.accounts import Accounts
from api.identity.devices import Device
from api.identity.passwords import NO_PASSWORD, Passwords
from api.identity.wire import SavedUser
from api.store import User
from api.store.people import PeopleStore
from signaling.grants import GUEST_PREFIX, Grant, Role
from signaling.refusal import Refusal


def refuse_guest(identity: str) -> None:
    """Raises ``Refusal`` for a name that only guests have."""
    if identity.startswith(GUEST_PREFIX):
        raise Refusal("bad_message", f"Names that begin with {GUEST_PREFIX} are those of guests: choose another.")


class Users:
    """Each change ends the sessions that say otherwise and is written to the audit. ``now``: seconds since the epoch."""

    def __init__(self, store: PeopleStore, accounts: Accounts, passwords: Passwords, now: Callable[[], float]) -> None:
        self._store = store
        self._accounts = accounts
        self._passwords = passwords
        self._now = now

    async def all(self) -> list[User]:
        """Disabled ones too, by identity."""
        return await self._store.users()

    async def protected(self) -> frozenset[str]:
        """Who has a second factor."""
        return await self._store.protected()

    async def colleagues(self) -> list[User]:
        """People who may sign in, by name. Programs are none."""
        people = [user for user in await self._store.users() if not user.disabled and user.role != Role.SERVICE]
        return sorted(people, key=lambda user: user.name.casefold())

    async def save(self, identity: str, wanted: SavedUser, by: Grant, device: Device) -> bool:
        """Make or change; was it made? Raises ``Refusal``."""
        refuse_guest(identity)
        before = next((user for user in await self._store.users() if user.identity == identity), None)
        if identity == by.identity and (wanted.disabled or (wanted.role is not None and wanted.role != by.role)):
            raise Refusal("forbidden", "Nobody takes their own rights away: ask another administrator.")
        if before is None and (wanted.name is None or wanted.role is None):
            raise Refusal("bad_message", "A new user needs a name and a role.")
        name = wanted.name or (before.name if before is not None else identity)
        if wanted.password is not None:
            await self._passwords.check_new(wanted.password, identity, name)
            password_hash = await self._passwords.hash(wanted.password)
        else:
            password_hash = before.password_hash if before is not None else NO_PASSWORD
        role = wanted.role or (Role(before.role) if before is not None else Role.AGENT)
        teams = wanted.teams if wanted.teams is not None else sorted(before.teams if before is not None else ())
        disabled = wanted.disabled if wanted.disabled is not None else before is not None and before.disabled
        await self._store.save_user(
            identity,
            name=name,
            role=role,
            password_hash=password_hash,
            teams=teams,
            disabled=disabled,
            at=self._now(),
            by=by.identity,
        )
        if wanted.password is not None and before is not None:
            await self._end_all(identity, by)
        await self._accounts.sessions.look()
        detail = f"{role}{', teams ' + ' '.join(teams) if teams else ''}{', disabled' if disabled else ''}"
        detail += ", new password" if wanted.password is not None else ""
        self._accounts.log.note("user_made" if before is None else "user_changed", identity, device=device, by=by.identity, detail=detail)
        return before is None

    async def end_sessions(self, identity: str, by: Grant, device: Device) -> int:
        """How many this person had."""
        ended = await self._end_all(identity, by)
        self._accounts.log.note("session_ended", identity, device=device, by=by.identity, detail=f"all {ended}")
        return ended

    async def _end_all(self, identity: str, by: Grant) -> int:
        """Who ends their own stays here."""
        return await self._accounts.sessions.end_all(identity, by.identity, but=by.session_id if identity == by.identity else "")

    async def drop_second_factor(self, identity: str, by: Grant, device: Device) -> None:
        """For who has lost it; their sessions end. Raises ``Refusal``."""
        if not await self._accounts.factors.drop(identity):
            raise Refusal("second_factor_off", "This person has no second factor.")
        self._accounts.log.note("second_factor_off", identity, device=device, by=by.identity)
        await self.end_sessions(identity, by, device)
