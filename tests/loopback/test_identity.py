"""Accounts over HTTP, served for real on a real database: sessions, second factor, keys, users and the security log."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, web
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from msgspec import Struct
from sqlalchemy import update

from api.audit.routes import AuditRoutes
from api.guarded_routes import ROUTES
from api.identity.devices import Device
from api.identity.routes import IdentityRoutes
from api.identity.sessions import Sessions
from api.metrics import Metrics
from api.rest_limits import Rates, RestLimits, RestLimitSettings
from api.routes import Neighbours, PartHealth, make_app, make_runner
from api.store import StoreUnavailable
from api.store.audit import AuditWanted, audit
from signaling.addresses import networks
from signaling.grants import Grant, Permission, allows
from signaling.hub import HubSettings
from signaling.messages import AnyRequest, Monitor, Mute, SetPresence, WatchBoard
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.hub import Client, running_hub
from tests.kit.people import QUICK, Person, Signing, ana, signing

SECRET = "a secret for tests, long enough: 0123456789"
PASSWORD = "correct horse"
NEW_PASSWORD = "battery staple twice"
START = 1_800_000_000.0


class Browser:
    """One device: its own cookies, its own network, the token of whoever signed in last."""

    def __init__(self, site: "Site", http: ClientSession, address: str) -> None:
        self.site, self.http, self.address, self.token = site, http, address, ""

    async def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"X-Forwarded-For": self.address, "User-Agent": "A browser of the test"}
        if bearer := self.token if token is None else token:
            headers["Authorization"] = f"Bearer {bearer}"
        async with self.http.request(method, self.site.url + path, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def sign_in(self, user: str = "ana", password: str = PASSWORD, code: str = "") -> tuple[int, Any]:
        body = {"user": user, "password": password} | ({"code": code} if code else {})
        status, answer = await self.ask("POST", "/api/v1/sign-in", body, "")
        if status == 200:
            self.token = answer["token"]
        return status, answer

    async def code(self, method: str, path: str, body: Any = None, token: str | None = None) -> str:
        """The code of a refusal; "" where there is none."""
        _, answer = await self.ask(method, path, body, token)
        return str(answer["error"]["code"]) if answer and "error" in answer else ""


class Site:
    """``now`` is the epoch of everything here; ``clock`` the monotonic one of guesses."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.now, self.clock, self.url = START, 1_000.0, ""
        self.people: Signing
        self._stack = stack

    async def browser(self, address: str = "192.0.2.1") -> Browser:
        http = await self._stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        return Browser(self, http, address)

    async def log(self) -> list[tuple[str, str, str]]:
        """(kind, who, detail) of every entry."""
        await self.people.identity.log.written()
        entries = await self.people.identity.log.entries(AuditWanted(), 500)
        return [(entry.event.kind, entry.event.who, entry.event.detail) for entry in entries]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        site = Site(stack)
        tokens = TokenIssuer(SECRET, clock=lambda: site.now)
        everybody = [replace(ana(), identity=role, role=role) for role in ("agent", "professional", "supervisor", "admin", "customer")]
        service = Person("service", "Service", "service", "")
        site.people = await stack.enter_async_context(
            signing(tmp_path, tokens, ana(), *everybody, service, now=lambda: site.now, clock=lambda: site.clock)
        )
        identity = site.people.identity
        metrics = await stack.enter_async_context(Metrics())

        async def health() -> dict[str, PartHealth]:
            return {}

        neighbours = Neighbours(trusted_proxies=networks(["127.0.0.1/32"]))
        routes = IdentityRoutes(identity.accounts, identity.users, tokens, address_of=neighbours.address_of, https=False)
        app = make_app(
            identity.accounts.identify,
            metrics,
            health,
            network=neighbours,
            limits=RestLimits(RestLimitSettings(person={}, public=Rates(100_000), address=Rates(100_000)), time.monotonic),
            on_forbidden=routes.note_forbidden,
        )
        routes.add_to(app)
        AuditRoutes(identity.log).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield site


# --- every route against every role -----------------------------------------------------------------------------------------------------


