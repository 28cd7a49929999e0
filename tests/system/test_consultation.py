"""A video consultation as people have it: a link, two browsers with cameras, and what each sees of the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.kit.browser import Person, person, tone_file
from tests.kit.server import Server, running_server

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
        server = await stack.enter_async_context(running_server(tmp_path))
        host = await stack.enter_async_context(person(microphone))
        await host.context.grant_permissions(["microphone", "camera"])
        link = await link_from(host.page, server)
        await join(host.page, link, "Ana")
        guest = await stack.enter_async_context(participant(link, "Ben", microphone))
        await asyncio.gather(sees_motion(host.page), sees_motion(guest.page))
        for someone in (host, guest):
            ((frames, height_px),) = await someone.page.evaluate(_SEEN)
            assert frames > 0 and height_px in (180, 360, 720)
