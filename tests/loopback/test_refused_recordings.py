"""Who refuses is on no disk: the real server, a SIP peer and its keys, and every file that the server can write, before and after."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from api.demo_call.process import free_port
from media.recording import manifest
from media.recording.keys import KeyRing
from media.recording.records import read_recording
from pbx.trunk import Arrived, HungUp
from rooms.audio import PCMA, RtpEndpoint
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.hub import Client
from tests.kit.media_desk import ToneTrack
from tests.kit.page import page
from tests.kit.rtp_phone import EVENT_TYPE, RtpPhone
from tests.kit.sealed_files import texts_in
from tests.kit.server import Server, running_server
from tests.kit.trunk_bench import TrunkBench, sip_bench
from tests.kit.vaults import vault_of

pytestmark = pytest.mark.usefixtures("loopback_ice")
NUMBER, CARD = "600111222", "4929123456781234"
OF_THE_DATABASE = ("centralita.sqlite3", "centralita.sqlite3-wal", "centralita.sqlite3-shm")


def files_in(folder: Path) -> dict[str, int]:
    """Bytes of each, but for the database, the program's own words, and the keys: what a call may lie in."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in found.items() if path.name not in OF_THE_DATABASE and path.suffix not in (".log", ".keys")}
    return {name: path.stat().st_size for name, path in kept.items() if path.suffix != ".checkpoints" and path.parent.name != "speech"}


@dataclass
class Line:
    """Ana's page, and a PBX with one phone behind it."""

    server: Server
    client: Client
    far: TrunkBench
    phone: RtpPhone
    peer: BrowserPeer
    folder: Path

    async def picture(self, call_id: str, **wanted: object) -> None:
        """Waits until the page was last told so of the call."""
        count = 1
        while True:
            notices = await self.client.told("call.state", count)
            now = [notice for notice in notices if notice["call_id"] == call_id]
            if now and all(now[-1][name] == value for name, value in wanted.items()):
                return
            count = len(notices) + 1

    async def call(self) -> str:
        """Dial the phone, which answers, until it is asked."""
        call_id: str = (await self.client.ask("call.dial", {"number": NUMBER}))["ok"]["call_id"]
        arrived = await self.far.event(Arrived)
        assert isinstance(arrived.remote, RtpEndpoint)
        offer = {"call_id": call_id, "peer_id": call_id, "sdp": await self.peer.offer()}
        await self.peer.accept((await self.client.ask("peer.offer", offer))["ok"]["sdp"])
        self.far.trunk.answer(arrived.leg_id, self.phone.endpoint())
        self.phone.call(arrived.remote.host, arrived.remote.port)
        await self.picture(call_id, state="live", agent_connected=True, recording="announcing")
        return call_id

    async def asked(self, call_id: str, action: str, state: str) -> None:
        assert "ok" in await self.client.ask("call.record", {"call_id": call_id, "action": action})
        await self.picture(call_id, recording=state)

    async def over(self, call_id: str) -> None:
        assert "ok" in await self.client.ask("call.hang_up", {"call_id": call_id})
        await self.far.event(HungUp)
        await self.picture(call_id, state="ended")

    def digits(self, call_id: str) -> str:
        """As the page was told."""
        return "".join(told["digit"] for told in self.client.notices if told["type"] == "call.digit" and told["call_id"] == call_id)


@dataclass
class Office:
    """A server that asks callers whether it may record them, Ana's page, and the PBX."""

    server: Server
    client: Client
    far: TrunkBench
    folder: Path

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """For one call."""
        async with RtpPhone(PCMA) as phone, BrowserPeer(ToneTrack(700.0)) as peer:
            yield Line(self.server, self.client, self.far, phone, peer, self.folder)


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    ours, theirs = free_port(), free_port()
    line = {"enabled": True, "server": "127.0.0.1", "port": theirs, "extension": "100", "mode": "address", "transport": "udp"}
    settings: dict[str, dict[str, Any]] = {
        "sip": {**line, "listen_host": "127.0.0.1", "listen_port": ours, "keepalive_s": 0},
        "media": {"recording": {"enabled": True, "incoming": "always", "outgoing": "always", "consent": "asked"}},
    }
    async with (
        sip_bench("127.0.0.1", ours, extension="200", bind_port=theirs, register=False, keepalive_s=0.0) as far,
        running_server(folder, settings) as server,
        page(server.url, server.user, server.password) as client,
    ):
        await far.ready()
        yield Office(server, client, far, folder)