async def test_every_route_about_accounts_is_refused_to_whose_role_lacks_its_permission(site: Site) -> None:
    here = await site.browser()
    lines = {line: permission for line, permission in ROUTES.items() if permission is not None}
    ours = {
        line
        for line in lines
        if line[1].startswith(("/api/v1/account", "/api/v1/users", "/api/v1/keys", "/api/v1/audit", "/api/v1/tokens"))
    }
    assert len(ours) >= 17
    tokens = TokenIssuer(SECRET, clock=lambda: site.now)
    for method, path in sorted(ours):
        address = path.replace("{identity}", "nobody").replace("{session_id}", "1").replace("{key_id}", "1")
        assert (await here.ask(method, address, {}, ""))[0] == 401
        for role in ("agent", "professional", "supervisor", "admin", "service", "customer", "nothing"):
            token = tokens.issue(f"{role}-{method}{len(path)}", role, role).token  # one of the routes ends its sessions
            expected = allows(tokens.verify(token), lines[method, path])
            assert (await here.code(method, address, {}, token) != "forbidden") is expected, (method, path, role)
    assert ("forbidden", "agent-GET13", "GET /api/v1/audit") in await site.log()


# --- sessions -----------------------------------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_and_ended_by_their_person(site: Site) -> None:
    desk, phone = await site.browser(), await site.browser("198.51.100.7")
    await desk.sign_in()
    site.now += 10
    await phone.sign_in()
    _, listed = await phone.ask("GET", "/api/v1/account/sessions")
    rows = listed["sessions"]
    assert [(row["place"], row["this_one"], row["device"]) for row in rows] == [
        ("198.51.100.0/24", True, "A browser of the test"),
        ("192.0.2.0/24", False, "A browser of the test"),
    ]
    assert (await phone.ask("DELETE", f"/api/v1/account/sessions/{rows[1]['session_id']}"))[0] == 204
    assert await desk.code("GET", "/api/v1/account") == "token_revoked"
    assert await phone.code("DELETE", f"/api/v1/account/sessions/{rows[1]['session_id']}") == "unknown_session"
    assert (await phone.ask("POST", "/api/v1/sign-out"))[0] == 204
    assert await phone.code("GET", "/api/v1/account") == "token_revoked"


async def test_nobody_ends_another_persons_session(site: Site) -> None:
    mine, theirs = await site.browser(), await site.browser()
    await mine.sign_in()
    await theirs.sign_in("agent")
    _, listed = await theirs.ask("GET", "/api/v1/account/sessions")
    assert await mine.code("DELETE", f"/api/v1/account/sessions/{listed['sessions'][0]['session_id']}") == "unknown_session"
    assert await theirs.code("GET", "/api/v1/account") == ""


async def test_a_session_ends_when_nothing_is_done_and_a_call_keeps_it(site: Site) -> None:
    here, sessions = await site.browser(), site.people.identity.sessions
    await here.sign_in()
    talking = {"ana"}
    sessions.meet(in_call=lambda who: who in talking, on_ended=lambda who: None)
    renew = site.people.identity.accounts.renew
    for _ in range(8):  # forty minutes of calls, renewed by the page as it does
        site.now += 300
        here.token = (await renew(sessions.verify(here.token))).token
    talking.clear()
    for _ in range(6):  # thirty minutes of nothing: renewing is no doing
        site.now += 299
        here.token = (await renew(sessions.verify(here.token))).token
    site.now += 100
    assert await here.code("GET", "/api/v1/account") == "token_expired"
    assert (await here.sign_in())[0] == 200


async def test_a_page_that_does_something_is_not_idle(site: Site) -> None:
    here, identity = await site.browser(), site.people.identity
    await here.sign_in()

    async def done(grant: Grant, request: AnyRequest) -> Struct | None:
        return None

    for turn in range(12):
        site.now += 500
        grant = identity.sessions.verify(here.token)
        here.token = (await identity.accounts.renew(grant)).token
        if turn % 4 == 1:
            assert await here.code("GET", "/api/v1/account") == ""
        if turn % 4 == 3:
            await identity.accounts.watched(done)(grant, SetPresence(available=True))


