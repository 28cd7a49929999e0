"""The emulated 3CX on real sockets: tokens, requests, events, audio, and what may go wrong with them."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pbx.threecx.double import Double, Manners, demo_directory
from pbx.threecx.double.audio import FRAME_BYTES, tone
from tests.kit.crm_template import TEMPLATE
from tests.kit.double_client import FORM, Client

OUTSIDE = "+34600111222"


async def bench(manners: Manners | None = None) -> AsyncIterator[Client]:
    async with Double(demo_directory(), manners) as pbx, aiohttp.ClientSession() as http:
        client = Client(pbx, http)
        await client.sign_in()
        yield client


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async for each in bench():
        yield each


@pytest.fixture
async def lenient() -> AsyncIterator[Client]:
    async for each in bench(
        Manners().with_(revoke_kills_ws="no", revoke_kills_streams="no", expires_unit="minutes", wrong_secret_code="400")
    ):
        yield each


async def test_one_token_lives_and_only_its_header_counts(client: Client) -> None:
    first = client.token
    assert (await client.get(""))[0] == 200
    again = await client.sign_in()
    assert again["expires_in"] == 3600 and again["token_type"] == "Bearer" and client.token != first
    assert (await client.get(""))[0] == 200
    client.token = first
    assert (await client.get(""))[0] == 401
    async with client.http.get(f"{client.pbx.url}/callcontrol?access_token={again['access_token']}") as response:
        assert response.status == 401
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await client.http.ws_connect(f"{client.pbx.url}/callcontrol/ws?access_token={again['access_token']}")
    assert (await client.sign_in(client_secret="wrong"))["status"] == 401
    assert (await client.sign_in(grant_type="password"))["status"] == 400
    multipart = aiohttp.FormData(FORM, default_to_multipart=True)
    async with client.http.post(f"{client.pbx.url}/connect/token", data=multipart) as response:
        assert response.status == 200


async def test_what_an_older_pbx_does_with_tokens(lenient: Client) -> None:
    assert (await lenient.sign_in(client_secret="wrong"))["status"] == 400
    async with lenient.events() as socket:
        assert (await lenient.sign_in())["expires_in"] == 60
        lenient.pbx.calls.arrive(OUTSIDE, "+34910000000")
        assert (await socket.receive_json())["event"]["event_type"] == 0


async def test_a_new_token_ends_the_socket_and_the_streams_of_the_old_one(client: Client) -> None:
    client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    (leg,) = client.pbx.calls.of("870")
    async with client.events() as socket:
        async with client.http.get(await _stream(client, leg.id), headers=client.headers) as heard:
            await heard.content.readexactly(FRAME_BYTES)
            await client.sign_in()
            while await heard.content.readany():
                pass
        message = await socket.receive()
        while message.type is aiohttp.WSMsgType.TEXT:
            message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR) and socket.close_code == 1006


async def _stream(client: Client, leg_id: int) -> str:
    """The stream's address, once there is sound: as a client does it, it asks until it is no longer 424."""
    url = f"{client.pbx.url}/callcontrol/870/participants/{leg_id}/stream"
    while True:
        async with client.http.get(url, headers=client.headers) as response:
            if response.status == 200:
                return url
            assert response.status == 424


async def test_events_say_what_changed_and_nothing_more(client: Client) -> None:
    async with client.http.ws_connect(f"{client.pbx.url}/callcontrol/ws", headers=client.headers) as socket:
        trunk = client.pbx.calls.arrive(OUTSIDE, "+34910000000")
        (leg,) = client.pbx.calls.of("870")
        client.pbx.calls.press(trunk, "5")
        client.pbx.calls.drop(trunk)
        told = [await socket.receive_json() for _ in range(3)]
    assert [each["event"]["event_type"] for each in told] == [0, 2, 1]
    assert {each["event"]["entity"] for each in told} == {f"/callcontrol/870/participants/{leg.id}"}
    assert told[0]["event"]["attached_data"] is None and told[1]["event"]["attached_data"] == {"dtmf_input": "5"}
    numbers = [each["sequence"] for each in told]
    assert numbers == sorted(set(numbers))
    client.token = "wrong"
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await client.events()