async def consents(server: Server) -> list[tuple[str, str, str]]:
    """What the register has of the number, the oldest first: answer, language and means."""
    async with ClientSession(server.url) as http:
        async with http.post("/api/v1/sign-in", json={"user": server.user, "password": server.password}) as answer:
            bearer = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        async with http.post("/api/v1/consents/search", json={"number": NUMBER}, headers=bearer) as answer:
            found = (await answer.json())["consents"]
    assert all("Press 1" in each["wording"] or "Pulse 1" in each["wording"] for each in found)
    return [(each["answer"], each["language"], each["means"]) for each in reversed(found)]


async def test_who_presses_no_is_on_no_disk_and_who_presses_yes_is_but_for_the_keys_of_a_pause(tmp_path: Path) -> None:
    async with office(tmp_path) as house:
        before = files_in(tmp_path)
        async with house.line() as line:
            refused = await line.call()
            await line.phone.hear(25)
            assert files_in(tmp_path) == before, "nothing while the question is put"
            line.phone.press("2")
            await line.picture(refused, recording="off")
            await line.phone.say(75)
            assert files_in(tmp_path) == before, "nor after the no"
            await line.over(refused)
        assert files_in(tmp_path) == before, "nor when the call is over"
        async with house.line() as line:
            agreed = await line.call()
            line.phone.press("1")
            await line.picture(agreed, recording="recording")
            await line.phone.say(50)
            await line.asked(agreed, "pause", "paused")
            for place, key in enumerate(CARD, 3):  # behind the answers to the two questions
                line.phone.press(key)
                await line.client.told("call.digit", place)
                await line.phone.hear(5)
            await line.asked(agreed, "resume", "recording")
            await line.phone.say(50)
            await line.over(agreed)
        assert await consents(house.server) == [("no", "es", "spoken"), ("yes", "es", "spoken")]
    new = set(files_in(tmp_path)) - set(before)
    (kept,) = [tmp_path / name for name in new if name.endswith(".rec")]
    assert new == {str(path.relative_to(tmp_path)) for path in (kept, kept.with_suffix(".manifest"))}, "the watch sees what is made"
    assert manifest.entries(kept)[0].details == {"consent": "given"}
    assert rows(house.server) == [(agreed, "given")], "of the call that was refused there is no row"
    assert line.digits(agreed) == "1" + "•" * len(CARD)
    data = house.server.data_dir
    assert not any(CARD in text for text in texts_in(tmp_path, vault_of(data)))
    ring = KeyRing([bytes.fromhex((data / "recording.key").read_text().strip())], vault_of(data).open)
    recorded = read_recording(kept, ring)
    ((begin_s, end_s),) = recorded.pauses_s
    at_s = [packet.at_s for packet in recorded.packets]
    assert end_s - begin_s > 1.0 and not [at for at in at_s if begin_s < at < end_s]
    assert not [packet for packet in recorded.packets if packet.header.payload_type == EVENT_TYPE and packet.at_s > begin_s]
    assert sum(at <= begin_s for at in at_s) > 10 < sum(at >= end_s for at in at_s)


def rows(server: Server) -> list[tuple[str, str]]:
    """Of recordings: the call's id and its consent."""
    database = sqlite3.connect(server.data_dir / "centralita.sqlite3")
    try:
        return database.execute("SELECT call_id, consent FROM recordings").fetchall()
    finally:
        database.close()
