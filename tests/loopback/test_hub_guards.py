"""What one bad client may do to the hub: little, and it is told why. Each test fails without its guard."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio.exceptions

from signaling import messages as wire
from signaling.guard import ClientLimits
from signaling.hub import HubSettings
from signaling.limits import AddressLimits
from signaling.topics import person
from tests.kit.certificate import self_signed
from tests.kit.hub import RunningHub, running_hub


class RawClient:
    """A WebSocket that speaks Socket.IO by hand, to say what no library would."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def text(self) -> str:
        """The next message; empty when the server has closed."""
        message = await asyncio.wait_for(self.socket.receive(), 30)
        return str(message.data) if message.type is aiohttp.WSMsgType.TEXT else ""

    async def rest(self) -> list[str]:
        """All that comes until the server closes."""
        texts = []
        while text := await self.text():
            texts.append(text)
        return texts

    async def until(self, start: str) -> str:
        while not (text := await self.text()).startswith(start):
            assert text, f"closed before {start} came"
        return text

    async def sign_in(self, running: RunningHub, identity: str = "mallory") -> None:
        await self.socket.send_str('40{"token":"' + running.token(identity) + '"}')
        await self.until('42["notice"')


async def raw(running: RunningHub, http: aiohttp.ClientSession) -> RawClient:
    url = running.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    socket = await http.ws_connect(url, max_msg_size=0, ssl=running.trust or True)
    running.at_end(socket.close)
    return RawClient(socket)


async def still_works(running: RunningHub) -> None:
    """Another person is served as if nothing were."""
    ana = await running.client("ana")
    assert await ana.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}


@pytest.fixture(params=["plain", "tls"])
def certificate(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path] | None:
    return self_signed(tmp_path) if request.param == "tls" else None


async def test_a_flood_of_requests_is_told_to_slow_down_then_disconnected(certificate: tuple[Path, Path] | None) -> None:
    limits = ClientLimits(rate_per_s=1.0, burst=10, hasty_per_s=0.1, hasty_burst=5)
    async with running_hub(HubSettings(client=limits), certificate=certificate) as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.sign_in(running)
        for number in range(2_000):
            await client.socket.send_str(f'42{number}["call.hang_up",{{"call_id":"c1"}}]')
        texts = await client.rest()
        assert len(running.line.asked) == 9  # the burst, less the sign-in
        assert running.line.abuse == [("mallory", "127.0.0.1", "too_many_requests")]
        refused = [text for text in texts if "too_many_requests" in text and text.startswith("43")]
        assert len(refused) == 5
        assert '"retry_after":' in refused[0]
        assert "session.closing" in texts[-2]
        assert "too_many_requests" in texts[-2]
        assert texts[-1] == "41"
        await still_works(running)


