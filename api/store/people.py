"""Who signs in: users, their sessions, second factors and keys."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, delete, select, update

from api.store.database import in_words
from api.store.rows import ApiKey, Row, SecondFactor, StoredSession, User
from api.store.schema import api_keys, second_factors, sessions, users
from api.store.statements import Statements


class PeopleStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ users

    async def user(self, identity: str) -> User | None:
        """Who may sign in under this identity; None for nobody, and for somebody disabled."""
        rows = await self._rows(select(users).where(users.c.identity == identity, users.c.disabled.is_(False)))
        return _user(rows[0]) if rows else None

    async def users(self) -> list[User]:
        """Everybody, disabled ones too, by identity."""
        return [_user(row) for row in await self._rows(select(users).order_by(users.c.identity))]

    async def members_of(self, teams: Iterable[str]) -> list[str]:
        """Who is in one of these teams and may sign in."""
        wanted = frozenset(teams)
        rows = await self._rows(select(users.c.identity, users.c.teams).where(users.c.disabled.is_(False), users.c.teams != ""))
        return [row["identity"] for row in rows if wanted & {*row["teams"].split()}]

    async def teams_of(self, identity: str) -> frozenset[str]:
        """In which teams somebody is, or was when they were disabled; of nobody: none."""
        rows = await self._rows(select(users.c.teams).where(users.c.identity == identity))
        return frozenset(rows[0]["teams"].split()) if rows else frozenset()

    async def identities_in(self, teams: Collection[str]) -> list[str]:
        """Who is in one of these teams."""
        return [user.identity for user in await self.users() if user.teams.intersection(teams)]

    async def save_user(
        self,
        identity: str,
        *,
        name: str,
        role: str,
        password_hash: str,
        teams: Iterable[str] = (),
        disabled: bool = False,
        at: float | None = None,
        by: str = "",
    ) -> None:
        """Make this user, or change the one who has this identity. ``at``: when; now by default.

        Where role, teams or the right to sign in change, the sessions of before end: they say what is true no more.
        """
        row: Row = {
            "identity": identity,
            "name": name,
            "role": role,
            "password_hash": password_hash,
            "disabled": disabled,
            "teams": " ".join(sorted(teams)),
        }
        now = time.time() if at is None else at
        made = {**row, "created_at": now, "last_sign_in_at": None}
        ruling = [users.c[column] for column in ("role", "teams", "disabled")]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                before = (await connection.execute(select(*ruling).where(users.c.identity == identity))).mappings().first()
                statement = self._insert(users).values(made)
                await connection.execute(statement.on_conflict_do_update(index_elements=["identity"], set_=row))
                if before is not None and any(before[column.name] != row[column.name] for column in ruling):
                    await connection.execute(_ending(sessions.c.identity == identity, now, by))

    async def set_password_hash(self, identity: str, password_hash: str) -> None:
        await self._update_user(identity, {"password_hash": password_hash})

    async def signed_in(self, identity: str, at: float) -> None:
        """Note when this user last signed in, in seconds since the epoch."""
        await self._update_user(identity, {"last_sign_in_at": at})

    async def _update_user(self, identity: str, values: Row) -> None:
        await self._update(update(users).where(users.c.identity == identity).values(values))

    # ------------------------------------------------------------------ sessions

    async def open_session(self, session: StoredSession) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(sessions.insert().values(asdict(session)))

    async def session(self, session_id: str) -> StoredSession | None:
        rows = await self._rows(select(sessions).where(sessions.c.session_id == session_id))
        return StoredSession(**rows[0]) if rows else None

    async def open_sessions(self, identity: str) -> list[StoredSession]:
        """Those that nobody ended, newest first; some may be over by their age."""
        mine = and_(sessions.c.identity == identity, sessions.c.ended_at.is_(None))
        query = select(sessions).where(mine).order_by(sessions.c.created_at.desc(), sessions.c.session_id)
        return [StoredSession(**row) for row in await self._rows(query)]

    async def ended_sessions(self, since: float) -> list[StoredSession]:
        """Those that somebody ended at or after ``since``."""
        return [StoredSession(**row) for row in await self._rows(select(sessions).where(sessions.c.ended_at >= since))]

    async def saw_session(self, session_id: str, at: float) -> None:
        await self._update(update(sessions).where(sessions.c.session_id == session_id).values(seen_at=at))

    async def end_session(self, session_id: str, identity: str, at: float, by: str) -> bool:
        """Was it this person's, and open until now?"""
        return bool(await self._update(_ending(and_(sessions.c.session_id == session_id, sessions.c.identity == identity), at, by)))

    async def end_sessions(self, identity: str, at: float, by: str, *, but: str = "") -> int:
        """How many were open until now. ``but``: this one stays."""
        return await self._update(_ending(and_(sessions.c.identity == identity, sessions.c.session_id != but), at, by))

    async def forget_sessions(self, before: float) -> int:
        """Drop those of before ``before``. How many they were."""
        return await self._update(delete(sessions).where(sessions.c.created_at < before))

    async def is_trusted(self, identity: str, device_hash: str, place: str, since: float) -> bool:
        """Did this person give the second factor on this device, from this place, since then?"""
        given = and_(sessions.c.identity == identity, sessions.c.second_factor.is_(True), sessions.c.created_at >= since)
        here = and_(sessions.c.device_hash == device_hash, sessions.c.place == place)
        return bool(await self._rows(select(sessions.c.session_id).where(given, here).limit(1)))

    async def is_known(self, identity: str, device_hash: str, place: str) -> bool:
        """Did this person sign in on this device, from this place, before?"""
        here = and_(sessions.c.identity == identity, sessions.c.device_hash == device_hash, sessions.c.place == place)
        return bool(await self._rows(select(sessions.c.session_id).where(here).limit(1)))

    # ------------------------------------------------------------------ second factors

    async def protected(self) -> frozenset[str]:
        """Who has one, and has confirmed it."""
        rows = await self._rows(select(second_factors.c.identity).where(second_factors.c.confirmed_at.is_not(None)))
        return frozenset(row["identity"] for row in rows)

    async def second_factor(self, identity: str) -> SecondFactor | None:
        rows = await self._rows(select(second_factors).where(second_factors.c.identity == identity))
        return SecondFactor(**{**rows[0], "recovery": tuple(rows[0]["recovery"].split())}) if rows else None

    async def begin_second_factor(self, identity: str, secret: str) -> bool:
        """Keep a sealed secret that waits to be confirmed. False where a confirmed one is there."""
        row: Row = {"identity": identity, "secret": secret, "confirmed_at": None, "last_step": 0, "recovery": ""}
        statement = self._insert(second_factors).values(row)
        begun = statement.on_conflict_do_update(index_elements=["identity"], set_=row, where=second_factors.c.confirmed_at.is_(None))
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return bool((await connection.execute(begun)).rowcount)

    async def confirm_second_factor(self, identity: str, at: float, step: int, recovery: Sequence[str]) -> None:
        values = {"confirmed_at": at, "last_step": step, "recovery": " ".join(recovery)}
        await self._update(update(second_factors).where(second_factors.c.identity == identity).values(values))

    async def use_step(self, identity: str, step: int) -> bool:
        """Note that the code of this time step is used. False where it, or a later one, was."""
        unused = and_(second_factors.c.identity == identity, second_factors.c.last_step < step)
        return bool(await self._update(update(second_factors).where(unused).values(last_step=step)))

    async def use_recovery(self, factor: SecondFactor, digest: str) -> bool:
        """Strike a recovery code off. False where another sign-in was faster."""
        left = " ".join(code for code in factor.recovery if code != digest)
        as_read = and_(second_factors.c.identity == factor.identity, second_factors.c.recovery == " ".join(factor.recovery))
        return bool(await self._update(update(second_factors).where(as_read).values(recovery=left)))

    async def drop_second_factor(self, identity: str) -> bool:
        return bool(await self._update(delete(second_factors).where(second_factors.c.identity == identity)))

    # ------------------------------------------------------------------ keys

    async def save_key(self, key: ApiKey) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(api_keys.insert().values({**asdict(key), "scopes": " ".join(key.scopes)}))

    async def key(self, key_id: str) -> ApiKey | None:
        rows = await self._rows(select(api_keys).where(api_keys.c.key_id == key_id))
        return _key(rows[0]) if rows else None

    async def keys(self) -> list[ApiKey]:
        """All that were not revoked, newest first."""
        query = select(api_keys).where(api_keys.c.revoked_at.is_(None)).order_by(api_keys.c.created_at.desc(), api_keys.c.key_id)
        return [_key(row) for row in await self._rows(query)]

    async def used_key(self, key_id: str, at: float) -> None:
        await self._update(update(api_keys).where(api_keys.c.key_id == key_id).values(used_at=at))

    async def revoke_key(self, key_id: str, at: float) -> bool:
        """Was it good until now?"""
        good = and_(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
        return bool(await self._update(update(api_keys).where(good).values(revoked_at=at)))


def _ending(which: Any, at: float, by: str) -> Any:
    return update(sessions).where(which, sessions.c.ended_at.is_(None)).values(ended_at=at, ended_by=by)


def _user(row: Any) -> User:
    return User(**{**row, "teams": frozenset(row["teams"].split())})


def _key(row: Any) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(row["scopes"].split())})
