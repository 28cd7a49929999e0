"""Pictures of every page for people to look at: ``make screenshots`` writes them to ``var/screenshots``, and one sheet of all.

A server with demo data is started for it; the pictures are taken in Chromium, in light and dark, in English and Spanish, 320 and
1280 px wide, as the demo's agent sees the pages and as nobody does who is not signed in.
"""

import asyncio
import base64
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from api.demo_call.browser import chromium_path
from api.demo_call.server import Server, server
from api.page_list import PAGES

FOLDER = Path(__file__).parents[1] / "var" / "screenshots"
LOOKS = (("light", "en", 1280), ("dark", "es", 1280), ("dark", "en", 320), ("light", "es", 320))
SHUT = ("/", "/board", "/book", "/survey", "/consultation")
"""Pages that are also shown as who is not signed in sees them."""
SETTLED_MS = 700


async def signed_in(running: Server) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http:
        body = {"user": running.user, "password": running.password}
        async with http.post(f"{running.url}/api/v1/sign-in", json=body) as answer:
            session: dict[str, Any] = await answer.json()
            return session


async def taken(page: Page, address: str, name: str) -> Path:
    await page.goto(address)
    await page.wait_for_function("() => document.querySelector('#main')?.innerText.trim().length > 10")
    await page.wait_for_timeout(SETTLED_MS)
    path = FOLDER / f"{name}.png"
    await page.screenshot(path=path, full_page=True)
    return path


async def of_all_pages(browser: Browser, running: Server) -> list[Path]:
    pictures = []
    for theme, language, width in LOOKS:
        session = await signed_in(running)
        for inside in (True, False):
            context = await browser.new_context(
                viewport={"width": width, "height": 800}, reduced_motion="reduce", permissions=["microphone"]
            )
            begin = f"localStorage.setItem('centralita.theme', '{theme}'); localStorage.setItem('centralita.language', '{language}');"
            if inside:
                kept = json.dumps(json.dumps(session | {"got_at": time.time()}))
                begin += f"sessionStorage.setItem('centralita.session', {kept});"
            await context.add_init_script(begin)
            page = await context.new_page()
            for address in [each.address for each in PAGES if each.address != "/dial"] if inside else SHUT:
                name = f"{address.strip('/') or 'phone'}{'' if inside else '-door'}-{theme}-{language}-{width}"
                pictures.append(await taken(page, running.url + address, name))
            await context.close()
    return pictures


async def sheet(browser: Browser, pictures: list[Path]) -> None:
    """All of them on one picture, small."""
    page = await browser.new_page(viewport={"width": 1920, "height": 1080})
    tiles = []
    for path in pictures:
        body = base64.b64encode(path.read_bytes()).decode()
        tiles.append(f'<figure><figcaption>{path.stem}</figcaption><img src="data:image/png;base64,{body}"></figure>')
    style = "body{display:flex;flex-wrap:wrap;align-items:start;gap:8px;background:#888}figure{margin:0;width:225px}img{width:100%}"
    await page.set_content(f"<style>{style}figcaption{{font:11px sans-serif;color:#fff}}</style>{''.join(tiles)}")
    await page.screenshot(path=FOLDER / "all.png", full_page=True)


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        async with server(Path(directory), {"demo": {"plan": True, "travel": True}}) as running, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium_path(), args=["--no-sandbox", "--use-fake-device-for-media-stream"]
            )
            pictures = await of_all_pages(browser, running)
            await sheet(browser, pictures)
            await browser.close()
    sys.stdout.write(f"{len(pictures)} pictures in {FOLDER}, all of them in {FOLDER / 'all.png'}\n")


if __name__ == "__main__":
    asyncio.run(main())
