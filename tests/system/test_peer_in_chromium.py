"""The browser transport under a real Chromium: each kind of address, each codec, a new offer, an ICE restart, a closed page."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from aiohttp import web
from playwright.async_api import Page

from api.turn import TurnAccess
from media import messages as msg
from media import rtcp, rtp
from media.icelite import IcePort, IceSettings, local_addresses
from media.peer import Peer
from media.settings import MediaSettings
from tests.kit.browser import person, tone_file
from tests.kit.coturn import Coturn
from tests.kit.media_desk import ROOM, MediaDesk, media_desk

PAGE = """<!doctype html><link rel="icon" href="data:,"><script>
const pc = new RTCPeerConnection(CONFIGURATION);
pc.ontrack = ({ track }) => { const audio = new Audio(); audio.srcObject = new MediaStream([track]); audio.play(); window.audio = audio; };
async function start() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  pc.addTrack(stream.getAudioTracks()[0], stream);
}
async function offer(codec, iceRestart) {
  await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
  const answer = await fetch('/offer/' + codec, { method: 'POST', body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
}
async function received() {
  const found = [...(await pc.getStats()).values()].find((entry) => entry.type === 'inbound-rtp');
  return [found?.packetsReceived ?? 0, found?.packetsLost ?? 0];
}
async function relayed() {
  const found = await pc.getStats();
  const pair = [...found.values()].find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
  return found.get(pair.localCandidateId).relayProtocol;
}
async function reported() {
  for (;;) {
    const found = [...(await pc.getStats()).values()];
    const ours = found.find((entry) => entry.type === 'remote-inbound-rtp');
    const theirs = found.find((entry) => entry.type === 'remote-outbound-rtp');
    if (ours?.roundTripTime !== undefined && theirs) return [ours.roundTripTime, ours.jitter, ours.packetsLost, theirs.packetsSent];
    await new Promise((resume) => setTimeout(resume, 100));
  }
}
</script>"""


class WorkerLeg:
    """Answers the page's offers by a whole media worker; the far end is the demo line's echo."""

    def __init__(self, desk: MediaDesk) -> None:
        self.desk = desk

    async def answer(self, request: web.Request) -> web.Response:
        offer = msg.OfferPeer(leg_id="agent", peer_id="tab1", sdp=await request.text(), codecs=(request.match_info["codec"],))
        answered = await self.desk.worker.perform(offer)
        assert isinstance(answered, msg.PeerAnswered)
        return web.Response(text=answered.sdp)


class EchoLeg:
    """Answers the page's offers and sends every packet back under our SSRC."""

    def __init__(self, port: IcePort) -> None:
        self.packets: dict[int, int] = {}
        self.reports = 0
        self.states: list[str] = []
        self.changed = asyncio.Event()
        self.peer: Peer = port.open_peer(self.on_rtp, self.on_rtcp, self.on_state)

    def on_rtp(self, packet: bytes, now_s: float) -> None:
        header = rtp.parse(packet)
        assert header is not None
        self.packets[header.payload_type] = self.packets.get(header.payload_type, 0) + 1
        kept = {"payload_type": header.payload_type, "sequence": header.sequence, "timestamp": header.timestamp}
        self.peer.send_rtp(rtp.rewrite(packet, header, ssrc=self.peer.ssrc, **kept))
        self.changed.set()

    def on_rtcp(self, packet: bytes, now_s: float) -> None:
        assert rtcp.parse(packet)
        self.reports += 1
        self.changed.set()

    def on_state(self, state: str, detail: str) -> None:
        self.states.append(state)
        self.changed.set()

    async def until_heard(self, payload_type: int, more: int = 20) -> None:
        wanted = self.packets.get(payload_type, 0) + more
        async with asyncio.timeout(30):
            while self.packets.get(payload_type, 0) < wanted:
                await self.until_changed()

    async def until_changed(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=self.peer.answer(await request.text(), (request.match_info["codec"], "opus")).sdp)


class TcpOnlyLeg(EchoLeg):
    """Of our addresses the page hears those by TCP only, as if a firewall let no UDP through."""

    async def answer(self, request: web.Request) -> web.Response:
        told = await super().answer(request)
        assert told.text is not None
        lines = told.text.splitlines(keepends=True)
        return web.Response(text="".join(line for line in lines if not (line.startswith("a=candidate:") and " udp " in line)))


@asynccontextmanager
async def serving(leg: EchoLeg | WorkerLeg, configuration: dict[str, object] | None = None) -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE.replace("CONFIGURATION", json.dumps(configuration or {})), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/offer/{codec}", leg.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


async def has_received(page: Page, packets: int) -> int:
    """Once so many echoes have come: how many were lost."""
    await page.wait_for_function("async (packets) => (await received())[0] >= packets", arg=packets)
    lost: int = (await page.evaluate("received()"))[1]
    return lost


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return tone_file(tmp_path / "tone.wav", 697.0)


@pytest.mark.parametrize("hosts", [("127.0.0.1",), local_addresses()[:1], local_addresses()], ids=["loopback", "interface", "all"])
async def test_each_address_carries_audio_through_a_new_offer_and_a_restart(hosts: tuple[str, ...], microphone: Path) -> None:
    async with IcePort(IceSettings(hosts=hosts)) as port:
        leg = EchoLeg(port)
        async with serving(leg) as url, person(microphone) as someone:
            page = someone.page
            await page.goto(url)
            await page.evaluate("start()")
            await page.evaluate("offer('opus', false)")
            await leg.until_heard(111)
            await page.evaluate("offer('g722', false)")
            await leg.until_heard(9)
            before = leg.peer.link.credentials
            await page.evaluate("offer('pcma', true)")
            await leg.until_heard(8, 100)
            assert leg.peer.link.credentials != before and leg.peer.link.previous is None and leg.peer.link.moves >= 1
            assert leg.states == ["connected"] and leg.peer.counters.refused == 0 and port.counters.strangers == 0
            assert await has_received(page, 100) == 0
            async with asyncio.timeout(30):
                while not leg.reports:
                    await leg.until_changed()
                await page.evaluate("pc.close()")
                while leg.states[-1] != "lost":
                    await leg.until_changed()
        leg.peer.close()


async def test_a_browser_without_udp_talks_by_tcp(microphone: Path) -> None:
    async with IcePort(IceSettings(hosts=local_addresses(), tcp=True)) as port:
        leg = TcpOnlyLeg(port)
        async with serving(leg) as url, person(microphone) as someone:
            await someone.page.goto(url)
            await someone.page.evaluate("start()")
            await someone.page.evaluate("offer('opus', false)")
            await leg.until_heard(111, 100)
            assert await has_received(someone.page, 50) == 0
            assert port.tcp_count >= 1 and port.counters.tcp_malformed == 0 and leg.states == ["connected"]
            await someone.page.evaluate("offer('pcma', true)")
            await leg.until_heard(8, 50)
        leg.peer.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_browser_behind_a_relay_talks_with_time_limited_credentials(
    transport: Literal["udp", "tcp"], microphone: Path, tmp_path: Path
) -> None:
    async with Coturn(tmp_path, "shared secret") as coturn, IcePort(IceSettings()) as port:
        leg = EchoLeg(port)
        servers = msgspec.to_builtins(TurnAccess((coturn.url_by(transport),), coturn.secret, 600.0).of("ana"))
        async with serving(leg, {"iceServers": servers, "iceTransportPolicy": "relay"}) as url, person(microphone) as someone:
            await someone.page.goto(url)
            await someone.page.evaluate("start()")
            await someone.page.evaluate("offer('opus', false)")
            await leg.until_heard(111, 100)
            assert await has_received(someone.page, 50) == 0 and leg.states == ["connected"]
            assert await someone.page.evaluate("relayed()") == transport
        leg.peer.close()


@pytest.mark.parametrize(("codec", "clock_hz"), [("opus", 48_000), ("pcma", 8_000)])
async def test_reports_reach_the_browser_and_ours_its_statistics(codec: str, clock_hz: int, microphone: Path) -> None:
    """The browser answers our sender reports and takes in our report blocks: both sides know the round trip."""
    async with media_desk(MediaSettings(rtcp_interval_s=0.5)) as desk:
        await desk.worker.perform(msg.OpenPeerLeg(leg_id="agent", room_id=ROOM))
        await desk.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id="agent"))
        await desk.demo("far", "echo")
        async with serving(WorkerLeg(desk)) as url, person(microphone) as someone:
            page = someone.page
            await page.goto(url)
            await page.evaluate("start()")
            await page.evaluate(f"offer('{codec}', false)")
            await desk.hear_of(
                msg.QualitySampled, lambda event: any(leg.leg_id == "agent" and leg.round_trip_ms is not None for leg in event.legs)
            )
            round_trip_s, jitter_s, lost, sent = await asyncio.wait_for(page.evaluate("reported()"), 30)
            assert 0 <= round_trip_s < 5 and 0 <= jitter_s < 1 and sent > 0
            received = desk.worker._legs["agent"][0].received
            assert received is not None and received.clock_rate == clock_hz
            assert 0 <= lost <= max(0, received.lost), "none where we missed none, as we do where the machine stands still"
