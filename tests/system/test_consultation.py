"""A video consultation as people have it: a link, two browsers with cameras, and what each sees of the other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import ClientSession
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from api.demo_call.browser import browser_context
from pbx.loopback import CUSTOMER
from tests.kit.browser import Person, person, seen_when, tone_file
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.consultation_guest import ConsultationGuest, guest
from tests.kit.leg_bench import level_at
from tests.kit.looks import settled
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.pressure import starved_s
from tests.kit.server import Server, running_server
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = [
    pytest.mark.usefixtures("loopback_ice"),
    pytest.mark.xdist_group("crowded"),  # with many browsers, or measured: one such file at a time
]
LOW, HIGH = (160, 120), (320, 240)
PLAIN = {"media.voice": {"echo": "off", "noise": "off", "gain": "off"}, "media.recording": {"enabled": True}}
"""Browsers that encode video leave this machine little: what is done to voices is tested elsewhere."""

# What the page decoded of others, by the height of the picture; and what is on a video element now.
_SEEN = """async () => [...(await window.consultation.pc.getStats()).values()]
  .filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')
  .map((entry) => [entry.framesDecoded ?? 0, entry.frameHeight ?? 0])"""
# Leaves the test of the connection out, if it still runs.
_PAST_THE_TEST = """() => {
  const running = document.querySelector('#tested:not([hidden]) [data-do=go-on]');
  running?.click();
  return !running && !['welcome', 'enter'].includes(document.body.dataset.view);
}"""
_PIXELS = """() => {
  const shown = [...document.querySelectorAll('#tiles li:not(:has(.own)) video:not([hidden])')];
  const video = shown.find((each) => each.videoHeight > 0);
  if (!video) return null;
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 48);
  return [...context.getImageData(0, 0, 64, 48).data];
}"""


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return tone_file(tmp_path / "tone.wav", 697.0)


async def link_from(page: Page, server: Server, *, waiting: bool = False) -> str:
    """Sign in on the page without a link and make a consultation; its host is at the door of it afterwards."""
    page.set_default_timeout(40_000)  # browsers that encode pictures leave a small machine little for one another
    await page.goto(f"{server.url}/consultation")
    await page.fill("#door [name=user]", server.user)
    await page.fill("#door [name=password]", server.password)
    await page.click("[data-do=sign-in]")
    await page.set_checked("#plan [name=waiting]", waiting)
    await page.click("[data-do=plan]")
    await page.wait_for_selector("#made:not([hidden])")
    return await page.input_value("#address")


async def go_in(page: Page) -> None:
    """The host, by being signed in."""
    await page.click("[data-do=open]")
    await page.wait_for_function("() => document.querySelector('#preview')?.srcObject")
    await page.click("[data-do=join]")
    await page.wait_for_selector("#room:not([hidden])")


@asynccontextmanager
async def participant(link: str, name: str, microphone: Path) -> AsyncIterator[Person]:
    async with person(microphone) as someone:
        await someone.context.grant_permissions(["microphone", "camera"])
        await join(someone.page, link, name)
        yield someone


async def join(page: Page, link: str, name: str) -> None:
    page.set_default_timeout(40_000)
    await page.goto(link)
    await come_in(page, name)


async def come_in(page: Page, name: str) -> None:
    """From the first step on, without the test."""
    await page.fill("#called input", name)
    await page.click("[data-do=start]")
    await page.wait_for_function("() => document.querySelector('#preview').srcObject")
    await page.click("[data-do=heard]")
    await page.wait_for_function(_PAST_THE_TEST)


async def sees_motion(page: Page) -> None:
    """Waits until a picture of somebody else is shown, and until it moves."""
    before = await (await page.wait_for_function(_PIXELS)).json_value()
    await page.wait_for_function(f"(before) => ({_PIXELS})()?.some((value, index) => Math.abs(value - before[index]) > 40)", arg=before)


async def test_two_browsers_see_and_hear_each_other(tmp_path: Path, microphone: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(tmp_path, PLAIN))
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await go_in(host.page)
        guest = await stack.enter_async_context(participant(link, "Ben", microphone))
        await asyncio.gather(sees_motion(host.page), sees_motion(guest.page))
        for someone in (host, guest):
            ((frames, height_px),) = await someone.page.evaluate(_SEEN)
            assert frames > 0 and height_px in (180, 360, 720)


async def test_five_take_part_and_the_slow_one_gets_the_lower_layer(tmp_path: Path, microphone: Path) -> None:
    """Two browsers and three peers without one, who send recorded VP8 in two layers; one of them lives behind 150 kbit/s.

    The other tells no estimate of its own, because these three share a process, and its pauses are not those of a line.
    """
    layers = [("q", recorded_vp8(*LOW, 60_000)), ("f", recorded_vp8(*HIGH, 250_000))]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(tmp_path, PLAIN))
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        peers = [VideoPeer(layers, 4), VideoPeer(layers, 1, judges=False), VideoPeer(layers, 1, link_bits_per_s=150_000)]
        guests = [await stack.enter_async_context(guest(server.url, peer)) for peer in peers]
        for number, someone in enumerate(guests):
            await someone.join(link.partition("#")[2], f"Guest {number}")
        await go_in(host.page)
        other = await stack.enter_async_context(participant(link, "Ben", microphone))
        begun_s = asyncio.get_running_loop().time()
        for someone, peer in zip(guests, peers, strict=True):
            await someone.offer()
            peer.begin()
        for someone in guests[1:]:
            await someone.ask("room.watch", tiles=[{"identity": guests[0].person, "track": "camera", "height": 240}])
        for page in (host.page, other.page):
            await page.wait_for_function(f"async () => (await ({_SEEN})()).filter(([frames]) => frames > 20).length === 4")
        places = (await guests[0].hear("room.shown", lambda told: len(told["places"]) == 4))["places"]
        assert len({place["identity"] for place in places}) == 4
        for slot in range(4):
            await peers[0].see(slot, frames=2)
        await asyncio.gather(peers[1].mostly(HIGH[1]), peers[2].mostly(LOW[1]))
        passed_s = asyncio.get_running_loop().time() - begun_s
        for peer in peers:
            assert all(len(layer.asked) <= passed_s / 0.5 + 1 for layer in peer.layers)
        assert peers[0].layers[0].asked and peers[0].layers[1].asked


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, {**PLAIN, "demo": {"plan": False, "travel": True}}) as running:
        yield running


RECOGNISER = """globalThis.SpeechRecognition = class extends EventTarget {
  static available = async ({ processLocally }) => (processLocally ? 'available' : 'unavailable');
  start(track) {
    const heard = Object.assign([{ transcript: ` Good ${track.kind} ` }], { isFinal: true });
    setTimeout(() => this.dispatchEvent(Object.assign(new Event('result'), { resultIndex: 0, results: [heard] })));
  }
  abort() {}
};"""
"""What some browsers have and the one of the tests has not: it hears the same words again and again."""


async def captions_are_read_and_written(host: Person, someone: ConsultationGuest, me: str) -> None:
    """Ben's page writes; the host's is told so, shows it as it is, and writes what its own person says while captions are on."""
    begins = someone.ask("caption.say", line_id="c1", text="Bue")
    await seen_when(host.page, "#said:has-text('Captions are being written')", begins)
    await host.page.click("[data-do=captions]")
    told = await someone.hear("caption.said", lambda line: line["by"] == me)
    assert (told["speaker"], told["text"], told["lang"], told["done"]) == (me, "Good audio", "en-GB", True)
    assert "ok" in await someone.ask("caption.say", line_id="c1", text="<b>Buenos días</b>", lang="es", done=True)
    line = "#captions li:has(b:has-text('Ben')) span"
    await host.page.wait_for_selector(f"{line}[lang=es]:has-text('<b>Buenos días</b>')")
    assert "ok" in await someone.ask("caption.say", line_id="c1", text="")
    await host.page.wait_for_selector(line, state="detached")
    await host.page.click("[data-do=captions]")
    await host.page.wait_for_selector("#captions", state="hidden")


async def test_screens_are_shared_microphones_muted_and_people_leave(server: Server, microphone: Path) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(person(microphone))
        await host.context.add_init_script(RECOGNISER)
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await go_in(host.page)
        someone = await stack.enter_async_context(guest(server.url, VideoPeer([], 1)))
        await someone.join(link.partition("#")[2], "Ben")
        await someone.offer()
        assert someone.peer is not None
        me = await host.page.evaluate("JSON.parse(sessionStorage['centralita.session']).identity")
        await someone.hears_of(lambda people: people[me]["tracks"] == ["camera"])
        await captions_are_read_and_written(host, someone, me)
        await host.page.click("[data-do=screen]")
        await someone.hears_of(lambda people: people[me]["tracks"] == ["camera", "screen"])
        await someone.hear("room.reoffer", lambda told: told["lines"] == 2)
        await someone.ask("room.watch", tiles=[{"identity": me, "track": "screen", "height": 720}])
        await someone.hear("room.shown", lambda told: [place["track"] for place in told["places"]] == ["screen"])
        await someone.peer.see(0, frames=3)
        await host.page.click("[data-do=microphone]")
        await someone.hears_of(lambda people: not people[me]["microphone"])
        await host.page.click("[data-do=screen]")
        await host.page.click("[data-do=camera]")
        await someone.hears_of(lambda people: people[me]["tracks"] == [])
        await host.page.wait_for_function("() => document.querySelector('[data-do=camera]').ariaPressed === 'false'")
        await host.page.click("[data-do=leave]")
        await someone.hears_of(lambda people: me not in people)
        await host.page.wait_for_selector("#over:not([hidden])")


async def booking_of_a_demo_customer(server: Server) -> str:
    """The reference of Clara's coming trip."""
    async with ClientSession() as http:
        sign_in = {"user": server.user, "password": server.password}
        token = (await (await http.post(f"{server.url}/api/v1/sign-in", json=sign_in)).json())["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        async with http.get(f"{server.url}/api/v1/bookings", params={"q": CUSTOMER}, headers=bearer) as answer:
            found: str = next(each["reference"] for each in (await answer.json())["bookings"] if each["state"] == "confirmed")
            return found


async def shows_an_itinerary(host: Page, reference: str) -> None:
    """By its reference, with the keyboard alone; then where to look."""
    await host.focus("[data-do=itinerary]")
    await host.keyboard.press("Enter")
    await host.fill("#trip-look input", reference)
    await host.keyboard.press("Enter")
    await host.focus("#trip-found [data-do=share]")
    await host.keyboard.press("Enter")
    await host.wait_for_selector("#trip-shown [data-do=unshare]:focus")
    await host.focus("#trip-shown [data-about='point 1']")
    await host.keyboard.press("Enter")


async def test_a_guest_waits_talks_reloads_and_is_put_out(server: Server, microphone: Path) -> None:
    """Everything that a guest goes through: the waiting room, chat, hand, reaction, an itinerary, a reload with the same seat, the link
    taken back."""
    async with AsyncExitStack() as stack:
        host = (await stack.enter_async_context(person(microphone))).page
        host.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host, server, waiting=True)
        await go_in(host)
        page = (await stack.enter_async_context(participant(link, "Tom", microphone))).page
        await page.wait_for_selector("#wait:not([hidden])")
        await host.click("[data-do=admit]")
        await page.wait_for_selector("#tiles li:nth-child(2)")
        await page.click("[data-do=hand]")
        await host.wait_for_selector("#tiles p:has-text('Hand raised')")
        await page.click("[data-do=react]")
        await seen_when(host, "#tiles .mark:has-text('👏')", page.click("#reactions button >> nth=1"))
        await page.click("[data-do=chat]")
        await page.fill("#say input", "<b>Hola</b>")
        await page.press("#say input", "Enter")
        await host.wait_for_selector("[data-do=chat] b:has-text('1')")
        await host.click("[data-do=chat]")
        await host.wait_for_selector("#messages > div:has-text('<b>Hola</b>')")
        await page.wait_for_function("() => document.body.dataset.media === 'connected'")
        me = "JSON.parse(sessionStorage['centralita.session']).identity"
        before = await page.evaluate(me)
        await page.click("[data-do=chat]")
        assert await page.is_hidden("[data-do=itinerary]"), "nothing is shown yet"
        await shows_an_itinerary(host, await booking_of_a_demo_customer(server))
        pointed = "#trip-shown [data-stage='1'][aria-current]:has-text('Santiago de Compostela → Sarria')"
        await page.wait_for_selector(pointed)
        await page.wait_for_selector("#said:has-text('We are looking at: Transfer')")
        await page.click("[data-do=microphone]")
        await page.wait_for_selector("[data-do=microphone][aria-pressed=false]")
        await page.click("[data-do=microphone]")
        assert await page.is_visible(pointed), "devices that change are no business of the itinerary's"
        assert await page.is_visible("#tiles")
        await page.reload()
        await page.wait_for_function("() => document.body.dataset.media === 'connected'")
        assert await page.evaluate(me) == before
        await page.wait_for_selector(pointed)
        await sees_motion(page)
        await host.click("[data-do=unshare]")
        await page.wait_for_selector("#panel", state="hidden")
        await sees_motion(page)
        assert await host.evaluate("document.querySelectorAll('#tiles li').length") == 2
        await host.click("[data-do=people]")
        await host.click("[data-record=start]")
        await page.click("[data-record=agree]")
        await page.wait_for_selector("#recording:not([hidden])")
        await host.wait_for_selector("#members li:has-text('Tom'):has-text('Agrees to be recorded')")
        await host.click("[data-record=stop]")
        await page.wait_for_selector("#recording", state="hidden")
        await host.click("[data-do=unlink]")
        await page.wait_for_selector("#over:not([hidden]):has-text('taken back')")
        await host.wait_for_selector("#tiles li:nth-child(2)", state="detached")


