"""The page of voicemail in a real browser: listened to, called back, marked, deleted; narrow and light, wide and dark, by keyboard."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from api.store import StoredVoicemail
from api.store.centre import PlanVersion
from tests.kit.browser import open_menu, person, tone_file
from tests.kit.recorded import recording_of
from tests.kit.server import FAST, Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

CALLERS = (("+34600111222", "Marta Ruiz <b>"), ("+442071838750", ""), ("anonymous", ""))
SPOKEN_S = 0.6
HASTE = ("status of 429",)
"""A test is faster than people may be; the page asks again a moment later."""
KEY = bytes(range(32))
BOXES = """[travel]
titles = { es = "Viajes", en = "Travel" }
agents = ["demo"]
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """One whose data folder has a plan with a box, and messages in it."""
    data, now = tmp_path / "data", time.time()
    data.mkdir()
    (data / "recording.key").write_text(KEY.hex())
    (data / "recording.key").chmod(0o600)
    async with store_of(data) as store:
        await store.centre.add_version(PlanVersion(1, now, "test", ""), {"boxes": BOXES})
        for number, (caller, name) in enumerate(CALLERS):
            kept = StoredVoicemail(
                f"v{number}", "travel", f"call-v{number}", caller, name, "es", now - 60 * number, now, duration_s=SPOKEN_S, outcome="taken"
            )
            store.put_recording(recording_of(data / "recordings", KEY, kept.voicemail_id, SPOKEN_S, kept.left_at))
            store.put_voicemail(kept)
    async with running_server(tmp_path, FAST) as running:
        yield running


async def enter(page: Page, server: Server, language: str) -> None:
    await page.goto(f"{server.url}/voicemail")
    await page.wait_for_selector("[data-ready=true]")
    await page.select_option("#language", language)
    await page.wait_for_selector(f"html[lang={language}] #door:not([hidden])")
    await page.fill("#door [name=user]", server.user)
    await page.fill("#door [name=password]", server.password)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#messages > li:nth-child(3)")


async def test_messages_are_heard_marked_called_back_and_deleted(server: Server, tmp_path: Path) -> None:
    options = {"color_scheme": "light", "viewport": {"width": 320, "height": 640}}
    async with person(tone_file(tmp_path / "tone.wav", 697.0), expected=HASTE, **options) as someone:
        page = someone.page
        await enter(page, server, "es")
        assert await page.locator("#messages .new").count() == 3
        assert "Marta Ruiz <b>" in await page.inner_text("#messages > li:nth-child(1) .who")
        assert await page.inner_text("#filter option[value=travel]") == "Viajes (3 sin oír)"
        # Played to the end: it counts as heard, and the player stays.
        await page.focus("#messages > li:nth-child(1) [data-do=play]")
        await page.keyboard.press("Enter")
        await page.wait_for_function("() => document.querySelector('#messages > li:nth-child(1) audio')?.ended")
        assert await page.evaluate("document.querySelector('audio').duration") == pytest.approx(SPOKEN_S, abs=0.3)
        await page.wait_for_selector("#messages > li:nth-child(1):not(.unheard) audio")
        assert "lo oyó demo" in await page.inner_text("#messages > li:nth-child(1) p")
        assert await page.evaluate("document.activeElement.dataset.do") == "play", "the focus stays where it was"
        await looks_right(page, "narrow and light")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 1280, "height": 900})
        await open_menu(page)
        await page.select_option("#language", "en")
        await page.wait_for_selector("html[lang=en] #messages:has-text('Hidden number')")
        await looks_right(page, "wide and dark")
        await page.click("#messages > li:nth-child(1) [data-do=mark]")
        await page.wait_for_selector("#messages > li:nth-child(1).unheard [data-do=mark]:focus")
        await page.click("#messages > li:nth-child(2) [data-do=mark]")
        await page.wait_for_selector("#messages > li:nth-child(2):not(.unheard)")
        await page.check("#filter [name=unheard]")
        await page.wait_for_function("() => document.querySelectorAll('#messages > li').length === 2")
        await page.uncheck("#filter [name=unheard]")
        await page.wait_for_selector("#messages > li:nth-child(3)")
        # Nobody calls back a number that is hidden, and nothing dials by itself.
        assert await page.locator("#messages a").evaluate_all("links => links.map((link) => link.getAttribute('href'))") == [
            "/dial?number=%2B34600111222",
            "/dial?number=%2B442071838750",
        ]
        # Deleting asks first; Escape and the first button keep.
        erase = "#messages > li:nth-child(3) [data-do=erase]"
        for key in ("Escape", "Enter"):
            await page.focus(erase)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#sure[open]")
            await page.keyboard.press(key)
            await page.wait_for_selector("#sure:not([open])", state="attached")
        assert await page.locator("#messages > li").count() == 3
        await page.click(erase)
        await looks_right(page, "the question")
        await page.click("#sure [value=yes]")
        await page.wait_for_selector("#said:has-text('was deleted')")
        assert await page.locator("#messages > li").count() == 2
        assert await page.evaluate("document.activeElement.id") == "heading"
        async with someone.context.expect_page() as opened:
            await page.click("#messages > li:nth-child(1) a")
        phone = await opened.value
        assert await phone.input_value("#number") == "+34600111222" and not await phone.query_selector("[data-call-id]")
        await page.click("#messages > li:nth-child(2) a")  # now there is one
        await page.wait_for_selector("#said:has-text('field')")
        await phone.wait_for_function("() => document.querySelector('#number').value === '+442071838750'")
    assert len(list((server.data_dir / "recordings").glob("*.rec"))) == 2