async def test_a_call_is_made_and_talked_in_and_ended(client: Client) -> None:
    status, text = await client.post("/870/makecall", {"destination": OUTSIDE})
    leg_id = json.loads(text)["result"]["id"]
    assert status == 200
    (far,) = client.pbx.calls.of("10000")
    client.pbx.calls.answer(far)
    url = await _stream(client, leg_id)
    async with client.http.get(url, headers=client.headers) as heard:
        assert heard.headers["Transfer-Encoding"] == "chunked"
        said = await heard.content.readexactly(3 * FRAME_BYTES)
        voice = tone()
        assert said == voice() + voice() + voice() or said in b"".join(voice() for _ in range(3000))
        async with client.http.post(url, headers=client.headers, data=bytes(2 * FRAME_BYTES)) as spoken:
            assert spoken.status == 200
        audio = client.pbx.audio[leg_id]
        assert bytes(audio.posted) == bytes(2 * FRAME_BYTES) and audio.ended_cleanly
        assert (await client.post(f"/870/participants/{leg_id}/drop"))[0] == 200
        while await heard.content.readany():
            pass
    assert (await client.get(f"/870/participants/{leg_id}"))[0] == 404
    assert (await client.post(f"/870/participants/{leg_id}/drop"))[0] == 404


async def test_a_posted_stream_ends_with_its_leg_and_extensions_have_none(client: Client) -> None:
    trunk = client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    (leg,) = client.pbx.calls.of("870")
    url = await _stream(client, leg.id)

    async def speech() -> AsyncIterator[bytes]:
        yield bytes(FRAME_BYTES)
        client.pbx.calls.drop(trunk)
        await asyncio.Event().wait()

    async with client.http.post(url, headers=client.headers, data=speech(), expect100=True) as response:
        assert response.status == 200
    assert client.pbx.audio[leg.id].ended_cleanly is False
    client.pbx.calls.arrive(OUTSIDE, "+34910000001")
    (ringing,) = client.pbx.calls.of("200")
    assert (await client.get(f"/200/participants/{ringing.id}/stream"))[0] == 403
    assert (await client.get("/204/participants/1/stream"))[0] == 403
    assert (await client.get("/870/participants/99/stream"))[0] == 404


async def test_who_ends_the_stream_before_routeto_is_done_loses_the_caller(client: Client) -> None:
    trunk = client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    (leg,) = client.pbx.calls.of("870")
    async with client.events() as socket:
        routing = asyncio.create_task(client.post(f"/870/participants/{leg.id}/routeto", {"destination": "203"}))
        await socket.receive_json()
    assert client.pbx.calls.is_routing(leg)
    async with client.http.post(await _stream(client, leg.id), headers=client.headers, data=bytes(320)) as response:
        assert response.status == 200
    assert not trunk.alive and not leg.alive
    routing.cancel()
    await asyncio.wait([routing])


async def test_an_echo_says_what_it_hears(client: Client) -> None:
    own = client.pbx.calls.dial("870", "+34600000600")
    client.pbx.calls.answer(client.pbx.calls.of("10000")[0])
    said, url = bytes(range(256)) * 20, await _stream(client, own.id)
    async with (
        client.http.post(url, headers=client.headers, data=said) as response,
        client.http.get(url, headers=client.headers) as heard,
        asyncio.timeout(30),
    ):
        assert response.status == 200
        while (frame := await heard.content.readexactly(FRAME_BYTES)) == bytes(FRAME_BYTES):
            pass
        frames = frame + await heard.content.readexactly(3 * FRAME_BYTES)
    assert frames.strip(b"\x00") in said


async def test_what_a_client_must_send(client: Client) -> None:
    assert (await client.post("/870/makecall", data=b""))[0] == 400
    assert (await client.post("/870/makecall", data=b"destination=1"))[0] == 415
    device = "sip%3A200%40127.0.0.1%3A5483%3Brinstance%3D000000c8"
    async with client.http.get(
        aiohttp.client.URL(f"{client.pbx.url}/callcontrol/200/devices/{device}", encoded=True), headers=client.headers
    ) as found:
        assert found.status == 200


class Taken(deque[float]):
    """Delays that tell when one of them is used."""

    def __init__(self, delays: list[float]) -> None:
        super().__init__(delays)
        self.taken = asyncio.Event()

    def popleft(self) -> float:
        self.taken.set()
        return super().popleft()