async def test_who_may_not_come_in_is_told_why_and_when(server: Server, microphone: Path) -> None:
    async with person(microphone) as host, person(microphone, locale="es-ES", timezone_id="America/New_York", expected=("403",)) as guest_:
        await host.context.grant_permissions(["microphone", "camera"])
        await guest_.context.grant_permissions(["microphone", "camera"])
        await link_from(host.page, server)
        await host.page.goto(f"{server.url}/consultation")
        await host.page.fill("#plan [name=starts]", "2100-03-01T18:30")
        await host.page.click("[data-do=plan]")
        await host.page.wait_for_selector("#made:not([hidden])")
        zone = await host.page.evaluate("new Date('2100-03-01T18:30').toISOString()")
        page = guest_.page
        await page.goto(await host.page.input_value("#address"))
        await page.wait_for_selector("#early:not([hidden])")
        await page.click("[data-do=try-now]")
        await come_in(page, "Tom")
        await page.wait_for_selector("#early:not([hidden])")
        expected = await page.evaluate(
            "(at) => new Intl.DateTimeFormat('es-ES', { hour: 'numeric', minute: '2-digit' }).format(new Date(at))", zone
        )
        assert expected in await page.inner_text("#early-when"), "in the zone of who reads it"
        await page.goto(f"{server.url}/consultation#not.a.link")
        await page.wait_for_selector("#over:not([hidden]):has-text('no es de este servidor')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_is_accessible_and_fits_a_narrow_screen(
    scheme: Literal["light", "dark"], server: Server, microphone: Path
) -> None:
    async with person(microphone, color_scheme=scheme, viewport={"width": 320, "height": 640}) as someone:
        page = someone.page
        await someone.context.grant_permissions(["microphone", "camera"])

        async def fits(view: str) -> None:
            await page.wait_for_selector(f"{view}:not([hidden])")
            await settled(page)
            found = await Axe().run(page)
            assert found.violations_count == 0, f"{view}: {found.generate_report()}"
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, view

        await page.goto(f"{server.url}/consultation")
        await fits("#door")
        link = await link_from(page, server, waiting=True)
        await fits("#made")
        await page.goto(f"{server.url}/consultation")
        await fits("#mine")
        await page.click("#mine a")
        await page.wait_for_function("() => document.querySelector('#preview')?.srcObject")
        await fits("#enter")
        await page.click("[data-do=join]")
        await page.wait_for_selector("#room:not([hidden])")
        async with guest(server.url) as other, guest(server.url) as third:
            await third.come(link.partition("#")[2], "Un nombre bastante largo, para que no quepa en una sola línea")
            await third.ask("room.join")
            await other.come(link.partition("#")[2], "Ben")
            await other.ask("room.join")
            await page.click("#waiting li:has-text('Ben') [data-do=admit]")
            await page.wait_for_selector("#tiles li:nth-child(2)")
            await other.ask("hand.raise", raised=True)
            await other.ask("chat.message", message_id="m1", text="Hola, ¿se oye bien? " * 10)
            await fits("#room")
            await page.click("[data-do=chat]")
            await fits("#chat")
            await page.click("[data-do=people]")
            await page.wait_for_selector("[data-do=lower]")
            await fits("#people")
            await shows_an_itinerary(page, await booking_of_a_demo_customer(server))
            await fits("#itinerary")
        await page.click("[data-do=leave]")
        await fits("#over")


