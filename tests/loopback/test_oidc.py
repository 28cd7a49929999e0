"""Signing in by another issuer, a real one on this machine: the whole way there and back, and what is not believed on it."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, CookieJar, web
from cryptography.hazmat.primitives.asymmetric import ec

from api.identity.oidc import OidcClient
from api.identity.oidc_routes import OidcRoutes
from api.identity.routes import IdentityRoutes
from api.identity.settings import OidcSettings
from api.metrics import Metrics
from api.routes import Neighbours, PartHealth, make_app, make_runner
from api.settings.tree import Settings
from signaling.tokens import TokenIssuer
from tests.kit.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, running_issuer
from tests.kit.people import KEY, Signing, ana, signing

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
START = 1_800_000_000.0


class Desk:
    """A browser on our site, with the issuer behind it."""

    def __init__(self, url: str, http: ClientSession, issuer: Issuer, people: Signing) -> None:
        self.url, self.http, self.issuer, self.people = url, http, issuer, people
        self.client: OidcClient
        self.now = START

    async def go(self, address: str) -> str:
        """Where this address sends us."""
        async with self.http.get(address, allow_redirects=False) as answer:
            assert answer.status == 303
            return answer.headers["Location"]

    async def there_and_back(self) -> str:
        """Where the browser ends up: ``/account#...``."""
        return await self.go(await self.go(await self.go(f"{self.url}/api/v1/oidc/start")))

    async def session(self) -> tuple[int, Any]:
        async with self.http.post(f"{self.url}/api/v1/oidc/session", json={}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def refused(self) -> str:
        """The code with which the way back ends, or the session is refused."""
        end = await self.there_and_back()
        if end != "/account#arrived":
            return end.removeprefix("/account#refused=")
        _, answer = await self.session()
        return str(answer["error"]["code"]) if "error" in answer else ""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        desk: Desk
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        issuer = await stack.enter_async_context(running_issuer(lambda: desk.now))
        people = await stack.enter_async_context(signing(tmp_path, TOKENS, ana()))
        identity = people.identity
        metrics = await stack.enter_async_context(Metrics())

        async def health() -> dict[str, PartHealth]:
            return {}

        app = make_app(identity.accounts.identify, metrics, health)
        devices = IdentityRoutes(identity.accounts, identity.users, TOKENS, address_of=Neighbours().address_of, https=False)
        settings = OidcSettings(issuer.url, CLIENT_ID, CLIENT_SECRET)
        client = await stack.enter_async_context(OidcClient(settings, f"{url}/api/v1/oidc/callback", KEY, lambda: desk.now))
        OidcRoutes(client, identity.accounts, devices, https=False).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listening).start()
        http = await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        desk = Desk(url, http, issuer, people)
        desk.client = client
        yield desk


@pytest.mark.parametrize("kind", ["EC", "RSA"])
async def test_who_the_issuer_knows_and_we_know_is_signed_in(desk: Desk, kind: str) -> None:
    desk.issuer.rotate(kind)
    assert await desk.there_and_back() == "/account#arrived"
    status, session = await desk.session()
    grant = TOKENS.verify(session["token"])
    assert (status, grant.identity, grant.role) == (200, "ana", "agent")
    (row,) = await desk.people.identity.sessions.of("ana")
    assert row.second_factor and row.session_id == grant.session_id
    assert (await desk.session())[1]["error"]["code"] == "sign_in_failed"  # once


async def test_whom_the_issuer_asked_for_no_second_factor_stays_out_where_it_is_wanted(desk: Desk) -> None:
    wanted = replace(desk.client._settings, second_factor=True)
    desk.client._settings = wanted
    for amr in (["pwd"], [], None):
        desk.issuer.claims = {"amr": amr}
        assert await desk.refused() == "issuer_factor_missing"
    desk.issuer.claims = {"amr": ["pwd", "otp"]}
    assert await desk.refused() == ""


