"""Pictures of every page for people to look at: ``make screenshots`` writes them to ``var/screenshots``, and sheets of four beside them.

A server with demo data and a morning's work (``shown_house``) is started for it; Chromium takes the pictures, in light and dark, English
and Spanish, 320 and 1280 px wide: as an administrator sees the pages, as who is not signed in does, in a call, and in what went wrong.
``python deploy/screenshots.py dark-en-320`` takes those of one look alone.
"""

import asyncio
import base64
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from api.demo_call.browser import chromium_path
from api.demo_call.server import Server, server
from api.page_list import PAGES
from deploy.shown_house import PASSWORD, Office, fill, settle
from deploy.shown_moments import Moments, first_start, fresh
from pbx.loopback import CUSTOMER

FOLDER = Path(__file__).parents[1] / "var" / "screenshots"
Look = tuple[str, str, int]
"""Theme, language, and width in px."""
LOOKS: tuple[Look, ...] = (("light", "en", 1280), ("dark", "es", 1280), ("dark", "en", 320), ("light", "es", 320))
SPECIAL: tuple[Look, ...] = (("contrast", "en", 1280), ("light", "ar-XB", 320), ("light", "en-XA", 320))
FEW = ("/", "/board", "/tickets", "/appointments", "/admin", "/consultation")
"""Pages that are also shown in high contrast and in languages that nobody speaks."""
ADDRESSES = [page.address for page in PAGES if page.address != "/dial"]
SHUT = ("/", "/board", "/consultation", "/admin")
"""Pages that are also shown as who is not signed in sees them."""
GUESTS = ("/book", "/survey")
WRONG = ("/consultation#no.such.link", "/survey#none", "/book#none")
SETTINGS = {
    "demo": {"plan": True, "travel": True},
    "limits": {"person_at_once": 1_000, "person_per_minute": 10_000},
    "widget": {"sites": ["http://localhost"]},
}
SHEET_OF = 4
TALLEST_PX = 1_450
DRAWN = "document.querySelector('[data-ready=true], [data-view], .door') && !document.querySelector('html[data-asking], .kit-skeleton')"
SETTLED_MS = 500
"""After all was said to be there: pictures, fonts, charts."""


class Album:
    """The pictures of one look. ``shown``: by a page's address the fragment that shows something on it."""

    def __init__(self, url: str, look: Look, shown: dict[str, str]) -> None:
        self.pictures: list[Path] = []
        self._url, self._look, self._shown = url, look, shown

    async def open(self, page: Page, address: str) -> None:
        path, _, fragment = address.partition("#")
        asked = f"?lang={self._look[1]}"
        fragment = fragment or self._shown.get(path, "")
        await page.goto("about:blank")
        await page.goto(f"{self._url}{path}{asked}{'#' if fragment else ''}{fragment}")
        await self._drawn(page)

    async def _drawn(self, page: Page) -> None:
        await page.wait_for_function(f"() => {DRAWN} && document.querySelector('#main').innerText.trim().length > 10")
        await page.wait_for_timeout(SETTLED_MS)

    async def take(self, page: Page, name: str) -> None:
        theme, language, width = self._look
        path = FOLDER / f"{theme}-{language}-{width}-{name}.png"
        await page.screenshot(path=path, full_page=True)
        self.pictures.append(path)

    async def page_and_all_behind_it(self, page: Page, address: str, *, deep: bool = True) -> None:
        name = address.strip("/") or "phone"
        await self.open(page, address)
        await self.take(page, name)
        if not deep:
            return
        for link in (await page.locator(".admin-nav a").all())[1:]:
            section = (await link.get_attribute("href") or "").strip("#")
            await link.click()
            await self._drawn(page)
            await self.take(page, f"{name}-{section}")
        for tab in (await page.locator(".board [data-tab]").all())[1:]:
            section = await tab.get_attribute("data-tab") or ""
            await tab.click()
            await self._drawn(page)
            await self.take(page, f"{name}-{section}")