async def test_people_are_back_after_their_worker_died(tmp_path: Path, microphone: Path) -> None:
    async with running_server(tmp_path, {**PLAIN, "media": {"workers": 1}}) as server, person(microphone) as host:
        up = await server.process.said(r'"pid": (\d+).*"worker.up"', 60)
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await go_in(host.page)
        async with participant(link, "Ben", microphone) as other:
            await asyncio.gather(sees_motion(host.page), sees_motion(other.page))
            before = [await page.evaluate("window.consultation.id") for page in (host.page, other.page)]
            os.kill(int(up.group(1)), signal.SIGKILL)
            for page, former in zip((host.page, other.page), before, strict=True):
                await page.wait_for_function("(former) => former !== window.consultation.id", arg=former)
            await asyncio.gather(sees_motion(host.page), sees_motion(other.page))
            assert await host.page.evaluate("document.querySelectorAll('#tiles li').length") == 2


# --- a customer at a small phone: from the link to the conversation, whatever is missing ---------------------------------------------

_REFUSED = """(() => {
  const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (wanted.%s) throw new DOMException('refused by the test', 'NotAllowedError');
    return native(wanted);
  };
})()"""
_NO_UDP = r"""(() => {
  const native = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = description.sdp.replace(/^(a=candidate:\S+ \d+ udp \d+ \S+) \d+ /gim, '$1 9 ');
    return native.call(this, { type: description.type, sdp });
  };
})()"""
_WAY = """async () => {
  const stats = await window.consultation.pc.getStats();
  const pair = [...stats.values()].find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
  return pair ? stats.get(pair.localCandidateId).protocol : '';
}"""
_HEARS = """async () => [...(await window.consultation.pc.getStats()).values()]
  .some((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio' && entry.totalAudioEnergy > 0.001)"""
