"""All pages in one browser: how they look in every theme and language, what they weigh, and that markup of others stays words."""

import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page

from api.page_list import PAGES
from tests.kit.browser import open_menu, person, tone_file
from tests.kit.looks import drawn, look, tight
from tests.kit.marked_world import MARKUP, PASSWORD, fill, settle
from tests.kit.server import FAST, running_server

pytestmark = pytest.mark.xdist_group("crowded")  # with many browsers, or measured: one such file at a time

HEAVIEST_B = 200_000
SLOWER = 4
"""How many times slower than this machine a mid-range telephone is taken to be."""
GOAL_MS = 1_000
ADDRESSES = [page.address for page in PAGES if page.address != "/dial"]
GUESTS = ("/book", "/survey")
"""Pages for people who do not sign in."""
SECTIONS = {"/admin": 12, "/board": 3}
"""How many more views are behind a page's first one, at least."""
REFUSED = "Failed to load resource"
"""What the browser itself says of a refusal; a survey without a link is one."""

# When was there something to read, and when was the page at rest after that?
_WATCH = """
localStorage.setItem('centralita.theme', 'light');
window.busyUntil = 0;
const note = (list) => list.getEntries().forEach((each) => (window.busyUntil = each.startTime + each.duration));
new PerformanceObserver(note).observe({ type: 'longtask', buffered: true });
new MutationObserver((_, self) => {
  if (document.querySelector('#main :is(h1, h2, form)')?.checkVisibility()) {
    window.readAt = performance.now();
    self.disconnect();
  }
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


class Weighed:
    """What a page took to come with an empty cache, on a processor that is made slower."""

    def __init__(self, wire: CDPSession) -> None:
        self._wire = wire
        self._bytes = self._requests = 0
        self.rows: dict[str, tuple[int, int, float]] = {}
        wire.on("Network.loadingFinished", self._finished)

    def _finished(self, event: dict[str, Any]) -> None:
        self._bytes += int(event["encodedDataLength"])
        self._requests += 1

    async def open(self, page: Page, url: str, address: str, shown: dict[str, str]) -> None:
        await self._wire.send("Network.clearBrowserCache")
        await self._wire.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        self._bytes = self._requests = 0
        await page.goto(f"{url}{address}{'#' if shown.get(address) else ''}{shown.get(address, '')}")
        await drawn(page)
        if address in shown:
            await page.wait_for_function("(markup) => document.querySelector('#main').innerText.includes(markup)", arg=MARKUP)
        usable: float = await page.evaluate("Math.max(window.readAt ?? 0, window.busyUntil)")
        await self._wire.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        self.rows[address] = (self._bytes, self._requests, usable)

    def table(self) -> str:
        lines = [f"{'page':16}{'transferred':>13}{'files':>7}{f'usable, processor / {SLOWER}':>26}"]
        for name, (size, count, usable) in self.rows.items():
            lines.append(f"{name:16}{size:>11,} B{count:>7}{usable:>14.0f} ms {'' if usable <= GOAL_MS else f'(more than {GOAL_MS})'}")
        return "\n".join(lines)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[str, dict[str, Any], dict[str, str]]]:
    async with running_server(tmp_path, {**FAST, "demo": {"travel": True}}) as server:
        await settle(server.data_dir)
        session, shown = await fill(server)
        yield server.url, session, shown


async def sections(page: Page) -> list[str]:
    """What is behind the page's own list of places, by what opens each; nothing where it has none."""
    links: list[str] = await page.eval_on_selector_all(".admin-nav a", "(all) => all.map((each) => `.admin-nav [href='${each.hash}']`)")
    tabs: list[str] = await page.eval_on_selector_all(".board [data-tab]", "(all) => all.map((each) => `[data-tab=${each.dataset.tab}]`)")
    return (links + tabs)[1:]


async def is_inert(page: Page, where: str) -> list[str]:
    broken = await page.evaluate("'broken' in window || document.querySelector('img[src=x], svg[onload]') !== null")
    return [f"{where}: markup of others became the page's"] if broken else []


async def test_every_page_in_every_theme_and_language_what_it_weighs_and_how_keys_lead_there(
    world: tuple[str, dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    """One server for both, which takes longer to start than keys take to press."""
    url, session, shown = world
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    await every_page(url, session, shown, microphone)
    await keys_alone_lead_in_and_to_every_page_and_out(url, microphone)


async def every_page(url: str, session: dict[str, Any], shown: dict[str, str], microphone: Path) -> None:
    faults: list[str] = []
    options = {"locale": "en-GB", "viewport": {"width": 320, "height": 720}, "reduced_motion": "reduce"}
    async with person(microphone, expected=(REFUSED,), **options) as someone:
        page = someone.page
        kept = json.dumps(json.dumps(session | {"got_at": time.time()}))
        inside = f"sessionStorage.setItem('centralita.session', {json.dumps(GUESTS)}.includes(location.pathname) ? '' : {kept});"
        await page.add_init_script(_WATCH + inside)
        wire = await someone.context.new_cdp_session(page)
        await wire.send("Network.enable")
        weighed = Weighed(wire)
        for address in ADDRESSES:
            await weighed.open(page, url, address, shown)
            faults += [*await look(page, address), *await tight(page, address), *await is_inert(page, address)]
            behind = await sections(page)
            assert len(behind) >= SECTIONS.get(address, 0), f"{address} has only {behind} behind its first view"
            for opens in behind:
                await page.set_viewport_size({"width": 1280, "height": 720})
                await page.click(opens)
                await page.wait_for_selector(f"{opens}:is([aria-current=page], [aria-selected=true])")
                await drawn(page)
                where = f"{address} {opens}"
                faults += [*await look(page, where), *await tight(page, where), *await is_inert(page, where)]
    sys.stdout.write(weighed.table() + "\n")
    faults += [f"{address}: {size} B" for address, (size, *_) in weighed.rows.items() if size > HEAVIEST_B]
    assert not faults, "\n".join(faults)


async def keys_alone_lead_in_and_to_every_page_and_out(url: str, microphone: Path) -> None:
    async with person(microphone, viewport={"width": 320, "height": 720}) as someone:
        page = someone.page
        await page.goto(f"{url}/tickets")
        await page.wait_for_selector("#user")
        await page.focus("#user")
        await page.keyboard.type("eva")
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("[data-do=menu]")
        await page.focus("[data-do=menu]")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".kit-places a[aria-current=page]:has-text('Tickets')")
        places = await page.eval_on_selector_all(".kit-places a", "(links) => links.map((link) => link.getAttribute('href'))")
        assert {"/", "/board", "/tickets", "/articles", "/account", "/admin"} <= set(places) <= set(ADDRESSES)
        await page.keyboard.press("Escape")
        await page.wait_for_selector("[data-do=menu][aria-expanded=false]:focus")
        await page.keyboard.press("Enter")
        await page.select_option("#theme", "contrast")
        await page.wait_for_selector("html[data-theme=contrast]")
        await page.goto(f"{url}/articles")
        await page.wait_for_selector("html[data-theme=contrast] .kit-places", state="attached")
        await open_menu(page)
        await page.focus("[data-do=sign-out]")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#door [data-part=ended]")
