"""The 3CX client over real sockets: tokens, failures, calls that may have been made, and the event socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from aiohttp import web

from pbx.threecx.call_book import BookEvent, LegAppeared, LegChanged, LegGone
from pbx.threecx.call_control import CallControl
from pbx.threecx.event_feed import EventFeed
from pbx.threecx.faults import Away, Contested, Denied, Forbidden, Gone, Rejected
from pbx.threecx.objects import Participant
from pbx.threecx.session import PbxSession
from pbx.threecx.settings import ThreeCxSettings
from tests.kit.small_pbx import SmallPbx, small_pbx

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
async def pbx() -> AsyncIterator[SmallPbx]:
    async with small_pbx() as pbx:
        yield pbx


@pytest.fixture
async def session(pbx: SmallPbx) -> AsyncIterator[PbxSession]:
    async with PbxSession(pbx.settings()) as session:
        yield session


def shown(identifier: int, status: str = "Ringing", **more: object) -> dict[str, object]:
    return {"id": identifier, "dn": "205", "status": status, "callid": 7, "legid": 1, **more}


# --- tokens -------------------------------------------------------------------------------------------------------------------------


async def test_many_at_once_share_one_token(pbx: SmallPbx, session: PbxSession) -> None:
    control = CallControl(session)
    await asyncio.gather(*(control.dns() for _ in range(20)))
    assert pbx.tokens == 1


async def test_after_a_401_one_new_token_is_tried_and_no_third(pbx: SmallPbx, session: PbxSession) -> None:
    control = CallControl(session)
    await control.dns()
    pbx.tokens = 7  # somebody else drew one
    await control.dns()
    assert pbx.tokens == 8
    pbx.stolen = True
    with pytest.raises(Denied):
        await control.dns()
    assert pbx.count("GET", "/callcontrol") == 5


async def test_who_is_robbed_again_and_again_stops_asking_and_says_so(pbx: SmallPbx, session: PbxSession) -> None:
    control = CallControl(session)
    pbx.stolen = True
    with pytest.raises(Denied):
        await control.dns()
    with pytest.raises(Contested, match="a client of its own"):
        await control.dns()
    drawn, asked = pbx.tokens, len(pbx.asked)
    with pytest.raises(Contested):
        await control.dns()
    assert (pbx.tokens, len(pbx.asked)) == (drawn, asked) and "client" in session.trouble


async def test_a_wrong_secret_is_tried_twice_and_not_again(pbx: SmallPbx) -> None:
    pbx.token_status = 400
    async with PbxSession(pbx.settings()) as session:
        control = CallControl(session)
        for _ in range(4):
            with pytest.raises(Denied, match="invalid_client"):
                await control.dns()
    assert pbx.count("POST", "/connect/token") == 2


# --- failures -----------------------------------------------------------------------------------------------------------------------


async def test_the_next_address_is_asked_where_the_first_is_away(pbx: SmallPbx) -> None:
    async with PbxSession(pbx.settings(NOWHERE)) as session:
        control = CallControl(session)
        await asyncio.gather(*(control.dns() for _ in range(4)))
        assert not session.trouble and session.failed >= 1
        assert (await control.dns())[0].dn == "870"


async def test_work_returns_to_the_preferred_address_whatever_the_other_one_does(pbx: SmallPbx) -> None:
    async with small_pbx() as preferred:
        preferred.token_status = 503
        settings = ThreeCxSettings((preferred.url, pbx.url), "870", "secret", first_retry_s=0.01, longest_retry_s=0.02)
        async with PbxSession(settings) as session:
            control = CallControl(session)
            for _ in range(4):
                await control.dns()
            assert pbx.count("GET", "/callcontrol") == 4
            preferred.token_status = 200
            pbx.answers["GET", "/callcontrol"] = lambda request: web.Response(status=502)

            async def asked() -> bool:
                with suppress(Away):
                    await control.dns()
                    return True
                return False

            async with asyncio.timeout(30):
                while not any(await asyncio.gather(*(asked() for _ in range(4)))):
                    pass  # the preferred address rests for some milliseconds more
            before = pbx.count("GET", "/callcontrol")
            await control.dns()
            assert pbx.count("GET", "/callcontrol") == before


async def test_nobody_at_all_is_told_with_what_to_do() -> None:
    async with PbxSession(ThreeCxSettings((NOWHERE,), "870", "secret")) as session:
        with pytest.raises(Away, match="port"):
            await CallControl(session).dns()


@pytest.mark.parametrize(("status", "fault"), [(403, Forbidden), (404, Gone), (422, Rejected)])
async def test_refusals_are_told_apart(pbx: SmallPbx, session: PbxSession, status: int, fault: type[Exception]) -> None:
    pbx.answers["GET", "/callcontrol"] = lambda request: web.json_response({"reasontext": "because"}, status=status)
    with pytest.raises(fault, match="because"):
        await CallControl(session).dns()


async def test_a_broken_answer_is_no_crash(pbx: SmallPbx, session: PbxSession) -> None:
    pbx.answers["GET", "/callcontrol"] = lambda request: web.Response(text='[{"dn": "8')
    with pytest.raises(Away, match="no JSON"):
        await CallControl(session).dns()


# --- calls --------------------------------------------------------------------------------------------------------------------------


def making(pbx: SmallPbx, answer: Callable[[web.Request], object], path: str = "/callcontrol/870/makecall") -> None:
    pbx.answers["POST", path] = answer


async def test_a_call_whose_answer_is_lost_is_found_and_not_made_again(pbx: SmallPbx, session: PbxSession) -> None:
    pbx.legs["870", 1] = shown(1, "Connected", dn="870", party_dn="205")

    async def lost(request: web.Request) -> web.Response:
        assert await request.json() == {"destination": "205", "timeout": 20}
        pbx.legs["870", 2] = shown(2, "Dialing", dn="870", party_dn="205")
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    making(pbx, lost)
    outcome = await CallControl(session).make_call("870", "205", timeout_s=20)
    assert outcome.done and outcome.leg is not None and outcome.leg.id == 2
    assert pbx.count("POST", "/callcontrol/870/makecall") == 1


async def test_a_call_that_fails_is_told_and_never_repeated(pbx: SmallPbx, session: PbxSession) -> None:
    making(pbx, lambda request: web.json_response({"reasontext": "SC limit"}, status=503))
    with pytest.raises(Rejected, match="SC limit"):
        await CallControl(session).make_call("870", "205")
    assert pbx.count("POST", "/callcontrol/870/makecall") == 1


async def test_a_device_that_registered_anew_is_found_again(pbx: SmallPbx, session: PbxSession) -> None:
    old, new = "sip:205@127.0.0.1:5483;rinstance=0a", "sip:205@127.0.0.1:5490;rinstance=1b"
    pbx.answers["GET", "/callcontrol/205/devices"] = lambda request: web.json_response([{"dn": "205", "device_id": new}])
    encoded = "sip%3A205%40127.0.0.1%3A5490%3Brinstance%3D1b"
    made = {"finalstatus": "Success", "result": shown(3)}
    making(pbx, lambda request: web.json_response(made), f"/callcontrol/205/devices/{encoded}/makecall")
    outcome = await CallControl(session).make_call("205", "206", device_id=old)
    assert outcome.leg is not None and outcome.leg.id == 3


async def test_actions_are_sent_where_the_leg_is_ready_for_them(pbx: SmallPbx, session: PbxSession) -> None:
    control = CallControl(session)
    said = []

    async def take(request: web.Request) -> web.Response:
        said.append((request.path, await request.json()))
        return web.json_response({"finalstatus": 1})

    for action in ("answer", "transferto", "divert", "routeto", "attach_party_data"):
        making(pbx, take, f"/callcontrol/205/participants/5/{action}")
    ringing = Participant(5, "205", "Ringing", direct_control=True)
    connected = Participant(5, "205", "Connected", direct_control=True)
    await control.answer(ringing)
    await control.divert(ringing, "206", reason="Polling")
    await control.transfer(connected, "207", timeout_s=15)
    await control.route(connected, "208")
    await control.attach(connected, {"public_call_screening": "Ana"}, to_party=True)
    await control.drop(connected)  # gone: as good
    for refused in (control.answer(connected), control.divert(connected, "1"), control.transfer(ringing, "1")):
        with pytest.raises(Rejected):
            await refused
    assert [body for _, body in said] == [
        {},
        {"destination": "206", "reason": "Polling"},
        {"destination": "207", "timeout": 15},
        {"destination": "208"},
        {"attacheddata": {"public_call_screening": "Ana"}},
    ]


# --- events -------------------------------------------------------------------------------------------------------------------------


class Listening:
    """What the feed tells, and waiting for it."""

    def __init__(self) -> None:
        self.events: list[BookEvent] = []
        self.digits: list[tuple[str, int, str]] = []
        self._told = asyncio.Event()

    def on_event(self, event: BookEvent) -> None:
        self.events.append(event)
        self._told.set()

    def on_digits(self, dn: str, participant: int, digits: str) -> None:
        self.digits.append((dn, participant, digits))
        self._told.set()

    def on_state(self, up: bool, detail: str) -> None:
        self._told.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await self._told.wait()
                self._told.clear()


@pytest.fixture
async def listening(session: PbxSession) -> AsyncIterator[tuple[Listening, EventFeed]]:
    heard = Listening()
    feed = EventFeed(session, CallControl(session), on_event=heard.on_event, on_digits=heard.on_digits, on_state=heard.on_state)
    async with feed:
        yield heard, feed


async def test_a_call_is_followed_by_reading_what_changed(pbx: SmallPbx, listening: tuple[Listening, EventFeed]) -> None:
    heard, feed = listening
    await heard.until(lambda: feed.up)
    pbx.legs["205", 5] = shown(5)
    await pbx.tell(0, "/callcontrol/205/participants/5")
    await heard.until(lambda: len(heard.events) == 1)
    pbx.legs["205", 5] = shown(5, "Connected")
    for _ in range(3):
        await pbx.tell(0, "/callcontrol/205/participants/5")
    await pbx.tell(2, "/callcontrol/205/participants/5", {"dtmf_input": "42"})
    await heard.until(lambda: len(heard.events) == 2 and bool(heard.digits))
    del pbx.legs["205", 5]
    await pbx.tell(0, "/callcontrol/205/participants/5")  # 404 is its end
    await heard.until(lambda: len(heard.events) == 3)
    assert [type(event) for event in heard.events] == [LegAppeared, LegChanged, LegGone]
    assert heard.digits == [("205", 5, "42")]


async def test_what_happened_while_the_socket_was_away_is_found_after_it(pbx: SmallPbx, listening: tuple[Listening, EventFeed]) -> None:
    heard, feed = listening
    await heard.until(lambda: feed.up)
    pbx.legs["205", 5] = shown(5, "Connected")
    pbx.legs["205", 6] = shown(6, legid=2)
    await pbx.drop_sockets()
    await heard.until(lambda: len(heard.events) == 2)
    first, second = heard.events
    assert isinstance(first, LegAppeared) and isinstance(second, LegAppeared) and first.adopted and not second.adopted
    assert feed.book.epoch == 1 and feed.counts["disconnects"] == 1


async def test_events_during_the_snapshot_wait_for_it_and_count(pbx: SmallPbx, session: PbxSession) -> None:
    heard = Listening()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        old = [{"dn": "205", "participants": [shown(5)]}]
        begun.set()
        await go_on.wait()
        return web.json_response(old)

    pbx.answers["GET", "/callcontrol"] = slow
    async with EventFeed(session, CallControl(session), on_event=heard.on_event, on_state=heard.on_state):
        await begun.wait()
        pbx.legs["205", 5] = shown(5, "Connected")
        await pbx.tell(0, "/callcontrol/205/participants/5")
        go_on.set()
        await heard.until(lambda: len(heard.events) == 2)
    assert [type(event) for event in heard.events] == [LegAppeared, LegChanged]


async def test_one_entity_is_read_by_one_reader_at_a_time(pbx: SmallPbx, listening: tuple[Listening, EventFeed]) -> None:
    heard, feed = listening
    await heard.until(lambda: feed.up)
    at_once, most, state = 0, 0, "Ringing"

    async def leg(request: web.Request) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        seen = state
        await asyncio.sleep(0)
        at_once -= 1
        return web.json_response(shown(5, seen))

    pbx.answers["GET", "/callcontrol/205/participants/5"] = leg
    for _ in range(30):
        await pbx.tell(0, "/callcontrol/205/participants/5")
    state = "Connected"
    await pbx.tell(0, "/callcontrol/205/participants/5")
    await heard.until(lambda: bool(feed.book.legs) and feed.book.legs[0].connected)
    assert most == 1
