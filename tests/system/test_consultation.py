"""A video consultation as people have it: a link, two browsers with cameras, and what each sees of the other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.kit.browser import Person, person, tone_file
from tests.kit.browser_peer import loopback_ice  # noqa: F401
from tests.kit.consultation_guest import guest
from tests.kit.server import Server, running_server
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")
LOW, HIGH = (160, 120), (320, 240)
PLAIN = {"media.voice": {"echo": "off", "noise": "off", "gain": "off"}}
"""Browsers that encode video leave this machine little: what is done to voices is tested elsewhere."""

# What the page decoded of others, by the height of the picture; and what is on a video element now.
_SEEN = """async () => [...(await window.consultation.pc.getStats()).values()]
  .filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')
  .map((entry) => [entry.framesDecoded ?? 0, entry.frameHeight ?? 0])"""
_SEES = """() => [...document.querySelectorAll('#tiles li:not(:has(.own)) video:not([hidden])')].some((video) => video.videoHeight > 0)"""
_PIXELS = """() => {
  const video = document.querySelector('#tiles li:not(:has(.own)) video:not([hidden])');
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 48);
  return [...context.getImageData(0, 0, 64, 48).data];
}"""


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return tone_file(tmp_path / "tone.wav", 697.0)


async def link_from(page: Page, server: Server) -> str:
    """Sign in on the page without a link, which gives one."""
    await page.goto(f"{server.url}/consultation")
    await page.fill("#invite [name=user]", server.user)
    await page.fill("#invite [name=password]", server.password)
    await page.click("[data-do=invite]")
    await page.wait_for_selector("#link:not([hidden])")
    return await page.input_value("#address")


@asynccontextmanager
async def participant(link: str, name: str, microphone: Path) -> AsyncIterator[Person]:
    async with person(microphone) as someone:
        await someone.context.grant_permissions(["microphone", "camera"])
        await join(someone.page, link, name)
        yield someone


async def join(page: Page, link: str, name: str) -> None:
    page.set_default_timeout(40_000)  # browsers that encode pictures leave a small machine little for one another
    await page.goto(link)
    await page.wait_for_function("() => document.querySelector('#preview').srcObject")
    await page.fill("#enter [name=name]", name)
    await page.click("[data-do=join]")


async def sees_motion(page: Page) -> None:
    """Waits until a picture of somebody else is shown, and until it moves."""
    await page.wait_for_function(_SEES)
    before = await page.evaluate(_PIXELS)
    await page.wait_for_function(f"(before) => ({_PIXELS})().some((value, index) => Math.abs(value - before[index]) > 40)", arg=before)


async def test_two_browsers_see_and_hear_each_other(tmp_path: Path, microphone: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(tmp_path, PLAIN))
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await join(host.page, link, "Ana")
        guest = await stack.enter_async_context(participant(link, "Ben", microphone))
        await asyncio.gather(sees_motion(host.page), sees_motion(guest.page))
        for someone in (host, guest):
            ((frames, height_px),) = await someone.page.evaluate(_SEEN)
            assert frames > 0 and height_px in (180, 360, 720)


async def test_five_take_part_and_the_slow_one_gets_the_lower_layer(tmp_path: Path, microphone: Path) -> None:
    """Two browsers and three peers without one, who send recorded VP8 in two layers; one of them lives behind 150 kbit/s."""
    layers = [("q", recorded_vp8(*LOW, 60_000)), ("f", recorded_vp8(*HIGH, 250_000))]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(tmp_path, PLAIN))
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        peers = [VideoPeer(layers, 4), VideoPeer(layers, 1), VideoPeer(layers, 1, link_bits_per_s=150_000)]
        guests = [await stack.enter_async_context(guest(server.url, peer)) for peer in peers]
        for number, someone in enumerate(guests):  # while there is room: browsers come back by themselves when the worker is full
            await someone.join(link.partition("#")[2], f"Guest {number}")
            if number:
                await someone.say("watch", tiles=[{"person": guests[0].person, "track": "camera", "height": 240}])
        await join(host.page, link, "Ana")
        other = await stack.enter_async_context(participant(link, "Ben", microphone))
        begun_s = asyncio.get_running_loop().time()
        for someone, peer in zip(guests, peers, strict=True):
            await someone.offer()
            peer.begin()
        for page in (host.page, other.page):
            await page.wait_for_function(f"async () => (await ({_SEEN})()).filter(([frames]) => frames > 20).length === 4")
        places = (await guests[0].hear("shown", lambda told: len(told["places"]) == 4))["places"]
        assert len({place["person"] for place in places}) == 4
        for slot in range(4):
            await peers[0].see(slot, frames=2)
        await asyncio.gather(peers[1].mostly(HIGH[1]), peers[2].mostly(LOW[1]))
        passed_s = asyncio.get_running_loop().time() - begun_s
        for peer in peers:
            assert all(len(layer.asked) <= passed_s / 0.5 + 1 for layer in peer.layers)
        assert peers[0].layers[0].asked and peers[0].layers[1].asked


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, PLAIN) as running:
        yield running


async def test_screens_are_shared_microphones_muted_and_people_leave(server: Server, microphone: Path) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await join(host.page, link, "Ana")
        someone = await stack.enter_async_context(guest(server.url, VideoPeer([], 1)))
        await someone.join(link.partition("#")[2], "Ben")
        await someone.offer()
        assert someone.peer is not None
        await someone.hear("people", lambda told: told["people"][0]["tracks"] == ["camera"])
        await host.page.click("[data-do=screen]")
        people = (await someone.hear("people", lambda told: len(told["people"][0]["tracks"]) == 2))["people"]
        assert people[0]["tracks"] == ["camera", "screen"]
        ours = (await someone.hear("offer_wanted", lambda told: told["lines"] == 2))["lines"]
        assert ours == 2
        await someone.say("watch", tiles=[{"person": people[0]["id"], "track": "screen", "height": 720}])
        await someone.hear("shown", lambda told: [place["track"] for place in told["places"]] == ["screen"])
        await someone.peer.see(0, frames=3)
        await host.page.click("[data-do=microphone]")
        await someone.hear("people", lambda told: not told["people"][0]["microphone"])
        await host.page.click("[data-do=screen]")
        await host.page.click("[data-do=camera]")
        await someone.hear("people", lambda told: told["people"][0]["tracks"] == [])
        await host.page.wait_for_function("() => document.querySelector('[data-do=camera]').ariaPressed === 'false'")
        await host.page.click("[data-do=leave]")
        await someone.hear("people", lambda told: len(told["people"]) == 1)
        await host.page.wait_for_selector("#over:not([hidden])")


async def test_a_link_that_is_not_ours_is_said_to_be_so(server: Server, microphone: Path) -> None:
    async with person(microphone, locale="es-ES") as someone:
        await someone.context.grant_permissions(["microphone", "camera"])
        await join(someone.page, f"{server.url}/consultation#not-a-link", "Eva")
        await someone.page.wait_for_function("() => document.querySelector('#said').textContent.includes('no es de este servidor')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_is_accessible_and_fits_a_narrow_screen(
    scheme: Literal["light", "dark"], server: Server, microphone: Path
) -> None:
    async with person(microphone, color_scheme=scheme, viewport={"width": 320, "height": 640}) as someone:
        page = someone.page
        await someone.context.grant_permissions(["microphone", "camera"])

        async def fits(view: str) -> None:
            await page.wait_for_selector(f"{view}:not([hidden])")
            found = await Axe().run(page)
            assert found.violations_count == 0, f"{view}: {found.generate_report()}"
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, view

        await page.goto(f"{server.url}/consultation")
        await fits("#invite")
        link = await link_from(page, server)
        await fits("#link")
        await page.click("[data-do=open]")
        await page.wait_for_function("() => document.querySelector('#preview').srcObject")
        await fits("#enter")
        await page.fill("#enter [name=name]", "Ana con un nombre bastante largo")
        await page.click("[data-do=join]")
        async with guest(server.url) as other:
            await other.join(link.partition("#")[2], "Ben")
            await page.wait_for_selector("#tiles li:nth-child(2)")
            await fits("#room")
        await page.click("[data-do=leave]")
        await fits("#over")


async def test_people_are_back_after_their_worker_died(tmp_path: Path, microphone: Path) -> None:
    async with running_server(tmp_path, {**PLAIN, "media": {"workers": 1}}) as server, person(microphone) as host:
        up = await server.process.said(r'"pid": (\d+).*"worker.up"', 60)
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await join(host.page, link, "Ana")
        async with participant(link, "Ben", microphone) as other:
            await asyncio.gather(sees_motion(host.page), sees_motion(other.page))
            before = [await page.evaluate("window.consultation.person") for page in (host.page, other.page)]
            os.kill(int(up.group(1)), signal.SIGKILL)
            for page, former in zip((host.page, other.page), before, strict=True):
                await page.wait_for_function("(former) => ![former, ''].includes(window.consultation.person)", arg=former)
            await asyncio.gather(sees_motion(host.page), sees_motion(other.page))
            assert await host.page.evaluate("document.querySelectorAll('#tiles li').length") == 2