async def test_an_ended_session_is_not_renewed_and_stays_ended_in_a_new_run(site: Site) -> None:
    here = await site.browser()
    await here.sign_in()
    identity = site.people.identity
    grant = identity.sessions.verify(here.token)
    await here.ask("POST", "/api/v1/sign-out")
    with pytest.raises(Refusal, match="ended"):
        await identity.accounts.renew(grant)
    clock = lambda: site.now  # noqa: E731
    async with Sessions(site.people.store.people, TokenIssuer(SECRET, clock=clock), clock=clock) as of_new_run:
        with pytest.raises(Refusal, match="ended"):
            of_new_run.verify(here.token)


async def _connected(site: Site, browser: Browser, stack: AsyncExitStack) -> Client:
    """A hub that believes this site's sessions, and a client in it."""
    settings = HubSettings(sweep_s=3_600.0)  # what ends the connection is not the sweep
    running = await stack.enter_async_context(running_hub(settings, verify=site.people.identity.sessions.verify))
    site.people.identity.sessions.meet(in_call=lambda who: False, on_ended=running.hub.recheck)
    client = await running.client("ana", token=browser.token)
    await client.told("session.snapshot")
    return client


async def test_a_session_ended_elsewhere_ends_its_open_connection_within_a_second(site: Site) -> None:
    here = await site.browser()
    await here.sign_in()
    async with AsyncExitStack() as stack:
        client = await _connected(site, here, stack)
        # As another node, or the command line, would: in the database alone.
        await site.people.store.people.end_sessions("ana", site.now, "another node")
        (closing,) = await client.told("session.closing")
        await client.ended()
    assert closing["code"] == "token_revoked"


