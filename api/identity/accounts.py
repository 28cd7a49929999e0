"""Signing in: the password, the second factor where it is asked for, slowed guessing; and what the account's owner changes in it.

An unknown name and a wrong password take the same time and get the same answer, so names cannot be found out by trying.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import structlog
from msgspec.structs import replace

from api.audit.audit import Audit
from api.identity.api_keys import PREFIX, ApiKeys
from api.identity.devices import Device
from api.identity.oidc import Arrived
from api.identity.passwords import Passwords
from api.identity.second_factor import SecondFactors
from api.identity.sessions import Sessions
from api.store import StoreUnavailable, User
from signaling.grants import Grant, authorise
from signaling.limits import Backoff, TokenBucket, network_of
from signaling.messages import AnyRequest, IceServer, Session, SignIn
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

log = structlog.get_logger()
Perform = Callable[[Grant, AnyRequest], Awaitable[object]]
_ABUSE_AT_ONCE = 60.0
_TRUSTED_S = 30 * 86_400.0
"""So long a device from which the second factor was given is not asked again where it is."""


class UserStore(Protocol):
    async def user(self, identity: str) -> User | None: ...

    async def set_password_hash(self, identity: str, password_hash: str) -> None: ...

    async def signed_in(self, identity: str, at: float) -> None: ...

    async def is_trusted(self, identity: str, device_hash: str, place: str, since: float) -> bool: ...

    async def is_known(self, identity: str, device_hash: str, place: str) -> bool: ...


class Accounts:
    """``on_sign_in`` hears of each attempt whether it succeeded. ``clock`` is monotonic seconds, ``now`` seconds since the epoch.

    ``ask_code``: when who has a second factor is asked for it: on a ``new device`` or from a new place, or ``always``.
    """

    def __init__(
        self,
        store: UserStore,
        tokens: TokenIssuer,
        *,
        passwords: Passwords,
        sessions: Sessions,
        factors: SecondFactors,
        keys: ApiKeys,
        audit: Audit,
        ask_code: Literal["new device", "always"] = "new device",
        on_sign_in: Callable[[bool], None] = lambda succeeded: None,
        relays: Callable[[str], list[IceServer]] = lambda identity: [],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._passwords = passwords
        self.sessions = sessions
        self.factors = factors
        self.keys = keys
        self.log = audit
        self._ask_code = ask_code
        self._on_sign_in = on_sign_in
        self._relays = relays
        self._clock = clock
        self._now = now
        self._guesses = Backoff(free=5)
        self._guesses_of_address = Backoff(free=30)
        self._guesses_of_code = Backoff(free=5)
        self._abuse = TokenBucket(1.0, _ABUSE_AT_ONCE, clock())

    # ------------------------------------------------------------------ signing in

    async def sign_in(self, request: SignIn, device: Device) -> Session:
        """A session for who knows the password, and the second factor where it is asked for.

        Raises ``Refusal``: ``wrong_password``, ``second_factor_required``, ``wrong_code``, or ``too_many_requests`` with the time to wait.
        Guesses are counted per name and address, and per address over all names. Not per name alone: anybody could lock anybody out.
        """
        try:
            user = await self._who_knows(request.user, request.password, device)
            given = await self._second_factor(user, request.code, device)
        except Refusal as refusal:
            if refusal.code in ("wrong_password", "wrong_code"):
                self._on_sign_in(False)
            raise
        if self._passwords.is_outdated(user.password_hash):
            await self._renew_hash(user.identity, request.password)
        return await self._let_in(user, device, second_factor=given, how="password and code" if given else "password")

    async def sign_in_by_issuer(self, arrived: Arrived, device: Device) -> Session:
        """A session for whom another issuer knows; the second factor is that issuer's to ask for. Raises ``Refusal`` (``not_a_user``)."""
        user = await self._store.user(arrived.identity)
        if user is None:
            self.log.note("sign_in_refused", "", device=device, detail="by issuer: nobody of ours")
            self._on_sign_in(False)
            raise Refusal("not_a_user", "You are known to the issuer but have no account here: ask an administrator for one.")
        return await self._let_in(user, device, second_factor=arrived.second_factor, how="by issuer")

    async def _let_in(self, user: User, device: Device, *, second_factor: bool, how: str) -> Session:
        """A new session for somebody who has shown who they are."""
        known = await self._store.is_known(user.identity, device.digest, device.place)
        session_id = await self.sessions.open(user.identity, device, second_factor=second_factor)
        await self._store.signed_in(user.identity, self._now())
        self.log.note("sign_in", user.identity, device=device, detail=how if known else f"{how}, new device or place")
        self._on_sign_in(True)
        return self._session(user, session_id)

    async def _who_knows(self, identity: str, password: str, device: Device) -> User:
        """Who has this name and this password. Raises ``Refusal``."""
        who = network_of(device.address)
        pair = f"{identity.lower()} {who}"
        now = self._clock()
        wait = max(self._guesses.wait(pair, now), self._guesses_of_address.wait(who, now))
        if wait > 0.0:
            self.log.note("sign_in_refused", "", device=device, detail="locked out after wrong passwords")
            raise Refusal("too_many_requests", f"Too many wrong passwords: try again in {wait:.0f} s.", wait)
        # Counted before the check and forgiven after it, so that many guesses at once are as dear as one after another.
        self._guesses.failed(pair, now)
        self._guesses_of_address.failed(who, now)
        user = await self._store.user(identity)
        matches = await self._passwords.matches(None if user is None else user.password_hash or None, password)
        if user is None or not matches:
            # A name that is nobody's is not written down: people type their password there by mistake.
            detail = "wrong password" if user is not None else "unknown name"
            self.log.note("sign_in_refused", user.identity if user is not None else "", device=device, detail=detail)
            raise Refusal("wrong_password", "User name or password is wrong.")
        self._guesses.succeeded(pair)
        self._guesses_of_address.forgiven(who)
        return user

    async def _second_factor(self, user: User, code: str, device: Device) -> bool:
        """Was it given? Raises ``Refusal`` where it has to be and was not."""
        factor = await self.factors.of(user.identity)
        if factor is None:
            return False
        if not code:
            trusted = self._ask_code == "new device" and bool(device.digest)
            since = self._now() - _TRUSTED_S
            if trusted and await self._store.is_trusted(user.identity, device.digest, device.place, since):
                return False
            self.log.note("sign_in_refused", user.identity, device=device, detail="second factor asked for")
            raise Refusal("second_factor_required", "You are on a new device or in a new place: the code of your app is needed too.")
        await self._check_code(user.identity, code, device)
        return True

    async def _check_code(self, identity: str, code: str, device: Device) -> None:
        """Codes are short, so guesses count per person, wherever they come from: who gets here knows the password."""
        now = self._clock()
        wait = self._guesses_of_code.wait(identity, now)
        if wait > 0.0:
            self.log.note("sign_in_refused", identity, device=device, detail="locked out after wrong codes")
            raise Refusal("too_many_requests", f"Too many wrong codes: try again in {wait:.0f} s.", wait)
        self._guesses_of_code.failed(identity, now)
        factor = await self.factors.of(identity)
        if factor is None:
            raise Refusal("second_factor_off", "There is no second factor on this account.")
        try:
            kind = await self.factors.check(factor, code)
        except Refusal:
            self.log.note("sign_in_refused", identity, device=device, detail="wrong code")
            raise
        self._guesses_of_code.succeeded(identity)
        if kind == "recovery code":
            self.log.note("recovery_code_used", identity, device=device, detail=f"{len(factor.recovery) - 1} left")

    # ------------------------------------------------------------------ who somebody is

    async def identify(self, token: str) -> Grant:
        """Whose token or key this is. Raises ``Refusal``."""
        if token.startswith(PREFIX):
            return await self.keys.identify(token)
        grant = self.sessions.verify(token)
        self.sessions.touch(grant)
        return grant

    async def renew(self, grant: Grant) -> Session:
        """The next token of a session; name, role and teams as they are now. Raises ``Refusal`` where it may not go on."""
        try:
            user = await self._store.user(grant.identity)
            if user is None:
                raise Refusal("token_revoked", "This account is no more: please ask an administrator.")
            await self.sessions.check_renewable(grant)
        except StoreUnavailable as error:
            raise store_away(error) from None
        return self._session(user, grant.session_id, grant.signed_in_at)

    def _session(self, user: User, session_id: str, signed_in_at: float | None = None) -> Session:
        session = self._tokens.issue(
            user.identity, user.name, user.role, signed_in_at=signed_in_at, session_id=session_id, teams=user.teams
        )
        return replace(session, ice_servers=self._relays(user.identity))

    def authorise(self, grant: Grant, request: AnyRequest) -> None:
        """Raises ``Refusal`` where a page's request is not for this person, and writes that down."""
        try:
            authorise(grant, request)
        except Refusal as refusal:
            self._note_forbidden(grant, request, refusal)
            raise

    def watched(self, perform: Perform) -> Perform:
        """The same, but who asks is not idle, and what is refused for want of rights is written down."""

        async def watched(grant: Grant, request: AnyRequest) -> object:
            self.sessions.touch(grant)
            try:
                return await perform(grant, request)
            except Refusal as refusal:
                self._note_forbidden(grant, request, refusal)
                raise
            except StoreUnavailable as error:
                raise store_away(error) from None

        return watched

    def note_abuse(self, identity: str, address: str, code: str) -> None:
        """Somebody tried to get round the guards of the hub. A flood of that is none of the log: a note a second; the metrics count all."""
        if self._abuse.take(self._clock()) <= 0.0:
            self.log.note("dismissed", identity, device=Device(address), detail=code)

    def _note_forbidden(self, grant: Grant, request: AnyRequest, refusal: Refusal) -> None:
        if refusal.code == "forbidden":
            asked = (str(request.__struct_config__.tag), getattr(request, "mode", ""), getattr(request, "call_id", ""))
            self.log.note("forbidden", grant.identity, detail=" ".join(filter(None, asked)))

    async def bar_link(self, link_id: str, by: str) -> None:
        """Who came by this link has no session any more, on any node. Raises ``Refusal``."""
        try:
            await self.sessions.bar(link_id, by)
        except StoreUnavailable as error:
            raise store_away(error) from None
        self.log.note("link_revoked", by, detail=link_id[:8])

    # ------------------------------------------------------------------ what the owner changes

    async def sign_out(self, grant: Grant, device: Device) -> None:
        await self.end_session(grant, grant.session_id, device)

    async def end_session(self, grant: Grant, session_id: str, device: Device) -> None:
        """One of the bearer's own. Raises ``Refusal`` (``unknown_session``)."""
        if not await self.sessions.end(session_id, grant.identity, grant.identity):
            raise Refusal("unknown_session", "You have no such session, or it was ended already.")
        own = session_id == grant.session_id
        self.log.note("signed_out" if own else "session_ended", grant.identity, device=device, detail="" if own else session_id[:8])

    async def end_other_sessions(self, grant: Grant, device: Device) -> int:
        """All of the bearer's but this one. How many they were."""
        ended = await self.sessions.end_all(grant.identity, grant.identity, but=grant.session_id)
        self.log.note("session_ended", grant.identity, device=device, detail=f"all {ended} others")
        return ended

    async def change_password(self, grant: Grant, password: str, new_password: str, device: Device) -> None:
        """Knowing the old one; the other sessions end. Raises ``Refusal``."""
        user = await self._who_knows(grant.identity, password, device)
        await self._passwords.check_new(new_password, user.identity, user.name)
        await self._store.set_password_hash(user.identity, await self._passwords.hash(new_password))
        self.log.note("password_changed", user.identity, device=device)
        await self.end_other_sessions(grant, device)

    async def begin_second_factor(self, grant: Grant, password: str, device: Device) -> tuple[str, str]:
        """A secret for an app, in base32 and as an address. Raises ``Refusal``."""
        await self._who_knows(grant.identity, password, device)
        return await self.factors.begin(grant.identity)

    async def confirm_second_factor(self, grant: Grant, code: str, device: Device) -> list[str]:
        """It is asked for from now on; the other sessions end. Returns the recovery codes. Raises ``Refusal``."""
        recovery = await self.factors.confirm(grant.identity, code)
        self.log.note("second_factor_on", grant.identity, device=device)
        await self.end_other_sessions(grant, device)
        return recovery

    async def end_second_factor(self, grant: Grant, password: str, code: str, device: Device) -> None:
        """Knowing both. Raises ``Refusal``."""
        await self._who_knows(grant.identity, password, device)
        await self._check_code(grant.identity, code, device)
        await self.factors.drop(grant.identity)
        self.log.note("second_factor_off", grant.identity, device=device)

    # ------------------------------------------------------------------

    async def _renew_hash(self, identity: str, password: str) -> None:
        """Our parameters have become stronger since: only now is the password known that the new hash needs."""
        try:
            await self._store.set_password_hash(identity, await self._passwords.hash(password))
        except StoreUnavailable as error:
            log.warning("sign_in.hash_not_renewed", detail=str(error))


def store_away(error: StoreUnavailable) -> Refusal:
    """What the person is told; the log has the details."""
    log.error("identity.store_unavailable", detail=str(error))
    return Refusal("store_unavailable", "The server's database does not answer: try again soon.", 5.0)
