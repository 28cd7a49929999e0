"""The softphone in a frame of another site: one that the settings name, and one that they do not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from playwright.async_api import Page

from api.demo_call.process import free_port
from tests.kit.browser import person, tone_file
from tests.kit.server import running_server

OUR_HZ = 697.0
HOST = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A CRM</title>
<script>
window.heard = [];
window.addEventListener('message', (event) => event.source === document.querySelector('iframe').contentWindow && heard.push(event.data));
window.say = (message) => document.querySelector('iframe').contentWindow.postMessage(message, '*');
</script>
<iframe title="Telephone" width="900" height="900" src="{phone}" allow="microphone; autoplay; speaker-selection"></iframe></html>"""


@asynccontextmanager
async def site(port: int, phone: str) -> AsyncIterator[str]:
    """Another site of this machine with the phone in a frame."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=HOST.format(phone=phone), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://localhost:{port}"
    finally:
        await runner.cleanup()


async def hears_of(page: Page, condition: str) -> None:
    """Waits until the host was told something like this (of ``each``)."""
    await page.wait_for_function(f"() => heard.some((each) => {condition})")


async def test_a_site_holds_the_softphone_and_talks_with_it(tmp_path: Path) -> None:
    friend, stranger = free_port(), free_port()
    settings = {"security": {"embedded_in": [f"http://localhost:{friend}"]}}
    blocked = ("frame-ancestors", "ERR_BLOCKED_BY_RESPONSE")
    async with (
        running_server(tmp_path, settings) as server,
        person(tone_file(tmp_path / "tone.wav", OUR_HZ), expected=blocked, permissions=[]) as someone,
        site(friend, f"{server.url}/?processing=off") as crm,
        site(stranger, server.url) as other,
    ):
        page = someone.page
        await someone.context.grant_permissions(["microphone"], origin=crm)
        await someone.context.grant_permissions(["microphone"], origin=server.url)
        await page.goto(crm)
        await hears_of(page, "each.event === 'ready' && !each.signed_in && each.centralita === 1")
        frame = page.frame_locator("iframe")
        await frame.locator("#user").fill(server.user)
        await frame.locator("#password").fill(server.password)
        await frame.locator("[data-do=sign-in]").click()
        await frame.locator("[data-ready=true]").wait_for()
        await hears_of(page, "each.event === 'session' && each.signed_in")

        # What is no message of ours does nothing; a number is put into the field, and nothing is dialled.
        for nothing in ("{}", "'dial'", "{ centralita: 2, do: 'state' }", "{ centralita: 1, do: 'dial', number: '601' }"):
            await page.evaluate(f"say({nothing})")
        await page.evaluate("say({ centralita: 1, do: 'number', number: 'tel:600' })")
        await hears_of(page, "each.event === 'number' && each.number === '600'")
        await page.evaluate("say({ centralita: 1, do: 'state' })")
        await hears_of(page, "each.event === 'state' && each.number === '600' && each.available && !each.calls.length")
        assert await page.evaluate("heard.filter((each) => each.event === 'state').length") == 1

        await frame.locator("[data-do=dial]").click()
        await frame.locator("[data-call-id][data-state=live][data-media=up]").wait_for()
        await hears_of(page, "each.event === 'call' && each.call.state === 'live' && each.call.number === '600'")
        await frame.locator("[data-do=hang-up]").click()
        await hears_of(page, "each.event === 'call' && each.call.state === 'ended'")

        refused = await page.context.new_page()
        await refused.goto(other)
        await refused.wait_for_function("() => document.readyState === 'complete'")
        assert await refused.frame_locator("iframe").locator("#user").count() == 0
        assert await refused.evaluate("heard.length") == 0