async def test_a_role_taken_away_ends_the_open_connections_that_had_it(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    await here.sign_in()
    await boss.sign_in("admin")
    async with AsyncExitStack() as stack:
        client = await _connected(site, here, stack)
        assert (await boss.ask("PUT", "/api/v1/users/ana", {"name": "Ana"}))[0] == 204
        assert await here.code("GET", "/api/v1/account") == ""  # a name takes nothing away
        assert (await boss.ask("PUT", "/api/v1/users/ana", {"role": "professional"}))[0] == 204
        assert (await client.told("session.closing"))[0]["code"] == "token_revoked"
        await client.ended()
    assert await here.code("GET", "/api/v1/account") == "token_revoked"
    assert (await here.sign_in())[1]["role"] == "professional"


async def test_what_ends_is_told_to_other_nodes_which_need_not_look(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    await here.sign_in()
    await boss.sign_in("admin")
    store, clock = site.people.store.people, lambda: site.now
    tokens = TokenIssuer(SECRET, clock=clock)
    other = Sessions(store, tokens, clock=clock)  # another node, which never looks
    gone: list[str] = []
    other.meet(in_call=lambda who: False, on_ended=gone.append)
    site.people.identity.sessions.meet(in_call=lambda who: False, on_ended=lambda who: None, tell=other.hear)
    guest = tokens.issue("guest-1", "Luz", "customer").token
    for token in (here.token, guest):
        other.verify(token)
    assert (await boss.ask("PUT", "/api/v1/users/ana", {"role": "professional"}))[0] == 204
    assert gone == ["ana"]
    assert (await boss.ask("DELETE", "/api/v1/users/guest-1/sessions"))[0] == 200
    assert gone == ["ana", "guest-1"]
    for token in (here.token, guest):
        with pytest.raises(Refusal, match="ended"):
            other.verify(token)
    assert other.verify(boss.token).identity == "admin"
    later = Sessions(store, TokenIssuer(SECRET, clock=clock), clock=clock)  # a node that was started after all this
    await later.look()
    with pytest.raises(Refusal, match="ended"):
        later.verify(guest)


async def test_what_is_refused_over_the_hub_for_want_of_rights_is_written_down(site: Site) -> None:
    accounts = site.people.identity.accounts
    tokens = TokenIssuer(SECRET, clock=lambda: site.now)
    grant = tokens.verify(tokens.issue("ana", "Ana", "agent").token)

    async def not_hers(grant: Grant, request: AnyRequest) -> Struct | None:
        raise Refusal("forbidden" if isinstance(request, Mute) else "busy", "not hers")

    for refused in (WatchBoard(), Monitor(call_id="1-one", mode="whisper")):
        with pytest.raises(Refusal):
            accounts.authorise(grant, refused)
    for request in (Mute(call_id="1", muted=True), SetPresence(available=True)):
        with pytest.raises(Refusal):
            await accounts.watched(not_hers)(grant, request)
    details = ["board.watch", "call.monitor whisper 1-one", "call.mute 1"]
    assert await site.log() == [("forbidden", "ana", detail) for detail in details]

    async def without_a_database(grant: Grant, request: AnyRequest) -> Struct | None:
        raise StoreUnavailable("away")

    with pytest.raises(Refusal) as caught:
        await accounts.watched(without_a_database)(grant, SetPresence(available=True))
    assert (caught.value.code, caught.value.retry_after) == ("store_unavailable", 5.0)


async def test_people_see_what_happened_to_their_account_and_to_no_other(site: Site) -> None:
    here, boss, stranger = await site.browser(), await site.browser("203.0.113.5"), await site.browser("198.51.100.66")
    await boss.sign_in("admin")
    await stranger.sign_in(password="a guess of somebody's")
    await here.sign_in()
    await boss.ask("PUT", "/api/v1/users/ana", {"name": "Ana"})
    await here.ask("GET", "/api/v1/audit")  # refused, which is no news of the account
    _, told = await here.ask("GET", "/api/v1/account/events")
    assert [(each["kind"], each["by"], each["address"]) for each in told["events"]] == [
        ("user_changed", "admin", "203.0.113.5"),
        ("sign_in", "", "192.0.2.1"),
        ("sign_in_refused", "", "198.51.100.66"),
    ]
    _, told = await boss.ask("GET", "/api/v1/account/events")
    assert [each["kind"] for each in told["events"]] == ["sign_in"]


async def test_who_tries_to_get_round_the_guards_is_written_down_but_cannot_fill_the_log(site: Site) -> None:
    for _ in range(100):
        site.people.identity.accounts.note_abuse("ana", "192.0.2.1", "too_many_requests")
    assert await site.log() == [("dismissed", "ana", "too_many_requests")] * 60
    site.clock += 1.0
    site.people.identity.accounts.note_abuse("", "192.0.2.2", "bad_origin")
    assert (await site.log())[-1] == ("dismissed", "", "bad_origin")


# --- the second factor --------------------------------------------------------------------------------------------------------------------


def code_at(secret: str, now: float) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(now).decode()


async def with_factor(browser: Browser) -> tuple[str, list[str]]:
    """Signs in and sets the second factor up: its secret and the recovery codes."""
    await browser.sign_in()
    _, enrolment = await browser.ask("POST", "/api/v1/account/second-factor", {"password": PASSWORD})
    assert enrolment["uri"].startswith("otpauth://totp/Centralita:ana?") and enrolment["secret"] in enrolment["uri"]
    code = code_at(enrolment["secret"], browser.site.now)
    status, answer = await browser.ask("POST", "/api/v1/account/second-factor/confirm", {"code": code})
    assert status == 200 and len(set(answer["recovery_codes"])) == 10
    return enrolment["secret"], answer["recovery_codes"]


async def test_the_second_factor_is_asked_for_on_a_new_device_and_from_a_new_place(site: Site) -> None:
    desk = await site.browser()
    secret, _ = await with_factor(desk)
    site.now += 60
    status, problem = await desk.sign_in()
    assert (status, problem["error"]["code"]) == (401, "second_factor_required")
    assert (await desk.sign_in(code=code_at(secret, site.now)))[0] == 200
    site.now += 60
    assert (await desk.sign_in())[0] == 200  # this device, this place
    desk.address = "203.0.113.9"
    assert (await desk.sign_in())[0] == 401  # another place
    desk.address = "192.0.2.200"
    assert (await desk.sign_in())[0] == 200  # the same network
    other = await site.browser("192.0.2.1")
    assert (await other.sign_in())[0] == 401  # another device
    site.now += 31 * 86_400
    assert (await desk.sign_in())[0] == 401  # a month later


async def test_a_code_is_good_once_and_codes_before_it_no_more(site: Site) -> None:
    here = await site.browser()
    secret, _ = await with_factor(here)
    used = code_at(secret, site.now)
    assert (await here.sign_in(code=used))[1]["error"]["code"] == "wrong_code"  # confirmed with it
    site.now += 60
    late, current = code_at(secret, site.now - 30), code_at(secret, site.now)
    assert (await here.sign_in(code=current))[0] == 200
    for code in (current, late, code_at(secret, site.now - 90), code_at(secret, site.now + 90)):
        assert (await here.sign_in(code=code))[1]["error"]["code"] == "wrong_code"


async def test_a_recovery_code_is_good_once(site: Site) -> None:
    here = await site.browser()
    _, codes = await with_factor(here)
    assert (await here.sign_in(code=codes[3].upper()))[0] == 200
    assert (await here.ask("GET", "/api/v1/account"))[1]["recovery_codes_left"] == 9
    assert (await here.sign_in(code=codes[3]))[1]["error"]["code"] == "wrong_code"
    assert ("recovery_code_used", "ana", "9 left") in await site.log()


async def test_guesses_of_codes_count_per_person_from_wherever_they_come(site: Site) -> None:
    here = await site.browser()
    secret, _ = await with_factor(here)
    site.now += 60
    for number in range(5):
        here.address = f"198.51.{number}.1"
        assert (await here.sign_in(code="000000"))[1]["error"]["code"] == "wrong_code"
    here.address = "192.0.2.1"
    status, problem = await here.sign_in(code=code_at(secret, site.now))
    assert (status, problem["error"]["code"]) == (429, "too_many_requests")
    site.clock += 2.0
    assert (await here.sign_in(code=code_at(secret, site.now)))[0] == 200


async def test_the_second_factor_is_set_up_and_ended_only_with_the_password(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    await here.sign_in()
    assert await here.code("POST", "/api/v1/account/second-factor", {"password": "wrong"}) == "wrong_password"
    assert await here.code("POST", "/api/v1/account/second-factor/confirm", {"code": "123456"}) == "second_factor_off"
    _, codes = await with_factor(here)
    assert await here.code("POST", "/api/v1/account/second-factor", {"password": PASSWORD}) == "second_factor_on"
    end = "/api/v1/account/second-factor/end"
    assert await here.code("POST", end, {"password": PASSWORD, "code": "000000"}) == "wrong_code"
    assert await here.code("POST", end, {"password": "wrong", "code": codes[0]}) == "wrong_password"
    assert (await here.ask("POST", end, {"password": PASSWORD, "code": codes[0]}))[0] == 204
    assert (await here.sign_in())[0] == 200
    await with_factor(here)
    await boss.sign_in("admin")
    assert (await boss.ask("DELETE", "/api/v1/users/ana/second-factor"))[0] == 204
    assert await boss.code("DELETE", "/api/v1/users/ana/second-factor") == "second_factor_off"
    assert await here.code("GET", "/api/v1/account") == "token_revoked"
    assert (await here.sign_in())[0] == 200


async def test_secrets_and_codes_are_not_kept_in_clear(site: Site, tmp_path: Path) -> None:
    here, boss = await site.browser(), await site.browser()
    secret, codes = await with_factor(here)
    await boss.sign_in("admin")
    _, made = await boss.ask("POST", "/api/v1/keys", {"identity": "service", "name": "booking"})
    await site.log()
    kept = await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in tmp_path.glob("people.sqlite3*")))
    held = (secret, codes[0], codes[0].replace("-", ""), made["key"], PASSWORD, here.token)
    assert [word for word in held if word.encode() in kept or base64.b32decode(secret) in kept] == []


# --- passwords ----------------------------------------------------------------------------------------------------------------------------


async def test_a_new_password_ends_the_other_sessions(site: Site) -> None:
    here, there = await site.browser(), await site.browser()
    await here.sign_in()
    await there.sign_in()
    change = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    assert await here.code("POST", "/api/v1/account/password", {**change, "password": "wrong"}) == "wrong_password"
    refused = {"eleven char": "weak_password", "ana and much more": "password_names", "Centralita 2026 !": "password_names"}
    for weak, code in (refused | {"password1234": "common_password"}).items():
        assert await here.code("POST", "/api/v1/account/password", {**change, "new_password": weak}) == code
    assert (await here.ask("POST", "/api/v1/account/password", change))[0] == 204
    assert await here.code("GET", "/api/v1/account") == ""
    assert await there.code("GET", "/api/v1/account") == "token_revoked"
    assert (await there.sign_in())[0] == 401
    assert (await there.sign_in(password=NEW_PASSWORD))[0] == 200


@pytest.mark.parametrize(
    "password",
    ["only small letters and blanks ", "  ñandú 😀 中文字 ~`'\"<>&%", "four by chance " * 2 + "0123456789-" * 20, "PassWordInTwoCases"],
)
async def test_a_password_is_taken_exactly_as_it_is_given(site: Site, password: str) -> None:
    here = await site.browser()
    await here.sign_in()
    assert (await here.ask("POST", "/api/v1/account/password", {"password": PASSWORD, "new_password": password}))[0] == 204
    for other in (password[:-1], password.strip() + "x", password.swapcase() + "x", password[:72] + "x"):
        assert (await here.sign_in(password=other))[0] == 401
    assert (await here.sign_in(password=password))[0] == 200


async def test_a_password_does_not_expire(site: Site) -> None:
    here = await site.browser()
    site.now += 20 * 366 * 86_400
    assert (await here.sign_in())[0] == 200


async def test_a_password_set_by_an_administrator_leaves_the_second_factor(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    _, codes = await with_factor(here)
    await boss.sign_in("admin")
    assert (await boss.ask("PUT", "/api/v1/users/ana", {"password": NEW_PASSWORD}))[0] == 204
    assert await here.code("GET", "/api/v1/account") == "token_revoked"
    elsewhere = await site.browser("203.0.113.9")
    assert (await elsewhere.sign_in(password=NEW_PASSWORD))[1]["error"]["code"] == "second_factor_required"
    assert (await elsewhere.sign_in(password=NEW_PASSWORD, code=codes[0]))[0] == 200


# --- keys and tokens ----------------------------------------------------------------------------------------------------------------------


async def test_a_key_opens_what_its_scopes_say_until_it_ends(site: Site) -> None:
    boss, program = await site.browser(), await site.browser()
    await boss.sign_in("admin")
    status, made = await boss.ask(
        "POST", "/api/v1/keys", {"identity": "service", "name": "booking", "scopes": ["token.issue"], "expires_in": 3_600}
    )
    assert status == 201 and made["key"].startswith(made["row"]["prefix"]) and made["row"]["used_at"] is None
    program.token = made["key"]
    guest = {"identity": "guest-1", "name": "Eva", "video": {"room": "r1", "roomJoin": True}}
    status, token = await program.ask("POST", "/api/v1/tokens", guest)
    grant = TokenIssuer(SECRET, clock=lambda: site.now).verify(token["token"])
    assert (status, grant.role, grant.room, grant.identity) == (201, "customer", "r1", "guest.guest-1")
    assert allows(grant, Permission.ROOM_JOIN) and not allows(grant, Permission.CALL_DIAL)
    assert await program.code("GET", "/api/v1/audit") == "forbidden"
    _, listed = await boss.ask("GET", "/api/v1/keys")
    assert [(row["identity"], row["used_at"], "key_hash" in row) for row in listed["keys"]] == [("service", site.now, False)]
    assert await program.code("POST", "/api/v1/tokens", guest, made["key"][:-1] + "_") == "key_invalid"
    site.now += 3_600
    assert await program.code("POST", "/api/v1/tokens", guest) == "key_invalid"
    assert [entry for entry in await site.log() if entry[0] in ("forbidden", "key_invalid")] == [
        ("forbidden", "service", "GET /api/v1/audit"),
        ("key_invalid", "", "POST /api/v1/tokens"),
        ("key_invalid", "", "POST /api/v1/tokens"),
    ]


async def test_a_revoked_key_and_one_of_a_disabled_account_open_nothing(site: Site) -> None:
    boss = await site.browser()
    await boss.sign_in("admin")
    assert await boss.code("POST", "/api/v1/keys", {"identity": "nobody", "name": "x"}) == "unknown_user"
    assert await boss.code("POST", "/api/v1/keys", {"identity": "service", "name": "x", "scopes": ["everything"]}) == "bad_message"
    keys = [(await boss.ask("POST", "/api/v1/keys", {"identity": "service", "name": name}))[1] for name in ("one", "two")]
    guest = {"identity": "guest-1", "name": "Eva", "video": {"room": "r1", "roomJoin": True}}
    assert await boss.code("POST", "/api/v1/tokens", guest, keys[0]["key"]) == ""
    assert (await boss.ask("DELETE", f"/api/v1/keys/{keys[0]['row']['key_id']}"))[0] == 204
    assert await boss.code("DELETE", f"/api/v1/keys/{keys[0]['row']['key_id']}") == "unknown_key"
    assert await boss.code("POST", "/api/v1/tokens", guest, keys[0]["key"]) == "key_invalid"
    assert (await boss.ask("PUT", "/api/v1/users/service", {"disabled": True}))[0] == 204
    assert await boss.code("POST", "/api/v1/tokens", guest, keys[1]["key"]) == "key_invalid"


async def test_a_service_account_cannot_sign_in(site: Site) -> None:
    here = await site.browser()
    for password in ("nobody has this password", "x"):
        assert (await here.sign_in("service", password))[1]["error"]["code"] == "wrong_password"


# --- users --------------------------------------------------------------------------------------------------------------------------------


async def test_administrators_make_and_change_users(site: Site) -> None:
    boss, eva = await site.browser(), await site.browser()
    await boss.sign_in("admin")
    made = {"name": "Eva", "role": "supervisor", "teams": ["hotels"], "password": NEW_PASSWORD}
    assert (await boss.ask("PUT", "/api/v1/users/eva", made))[0] == 201
    assert (await eva.sign_in("eva", NEW_PASSWORD))[0] == 200
    assert (await eva.ask("GET", "/api/v1/account"))[1]["teams"] == ["hotels"]
    assert (await boss.ask("PUT", "/api/v1/users/eva", {"teams": ["hotels", "cars"]}))[0] == 204
    assert await eva.code("GET", "/api/v1/account") == "token_revoked"
    assert (await boss.ask("PUT", "/api/v1/users/eva", {"disabled": True}))[0] == 204
    assert (await eva.sign_in("eva", NEW_PASSWORD))[1]["error"]["code"] == "wrong_password"
    _, listed = await boss.ask("GET", "/api/v1/users")
    assert [(row["identity"], row["disabled"]) for row in listed["users"] if row["identity"] in ("eva", "ana")] == [
        ("ana", False),
        ("eva", True),
    ]
    assert "password_hash" not in json.dumps(listed)
    for wrong, code in (
        ({"role": "root"}, "bad_message"),
        ({"name": "No role"}, "bad_message"),
        ({"name": "x", "role": "agent", "password": "short"}, "weak_password"),
    ):
        assert await boss.code("PUT", "/api/v1/users/new", wrong) == code
    assert await boss.code("PUT", "/api/v1/users/admin", {"role": "agent"}) == "forbidden"
    assert await boss.code("PUT", "/api/v1/users/guest.ana", {"name": "x", "role": "agent"}) == "bad_message"
    assert await boss.code("PUT", "/api/v1/users/a;b", {"name": "x", "role": "agent"}) == "bad_message"


async def test_a_disabled_account_is_out_at_once(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    await here.sign_in()
    await boss.sign_in("admin")
    assert (await boss.ask("PUT", "/api/v1/users/ana", {"disabled": True}))[0] == 204
    assert await here.code("GET", "/api/v1/account") == "token_revoked"
    assert (await here.sign_in())[0] == 401
    assert (await boss.ask("PUT", "/api/v1/users/ana", {"disabled": False}))[0] == 204
    assert await here.code("GET", "/api/v1/account") == "token_revoked"
    assert (await here.sign_in())[0] == 200


async def test_administrators_end_sessions(site: Site) -> None:
    here, there, boss = await site.browser(), await site.browser(), await site.browser()
    await here.sign_in()
    await there.sign_in()
    await boss.sign_in("admin")
    assert (await boss.ask("DELETE", "/api/v1/users/ana/sessions"))[1] == {"ended": 2}
    assert await here.code("GET", "/api/v1/account") == await there.code("GET", "/api/v1/account") == "token_revoked"
    assert await boss.code("GET", "/api/v1/account") == ""
    assert ("session_ended", "ana", "all 2") in await site.log()


# --- the security log ---------------------------------------------------------------------------------------------------------------------


async def test_the_log_says_who_from_where_with_what_and_when(site: Site) -> None:
    here, boss = await site.browser(), await site.browser("198.51.100.7")
    await here.sign_in("ana", "wrong")
    await here.sign_in("my-password-by-mistake", "x")
    await here.sign_in()
    await boss.sign_in("admin")
    await boss.ask("PUT", "/api/v1/users/ana", {"role": "supervisor"})
    await site.log()
    _, page = await boss.ask("GET", "/api/v1/audit?limit=3")
    assert [(entry["kind"], entry["who"], entry["detail"]) for entry in page["entries"]] == [
        ("sign_in_refused", "ana", "wrong password"),
        ("sign_in_refused", "", "unknown name"),
        ("sign_in", "ana", "password, new device or place"),
    ]
    first = page["entries"][0]
    assert (first["address"], first["device"], first["at"], first["by"]) == ("192.0.2.1", "A browser of the test", START, "ana")
    _, rest = await boss.ask("GET", f"/api/v1/audit?cursor={page['next']}")
    assert [(entry["kind"], entry["who"], entry["by"]) for entry in rest["entries"]][:2] == [
        ("sign_in", "admin", "admin"),
        ("user_changed", "ana", "admin"),
    ]
    await site.log()
    _, asked = await boss.ask("GET", "/api/v1/audit?kind=audit_read")
    read = [(entry["who"], entry["detail"]) for entry in asked["entries"]]
    assert read[:2] == [("admin", "behind 0"), ("admin", f"behind {page['next']}")]
    assert await boss.code("GET", "/api/v1/audit?cursor=x") == "bad_message"


@pytest.mark.parametrize("harm", ["changed", "left out"])
async def test_a_log_that_somebody_touched_is_found_out(site: Site, harm: str) -> None:
    here, boss = await site.browser(), await site.browser()
    for _ in range(4):
        await here.sign_in()
    await boss.sign_in("admin")
    await site.log()
    assert (await boss.ask("GET", "/api/v1/audit/faults"))[1]["faults"] == []
    third = audit.c.seq == 3
    statement = update(audit).where(third).values(who="ben") if harm == "changed" else audit.delete().where(third)
    await site.people.store.people._update(statement)
    faults = (await boss.ask("GET", "/api/v1/audit/faults"))[1]["faults"]
    assert faults == (["entry 3 was changed, or put there by somebody else"] if harm == "changed" else ["entry 3 is missing"])


async def test_no_password_token_or_code_is_in_the_log(site: Site) -> None:
    here, boss = await site.browser(), await site.browser()
    secret, codes = await with_factor(here)
    await here.sign_in("ana", "another-canary-password")
    site.now += 60
    await here.sign_in(code=code_at(secret, site.now))
    await here.sign_in(code=codes[0])
    await boss.sign_in("admin")
    _, made = await boss.ask("POST", "/api/v1/keys", {"identity": "service", "name": "booking"})
    await boss.ask("PUT", "/api/v1/users/ana", {"password": NEW_PASSWORD})
    await site.log()
    said = json.dumps((await boss.ask("GET", "/api/v1/audit"))[1])
    canaries = (PASSWORD, NEW_PASSWORD, "another-canary", secret, codes[0], code_at(secret, site.now), made["key"], boss.token, here.token)
    assert [word for word in canaries if word in said] == []
    assert QUICK.hash("x")[:10] not in said


async def test_nothing_is_slipped_into_the_log(site: Site) -> None:
    device = Device("192.0.2.1\nforged", 'Firefox\r\n{"kind": "sign_in"}\x1b[2J\u202e' + "x" * 500)
    site.people.identity.log.note("sign_in_refused", "ana", device=device)
    await site.log()
    (entry,) = await site.people.identity.log.entries(AuditWanted(), 10)
    assert entry.event.device.isprintable() and len(entry.event.device) == 200
    assert entry.event.address.isprintable()
