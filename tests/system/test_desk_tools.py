"""What makes the desk quick: numbers read as they are typed, the palette, shortcuts of one's own, the mini phone, colleagues, phrases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.kit.browser import person, tone_file
from tests.kit.hearing import hears, hears_not
from tests.kit.server import running_server
from tests.system.test_board import looks_right
from tests.system.test_softphone import OUR_HZ, Desk, signed_in


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = {"media.recording": {"enabled": True, "consent": "given"}}
    async with running_server(tmp_path, settings) as server, person(tone_file(tmp_path / "tone.wav", OUR_HZ)) as someone:
        yield await signed_in(someone, server)


async def chooses(page: Page, words: str, command: str) -> None:
    """Of the palette, by the keyboard alone."""
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("#palette-words:focus")
    await page.keyboard.type(words)
    await page.wait_for_selector(f"[data-command='{command}'][aria-selected=true]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#palette", state="detached")


async def test_numbers_palette_shortcuts_mini_phone_and_recording(desk: Desk) -> None:
    page = desk.page
    await page.fill("#number", "0044 20 7946 0000")
    await desk.shows("+442079460000", "[data-part=seen]")
    await desk.shows("United Kingdom", "[data-part=seen]")
    await page.fill("#number", "803 111 222")
    await page.wait_for_selector("[data-part=seen][data-code=no_route] .blocked")  # this server has the demo line alone
    await looks_right(page, "a number that is not called")

    # Nothing stands between a call that rings and its buttons, and what was open is left in peace.
    await page.focus("[data-do=sound-check]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#sound-check [data-part=level][data-heard=true]")
    await page.wait_for_selector("[data-part=verdict]:not([data-why=unconnected]):not([data-why=silent]):not([data-why=unheard])")
    await looks_right(page, "the sound was tried")
    await page.click("[data-do=check-again]")
    await page.evaluate("document.querySelector('[data-do=call-me]').click()")
    await page.wait_for_selector("#sound-check", state="detached")
    await page.click("[data-do=decline]")
    await page.wait_for_selector("[role=alertdialog]", state="detached")

    # The letter of an action is the person's to choose, also of one that another action had.
    await page.focus("[data-do=settings]")
    await page.keyboard.press("?")
    await page.click("[data-do=key-mute]")
    await page.keyboard.press("e")
    await desk.shows("now E", "[data-part=said]")
    await looks_right(page, "shortcuts")
    await page.keyboard.press("Escape")
    await page.wait_for_selector("#shortcuts", state="detached")
    await chooses(page, "600", "dial-typed")
    await desk.call_is("live", media="up")
    await hears(page, OUR_HZ)
    await page.keyboard.press("Control+Shift+E")
    await page.wait_for_selector("[data-do=mute][aria-pressed=true]")
    await hears_not(page, OUR_HZ)
    await chooses(page, "unmute", "do-mute")
    await hears(page, OUR_HZ)

    await desk.press("record-start")
    await page.wait_for_selector("[data-recording=recording]")
    await desk.press("record-pause")
    await page.wait_for_selector("[data-recording=paused]")
    await looks_right(page, "a recording that pauses")
    await page.click("[data-part=phrases] summary")
    await page.click("[data-do=phrase] >> nth=1")
    await page.wait_for_selector("[data-part=note-state][data-state=kept]")
    assert "by e-mail" in await page.input_value(".context-note textarea")

    async with page.context.expect_page() as opening:
        await desk.press("mini")
    mini = await opening.value
    await mini.click("[data-do=mini-mute]")
    await page.wait_for_selector("[data-do=mute][aria-pressed=true]")
    await mini.wait_for_selector("[role=timer]")
    await mini.click("[data-do=mini-hang-up]")
    await desk.call_is("ended")
    await page.reload()
    await page.wait_for_selector("[data-ready=true]")
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("#palette [role=option]")
    await looks_right(page, "the palette")
