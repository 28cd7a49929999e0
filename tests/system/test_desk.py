"""The contact centre on the desk, with the plan that every demo has: a customer in the queue, the work after the call, and a break."""

from pathlib import Path

import pytest

from tests.kit.browser import person, tone_file
from tests.kit.server import running_server
from tests.kit.visitors import writing
from tests.system.test_board import looks_right

VISITOR = {"name": "<img src=x onerror=alert(1)>", "reason": "opening hours", "page": "https://shop.example/tours/a-page-with-a-long-name"}


@pytest.mark.parametrize(
    ("scheme", "locale", "width", "spoken", "finish"),
    [("light", "en-GB", 1280, "Spanish", "Finish the call"), ("dark", "es-ES", 320, "español", "Termine la llamada")],
)
async def test_a_customer_from_the_queue_to_the_code_of_the_call(
    tmp_path: Path, scheme: str, locale: str, width: int, spoken: str, finish: str
) -> None:
    options = {"color_scheme": scheme, "locale": locale, "viewport": {"width": width, "height": 720}}
    planned = {"demo": {"plan": True, "travel": True}, "calls": {"undo_s": 60}, "widget": {"sites": ["https://shop.example"]}}
    async with running_server(tmp_path, planned) as server, person(tone_file(tmp_path / "tone.wav", 697.0), **options) as someone:
        page = someone.page
        page.set_default_timeout(30_000)
        await someone.sign_in(f"{server.url}/?processing=off", server.user, server.password)
        await page.wait_for_selector(".queues [data-queue=travel][data-waiting='0']")
        await page.click("[data-do=dial-605]")  # it hangs up, and a customer calls, who is led through the demo's flow
        await page.wait_for_selector(".incoming [data-part=known]")
        known = await page.inner_text(".incoming [data-part=known]")
        assert ("Travel" if locale == "en-GB" else "Viajes") in known and spoken in known
        await page.wait_for_selector(".queues [data-queue=travel][data-waiting='1']")
        await page.wait_for_selector(".incoming [data-part=context]:has-text('Clara Vidal')")  # as the contacts say, and the bookings agree
        await looks_right(page, "a customer waits")
        await page.click("[data-do=accept]")
        await page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        assert spoken in await page.inner_text(".call [data-part=known]")
        await page.fill(".call textarea", "Asked for a seat by the window.")
        await page.wait_for_selector(".call [data-part=note-state][data-state=kept]")
        async with writing(server.url, "travel", VISITOR, "Is it open on Sundays?") as (visitor, room):
            waits = page.locator("[data-part=visitor-waits]")
            await waits.wait_for()
            shown = await waits.inner_text()
            assert all(words in shown for words in VISITOR.values())
            await looks_right(page, "a visitor of the website writes")
            await page.keyboard.press("Control+Shift+A")
            await waits.wait_for(state="detached")
            chat = page.locator("[data-part=website-chat]")
            await chat.locator("[data-message=theirs]:has-text('Sundays')").wait_for()
            await page.keyboard.type("From ten to two.")  # the field has the focus
            await page.keyboard.press("Enter")
            await chat.locator("[data-message=mine]").wait_for()
            await visitor.seen("chat.message", text="From ten to two.")
            await looks_right(page, "a chat beside the call")
            await page.focus(".call textarea")  # who reads elsewhere hears that something was written
            sounds = "performance.getEntriesByName('news-sound').length"
            before = await page.evaluate(sounds)
            assert "ok" in await visitor.ask("chat.message", {"room_id": room, "message_id": "more", "text": "And on Mondays?"})
            await page.wait_for_function(f"() => {sounds} > {before}")
            await chat.locator("[data-do=end-chat]").click()
            await chat.wait_for(state="detached")
            assert (await visitor.told("room.exit"))[0]["reason"] == "ended"
        await page.click("[data-state=live] [data-do=hang-up]")
        await page.wait_for_selector("[data-part=wrap-up]")
        assert finish in await page.inner_text("[data-part=wrap-up]")
        await looks_right(page, "after the call")
        await page.reload()  # what is to be written up is still there
        await page.click("[data-part=wrap-up] label:has([value=booked])")
        await page.click("[data-do=wrap-up-finish]")
        await page.wait_for_selector("[data-part=undo][data-what=work]")
        await looks_right(page, "done, and not too late to go on")
        await page.keyboard.press("Control+Shift+U")
        await page.wait_for_selector("[data-part=wrap-up]")
        await page.wait_for_selector("[data-part=undo]", state="detached")
        await page.click("[data-part=wrap-up] label:has([value=question])")
        await page.click("[data-do=wrap-up-finish]")
        await page.wait_for_selector("[data-part=wrap-up]", state="detached")
        await page.click("[data-do=break-lunch]")
        await page.wait_for_selector("[data-do=available][aria-pressed=false]")
