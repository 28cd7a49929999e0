"""Headset buttons: what the page's decoder makes of report descriptors that follow the standard, and of the reports that come with them.

No browser lends its headsets to tests, so the collections that WebHID would show are made of the descriptors' bytes.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.kit.browser import person, tone_file
from tests.kit.hid import collections_of
from tests.kit.server import running_server

HEADSET = bytes.fromhex(
    "050b0905a1018501"  # usage page telephony, headset, application; report 1
    "15002501750195010920"  # one bit: hook switch,
    "8122"  # absolute, no preferred state
    "092f0921950281069505"  # two bits: phone mute, flash; relative
    "8101"  # five of padding
    "050809170918090909209504"  # lamps: off-hook, ring, mute, hold
    "91229504"
    "9101c0"
)
"""As most wired headsets describe themselves (HID Usage Tables 1.5, chapters 11 and 14)."""
PUSHED = bytes.fromhex("050b0905a101850315002501750195010920810695078101c0")
"""Its hook switch is a push button: relative."""
SELECTED = bytes.fromhex("050b0905a10185051501250375089501192029228100c0")
"""An array: the report names the one usage that is pressed, of hook switch, flash and feature, or none."""
KEYBOARD = bytes.fromhex("05010906a101050719e029e715002501750195088102c0")


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async with running_server(tmp_path) as server, person(tone_file(tmp_path / "tone.wav", 697.0)) as someone:
        await someone.page.goto(server.url)
        main = str(await someone.page.get_attribute("script[src$='/js/main.js']", "src"))
        await someone.page.evaluate(
            "async (path) => { window.headset = await import(path); }", main.replace("main.js", "headset_report.js")
        )
        yield someone.page


async def went(page: Page, descriptor: bytes, report_id: int, *reports: str) -> list[list[str]]:
    """What each of these reports (hexadecimal, without its id) tells."""
    script = """
    ([collections, id, reports]) => {
      const layout = headset.layoutOf(collections);
      let before = null;
      return reports.map((report) => {
        const buttons = headset.buttonsOf(layout, id, new DataView(Uint8Array.from(report).buffer));
        const found = headset.changes(before, buttons);
        before = { ...before, ...buttons.pressed };
        return found;
      });
    }
    """
    given: list[Any] = [collections_of(descriptor), report_id, [list(bytes.fromhex(report)) for report in reports]]
    found: list[list[str]] = await page.evaluate(script, given)
    return found


async def hook_mute_and_flash_of_an_ordinary_headset(page: Page) -> None:
    told = await went(page, HEADSET, 1, "00", "01", "01", "03", "01", "05", "01", "00", "00")
    assert told == [[], ["off_hook"], [], ["mute"], [], ["flash"], [], ["on_hook"], []]


async def a_hook_that_is_a_push_button_and_one_of_an_array(page: Page) -> None:
    assert await went(page, PUSHED, 3, "01", "00", "01", "00") == [["hook_pressed"], [], ["hook_pressed"], []]
    assert await went(page, SELECTED, 5, "01", "00", "02", "00") == [["hook_pressed"], [], ["flash"], []]


async def reports_that_are_none_of_ours_or_cut_short_tell_nothing(page: Page) -> None:
    assert await went(page, HEADSET, 2, "ff") == [[]]
    assert await went(page, HEADSET, 1, "") == [[]]
    assert await went(page, KEYBOARD, 0, "01") == [[]]


async def lamps_and_what_a_telephone_is(page: Page) -> None:
    script = """
    ([collections, wanted]) => {
      const layout = headset.layoutOf(collections);
      return [headset.isTelephone(layout), headset.lampsOf(layout, wanted).map(([id, data]) => [id, ...data])];
    }
    """
    lit = {"off_hook": True, "ring": False, "mute": True, "hold": False}
    assert await page.evaluate(script, [collections_of(HEADSET), lit]) == [True, [[1, 0b0101]]]
    assert await page.evaluate(script, [collections_of(HEADSET), {"ring": True, "hold": True}]) == [True, [[1, 0b1010]]]
    assert await page.evaluate(script, [collections_of(PUSHED), lit]) == [True, []]
    assert await page.evaluate(script, [collections_of(SELECTED), lit]) == [True, []]
    assert await page.evaluate(script, [collections_of(KEYBOARD), lit]) == [False, []]


async def test_what_headsets_say_and_are_told(page: Page) -> None:
    await hook_mute_and_flash_of_an_ordinary_headset(page)
    await a_hook_that_is_a_push_button_and_one_of_an_array(page)
    await reports_that_are_none_of_ours_or_cut_short_tell_nothing(page)
    await lamps_and_what_a_telephone_is(page)