HOST_HZ, CUSTOMER_HZ = 1_000, 697
A_MINUTE_S = 60.0


@dataclass
class Customer:
    """``decisions``: what they had to do, and the browser's question, which the test's browser answers by itself."""

    page: Page
    decisions: int = 1

    async def click(self, selector: str) -> None:
        self.decisions += 1
        await self.page.click(selector)

    async def begin(self, link: str) -> None:
        await self.page.goto(link)
        self.decisions += 1
        await self.page.fill("#called input", "Rosa")
        await self.click("[data-do=start]")
        await self.page.wait_for_selector("#chime-asked")

    async def fits(self) -> None:
        """No fault that axe finds, and nothing beyond the edge."""
        await settled(self.page)
        found = await Axe().run(self.page)
        view = await self.page.evaluate("document.body.dataset.view")
        assert found.violations_count == 0, f"{view}: {found.generate_report()}"
        assert await self.page.evaluate("document.documentElement.scrollWidth") <= 320, view

    async def reads(self, words: str) -> None:
        await self.page.wait_for_function("(words) => document.body.innerText.includes(words)", arg=words)


class Host:
    """Who admits whoever waits, without a browser; whistles, and hears."""

    def __init__(self, guest: ConsultationGuest, peer: BrowserPeer, link: str) -> None:
        self.link, self._guest, self._peer = link, guest, peer

    async def admits(self) -> None:
        told = await self._guest.hear("room.waiting", lambda notice: bool(notice["waiting"]))
        assert "ok" in await self._guest.ask("room.admit", identity=told["waiting"][0]["identity"], admitted=True)

    async def hears(self, frequency_hz: int) -> None:
        """Waits until this tone is there for half a second."""
        async with asyncio.timeout(30):
            while True:
                sound, rate_hz = await listen(self._peer, 25)
                if level_at(sound, frequency_hz, rate_hz) > 0.02:
                    return


