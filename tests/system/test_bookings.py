"""The page of bookings in a real browser, over the demo's travel data: a customer is found and pays, another is booked and cancelled."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page

from tests.kit.browser import person, tone_file
from tests.kit.server import FAST, Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

PASSWORD = "a password for tests"
HASTE = ("status of 429",)
"""A test is faster than people may be; the page asks again a moment later."""
MARKUP = """<img src=x onerror="document.title='broken'">"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, FAST | {"demo": {"travel": True}}) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in (("ana", "agent"), ("lea", "supervisor")):
                await store.people.save_user(identity, name=identity.title(), role=role, password_hash=hashed)
        yield running


async def enter(page: Page, server: Server, user: str, path: str = "/bookings") -> None:
    await page.goto(f"{server.url}{path}")
    await page.wait_for_selector("[data-ready=true]")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", PASSWORD)
    await page.press("#door [name=password]", "Enter")
    await page.wait_for_selector("#found li")


async def test_customers_are_found_booked_paid_and_cancelled(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    narrow = {"locale": "es-ES", "color_scheme": "dark", "viewport": {"width": 320, "height": 640}}
    wide = {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": 1280, "height": 800}}
    async with (
        person(microphone, **narrow, expected=HASTE) as agent,
        person(microphone, **wide, expected=("status of 409", "status of 412", *HASTE)) as leader,
    ):
        page = agent.page
        await enter(page, server, "ana")
        await page.fill("#search [name=q]", "600 111 222")
        await page.press("#search [name=q]", "Enter")
        await page.wait_for_selector("#people li:has-text('Clara Vidal')")
        await page.click("#found li:has(strong[data-state=confirmed]) a")
        await page.wait_for_selector("#booking:not([hidden])")
        assert "Camino de Santiago" in await page.inner_text("#trip") and await page.is_visible("#due-row")
        assert not await page.is_visible("[data-do=refund]") and not await page.is_visible("[data-do=confirm]")
        await looks_right(page, "a booking")
        assert not await page.is_visible("#offer")
        await page.press("#change summary", "Enter")
        await looks_right(page, "what may be changed")
        await page.fill("#pay [name=paper]", MARKUP)
        await page.press("#pay [name=paper]", "Enter")
        await page.wait_for_selector("#steps li:nth-of-type(4)")
        assert MARKUP in await page.inner_text("#steps li:nth-of-type(4)")
        assert not await page.is_visible("#due-row") and not await page.is_visible("#pay")

        lead = leader.page
        await enter(lead, server, "lea")
        await lead.fill("#search [name=q]", "hartwell")
        await lead.press("#search [name=q]", "Enter")
        await lead.click("#people a:has-text('Emily Hartwell')")
        await lead.wait_for_selector("#customer:not([hidden])")
        await lead.select_option("#new [name=tour]", "azores")
        await lead.fill("#new [name=seats]", "3")
        await lead.fill("#new [name=note]", "by the window")
        assert "€2,070.00 in all, €414.00 to confirm." in await lead.inner_text("#sum")
        await looks_right(lead, "a customer")
        await lead.click("[data-do=hold]")
        await lead.wait_for_selector("#booking:not([hidden]) #state[data-state=reserved]")
        assert "until" in await lead.inner_text("#hold")
        await looks_right(lead, "a hold")
        reference = await lead.inner_text("#reference")

        # Meanwhile somebody else takes a payment.
        await page.goto(f"{server.url}/bookings#{reference}")
        await page.wait_for_selector(f"#reference:has-text('{reference}')")
        await page.fill("#pay [name=amount]", "414")
        await page.click("[data-do=pay]")
        await page.wait_for_selector("#state[data-state=confirmed]")
        await lead.click("[data-do=confirm]")
        await lead.wait_for_selector("#said:has-text('Somebody changed this booking')")
        await lead.wait_for_selector("#state[data-state=confirmed]")

        await lead.click("#dates a")
        await lead.wait_for_selector("#of-departure:has-text('19 of 22 seats are free')")
        await lead.wait_for_selector(f"#found li:has-text('{reference}')")
        await lead.press("details:has(#person) summary", "Enter")
        await lead.fill("#person [name=first]", "Luz")
        await lead.fill("#person [name=last]", MARKUP)
        await lead.press("#person [name=last]", "Enter")
        await lead.wait_for_selector("#name:has-text('Luz <img')")
        await looks_right(lead, "a new customer")
        await lead.goto(f"{server.url}/bookings#{reference}")
        await lead.wait_for_selector("#booking:not([hidden])")

        lead.once("dialog", lambda dialog: dialog.accept())
        await lead.press("#change summary", "Enter")
        await lead.fill("#end [name=reason]", "she is ill")
        await lead.click("[data-do=cancel]")
        await lead.wait_for_selector("#state[data-state=cancelled]")
        await lead.click("[data-do=refund]")
        await lead.wait_for_selector("#steps li:has-text('Given back')")
        assert not await lead.is_visible("#owed-row") and await lead.title() == "Bookings · Centralita"

        # What is on offer: a departure more, by the clocks of the Azores.
        begins = datetime.now(UTC).replace(hour=8, minute=30) + timedelta(days=200)
        await lead.press("#offer > summary", "Enter")
        await lead.wait_for_selector("#departures li")
        await lead.press("#offer details:has(#depart) summary", "Enter")
        await lead.select_option("#offered", "azores")
        await lead.fill("#depart [name=starts]", f"{begins:%Y-%m-%dT%H:%M}")
        await lead.fill("#depart [name=ends]", f"{begins + timedelta(days=4):%Y-%m-%dT%H:%M}")
        await lead.fill("#depart [name=price]", "712.50")
        await lead.press("#depart [name=price]", "Enter")
        made = lead.locator("#departures li", has_text="0 of 16 seats taken · €712.50")
        await made.get_by_role("button").click()
        await lead.uncheck("#terms [name=on_sale]")
        await looks_right(lead, "what is on offer")
        await lead.click("#terms button")
        await lead.wait_for_selector("#departures li:has-text('€712.50 · not on sale')")
        async with store_of(server.data_dir) as store:
            found = await store.travel.departures(time.time() + 150 * 86_400, 1e11, 0.0)
        assert [datetime.fromtimestamp(each.departure.starts_at, ZoneInfo("Atlantic/Azores")).strftime("%H:%M") for each in found] == [
            "08:30"
        ]
