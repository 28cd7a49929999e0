"""Appointments in real browsers: a customer books, moves and cancels by themselves, and a professional sees who waits in the room."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from api.store.appointments import CalendarRow, ServiceRow
from tests.kit.browser import person, tone_file
from tests.kit.consultation_guest import guest
from tests.kit.server import FAST, Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

HOURS = '[hours]\nzone = "UTC"\n[hours.weekly]\nmonday-sunday = ["00:00-24:00"]\n'
HASTE = ("status of 429", "status of 409", "status of 404")
"""A test is faster than people may be; and what is gone, or never was, is said so."""
MARKUP = "<img src=x onerror=\"document.title='broken'\">"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, FAST) as running:
        async with store_of(running.data_dir) as store:
            soon = ServiceRow("soon", f"Soon {MARKUP}", f"Pronto {MARKUP}", length_min=5, step_min=5, professionals=(running.user,))
            await store.appointments.keep_service(soon)
            await store.appointments.keep_calendar(CalendarRow(running.user, HOURS, ("en", "es")))
        yield running


async def book(page: Page, server: Server) -> None:
    """The second time that is free, which is five to ten minutes ahead: the first may begin while the form is filled in."""
    await page.goto(f"{server.url}/book?service=soon")
    await page.wait_for_selector(".time")
    times = page.locator(".time")
    await times.nth(min(1, await times.count() - 1)).click()  # today's last one may be all that is left of today
    await page.fill("#details [name=name]", f"Luz {MARKUP}")
    await page.fill("#details [name=email]", "luz@example.org")
    await page.fill("#details [name=note]", MARKUP)
    await page.check("#details [name=consent]")
    await page.click("#details [type=submit]")
    await page.wait_for_selector("[data-stage]")


async def test_a_customer_books_comes_moves_and_cancels_and_a_professional_sees_it(server: Server, tmp_path: Path) -> None:
    """One server for both, which takes longer to start than they do."""
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    await from_the_booking_to_the_end(server, microphone)
    await moved_cancelled_and_every_wrong_moment(server, microphone)


async def from_the_booking_to_the_end(server: Server, microphone: Path) -> None:
    narrow = {"locale": "es-ES", "color_scheme": "dark", "viewport": {"width": 320, "height": 640}, "timezone_id": "America/Bogota"}
    wide = {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": 1280, "height": 800}, "timezone_id": "Asia/Tokyo"}
    async with (
        person(microphone, **narrow, expected=HASTE) as customer,
        person(microphone, **wide, expected=HASTE) as professional,
        guest(server.url) as luz,
        guest(server.url) as host,
    ):
        page, desk = customer.page, professional.page
        await page.goto(f"{server.url}/book?service=soon")
        await page.wait_for_selector(".time")
        await looks_right(page, "choosing")
        await book(page, server)
        assert await page.get_attribute("[data-stage]", "data-stage") == "open" and MARKUP in await page.inner_text("dl")
        await page.reload()
        await page.wait_for_selector("#join")
        await looks_right(page, "one's own")
        link = (await page.get_attribute("#join", "href") or "").partition("#")[2]

        await desk.goto(f"{server.url}/appointments")
        await desk.wait_for_selector("[data-ready=true] #door")
        await looks_right(desk, "the door")
        await desk.fill("#door [name=user]", server.user)
        await desk.fill("#door [name=password]", server.password)
        await desk.press("#door [name=password]", "Enter")
        await desk.wait_for_selector("#shown")
        await days_begin_at_midnight(desk)
        await desk.click("[data-do=week]")
        await desk.wait_for_selector("[data-state=booked]")
        assert MARKUP in await desk.inner_text(".appointment .note")
        await looks_right(desk, "the day")
        await desk.press("#book summary", "Enter")
        await desk.select_option("#service", "soon")
        await desk.wait_for_selector("#book .time")
        await desk.click("#book .day >> nth=4")
        await desk.click("#book .time >> nth=1")
        await desk.fill("#book-for [name=name]", "Iván")
        await desk.fill("#book-for [name=number]", "600 111 222")
        await desk.check("#book-for [name=consent]")
        await looks_right(desk, "booking for somebody")
        await desk.click("#book-for [type=submit]")
        await desk.wait_for_selector(".appointment:has-text('Iván')")

        await desk.press("#absences summary", "Enter")
        for name, when in (("from", "2040-03-25T01:30"), ("until", "2040-03-25T03:30")):
            await desk.fill(f"#absence [name={name}]", when)
        await desk.click("#absence [type=submit]")
        await desk.wait_for_selector("#absences li")
        shown = await desk.inner_text("#absences li")
        assert "01:30" in shown and "03:30" in shown, "in the professional's own zone, whatever the browser's is"
        await desk.click("#absences [data-do=drop]")
        await desk.wait_for_selector("#absences li", state="detached")

        await luz.come(link, "Luz")
        assert (await luz.ask("room.join"))["ok"]["waiting"]
        await desk.wait_for_selector("[data-state=arrived]")
        assert "Luz" in await desk.inner_text("#waiting")
        room_id = (await desk.get_attribute("[data-do=join]", "href") or "").partition("#")[2]
        host.room_id = room_id
        session = await desk.evaluate("JSON.parse(sessionStorage.getItem('centralita.session'))")
        await host.connect(session["token"])
        assert "ok" in await host.ask("room.join")
        assert "ok" in await host.ask("room.admit", identity=luz.person, admitted=True)
        await desk.wait_for_selector("[data-state=under_way]")
        await desk.click("[data-do=end]")
        await desk.wait_for_selector("[data-state=done]")
        await page.reload()
        await page.wait_for_selector("[data-stage=done]")
        assert await page.title() != "broken" and await desk.title() != "broken"


async def days_begin_at_midnight(page: Page) -> None:
    """Also for who asks in the first minutes of a day."""
    main = str(await page.get_attribute("script[src$='/appointments/main.js']", "src"))
    begins = "async ([words, moments]) => { const { midnight } = await import(words); return moments.map(midnight); }"
    words = main.replace("appointments/main.js", "book/words.js")
    day = 1_800_057_600.0  # of 2027-01-16 in UTC, the zone of the professional's hours
    moments = [day + second for second in (0, 1, 250, 899, 900, 43_201, 86_399)]
    await page.wait_for_selector("html:not([data-asking])")
    assert await page.evaluate(begins, [words, moments]) == [day] * len(moments)


async def moved_cancelled_and_every_wrong_moment(server: Server, microphone: Path) -> None:
    wide = {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": 1280, "height": 800}}
    async with person(microphone, **wide, expected=HASTE) as customer, guest(server.url) as luz:
        page = customer.page
        now = time.time()
        await page.goto(f"{server.url}/book?service=soon")
        await page.wait_for_selector(".time")
        # Far ahead, so that it is neither due nor open while the test looks on.
        await page.click(".day >> nth=3")
        await page.click(".time >> nth=5")
        await page.fill("#details [name=name]", "Luz")
        await page.fill("#details [name=number]", "+34 600 111 222")
        await page.check("#details [name=consent]")
        await page.click("#details [type=submit]")
        await page.wait_for_selector("[data-stage=ahead]")
        number, token = await page.inner_text("#number"), page.url.partition("#")[2]
        await page.click("[data-do=confirm]")
        await page.wait_for_selector("[data-do=confirm]", state="detached")
        before = await page.inner_text(".when")
        await page.click("[data-do=move]")
        await page.wait_for_selector(".time")
        await looks_right(page, "moving")
        await page.click(".day >> nth=2")
        await page.click(".time >> nth=2")
        await page.click("[data-do=moved]")
        await page.wait_for_selector("#chooser", state="detached")
        assert await page.inner_text(".when") != before and await page.inner_text("#number") == number
        async with store_of(server.data_dir) as store:
            moved = next(each for each in await store.appointments.between(now, now + 1e6) if each.number == number)
        assert (await luz.come(moved.link, "Luz"))["room_name"].endswith(number)
        await page.click("[data-do=cancel]")
        await page.click("[data-do=really]")
        await page.wait_for_selector("[data-stage=cancelled]")
        await looks_right(page, "cancelled")
        assert (await luz.come(moved.link, "Luz"))["error"]["code"] == "room_cancelled"
        await page.goto(f"{server.url}/book#{token[::-1]}")
        await page.reload()
        await page.wait_for_selector("[data-stage=unknown]")
        await looks_right(page, "no appointment")