async def test_nobody_gets_in_whom_we_do_not_know_or_who_is_disabled(desk: Desk) -> None:
    desk.issuer.who = "stranger"
    assert await desk.refused() == "not_a_user"
    desk.issuer.who = "ana"
    await desk.people.store.people.save_user("ana", name="Ana", role="agent", password_hash="", disabled=True)
    assert await desk.refused() == "not_a_user"
    desk.issuer.who = "ana; drop"
    assert await desk.refused() == "sign_in_failed"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"aud": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": int(START) - 60},
        {"exp": "never"},
        {"exp": None},
        {"iat": int(START) + 600},
        {"sub": None},
        {"preferred_username": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_sign_in_is_not_believed(desk: Desk, claims: dict[str, Any]) -> None:
    desk.issuer.claims = claims
    assert await desk.refused() == "sign_in_failed"


async def test_only_rs256_and_es256_by_the_issuers_own_key_are_believed(desk: Desk) -> None:
    issuer = desk.issuer
    stranger = ec.generate_private_key(ec.SECP256R1())
    public = json.dumps(issuer.public)
    forgeries: list[Callable[[dict[str, Any]], str]] = [
        lambda claims: jwt.encode(claims, None, "none", headers={"kid": issuer.key_id}),
        lambda claims: jwt.encode(claims, public * 2, "HS256", headers={"kid": issuer.key_id}),
        lambda claims: jwt.encode(claims, "A" * 64, "HS256", headers={"kid": "odd"}),
        lambda claims: jwt.encode(claims, stranger, "ES256", headers={"kid": issuer.key_id}),
        lambda claims: jwt.encode(claims, stranger, "ES256", headers={"kid": "unknown"}),
        lambda claims: jwt.encode(claims, stranger, "ES256"),
        lambda claims: issuer.sign(claims)[:-6] + "AAAAAA",
        lambda claims: "not a token",
    ]
    for forge in forgeries:
        issuer.forge = forge
        assert await desk.refused() == "sign_in_failed"
    issuer.forge = None
    assert await desk.refused() == ""


async def test_a_new_key_of_the_issuer_is_fetched_but_not_at_everybodys_wish(desk: Desk) -> None:
    assert await desk.refused() == ""
    desk.issuer.rotate("EC")
    desk.now += 31
    assert await desk.refused() == ""
    assert desk.issuer.asked == ["/.well-known/openid-configuration", "/keys", "/keys"]
    desk.issuer.forge = lambda claims: jwt.encode(claims, desk.issuer.key, "ES256", headers={"kid": "made up"})
    for _ in range(3):
        assert await desk.refused() == "sign_in_failed"
    assert desk.issuer.asked.count("/keys") == 2


async def test_an_answer_to_another_browser_or_another_question_is_not_taken(desk: Desk) -> None:
    back = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    wrong = back.replace("state=", "state=x")
    assert await desk.go(wrong) == "/account#refused=sign_in_failed"
    assert await desk.go(back) == "/account#refused=sign_in_failed"  # the cookie is gone with the first try
    back = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    desk.http.cookie_jar.clear()
    assert await desk.go(back) == "/account#refused=sign_in_failed"
    back = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    assert await desk.go(back.replace("iss=", "iss=x")) == "/account#refused=sign_in_failed"
    back = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    desk.now += 601
    assert await desk.go(back) == "/account#refused=sign_in_failed"
    assert (await desk.session())[1]["error"]["code"] == "sign_in_failed"


async def test_a_code_is_good_once_and_with_its_verifier(desk: Desk) -> None:
    back = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    other = await desk.go(await desk.go(f"{desk.url}/api/v1/oidc/start"))
    stolen = back.partition("code=")[2].partition("&")[0]
    own = other.partition("code=")[2].partition("&")[0]
    assert await desk.go(other.replace(own, stolen)) == "/account#refused=sign_in_failed"


@pytest.mark.parametrize("metadata", [{"issuer": "https://other.example"}, {"token_endpoint": "ftp://x"}, {"jwks_uri": None}])
async def test_an_issuer_that_says_odd_things_of_itself_is_not_used(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.issuer.metadata = metadata
    assert await desk.go(f"{desk.url}/api/v1/oidc/start") == "/account#refused=issuer_away"


def test_settings_that_cannot_work_are_refused() -> None:
    good = {
        "oidc": {"issuer": "https://login.example", "client_id": "c", "client_secret": "s"},
        "server": {"public_url": "https://x.example"},
    }
    assert Settings.model_validate(good).oidc.oidc_settings() is not None
    assert Settings().oidc.oidc_settings() is None
    for section, change in (("oidc", {"client_id": ""}), ("oidc", {"issuer": "http://login.example"}), ("server", {"public_url": ""})):
        with pytest.raises(ValueError, match="issuer"):
            Settings.model_validate({**good, section: {**good[section], **change}})
