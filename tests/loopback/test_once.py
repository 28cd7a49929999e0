"""What is sent under an ``Idempotency-Key`` is done once: again, at once, with another body, at another node, after a kill, and by whom."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from api.bodies import body_of, json_answer
from api.client.client import Client
from api.client.refused import Refused
from api.documents import openapi
from api.guarded_routes import ROUTES
from api.metrics import Metrics
from api.once import DONE_WITHIN_S, KEPT_S, KEY_HEADER, MOST_KEYS, NOT_ONCE, ONCE, Once
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.people import known_by
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
SECRET = "another secret for tests, as long: 0123456789"


class Site:
    """Contacts that are counted: each request that is done makes one. ``now``: seconds since the epoch."""

    def __init__(self) -> None:
        self.now, self.made, self.refuses = 1_000.0, 0, False
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()

    async def make(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, dict[str, str], 32_768)
        self.began.set()
        await self.gate.wait()
        if self.refuses:
            raise Refusal("bad_contact", "No.")
        self.made += 1
        answer = json_answer({"contact": self.made, "of": wanted.get("first", "")}, 201)
        answer.headers["ETag"] = f'"{self.made}"'
        return answer

    @asynccontextmanager
    async def node(self, store: Store) -> AsyncIterator[str]:
        async def healthy() -> Mapping[str, PartHealth]:
            return {}

        async with Metrics() as metrics:
            limits = RestLimits(RestLimitSettings(person={}), lambda: 0.0)
            once = Once(store.sent_keys, SECRET, lambda: self.now)
            app = make_app(known_by(TOKENS), metrics, healthy, limits=limits, once=once)
            app.router.add_post("/api/v1/contacts", self.make)
            app.router.add_post("/api/v1/keys", self.make)
            app.router.add_post("/api/v1/centre/check", self.make)
            runner = make_runner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def post(http: ClientSession, url: str, key: str, body: Any, *, by: str = "eva", path: str = "contacts") -> tuple[int, Any, bool]:
    headers = {"Authorization": f"Bearer {TOKENS.issue(by, by.title(), 'admin').token}", KEY_HEADER: key}
    async with http.post(f"{url}/api/v1/{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers.get("Idempotent-Replayed") == "true"


def test_every_post_of_who_is_known_is_done_once_but_for_those_that_are_named() -> None:
    assert ROUTES.keys() >= NOT_ONCE, "a route that is gone"
    assert {("POST", "/api/v1/contacts"), ("POST", "/api/v1/tickets"), ("POST", "/api/v1/keys")} <= ONCE
    described = openapi()["paths"]
    for method, path in ONCE:
        names = [each["name"] for each in described[path][method.lower()]["parameters"]]
        assert names.count(KEY_HEADER) == 1, path
    assert all(ROUTES[route] is not None for route in ONCE), "who is nobody has no keys"


async def test_what_is_sent_again_at_any_node_is_done_once_and_answered_as_it_was(tmp_path: Path, http: ClientSession) -> None:
    site, url = Site(), f"sqlite:///{tmp_path}/keys.sqlite3"
    async with (
        Store.open(url, vault=VAULT) as one,
        Store.open(url, vault=VAULT, node="two") as two,
        site.node(one) as here,
        site.node(two) as there,
    ):
        body = {"first": "Rosalind"}
        first = await post(http, here, "k1", body)
        assert first == (201, {"contact": 1, "of": "Rosalind"}, False)
        assert await post(http, there, "k1", body) == (201, {"contact": 1, "of": "Rosalind"}, True)
        assert (await post(http, there, "k1", {"first": "Other"}))[1]["error"]["code"] == "key_reused"
        assert (await post(http, there, "k1", body, by="luz"))[1]["contact"] == 2, "everybody has keys of their own"
        assert (await post(http, here, "", body))[1]["contact"] == 3
        assert (await post(http, here, "k" * 129, body))[0] == 400
        assert (await post(http, here, "k1", body, path="centre/check"))[1]["contact"] == 4, "what makes nothing heeds no key"
    raw = (tmp_path / "keys.sqlite3").read_bytes()
    assert b"Rosalind" not in raw, "nobody reads answers without the key"


async def test_of_two_at_once_at_two_nodes_one_is_done_and_both_hear_of_it(tmp_path: Path, http: ClientSession) -> None:
    site, url = Site(), f"sqlite:///{tmp_path}/keys.sqlite3"
    async with (
        Store.open(url, vault=VAULT) as one,
        Store.open(url, vault=VAULT, node="two") as two,
        site.node(one) as here,
        site.node(two) as there,
    ):
        site.gate.clear()
        first = asyncio.create_task(post(http, here, "k1", {}))
        await site.began.wait()
        second = asyncio.create_task(post(http, there, "k1", {}))
        site.gate.set()
        answers = [await first, await second]
        assert [answer[1]["contact"] for answer in answers] == [1, 1] and site.made == 1
        assert sorted(replayed for _, _, replayed in answers) == [False, True]


async def test_what_was_refused_may_be_asked_for_anew_under_its_key(tmp_path: Path, http: ClientSession) -> None:
    site = Site()
    async with Store.open(f"sqlite:///{tmp_path}/keys.sqlite3", vault=VAULT) as store, site.node(store) as here:
        site.refuses = True
        assert (await post(http, here, "k1", {}))[0] == 400
        assert (await post(http, here, "k1", {"first": 5}))[0] == 400, "a body that cannot be read"
        site.refuses = False
        assert (await post(http, here, "k1", {"first": "Ana"}))[:2] == (201, {"contact": 1, "of": "Ana"})
        long = {"first": "x" * 20_000}
        assert (await post(http, here, "k2", long))[0] == (await post(http, here, "k2", long))[0] == 201
        assert site.made == 2, "bodies beyond what most routes take too"


async def test_what_broke_off_is_not_known_and_secrets_are_not_told_twice(tmp_path: Path, http: ClientSession) -> None:
    site = Site()
    async with Store.open(f"sqlite:///{tmp_path}/keys.sqlite3", vault=VAULT) as store, site.node(store) as here:
        assert (await post(http, here, "k1", {}, path="keys"))[0] == 201
        assert (await post(http, here, "k1", {}, path="keys"))[1]["error"]["code"] == "answer_gone"
        assert (await post(http, here, "k2", {"first": "Ana"}))[0] == 201
        await store.sent_keys.forget_answers()
        assert (await post(http, here, "k2", {"first": "Ana"}))[1]["error"]["code"] == "answer_gone", "somebody was erased"
        for key in ("dead", "k3"):
            assert (await post(http, here, key, {}))[0] == 201
        found = await store.sent_keys.found(_id("dead"))
        assert found is not None and found.status == 201
        await store.sent_keys.done(_id("dead"), 0, "")  # as a process leaves it that is killed in the middle
        site.now += DONE_WITHIN_S
        assert (await post(http, here, "dead", {}))[1]["error"]["code"] == "outcome_unknown"
        site.now += KEPT_S
        await store.sent_keys.prune(site.now - KEPT_S, "eva", MOST_KEYS)
        assert (await post(http, here, "k3", {}))[2] is False, "forgotten after a day"
        for number in range(3):
            site.now += 1
            await post(http, here, f"m{number}", {})
        await store.sent_keys.prune(0.0, "eva", 2)
        assert [await store.sent_keys.found(_id(key)) is None for key in ("k3", "m0", "m1", "m2")] == [True, True, False, False]


async def test_the_client_sends_a_key_with_each_wish_and_again_where_nobody_answered(tmp_path: Path) -> None:
    site = Site()
    async with (
        Store.open(f"sqlite:///{tmp_path}/keys.sqlite3", vault=VAULT) as store,
        site.node(store) as here,
        Client(here, TOKENS.issue("eva", "Eva", "admin").token) as calls,
    ):
        assert (await calls.post("/contacts", {"first": "Ana"}))["contact"] == 1
        assert (await calls.post("/contacts", {"first": "Ana"}))["contact"] == 2, "another wish"
        assert (await calls.post("/contacts", {"first": "Ana"}, once="mine"))["contact"] == 3
        assert (await calls.post("/contacts", {"first": "Ana"}, once="mine"))["contact"] == 3
        with pytest.raises(Refused) as refused:
            await calls.post("/contacts", {"first": "Luz"}, once="mine")
        assert (refused.value.status, refused.value.code) == (409, "key_reused")


def _id(key: str) -> str:
    """As the database has a key of Eva's."""
    return hashlib.sha256(b"eva\0" + key.encode()).hexdigest()