async def test_who_slows_down_when_told_stays() -> None:
    limits = ClientLimits(rate_per_s=5.0, burst=2)
    async with running_hub(HubSettings(client=limits)) as running:
        ana = await running.client("ana")
        done = 0
        for _ in range(12):
            answer = await ana.ask("call.hang_up", {"call_id": "c1"})
            if "error" in answer:
                await asyncio.sleep(answer["error"]["retry_after"])
            else:
                done += 1
        assert 0 < done < 12
        await asyncio.sleep(0.2)
        assert await ana.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "x",
        "4",
        "49",
        "42",
        "42[",
        "42[]",
        "42[1]",
        '427["call.dial",NaN]',
        "42[" * 9_000,
        '42["call.dial",' + "[" * 20_000,
        '42/admin,["call.dial",{}]',
        '451-["call.dial",{"_placeholder":true,"num":0}]',
        "40/admin,",
        "43[1]",
        "44{}",
        "5",
        "6",
        "2probe",
        b"\x00\x01",
        '42["connect",{},{"token":"x"}]',
    ],
)
async def test_a_storm_of_malformed_packets_is_borne_a_little_and_then_ended(junk: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with running_hub(HubSettings(client=ClientLimits(rate_per_s=1e4, burst=1e4))) as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.sign_in(running, "ana")
        for _ in range(11):
            await (client.socket.send_bytes(junk) if isinstance(junk, bytes) else client.socket.send_str(junk))
        texts = await client.rest()
        assert "session.closing" in texts[-2]
        assert "bad_message" in texts[-2]
        assert running.line.refused == ["bad_message"] * 11
        assert running.line.abuse == [("ana", "127.0.0.1", "bad_message")]
        assert running.line.asked == []
        assert not caplog.records, "no traceback for what a stranger sends"
        await still_works(running)


async def test_requests_before_sign_in_and_a_second_sign_in_are_malformed() -> None:
    async with running_hub() as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.socket.send_str('420["call.dial",{"number":"600"}]')
        assert "bad_message" in await client.until("430")
        await client.sign_in(running)
        await client.socket.send_str('40{"token":"' + running.token("ana") + '"}')
        await client.socket.send_str('421["call.dial",{"number":"600"}]')
        assert await client.until("431") == '431[{"ok":{"call_id":"c1"}}]'
        assert running.line.asked == [("mallory", wire.Dial(number="600"))]
        assert running.line.presence == [("mallory", True)]
        assert running.line.refused == ["bad_message", "bad_message"]


async def test_an_enormous_message_ends_the_connection() -> None:
    async with running_hub() as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.sign_in(running)
        await client.socket.send_str('420["call.dial",{"number":"' + "6" * 1_000_000 + '"}]')
        await client.rest()
        assert client.socket.close_code == 1009
        await still_works(running)


async def test_a_reader_that_stopped_is_disconnected_and_its_queue_stays_bounded(certificate: tuple[Path, Path] | None) -> None:
    settings = HubSettings(outbox_packets=200, outbox_size=400_000, ping_timeout_s=120.0)
    async with running_hub(settings, certificate=certificate) as running:
        slow = await sleeper(running)
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        (connection,) = running.hub._people["mallory"]
        longest = 0
        line = wire.LineState(trunk="pbx", ready=False, detail="x" * 4_000)
        async with asyncio.timeout(30):  # long before the missing pong would tell
            while ("mallory", False) not in running.line.presence:
                running.hub.publish("lines", line)
                longest = max(longest, len(connection.conduit.outbox))
                await ana.told("line.state")
                ana.notices.clear()
        assert longest <= 201
        assert running.line.refused == ["slow_reader"]
        assert "mallory" not in running.hub._people
        slow.close()
        await still_works(running)


async def sleeper(running: RunningHub) -> Any:
    """Signs in by hand over a bare TCP connection, then never reads again."""
    host, port = running.url.rpartition("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096, ssl=running.trust)
    writer.write(
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    body = ('40{"token":"' + running.token("mallory") + '"}').encode()
    writer.write(b"\x81\xfe" + len(body).to_bytes(2, "big") + bytes(4) + body)  # masked with zeros
    await asyncio.wait_for(reader.readuntil(b"session.snapshot"), 30)
    return writer


async def test_of_quality_figures_a_slow_reader_gets_the_newest() -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        for at in range(1_000):
            running.hub.publish(person("ana"), wire.CallQuality(call_id="c1", at=float(at), legs=[]))
        running.hub.publish(person("ana"), wire.CallDigit(call_id="c1", digit="5"))
        await ana.told("call.digit")
        figures = [notice["at"] for notice in ana.notices if notice["type"] == "call.quality"]
        assert figures == [999.0]


async def test_a_flood_of_connections_from_one_address_is_turned_away() -> None:
    settings = HubSettings(address=AddressLimits(rate_per_s=0.001, burst=5))
    async with running_hub(settings) as running, aiohttp.ClientSession() as http:
        for _ in range(5):
            await raw(running, http)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await raw(running, http)
        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert 900 < int(refused.value.headers["Retry-After"]) <= 1001
        assert running.line.refused == ["too_many_connections"]


@pytest.mark.parametrize(
    ("settings", "status"),
    [(HubSettings(sockets=3), 503), (HubSettings(address=AddressLimits(open_at_once=3)), 429)],
)
async def test_open_connections_are_bounded_and_come_free_again(settings: HubSettings, status: int) -> None:
    async with running_hub(settings) as running, aiohttp.ClientSession() as http:
        clients = [await raw(running, http) for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await raw(running, http)
        assert refused.value.status == status
        await clients[0].sign_in(running)
        await clients[0].socket.close()
        await running.line.presences(2)
        await raw(running, http)


async def test_who_does_not_sign_in_is_disconnected() -> None:
    async with running_hub(HubSettings(handshake_s=0.05, sweep_s=0.02)) as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        texts = await client.rest()
        assert "handshake_timeout" in texts[-2]


async def test_a_refused_sign_in_ends_the_connection() -> None:
    async with running_hub() as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.socket.send_str('40{"token":"guess"}')
        texts = await client.rest()
        assert texts[-1].startswith("44{")
        assert "token_invalid" in texts[-1]
        assert client.socket.close_code == 1000


async def test_one_person_has_a_bounded_number_of_connections_the_oldest_goes() -> None:
    async with running_hub(HubSettings(sockets_per_person=2)) as running:
        clients = [await running.client("ana", phone=False) for _ in range(3)]
        (closing,) = await clients[0].told("session.closing")
        assert closing["code"] == "too_many_tabs"
        await clients[0].ended()
        assert await clients[2].ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}


@pytest.mark.parametrize("query", ["EIO=4&transport=polling", "EIO=4", "EIO=4&transport=websocket&sid=abc", "EIO=4&transport=websocket"])
async def test_polling_has_no_way_in(query: str) -> None:
    async with running_hub() as running, aiohttp.ClientSession() as http:
        async with http.get(f"{running.url}/socket.io/?{query}") as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "bad_transport"
        async with http.post(f"{running.url}/socket.io/?{query}", data=b"40") as answer:
            assert answer.status == 405


async def test_a_client_that_says_no_goodbye_is_missed_soon() -> None:
    settings = HubSettings(ping_interval_s=0.5, ping_timeout_s=2.5)
    async with running_hub(settings) as running, aiohttp.ClientSession() as http:
        client = await raw(running, http)
        await client.sign_in(running)
        assert (await running.line.presences(2))[-1] == ("mallory", False)


async def test_a_client_of_the_library_cannot_forge_its_own_disconnect() -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        answer = await ana.ask("disconnect", "forged")
        assert answer["error"]["code"] == "bad_message"
        assert running.hub.is_online("ana")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await (await running.unconnected()).connect(running.url, {})