@asynccontextmanager
async def seen_by(browser: Browser, look: Look, user: str, url: str, password: str) -> AsyncIterator[Page]:
    """A page of somebody who is signed in, or of nobody where ``user`` is empty."""
    theme, language, width = look
    begin = f"localStorage.setItem('centralita.theme', '{theme}'); localStorage.setItem('centralita.language', '{language}');"
    if user:
        async with aiohttp.ClientSession() as http:
            office = Office(http, url)
            await office.sign_in(user, password)
        kept = json.dumps(json.dumps(office.session | {"got_at": time.time()}))
        begin += f"sessionStorage.setItem('centralita.session', {kept});"
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
        permissions=["microphone", "camera"],
        timezone_id="Europe/Madrid",
        locale="es-ES" if language == "es" else "en-GB",
    )
    await context.add_init_script(begin)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def of_a_call(browser: Browser, running: Server, look: Look, shown: dict[str, str]) -> list[Path]:
    """An agent's page while a customer calls, in the call and after it; and the board meanwhile."""
    album = Album(running.url, look, shown)
    async with (
        seen_by(browser, look, running.user, running.url, running.password) as desk,
        seen_by(browser, look, "ines", running.url, PASSWORD) as board,
    ):
        await album.open(desk, "/")
        await desk.click("[data-do=call-me]")
        await desk.wait_for_selector("[role=alertdialog]")
        await album.take(desk, "phone-ringing")
        await desk.click("[data-do=accept]")
        await desk.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await album.open(board, "/board")
        await board.click("#calls [data-row]")
        await board.wait_for_timeout(4_000)
        await album.take(board, "board-live-call")
        await board.click("[data-do=open-call]")
        await board.wait_for_selector("[data-part=call-page][data-known=true]")
        await album.take(board, "board-one-call")
        await album.open(board, "/board")
        await album.take(desk, "phone-in-a-call")
        await desk.click("[data-do=settings]")
        await desk.wait_for_selector("dialog[open]")
        await album.take(desk, "phone-settings")
        await desk.keyboard.press("Escape")
        await desk.click("[data-do=hang-up]")
        await desk.wait_for_selector("[data-call-id][data-state=ended]")
        await album.take(desk, "phone-after-a-call")
    return album.pictures


CAPTIONS = {
    "en": ("Good morning, Clara. Can you hear me?", "The transfer to Sarria leaves at half past nine, from the station."),
    "es": ("Buenos días, Clara. ¿Me oye bien?", "El traslado a Sarria sale a las nueve y media, desde la estación."),
}
SAY_CAPTION = """async (line) => {
  const link = performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/js/link.js'));
  await (await import(link.name)).ask('caption.say', line);
}"""
"""By the page's own connection."""


async def of_a_consultation(browser: Browser, running: Server, look: Look) -> list[Path]:
    """An itinerary beside the video: as its host found it, as it is shown, and as the customer sees that; and captions."""
    album = Album(running.url, look, {})
    async with aiohttp.ClientSession() as http:
        office = Office(http, running.url)
        await office.sign_in("eva", PASSWORD)
        made = await office.send("POST", "/consultations", {"name": "Camino de Santiago", "waiting_room": False})
        found = await office.send("GET", f"/bookings?q={CUSTOMER.replace('+', '%2B')}")
    reference = next(each["reference"] for each in found["bookings"] if each["state"] == "confirmed")
    async with (
        seen_by(browser, look, "eva", running.url, PASSWORD) as host,
        seen_by(browser, look, "", running.url, "") as customer,
    ):
        await album.open(host, f"/consultation#{made['room_id']}")
        await host.wait_for_function("() => document.querySelector('#preview')?.srcObject")
        await host.click("[data-do=join]")
        await album.open(customer, f"/consultation#{made['token']}")
        await customer.fill("#called input", "Clara")
        await customer.click("[data-do=start]")
        await customer.click("[data-do=heard]")
        await customer.wait_for_function(
            "() => document.body.dataset.view === 'room' || void document.querySelector('#tested:not([hidden]) [data-do=go-on]')?.click()"
        )
        await host.click("[data-do=itinerary]")
        await host.fill("#trip-look input", reference)
        await host.click("[data-do=look]")
        await host.wait_for_selector("#trip-found .trip-stage")
        await album.take(host, "consultation-itinerary-found")
        await host.click("[data-do=share]")
        await host.click("[data-do=point] >> nth=2")
        await customer.wait_for_selector("#trip-shown [aria-current]")
        await album.take(host, "consultation-itinerary-shown")
        await album.take(customer, "consultation-itinerary-of-the-customer")
        if await customer.is_visible("[data-do=more]"):
            await customer.click("[data-do=more]")
        await customer.click("[data-do=captions]")
        for at, line in enumerate(CAPTIONS[look[1]]):
            await host.evaluate(SAY_CAPTION, {"room_id": made["room_id"], "line_id": f"c{at}", "text": line, "done": True})
        await customer.wait_for_selector(f"#captions li >> nth={len(CAPTIONS[look[1]]) - 1}")
        await album.take(customer, "consultation-captions")
    return album.pictures


