"""Moments that pages pass through and no address shows: a customer's call on a desk, a visit to a consultation, a first start."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
from playwright.async_api import Page

from api.demo_call.server import Server, server
from deploy.shown_house import PASSWORD, Office

Seen = Callable[[str], AbstractAsyncContextManager[Page]]
"""A page of who has this name, or of nobody by none."""
Take = Callable[[Page, str], Awaitable[None]]
WAIT_MS = 40_000
_PAST_THE_TEST = """() => {
  document.querySelector('#tested:not([hidden]) [data-do=go-on]')?.click();
  return !document.querySelector('#wait').hidden;
}"""


class Moments:
    """``seen``: a page of somebody's (``demo``, one of the house, or ``""``); ``take``: a picture of it by a name."""

    def __init__(self, running: Server, seen: Seen, take: Take) -> None:
        self._running, self._seen, self._take = running, seen, take

    async def all(self) -> None:
        await self.a_customer_calls()
        await self.a_consultation()
        await self.dialogs_of_administration()
        await self.a_visit_from_a_site()

    async def a_customer_calls(self) -> None:
        async with self._seen("demo") as page:
            await page.goto(f"{self._running.url}/")
            await page.wait_for_selector("#main[data-ready=true]")
            await page.fill("#number", "+34 600 1")
            await page.wait_for_selector(".seen[data-code]:not([data-code=''])")
            await self._take(page, "phone-refused")
            await page.fill("#number", "605")
            await page.click("[data-do=dial]")
            await page.wait_for_selector("[role=alertdialog]", timeout=WAIT_MS)
            await page.wait_for_selector("[data-part=context]")
            await self._take(page, "phone-customer-rings")
            await page.click("[data-do=accept]")
            await page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
            await self._take(page, "phone-customer")
            await page.click("[data-do=transfer]")
            await page.wait_for_timeout(1_000)
            await self._take(page, "phone-transfer")
            await page.click("[data-do=transfer]")
            await page.click("[data-do=hold]")
            await page.wait_for_timeout(1_000)
            await self._take(page, "phone-held")
            await page.click("[data-do=hang-up]")
            await page.wait_for_selector("[data-do=wrap-up-finish]")
            await self._take(page, "phone-wrap-up")
            await page.keyboard.press("Control+k")
            await page.wait_for_selector("dialog[open]")
            await self._take(page, "phone-palette")
            await page.keyboard.press("Escape")
            await page.click("[data-do=wrap-up-finish]")

    async def a_consultation(self) -> None:
        async with aiohttp.ClientSession() as http:
            office = Office(http, self._running.url)
            await office.sign_in("eva", PASSWORD)
            token = (await office.send("POST", "/consultations", {"name": "Planning the Azores"}))["token"]
            begin = time.time() + 7_200
            later = (await office.send("POST", "/consultations", {"name": "Visas", "starts_at": begin, "ends_at": begin + 1_800}))["token"]
        async with self._seen("eva") as host, self._seen("") as guest:
            await guest.goto(f"{self._running.url}/consultation#{token}")
            await guest.wait_for_selector("#welcome:not([hidden])")
            await self._take(guest, "consultation-welcome")
            await guest.fill("#called input", "Clara Vidal")
            await guest.click("[data-do=start]")
            await guest.wait_for_function("() => document.querySelector('#preview').srcObject")
            await self._take(guest, "consultation-check-in")
            await guest.click("[data-do=heard]")
            await guest.wait_for_selector("#tested:not([hidden])")
            await self._take(guest, "consultation-test")
            await guest.wait_for_function(_PAST_THE_TEST, timeout=WAIT_MS)
            await guest.wait_for_selector("#wait:not([hidden])")
            await self._take(guest, "consultation-waiting")
            await host.goto(f"{self._running.url}/consultation#{token}")
            await host.wait_for_function("() => document.querySelector('#preview')?.srcObject")
            await host.click("[data-do=join]")
            await host.wait_for_selector("#room:not([hidden])")
            await host.wait_for_timeout(1_000)
            await self._take(host, "consultation-somebody-waits")
            await host.click("[data-do=admit] >> nth=0")
            await guest.wait_for_selector("#room:not([hidden])", timeout=WAIT_MS)
            await asyncio.sleep(3)
            await self._take(guest, "consultation-room")
            await host.click("[data-do=chat]")
            await host.wait_for_selector("#chat:not([hidden])")
            await self._take(host, "consultation-room-chat")
            await guest.click("[data-do=leave]")
            await guest.wait_for_selector("#over:not([hidden])")
            await self._take(guest, "consultation-over")
            await guest.goto("about:blank")
            await guest.goto(f"{self._running.url}/consultation#{later}")
            await guest.wait_for_selector("#welcome:not([hidden]), #early:not([hidden])")
            await guest.wait_for_timeout(500)
            await self._take(guest, "consultation-two-hours-early")

    async def dialogs_of_administration(self) -> None:
        async with self._seen("eva") as page:
            for section, opens in (
                ("queues", "[data-do=new-queue]"),
                ("prompts", "tbody [data-row] button"),
                ("users", "tbody [data-row]"),
            ):
                await page.goto("about:blank")
                await page.goto(f"{self._running.url}/admin#{section}")
                await page.click(f".admin-section {opens} >> nth=0")
                await page.wait_for_selector("dialog[open]")
                await page.wait_for_timeout(700)
                await self._take(page, f"admin-{section}-dialog")
            await page.goto(f"{self._running.url}/rest")
            await page.click(".operations a >> nth=3")
            await page.wait_for_timeout(700)
            await self._take(page, "rest-operation")

    async def a_visit_from_a_site(self) -> None:
        async with self._seen("") as page:
            await page.goto(f"{self._running.url}/widget#queue=travel&page=Tours&site=http://localhost")
            await page.wait_for_selector("[data-part=truth]")
            await self._take(page, "widget-home")
            await page.evaluate("document.documentElement.scrollTop = 0")
            if await page.locator("[data-do=back]").count():
                await page.click("[data-do=back]")
                await page.wait_for_timeout(500)
                await self._take(page, "widget-call-back")


@asynccontextmanager
async def fresh() -> AsyncIterator[str]:
    """A server that nobody has set up; its page with its code."""
    with tempfile.TemporaryDirectory() as directory:
        async with server(Path(directory), {}, demo=False) as running:
            yield (await running.process.said(r"five questions: (\S+)", 30)).group(1)


async def first_start(address: str, page: Page, take: Take) -> None:
    """Its first questions, none of them sent but what a picture of the next one needs."""
    await page.goto(address)
    for step in ("house", "administrator"):
        await page.wait_for_selector(f"[data-step={step}]")
        await take(page, f"start-{step}")
        if step == "house":
            await page.click("[data-do=next]")