async def test_faults_befall_it_once_and_on_demand(client: Client) -> None:
    faults = client.pbx.faults
    faults.codes.extend([500, 504])
    faults.truncated = 1
    assert [(await client.get(""))[0] for _ in range(2)] == [500, 504]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads((await client.get(""))[1])
    client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    faults.odd_status = "Parked"
    assert json.loads((await client.get("/870/participants"))[1])[0]["status"] == "Parked"
    faults.odd_status = ""
    waiting = Taken([0.05])
    faults.held_gets = waiting
    read = asyncio.create_task(client.get("/870/participants"))
    await waiting.taken.wait()
    client.pbx.calls.drop(client.pbx.calls.of("870")[0])
    assert len(json.loads((await read)[1])) == 1
    waiting = faults.late_gets = Taken([0.05])
    read = asyncio.create_task(client.get("/870/participants"))
    await waiting.taken.wait()
    client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    assert len(json.loads((await read)[1])) == 1
    client.pbx.steal_token("870")
    assert (await client.get(""))[0] == 401


async def test_a_restart_drops_everything_without_a_close_frame(client: Client) -> None:
    async with client.events() as socket:
        client.pbx.restart()
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR) and socket.close_code == 1006
    assert (await client.get(""))[0] == 401


async def test_a_mute_socket_stays_open_and_answers_no_ping(client: Client) -> None:
    async with client.http.ws_connect(f"{client.pbx.url}/callcontrol/ws", headers=client.headers, autoping=False) as socket:
        await socket.ping(b"1")
        assert (await socket.receive()).type is aiohttp.WSMsgType.PONG
        client.pbx.mute_sockets()
        await socket.ping(b"2")
        client.pbx.calls.arrive(OUTSIDE, "+34910000000")
        client.pbx.tell({"event_type": 9, "entity": "/callcontrol/870", "attached_data": None})
        assert (await client.get(""))[0] == 200
        client.pbx.cut_sockets()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_things_are_made_to_happen_through_its_own_door(client: Client) -> None:
    door = {"X-Double-Key": client.pbx.stage.key}

    async def push(path: str, body: object = None) -> tuple[int, Any]:
        async with client.http.post(f"{client.pbx.url}/double/{path}", json={} if body is None else body, headers=door) as response:
            return response.status, json.loads(await response.text() or "null")

    async with client.http.get(f"{client.pbx.url}/double/legs") as refused:
        assert refused.status == 401
    status, leg = await push("calls", {"caller": OUTSIDE, "called": "+34910000001"})
    assert status == 201
    (ringing,) = client.pbx.calls.of("200")
    assert (await push(f"legs/{ringing.id}/answer"))[0] == 204
    assert (await push(f"legs/{leg['id']}/digits", {"digits": "1"}))[0] == 204
    assert (await push(f"legs/{leg['id']}/drop"))[0] == 204
    assert not client.pbx.calls.legs
    assert (await push("faults", {"codes": [500], "nonsense": 1}))[0] == 400
    assert (await push("faults", {"codes": [500]}))[0] == 204
    assert (await client.get(""))[0] == 500
    async with client.http.get(f"{client.pbx.url}/double/behaviours", headers=door) as response:
        assert {each["basis"] for each in await response.json()} == {"confirmed", "assumed"}
    async with client.events() as socket:
        assert (await push("event", {"event_type": 77, "entity": "/callcontrol/870"}))[0] == 204
        assert (await socket.receive_json())["event"]["event_type"] == 77
    assert (await push("event", []))[0] == 400
    assert (await push("steal-tokens"))[0] == 204 and (await client.get(""))[0] == 401
    assert (await push("restart"))[0] == 204


async def test_configuration_is_read_and_written_with_the_same_token(client: Client) -> None:
    base = f"{client.pbx.url}/xapi/v1"
    async with client.http.get(f"{base}/Users(Number='200')", headers=client.headers, params={"$select": "Id,Number"}) as response:
        assert response.headers["X-3CX-Version"].startswith("20.")
        user = await response.json()
        assert user["Number"] == "200"
    async with client.http.patch(f"{base}/Users({user['Id']})", headers=client.headers, json={"QueueStatus": "LoggedOut"}) as response:
        assert response.status == 204
    async with client.http.get(f"{base}/Users") as response:
        assert response.status == 401
    call = {"dn": "200", "destination": OUTSIDE}
    async with client.events() as socket, client.http.post(f"{base}/Users/Pbx.MakeCall", headers=client.headers, json=call) as response:
        assert (await response.json())["FinalStatus"] == "Success"
        (leg,) = client.pbx.calls.of("200")
        while leg.status != "Connected":  # whoever is called answers by themselves, on the real clock
            await socket.receive_json()


@pytest.fixture
async def other() -> AsyncIterator[Client]:
    """Every switch of audio at its second choice."""
    choices = {"stream_end_in_routeto": "keeps", "media_not_ready_code": "404", "early_post": "refused", "extension_stream_code": "424"}
    async for each in bench(Manners().with_(**choices, sequence_scope="connection")):
        yield each