@asynccontextmanager
async def host_of_new(server: Server) -> AsyncIterator[Host]:
    """In a consultation of their own, whose guests wait."""
    async with ClientSession() as http, BrowserPeer(ToneTrack(HOST_HZ)) as peer, guest(server.url) as host:
        signed_in = await (await http.post(f"{server.url}/api/v1/sign-in", json={"user": server.user, "password": server.password})).json()
        bearer = {"Authorization": f"Bearer {signed_in['token']}"}
        made = await (await http.post(f"{server.url}/api/v1/consultations", json={"name": "Praga"}, headers=bearer)).json()
        host.room_id = made["room_id"]
        await host.connect(signed_in["token"])
        assert "ok" in await host.ask("room.join")
        answer = await host.ask("room.offer", peer_id="host", sdp=await peer.offer())
        await peer.accept(answer["ok"]["sdp"])
        yield Host(host, peer, f"{server.url}/consultation#{made['token']}")


@asynccontextmanager
async def small_phone(browser: Browser, script: str = "", **options: Any) -> AsyncIterator[Customer]:
    context = await browser.new_context(viewport={"width": 320, "height": 568}, locale="en-GB", **options)
    context.set_default_timeout(30_000)
    if script:
        await context.add_init_script(script)
    someone = Person(context, await context.new_page())
    yield Customer(someone.page)
    assert not someone.complaints, f"the page wrote errors to its console: {someone.complaints}"
    await context.close()