async def of_a_look(browser: Browser, running: Server, look: Look, shown: dict[str, str]) -> list[Path]:
    album = Album(running.url, look, shown)
    async with seen_by(browser, look, "eva", running.url, PASSWORD) as page:
        for address in ADDRESSES:
            if address not in GUESTS:
                await album.page_and_all_behind_it(page, address)
    async with seen_by(browser, look, "", running.url, "") as page:
        for address in GUESTS:
            await album.page_and_all_behind_it(page, address)
        for address in WRONG:
            await album.open(page, address)
            await album.take(page, f"{address.partition('#')[0].strip('/')}-wrong")
    async with seen_by(browser, look, "eva", running.url, PASSWORD) as page:
        await album.open(page, "/board#no-such-call")
        await album.take(page, "board-wrong")
    nothing = Album(running.url, look, {})
    async with seen_by(browser, look, "", running.url, "") as page:
        for address in SHUT:
            await nothing.open(page, address)
            await nothing.take(page, f"{address.strip('/') or 'phone'}-door")
        await nothing.open(page, "/book")
        await page.click("[name=service] >> nth=0")
        await page.wait_for_selector(".time")
        await nothing.take(page, "book-choosing")
    async with seen_by(browser, look, running.user, running.url, running.password) as page:
        for address in ("/admin", "/board"):
            await nothing.open(page, address)
            await nothing.take(page, f"{address.strip('/')}-of-an-agent")
    in_talks = await of_a_call(browser, running, look, shown) + await of_a_consultation(browser, running, look)
    return album.pictures + nothing.pictures + in_talks


async def of_moments(browser: Browser, running: Server, look: Look) -> list[Path]:
    album = Album(running.url, look, {})

    def seen(user: str) -> AbstractAsyncContextManager[Page]:
        if user == "demo":
            return seen_by(browser, look, running.user, running.url, running.password)
        return seen_by(browser, look, user, running.url, PASSWORD)

    await Moments(running, seen, album.take).all()
    async with fresh() as start, seen("") as page:
        await first_start(start, page, album.take)
    return album.pictures


async def of_few(browser: Browser, running: Server, look: Look, shown: dict[str, str]) -> list[Path]:
    album = Album(running.url, look, shown)
    async with seen_by(browser, look, "eva", running.url, PASSWORD) as page:
        for address in FEW:
            await album.page_and_all_behind_it(page, address, deep=False)
    return album.pictures


async def sheets(browser: Browser, pictures: list[Path], look: Look) -> None:
    """Pictures beside one another, their names above; what is very tall is cut."""
    columns = SHEET_OF if look[2] < 700 else 2
    tallest = TALLEST_PX if columns == SHEET_OF else TALLEST_PX // 2
    style = (
        f"body{{display:grid;grid-template-columns:repeat({columns},1fr);grid-auto-rows:max-content;gap:8px;margin:8px;background:#777}}"
        f"figure{{margin:0;overflow:hidden;max-height:{tallest}px}}img{{width:100%}}figcaption{{font:12px sans-serif;color:#fff}}"
    )
    page = await browser.new_page(viewport={"width": 1_400, "height": 400})
    for number, at in enumerate(range(0, len(pictures), SHEET_OF)):
        tiles = []
        for path in pictures[at : at + SHEET_OF]:
            source = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
            tiles.append(f'<figure><figcaption>{path.stem}</figcaption><img src="{source}"></figure>')
        await page.set_content(f"<!doctype html><style>{style}</style>{''.join(tiles)}")
        await page.screenshot(path=FOLDER / f"sheet-{name_of(look)}-{number:02}.png", full_page=True)
    await page.close()


def name_of(look: Look) -> str:
    return "-".join(map(str, look))


async def main(wanted: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    total = 0
    with tempfile.TemporaryDirectory() as directory:
        async with server(Path(directory), SETTINGS) as running, async_playwright() as playwright:
            await settle(running.data_dir)
            shown = await fill(running)
            browser = await playwright.chromium.launch(
                executable_path=chromium_path(),
                args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
            )
            for look in [look for look in LOOKS + SPECIAL if not wanted or name_of(look) in wanted]:
                pictures = await (of_a_look if look in LOOKS else of_few)(browser, running, look, shown)
                if look in LOOKS:
                    pictures += await of_moments(browser, running, look)
                await sheets(browser, pictures, look)
                total += len(pictures)
                sys.stdout.write(f"{' '.join(map(str, look))}: {len(pictures)} pictures\n")
            await browser.close()
    sys.stdout.write(f"{total} pictures in {FOLDER}, and sheets of {SHEET_OF}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