async def test_the_other_choices_of_audio_and_events(other: Client) -> None:
    pbx, http = other.pbx, other.http
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000000")
    (leg,) = pbx.calls.of("870")
    assert (await other.get(f"/870/participants/{leg.id}/stream"))[0] == 404
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    (ringing,) = pbx.calls.of("200")
    assert (await other.get(f"/200/participants/{ringing.id}/stream"))[0] == 424
    outgoing = pbx.calls.dial("870", "203")
    assert (await other.post(f"/870/participants/{outgoing.id}/stream", data=bytes(320)))[0] == 422
    async with other.events() as one, other.events() as two:
        routing = asyncio.create_task(other.post(f"/870/participants/{leg.id}/routeto", {"destination": "202"}))
        assert [(await socket.receive_json())["sequence"] for socket in (one, two)] == [1, 1]
    url = f"{pbx.url}/callcontrol/870/participants/{leg.id}/stream"
    async with http.post(url, headers=other.headers, data=bytes(320)) as response:
        assert response.status == 200
    assert trunk.alive and leg.alive
    with pbx.acting() as calls:
        calls.answer(calls.of("202")[0])
    assert (await routing)[0] == 200


async def test_what_was_posted_is_recorded_with_its_pace(client: Client) -> None:
    client.pbx.calls.arrive(OUTSIDE, "+34910000000")
    (leg,) = client.pbx.calls.of("870")
    async with client.http.post(await _stream(client, leg.id), headers=client.headers, data=bytes(16_000)) as response:
        assert response.status == 200
    door = {"X-Double-Key": client.pbx.stage.key}
    async with client.http.get(f"{client.pbx.url}/double/audio/{leg.id}", headers=door) as response:
        told = await response.json()
    assert told["bytes"] == 16_000 and told["lead_s"] > 0.9 and told["ended_cleanly"]
    async with client.http.get(f"{client.pbx.url}/double/audio/99", headers=door) as response:
        assert response.status == 404


class CrmService:
    """What a CRM template names: knows one customer, and keeps what is reported to it."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    async def look_up(self, request: web.Request) -> web.Response:
        number = (await request.json())["number"]
        hits = [{"url": "https://desk.test/1", "first": "Rosa", "matched": number, "mails": []}] if number == OUTSIDE else []
        return web.json_response({"hits": hits})

    async def report(self, request: web.Request) -> web.Response:
        self.reports.append(await request.json())
        return web.json_response({}, status=202)


async def test_the_crm_template_is_uploaded_tested_looked_up_and_reported_to(client: Client) -> None:
    service, app = CrmService(), web.Application()
    app.router.add_post("/pbx/lookup", service.look_up)
    app.router.add_post("/pbx/calls", service.report)
    door = {"X-Double-Key": client.pbx.stage.key}
    xapi = f"{client.pbx.url}/xapi/v1/CrmIntegration"
    async with TestServer(app) as server:
        async with client.http.post(f"{client.pbx.url}/double/crm-template", headers=door, data=b"<Crm/>") as response:
            assert response.status == 422 and (await response.json())["line"] == 1
        async with client.http.post(f"{client.pbx.url}/double/crm-template", headers=door, data=TEMPLATE.encode()) as response:
            assert response.status == 201
        choices = {"VariableChoices": [{"Key": "Base", "Value": str(server.make_url("")).rstrip("/")}]}
        async with client.http.patch(xapi, headers=client.headers, json=choices) as response:
            assert response.status == 204
        async with client.http.post(f"{xapi}/Pbx.Test", headers=client.headers, json={"mode": "PhoneExact", "query": OUTSIDE}) as response:
            tested = await response.json()
            assert not tested["IsError"] and [contact["FirstName"] for contact in tested["SearchResult"]] == ["Rosa"]
        with client.pbx.acting() as calls:
            trunk = calls.arrive(OUTSIDE, "+34910000001")
        await client.pbx.idle()
        (leg,) = client.pbx.calls.of("200")
        assert json.loads((await client.get(f"/200/participants/{leg.id}"))[1])["party_caller_name"] == "Rosa"
        with client.pbx.acting() as calls:
            calls.answer(leg)
            calls.drop(trunk)
        await client.pbx.idle()
        first, second = service.reports
        assert first == second and (first["type"], first["who"]["agent"]) == ("Inbound", "200")
        with client.pbx.acting() as calls:
            calls.drop(calls.dial("201", OUTSIDE))
        await client.pbx.idle()
        assert service.reports[-1]["type"] == "Notanswered"