@asynccontextmanager
async def within_a_minute() -> AsyncIterator[None]:
    """Of a machine that had time for it."""
    loop = asyncio.get_running_loop()
    began, starved = loop.time(), starved_s()
    async with asyncio.timeout(4 * A_MINUTE_S):
        yield
    assert loop.time() - began - (starved_s() - starved) <= A_MINUTE_S


async def test_a_customer_at_a_small_phone_comes_from_the_link_to_the_conversation(server: Server, microphone: Path) -> None:
    """With everything, and without camera, microphone or UDP: each time they talk, if by telephone, with no more than four decisions."""
    async with browser_context(microphone) as opened:
        browser = opened.browser
        assert browser is not None
        await with_everything(server, browser)
        await each_view(server, browser)
        await without_a_camera(server, browser)
        await without_a_microphone(server, browser)
        await without_udp(server, browser)


async def with_everything(server: Server, browser: Browser) -> None:
    async with host_of_new(server) as host, small_phone(browser) as customer, within_a_minute():
        await customer.begin(host.link)
        await customer.reads("We hear you.")
        await customer.click("[data-do=heard]")
        await customer.reads("Demo Agent is here and knows that you are waiting.")
        await customer.page.reload()
        await customer.reads("You are next.")
        await host.admits()
        await host.hears(CUSTOMER_HZ)
        await customer.page.wait_for_function(_HEARS)
        assert customer.decisions <= 4


async def each_view(server: Server, browser: Browser) -> None:
    """Each view looks right in the dark; pictures are turned off and on; at the end it is rated."""
    async with host_of_new(server) as host, small_phone(browser, color_scheme="dark") as customer:
        await customer.page.goto(host.link)
        await customer.page.wait_for_selector("#welcome:not([hidden])")
        await customer.fits()
        await customer.begin(host.link)
        await customer.reads("We hear you.")
        await customer.fits()
        await customer.click("[data-do=heard]")
        await customer.page.wait_for_selector("#wait:not([hidden])")
        await customer.fits()
        await host.admits()
        await customer.page.wait_for_selector("#room:not([hidden])")
        await customer.page.click("[data-do=more]")
        await customer.page.click("[data-do=saver]")
        await customer.reads("Sound only: pictures are off, yours and theirs.")
        await customer.fits()
        await customer.page.click("[data-do=show-again]")
        await customer.page.wait_for_selector("[data-do=camera][aria-pressed=true]")
        await customer.page.click("[data-do=leave]")
        await customer.page.wait_for_selector("#rate:not([hidden])")
        await customer.fits()
        await customer.page.check("#scores input[value='5']")
        await customer.page.click("[data-do=rate]")
        await customer.reads("Thank you: it has reached us.")


async def without_a_camera(server: Server, browser: Browser) -> None:
    async with host_of_new(server) as host, small_phone(browser, _REFUSED % "video") as customer, within_a_minute():
        await customer.begin(host.link)
        await customer.reads("No camera: the others will hear you but not see you.")
        await customer.click("[data-do=heard]")
        await customer.page.wait_for_selector("#wait:not([hidden])")
        await host.admits()
        await host.hears(CUSTOMER_HZ)
        assert customer.decisions <= 4


async def without_a_microphone(server: Server, browser: Browser) -> None:
    """The demo line's 600 says what it hears: the host hears themselves by the customer's telephone."""
    async with host_of_new(server) as host, small_phone(browser, _REFUSED % "audio") as customer, within_a_minute():
        await customer.begin(host.link)
        await customer.reads("No microphone: the others will see you but not hear you.")
        await customer.page.click("#enter [data-do=call-me]")
        await customer.page.fill("#call-me input", "600")
        await customer.click("[data-do=call]")
        await customer.page.wait_for_selector("#wait:not([hidden])")
        await customer.reads("We call you as soon as you are let in.")
        await host.admits()
        await customer.reads("You are on the telephone.")
        await host.hears(HOST_HZ)
        assert customer.decisions <= 4


async def without_udp(server: Server, browser: Browser) -> None:
    async with host_of_new(server) as host, small_phone(browser, _NO_UDP) as customer, within_a_minute():
        await customer.begin(host.link)
        await customer.click("[data-do=heard]")
        await customer.page.wait_for_selector("#wait:not([hidden])")
        await host.admits()
        await host.hears(CUSTOMER_HZ)
        assert await customer.page.evaluate(_WAY) == "tcp" and customer.decisions <= 4
