"""The consultation's door: who gets in, who does not, and what a page may say; the media plane behind it is real."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web
from hypothesis import given
from hypothesis import strategies as st

from api.consultation_routes import ConsultationRoutes
from api.consultations import Consultations
from api.metrics import Metrics
from api.routes import make_app, make_runner
from media.messages import AnyMediaEvent
from media.settings import MediaSettings
from media.worker import MediaWorker
from signaling import consultations as wire
from signaling.consultations import Invitations
from signaling.limits import AddressLimits
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.browser_peer import loopback_ice  # noqa: F401
from tests.kit.consultation_guest import guest
from tests.kit.people import known_by
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")
SECRET = "a secret for tests, long enough: 0123456789"
TOKENS = TokenIssuer(SECRET)


class Door:
    """``now``: the invitations' clock."""

    def __init__(self) -> None:
        self.now = time.time()
        self.invitations = Invitations(SECRET, clock=lambda: self.now)
        self.url = ""
        self.worker: MediaWorker
        self.consultations: Consultations


async def no_parts() -> dict[str, Any]:
    return {}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    found = Door()

    def told(event: AnyMediaEvent) -> None:
        found.consultations.on_media_event(event)

    async with AsyncExitStack() as stack:
        metrics = await stack.enter_async_context(Metrics())
        found.worker = await stack.enter_async_context(MediaWorker(MediaSettings(), told))
        found.consultations = Consultations(found.worker, most_people=2)
        app = make_app(known_by(TOKENS), metrics, no_parts)
        ConsultationRoutes(
            found.consultations,
            found.invitations,
            address_of=lambda request: "192.0.2.1",
            limits=AddressLimits(),
            most_pages=4,
        ).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield found


async def refused(door: Door, *said: object) -> str:
    """The code with which the server ends a connection that says this."""
    async with guest(door.url) as someone:
        for each in said:
            await someone.socket.send_str(each if isinstance(each, str) else json.dumps(each))
        code = (await someone.hear("closing"))["code"]
        await someone.hear("gone")
        return str(code)


async def test_only_who_is_signed_in_gets_a_link(door: Door) -> None:
    async with ClientSession() as http:
        for token, status in (
            (TOKENS.issue("ana", "Ana", "agent").token, 200),
            (TOKENS.issue("cli", "Cli", "customer").token, 403),
            (door.invitations.issue().token, 401),
            ("", 401),
        ):
            async with http.post(f"{door.url}/api/consultations", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == status, token
                if status == 200:
                    link = msgspec.json.decode(await answer.read(), type=wire.Link)
                    assert door.invitations.verify(link.token).room == link.room


async def test_without_a_link_of_ours_nobody_gets_in(door: Door) -> None:
    link = door.invitations.issue()
    head, body, signature = link.token.split(".")
    session = TOKENS.issue("ana", "Ana", "agent").token
    for token in (session, f"{head}.{body}.{signature[:-4]}AAAA", "x", Invitations("another secret that is long enough 123").issue().token):
        assert await refused(door, {"type": "join", "token": token, "name": "Eva"}) == "link_invalid"
    with pytest.raises(Refusal, match="not one of this server"):
        TOKENS.verify(link.token)
    door.now += 8_000
    assert await refused(door, {"type": "join", "token": link.token, "name": "Eva"}) == "link_expired"
    assert door.worker.gauges["rooms"] == 0 and door.consultations.people == 0


@pytest.mark.parametrize(
    "said",
    [
        "", "{}", "[" * 30_000, '{"type": "leave"}', '{"type": "dial", "number": "600"}', '{"type": "join", "token": "", "name": "x"}',
        '{"type": "watch", "tiles": []}', '{"type": "join", "token": "x", "name": "x", "role": "agent"}',
    ],
)  # fmt: skip
async def test_the_first_word_must_be_who_joins(door: Door, said: str) -> None:
    assert await refused(door, said) == "bad_message"
    assert door.worker.gauges["rooms"] == 0


@given(
    st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_message_is_read_as_what_it_is_not(value: object) -> None:
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        wire.read_said(json.dumps({"type": "offer", "peer_id": "x", "sdp": value, "tracks": {"0": "desk"}}))


async def test_a_room_has_its_limit_its_people_and_its_end(door: Door) -> None:
    token = door.invitations.issue().token
    async with guest(door.url) as first:
        await first.join(token, "Ana")
        async with guest(door.url) as second:
            await second.join(token, "Ben")
            people = (await first.hear("people", lambda told: len(told["people"]) == 2))["people"]
            assert [person["name"] for person in people] == ["Ana", "Ben"]
            await second.say("microphone", on=False)
            await first.hear("people", lambda told: not told["people"][-1]["microphone"])
            assert await refused(door, {"type": "join", "token": token, "name": "Eva"}) == "consultation_full"
            assert door.worker.gauges["legs"] == 2
        await first.hear("people", lambda told: len(told["people"]) == 1)
        await first.say("leave")
        await first.hear("gone")
    assert door.worker.gauges["rooms"] == 0 and door.consultations.people == 0


async def test_a_page_is_told_what_was_wrong_and_goes_on(door: Door) -> None:
    async with guest(door.url) as someone:
        await someone.join(door.invitations.issue().token, "Ana")
        for said, code in (
            ({"type": "offer", "peer_id": "p", "sdp": "nonsense"}, "no_audio"),
            ({"type": "offer", "peer_id": "p", "sdp": "x", "tracks": {"0": "desktop"}}, "bad_message"),
            ({"type": "watch", "tiles": [{"person": "x", "track": "camera", "height": -1}]}, "bad_message"),
            ({"type": "join", "token": "x", "name": "x"}, "bad_message"),
        ):
            someone.told.pop("refused", None)
            await someone.socket.send_str(json.dumps(said))
            assert (await someone.hear("refused"))["code"] == code


async def test_who_asks_too_much_is_let_go(door: Door) -> None:
    async with guest(door.url) as someone:
        await someone.join(door.invitations.issue().token, "Ana")
        for _ in range(80):
            await someone.say("microphone", on=True)
        assert (await someone.hear("closing"))["code"] == "too_many_requests"
        await someone.hear("gone")


async def test_more_pages_than_the_server_holds_are_not_let_in(door: Door) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(guest(door.url))
        with pytest.raises(WSServerHandshakeError) as refusal:
            await stack.enter_async_context(guest(door.url))
        assert refusal.value.status == 503
    async with guest(door.url) as someone:
        await someone.join(door.invitations.issue().token, "Ana")


async def test_rooms_hear_nothing_of_one_another(door: Door) -> None:
    frames = recorded_vp8(160, 120, 60_000)
    async with guest(door.url, VideoPeer([("", frames)], 1)) as ana_, guest(door.url, VideoPeer([], 1)) as ben, guest(door.url) as eva:
        token = door.invitations.issue().token
        await ana_.join(token, "Ana")
        await ben.join(token, "Ben")
        await eva.join(door.invitations.issue().token, "Eva")
        for someone in (ana_, ben):
            await someone.offer()
        assert ana_.peer is not None and ben.peer is not None
        ana_.peer.begin()
        await ben.peer.see(0, frames=5)
        await eva.say("watch", tiles=[{"person": ana_.person, "track": "camera", "height": 360}])
        await eva.say("microphone", on=False)
        people = (await eva.hear("people", lambda told: not told["people"][0]["microphone"]))["people"]
        assert [person["name"] for person in people] == ["Eva"] and "shown" not in eva.told
