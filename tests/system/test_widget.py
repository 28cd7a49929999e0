"""The visitors' button on a page of another origin: a call with an agent, judged by tones, and a site that nobody named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Frame, Page

from api.demo_call.process import free_port
from tests.kit.browser import person, tone_file
from tests.kit.browser_peer import BrowserPeer, loopback_ice
from tests.kit.hub import Client
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.page import page as signed_in
from tests.kit.server import running_server

__all__ = ["loopback_ice"]

AGENT_HZ, VISITOR_HZ = 440.0, 697.0
SITE = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A travel agency</title><h1>Tours</h1>
<script src="{url}/widget.js" data-queue="sales" data-lang="{language}" async></script></html>"""
PLAN = {
    "queues.toml": '[sales]\ntitles = { es = "Ventas", en = "Sales" }\nannounce_every_s = 0\nring_s = 120\n',
    "flows/main.toml": 'languages = ["en"]\n[steps.sales]\nkind = "queue"\nqueue = "sales"\n',
    "numbers.toml": '[[entries]]\nnumber = "610"\nflow = "main"\n',
}
# Who is asked for their microphone says no, and then yes. Tones are no voices: a browser that is left to itself takes them for noise.
UNTOUCHED = """
const take = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
const untouched = { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } };
let asked = 0;
if (take) navigator.mediaDevices.getUserMedia = async () => {
  asked += 1;
  if (asked === 1) throw new DOMException('Permission denied', 'NotAllowedError');
  return take(untouched);
};
"""
HEARS = """
(hz) => {
  const stream = window.centralitaVisit?.stream;
  if (!stream) return false;
  if (window.__ear?.stream !== stream) {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(stream).connect(analyser);
    window.__ear = { stream, analyser, width: context.sampleRate / analyser.fftSize };
  }
  const { analyser, width } = window.__ear;
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = Math.max(...levels.slice(Math.floor(hz / width) - 1, Math.ceil(hz / width) + 2));
  return loudest > -50 && loudest > [...levels].sort((a, b) => a - b)[levels.length / 2] + 25;
}
"""


@asynccontextmanager
async def site(port: int, url: str, language: str = "es") -> AsyncIterator[None]:
    """A page of somebody else's with the script tag, and a policy that lets nothing inline happen."""

    async def page(_: web.Request) -> web.Response:
        policy = f"default-src 'self'; script-src {url}; frame-src {url}; img-src data:"
        text = SITE.format(url=url, language=language)
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def opened(page: Page, url: str) -> Frame:
    """The frame behind the button, by the keyboard alone."""
    await page.locator("centralita-button").wait_for()
    await page.keyboard.press("Tab")
    async with page.expect_event("framenavigated", lambda frame: frame.url.startswith(f"{url}/widget")) as navigated:
        await page.keyboard.press("Enter")
    frame: Frame = await navigated.value
    await frame.wait_for_selector("[data-part=truth]")
    return frame


async def answers(agent: Client, peer: BrowserPeer) -> dict[str, Any]:
    """Take the call that rings; how it rang."""
    ringing = (await agent.told("call.state"))[0]
    call = {"call_id": ringing["call_id"]}
    answer = await agent.ask("peer.offer", {**call, "peer_id": "agent", "sdp": await peer.offer()})
    await peer.accept(answer["ok"]["sdp"])
    await asyncio.wait_for(peer.connected.wait(), 30)
    assert "ok" in await agent.ask("call.accept", call)
    return ringing


async def hears(peer: BrowserPeer, hz: float) -> None:
    async with asyncio.timeout(30):
        while True:
            samples, rate_hz = await listen(peer, 10)
            if level_at(samples, hz, rate_hz) > 0.05:
                return


@pytest.mark.usefixtures("loopback_ice")
async def test_a_button_on_somebody_elses_site_calls_us(tmp_path: Path) -> None:
    for name, text in PLAN.items():
        (tmp_path / "plan" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plan" / name).write_text(text)
    friend, stranger = free_port(), free_port()
    settings = {"widget": {"sites": [f"http://localhost:{friend}"]}, "centre": {"folder": str(tmp_path / "plan")}}
    narrow = {"viewport": {"width": 320, "height": 568}, "color_scheme": "dark", "reduced_motion": "reduce"}
    async with (
        running_server(tmp_path, settings) as server,
        person(tone_file(tmp_path / "tone.wav", VISITOR_HZ), expected=("may not show the button",), permissions=[], **narrow) as visitor,
        site(friend, server.url),
        site(stranger, server.url),
        signed_in(server.url, server.user, server.password) as agent,
        BrowserPeer(ToneTrack(AGENT_HZ)) as peer,
    ):
        await server.process.said("plan.taken", 30)
        page = visitor.page
        for origin in (f"http://localhost:{friend}", server.url):
            await visitor.context.grant_permissions(["microphone"], origin=origin)
        await visitor.context.add_init_script(UNTOUCHED)
        await page.goto(f"http://localhost:{stranger}")
        await page.wait_for_load_state("load")
        assert any(f"http://localhost:{stranger}" in text and "widget.sites" in text for text in visitor.complaints)
        assert await page.locator("centralita-button").count() == 0

        await page.goto(f"http://localhost:{friend}")
        frame = await opened(page, server.url)
        assert await frame.inner_text("h1") == "Ventas"
        assert await frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        found = await Axe().run(page)
        assert [
            (rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"] if rule["impact"] in ("serious", "critical")
        ] == []

        await frame.click("[data-do=call]")
        await frame.wait_for_selector("[data-part=denied]")
        assert "micrófono" in await frame.inner_text("[data-part=denied]")
        await frame.click("main [data-do=home]")
        await frame.fill("input[name=name]", "<img src=x onerror=alert(1)>")
        await frame.click("[data-do=call]")
        ringing = await answers(agent, peer)
        assert ringing["centre"]["facts"]["visitor_name"] == "<img src=x onerror=alert(1)>"
        assert ringing["centre"]["facts"]["visitor_page"] == f"http://localhost:{friend}/"
        await frame.wait_for_selector("[data-state=talking]")
        await asyncio.gather(frame.wait_for_function(HEARS, arg=AGENT_HZ, polling=40), hears(peer, VISITOR_HZ))
        await frame.click("[data-do=hang-up]")
        await frame.wait_for_selector("[data-state=ended]")
        assert await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
