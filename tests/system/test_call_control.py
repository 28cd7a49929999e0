"""A softphone in a real browser gives calls to others: asked first, all three, parked and picked up, sent away; and do-not-disturb."""

from pathlib import Path

from axe_playwright_python.async_playwright import Axe

from tests.kit.browser import person, tone_file
from tests.kit.hearing import hears
from tests.kit.looks import settled
from tests.kit.server import running_server
from tests.system.test_softphone import OUR_HZ, Desk, signed_in


async def _is_accessible(desk: Desk) -> None:
    await settled(desk.page)
    found = await Axe().run(desk.page)
    assert [each["id"] for each in found.response["violations"] if each["impact"] in ("serious", "critical")] == []
    assert await desk.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_transfer_merge_park_and_do_not_disturb(tmp_path: Path) -> None:
    # A steady tone is noise, which goes from voices after a while.
    untouched = {"media.voice": {"noise": "off", "echo": "off", "gain": "off"}}
    async with running_server(tmp_path, untouched) as server, person(tone_file(tmp_path / "tone.wav", OUR_HZ)) as someone:
        desk = await signed_in(someone, server)
        page = desk.page
        page.set_default_timeout(30_000)
        await page.set_viewport_size({"width": 320, "height": 720})
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await hears(page, OUR_HZ)

        # The keyboard alone will do: who is asked first is called with Enter.
        await page.focus("[data-do=transfer]")
        await page.keyboard.press("Enter")
        await page.fill("[data-do=transfer-to]", "602")
        await page.keyboard.press("Enter")
        await desk.shows("You talk with 602", "[data-part=move]")
        await _is_accessible(desk)
        await desk.press("swap")
        await desk.shows("602 waits", "[data-part=move]")
        await hears(page, OUR_HZ)
        await desk.press("merge")
        await desk.shows("All hear one another", "[data-part=move]")
        await desk.press("hang-up")
        await desk.call_is("ended")

        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await desk.press("transfer")
        await desk.press("park")
        await desk.shows("Place 1", "[data-part=parked]")
        await desk.press("pick-up")
        await desk.call_is("live", media="up")
        await hears(page, OUR_HZ)
        await page.wait_for_selector("[data-part=parked]", state="detached")

        # A busy number sends back at once what was given to it blindly.
        await page.fill("[data-do=transfer-to]", "603")
        await desk.press("blind")
        await page.wait_for_selector("[role=alertdialog] [data-part=came]")
        await desk.shows("603 was not reached", "[data-part=came]")
        await desk.press("accept")
        await desk.call_is("live", media="up")
        await hears(page, OUR_HZ)
        await desk.press("hang-up")

        await desk.press("settings")
        await desk.press("do-not-disturb")
        await page.fill("[data-do=forward-no_answer]", "nobody?")
        await desk.press("save-handling")
        await page.wait_for_selector("[data-part=handling].bad")
        await page.fill("[data-do=forward-no_answer]", "601")
        await desk.press("save-handling")
        await desk.shows("Saved", "[data-part=handling]")
        await page.reload()
        await page.wait_for_selector("[data-do=available][aria-pressed=false]")
        await desk.press("available")
        await page.wait_for_selector("[data-do=available][aria-pressed=true]")
        await desk.press("settings")
        await page.wait_for_selector("[data-do=do-not-disturb][aria-pressed=false]")
