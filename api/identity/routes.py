"""REST about accounts: one's own (sign-in, sessions, password, second factor), and for administrators users and keys.

What each route asks of its caller stands in ``api/guarded_routes.py``.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace

import msgspec
from aiohttp import web
from msgspec import Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of, line_of
from api.identity import wire
from api.identity.accounts import Accounts
from api.identity.api_keys import PREFIX
from api.identity.devices import Device
from api.identity.users import Users
from api.store import ApiKey
from signaling.grants import GUEST_PREFIX, Role, permissions_of
from signaling.messages import Identity, SignIn
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

DEVICE_COOKIE = "centralita_device"
"""Tells nobody who somebody is: a device by which a second factor was given is known by it."""
_DEVICE_KEPT_S = 400 * 86_400


class _Named(Struct, frozen=True):
    identity: Identity


class IdentityRoutes:
    """``address_of`` tells where a request comes from; ``https``: are we reached so; ``issuer``: does another one sign
    people in too."""

    def __init__(
        self,
        accounts: Accounts,
        users: Users,
        tokens: TokenIssuer,
        *,
        address_of: Callable[[web.Request], str],
        https: bool,
        issuer: bool = False,
    ) -> None:
        self._accounts = accounts
        self._users = users
        self._tokens = tokens
        self._address_of = address_of
        self._https = https
        self._issuer = issuer

    def add_to(self, app: web.Application) -> None:
        router = app.router
        router.add_get("/api/v1/sign-in", self._ways)
        router.add_post("/api/v1/sign-in", self._sign_in)
        router.add_post("/api/v1/sign-out", self._sign_out)
        router.add_get("/api/v1/account", self._account)
        router.add_post("/api/v1/account/password", self._password)
        router.add_get("/api/v1/account/events", self._events)
        router.add_get("/api/v1/account/sessions", self._sessions)
        router.add_delete("/api/v1/account/sessions", self._end_others)
        router.add_delete("/api/v1/account/sessions/{session_id}", self._end_session)
        router.add_post("/api/v1/account/second-factor", self._begin_second_factor)
        router.add_post("/api/v1/account/second-factor/confirm", self._confirm_second_factor)
        router.add_post("/api/v1/account/second-factor/end", self._end_second_factor)
        router.add_get("/api/v1/users", self._list_users)
        router.add_put("/api/v1/users/{identity}", self._save_user)
        router.add_delete("/api/v1/users/{identity}/sessions", self._end_sessions_of)
        router.add_delete("/api/v1/users/{identity}/second-factor", self._drop_second_factor)
        router.add_get("/api/v1/keys", self._list_keys)
        router.add_post("/api/v1/keys", self._make_key)
        router.add_delete("/api/v1/keys/{key_id}", self._revoke_key)
        router.add_post("/api/v1/tokens", self._make_token)

    def note_forbidden(self, request: web.Request, who: str, code: str) -> None:
        """Write down who asked for what is not for them."""
        self._accounts.log.note(code, who, device=self.device_of(request), detail=" ".join(line_of(request.match_info.route)))

    def device_of(self, request: web.Request) -> Device:
        return Device(self._address_of(request), request.headers.get("User-Agent", ""), request.cookies.get(DEVICE_COOKIE, "")[:128])

    def named_device_of(self, request: web.Request) -> Device:
        """The same with a token in any case, for ``remember``."""
        device = self.device_of(request)
        return device if device.token else replace(device, token=secrets.token_urlsafe(32))

    def remember(self, device: Device, response: web.Response) -> None:
        """Give the browser the cookie by which its device is known again."""
        response.set_cookie(
            DEVICE_COOKIE, device.token, max_age=_DEVICE_KEPT_S, path="/api/v1", httponly=True, samesite="Strict", secure=self._https
        )

    # ------------------------------------------------------------------ one's own account

    async def _ways(self, _request: web.Request) -> web.Response:
        return json_answer({"issuer": self._issuer})

    async def _sign_in(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, SignIn)
        device = self.named_device_of(request)
        response = json_answer(await self._accounts.sign_in(wanted, device))
        self.remember(device, response)
        return response

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._accounts.sign_out(grant_of(request), self.device_of(request))
        return web.Response(status=204)

    async def _account(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        factor = await self._accounts.factors.of(grant.identity)
        return json_answer(
            wire.AccountNow(
                identity=grant.identity,
                name=grant.name,
                role=grant.role,
                teams=sorted(grant.teams),
                permissions=sorted(permissions_of(grant)),
                second_factor=factor is not None,
                recovery_codes_left=len(factor.recovery) if factor is not None else 0,
            )
        )

    async def _password(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.NewPassword)
        await self._accounts.change_password(grant_of(request), wanted.password, wanted.new_password, self.device_of(request))
        return web.Response(status=204)

    async def _sessions(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        rows = [
            wire.SessionRow(
                session_id=session.session_id,
                device=session.device,
                place=session.place,
                created_at=session.created_at,
                seen_at=session.seen_at,
                second_factor=session.second_factor,
                this_one=session.session_id == grant.session_id,
            )
            for session in await self._accounts.sessions.of(grant.identity)
        ]
        return json_answer({"sessions": rows})

    async def _events(self, request: web.Request) -> web.Response:
        who = grant_of(request).identity
        events = [entry.event for entry in await self._accounts.log.of_account(who)]
        rows = [wire.AccountEvent(one.at, one.kind, one.by if one.by != who else "", one.address, one.device) for one in events]
        return json_answer({"events": rows})

    async def _end_others(self, request: web.Request) -> web.Response:
        ended = await self._accounts.end_other_sessions(grant_of(request), self.device_of(request))
        return json_answer({"ended": ended})

    async def _end_session(self, request: web.Request) -> web.Response:
        await self._accounts.end_session(grant_of(request), request.match_info["session_id"], self.device_of(request))
        return web.Response(status=204)

    async def _begin_second_factor(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.Confirmed)
        secret, uri = await self._accounts.begin_second_factor(grant_of(request), wanted.password, self.device_of(request))
        return json_answer(wire.Enrolment(secret, uri))

    async def _confirm_second_factor(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.GivenCode)
        recovery = await self._accounts.confirm_second_factor(grant_of(request), wanted.code, self.device_of(request))
        return json_answer({"recovery_codes": recovery})

    async def _end_second_factor(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, wire.ConfirmedTwice)
        await self._accounts.end_second_factor(grant_of(request), wanted.password, wanted.code, self.device_of(request))
        return web.Response(status=204)

    # ------------------------------------------------------------------ other people's

    async def _list_users(self, _request: web.Request) -> web.Response:
        protected = await self._users.protected()
        rows = [
            wire.UserRow(
                identity=user.identity,
                name=user.name,
                role=user.role,
                teams=sorted(user.teams),
                disabled=user.disabled,
                created_at=user.created_at,
                last_sign_in_at=user.last_sign_in_at,
                second_factor=user.identity in protected,
            )
            for user in await self._users.all()
        ]
        return json_answer({"users": rows})

    async def _save_user(self, request: web.Request) -> web.Response:
        identity = _identity(request)
        made = await self._users.save(identity, await body_of(request, wire.SavedUser), grant_of(request), self.device_of(request))
        return web.Response(status=201 if made else 204)

    async def _end_sessions_of(self, request: web.Request) -> web.Response:
        ended = await self._users.end_sessions(_identity(request), grant_of(request), self.device_of(request))
        return json_answer({"ended": ended})

    async def _drop_second_factor(self, request: web.Request) -> web.Response:
        await self._users.drop_second_factor(_identity(request), grant_of(request), self.device_of(request))
        return web.Response(status=204)

    # ------------------------------------------------------------------ keys and tokens

    async def _list_keys(self, _request: web.Request) -> web.Response:
        return json_answer({"keys": [_row(key) for key in await self._accounts.keys.all()]})

    async def _make_key(self, request: web.Request) -> web.Response:
        wanted, by = await body_of(request, wire.NewKey), grant_of(request)
        key, secret = await self._accounts.keys.make(
            wanted.identity, wanted.name, by.identity, scopes=wanted.scopes, expires_in_s=wanted.expires_in
        )
        detail = f"{key.key_id}: {' '.join(key.scopes) or 'all of its role'}"
        self._accounts.log.note("key_made", wanted.identity, device=self.device_of(request), by=by.identity, detail=detail)
        return json_answer(wire.MadeKey(secret, _row(key)), 201)

    async def _revoke_key(self, request: web.Request) -> web.Response:
        key_id = request.match_info["key_id"]
        if not await self._accounts.keys.revoke(key_id):
            raise Refusal("unknown_key", "There is no such key, or it was revoked already.")
        self._accounts.log.note("key_revoked", "", device=self.device_of(request), by=grant_of(request).identity, detail=key_id)
        return web.Response(status=204)

    async def _make_token(self, request: web.Request) -> web.Response:
        wanted, by = await body_of(request, wire.NewToken), grant_of(request)
        guest = GUEST_PREFIX + wanted.identity
        session = self._tokens.issue(guest, wanted.name, Role.CUSTOMER, video=wanted.video, sip=wanted.sip)
        self._accounts.log.note("token_made", guest, device=self.device_of(request), by=by.identity, detail=wanted.video.room)
        return json_answer(session, 201)


def _identity(request: web.Request) -> str:
    """The path's, by the rule for names. Raises ``Refusal``."""
    try:
        return msgspec.convert({"identity": request.match_info["identity"]}, _Named).identity
    except msgspec.ValidationError as error:
        raise Refusal("bad_message", f"This is no name of a user: {error}") from None


def _row(key: ApiKey) -> wire.KeyRow:
    return wire.KeyRow(
        key_id=key.key_id,
        prefix=f"{PREFIX}{key.key_id}",
        identity=key.identity,
        name=key.name,
        scopes=list(key.scopes),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        used_at=key.used_at,
    )
