"""Limits of REST: the arithmetic, and what callers are told."""

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from api.metrics import Metrics
from api.rest_limits import PER_HOUR, Rates, RestLimits, RestLimitSettings, SlidingWindow, Standing
from api.routes import Neighbours, make_app
from api.settings.tree import Settings
from signaling.addresses import networks
from signaling.grants import Role
from signaling.tokens import TokenIssuer
from tests.kit.people import known_by

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")


@given(st.integers(1, 20), st.lists(st.floats(0.0, 40.0), max_size=60))
def test_a_window_is_never_overrun_and_says_when_to_come_again(most: int, pauses: list[float]) -> None:
    now, window = 1_000.0, SlidingWindow(most, 100.0, 1_000.0)
    taken: list[float] = []
    for pause in pauses:
        now += pause
        wait = window.wait(now)
        if wait == 0.0:
            window.take(now)
            taken.append(now)
        else:
            assert wait <= 200.0
            assert window.left(now) == 0
            assert window.wait(now + wait + 1e-3) == 0.0, "who waits as long as told is let in"
            if wait > 1.0:
                assert _again(most, taken, now).wait(now + wait - 1e-3) > 0.0
            window = _again(most, taken, now)
    for index in range(10, 40):
        assert sum(index * 100.0 <= at < (index + 1) * 100.0 for at in taken) <= most


def _again(most: int, taken: list[float], now: float) -> SlidingWindow:
    """The same window: one may not be asked about the past."""
    window = SlidingWindow(most, 100.0, 1_000.0)
    for at in taken:
        window.take(at)
    window.left(now)
    return window


def test_the_defaults_are_those_that_were_agreed() -> None:
    limits = Settings().limits.rest_limits()
    assert limits.public == Rates(100)
    assert limits.address == Rates(2_000, 100, 20)
    assert limits.person[Role.AGENT] == Rates(1_000, 60, 30)
    assert {limits.person[role].per_hour for role in (Role.PROFESSIONAL, Role.SUPERVISOR)} == {5_000}
    assert {limits.person[role].per_hour for role in (Role.SERVICE, Role.ADMIN)} == {10_000}
    assert set(limits.person) == set(PER_HOUR) == set(Role)


def test_bursts_are_borne_then_the_minute_rate_and_the_hour_hold() -> None:
    now = [0.0]
    limits = RestLimits(RestLimitSettings(person={"agent": Rates(30, 60, 10)}), lambda: now[0])
    ana, ben = limits.of_person("ana", "agent"), limits.of_person("ben", "agent")
    at_once = [limits.take(ana) for _ in range(11)]
    assert [standing.wait_s for standing in at_once] == [0.0] * 10 + [1.0]
    assert [standing.remaining for standing in at_once] == [*range(29, 19, -1), 20], "a refusal costs nothing"
    assert limits.take(ben).wait_s == 0.0
    for _ in range(20):
        now[0] += 1.0
        assert limits.take(ana).wait_s == 0.0
    now[0] += 1.0
    refused = limits.take(ana)
    assert refused.remaining == 0
    assert refused.wait_s > 3_000
    now[0] += refused.wait_s + 0.001
    assert limits.take(ana).wait_s == 0.0


def ask(limits: RestLimits, address: str) -> Standing:
    """Without a sign-in."""
    quota = limits.of_public(address)
    assert quota is not None
    return limits.take(quota)


def test_callers_are_forgotten_oldest_first() -> None:
    limits = RestLimits(RestLimitSettings(public=Rates(1), remembered=2), lambda: 0.0)
    first, _, last = (ask(limits, address).wait_s for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    assert first == last == 0.0
    assert ask(limits, "192.0.2.1").wait_s == 0.0
    assert ask(limits, "192.0.2.3").wait_s > 0.0


def test_a_subscriber_is_a_whole_ipv6_network() -> None:
    limits = RestLimits(RestLimitSettings(public=Rates(1)), lambda: 0.0)
    ask(limits, "2001:db8::1")
    assert ask(limits, "2001:db8::2").wait_s > 0.0


@pytest.mark.parametrize(
    ("address", "denied"), [("192.0.2.7", True), ("192.0.2.200", False), ("198.51.100.1", False), ("no address", False)]
)
def test_what_is_allowed_wins_over_what_is_denied(address: str, denied: bool) -> None:
    settings = RestLimitSettings(deny=networks(["192.0.2.0/24"]), allow=networks(["192.0.2.192/26"]))
    assert RestLimits(settings, lambda: 0.0).is_denied(address) is denied


class Site:
    """The application behind a proxy on this machine, so that a test chooses whence it comes."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def get(self, path: str, address: str, token: str = "") -> tuple[int, dict[str, str], object]:
        headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._http.get(self._url + path, headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.json() if "json" in answer.content_type else None


async def test_callers_are_told_where_they_stand_and_refused_beyond() -> None:
    settings = RestLimitSettings(
        public=Rates(2),
        address=Rates(1_000),
        person={"agent": Rates(3), "admin": Rates(100, 60, 10)},
        deny=networks(["203.0.113.0/24"]),
    )

    async def mine(_request: web.Request) -> web.Response:
        return web.json_response({})

    async with Metrics() as metrics, ClientSession() as http:

        async def healthy() -> dict[str, object]:
            return {}

        app = make_app(
            known_by(TOKENS),
            metrics,
            healthy,  # type: ignore[arg-type]
            network=Neighbours(trusted_proxies=networks(["127.0.0.1"])),
            limits=RestLimits(settings, lambda: 0.0),
        )
        app.router.add_get("/api/v1/account", mine)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site = Site(http, f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            ana, ada = (TOKENS.issue(who, who, role).token for who, role in (("ana", "agent"), ("ada", "admin")))
            for left in (2, 1, 0):
                status, headers, _ = await site.get("/api/v1/account", "192.0.2.1", ana)
                assert (status, headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == (200, "3", str(left))
            status, headers, body = await site.get("/api/v1/account", "192.0.2.99", ana)
            assert (status, headers["X-RateLimit-Remaining"]) == (429, "0")
            assert 0 < int(headers["Retry-After"]) <= int(headers["X-RateLimit-Reset"]) + 1 <= 7_201
            assert isinstance(body, dict) and body["error"]["code"] == "too_many_requests"
            assert (await site.get("/api/v1/account", "192.0.2.1", ada))[0] == 200
            # Nobody's requests are counted by address, apart from those of people; probes and pages are not.
            assert [(await site.get("/api/nothing", "192.0.2.1"))[0] for _ in range(3)] == [404, 404, 429]
            assert (await site.get("/api/v1/health/live", "192.0.2.1"))[0] == 200
            status, headers, _ = await site.get("/", "192.0.2.1")
            assert status == 200 and "X-RateLimit-Limit" not in headers
            status, _, body = await site.get("/", "203.0.113.9")
            assert status == 403 and isinstance(body, dict) and body["error"]["code"] == "address_denied"
        finally:
            await runner.cleanup()
