"""The page of campaigns in a real browser: a list is made and let run, a person is looked at and called, and one who wants no calls."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

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
LINES = f"""911 234 567; Eva {MARKUP}; on our website; 2026-01-05; likes {MARKUP}
928 123 456; Iván; en la feria; 2026-01-05;
not a number; Nobody; on our website; 2026-01-05;
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, FAST) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in (("ana", "agent"), ("lea", "supervisor")):
                await store.people.save_user(identity, name=identity.title(), role=role, password_hash=hashed)
        yield running


async def enter(page: Page, server: Server, user: str) -> None:
    await page.goto(f"{server.url}/campaigns")
    await page.wait_for_selector("[data-ready=true]")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", PASSWORD)
    await page.press("#door [name=password]", "Enter")
    await page.wait_for_selector("html:not([data-asking]) #inside:not([hidden])")  # with all that it shows


def all_day(server: Server) -> None:
    """Whatever time it is where the test runs, somebody may be called."""
    with closing(sqlite3.connect(server.data_dir / "centralita.sqlite3", timeout=30.0)) as database:
        database.execute('UPDATE campaigns SET days = \'1234567\', "begin" = 0, "end" = 1440')
        database.commit()


async def test_a_campaign_from_its_list_to_who_wants_no_calls(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    wide = {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": 1280, "height": 800}}
    narrow = {"locale": "es-ES", "color_scheme": "dark", "viewport": {"width": 320, "height": 640}}
    async with (
        person(microphone, **wide, expected=HASTE) as leader,
        person(microphone, **narrow, expected=("status of 409", *HASTE)) as agent,
    ):
        lead = leader.page
        await enter(lead, server, "lea")
        await lead.press("#lead summary", "Enter")
        await lead.fill("#make [name=name]", f"Spring {MARKUP}")
        await lead.fill("#make [name=script]", "Say hello.\nTell of the islands.")
        await lead.press("#make [name=name]", "Enter")
        await lead.click("#campaigns [data-do=add]")
        await lead.fill("#add [name=entries]", LINES)
        await lead.click("#add button[type=submit]")
        await lead.wait_for_selector("#said:has-text('2 added, 1 not.')")
        assert "This is no telephone number." in await lead.inner_text("#not-added")
        await lead.click("#campaigns [data-do=run]")
        await lead.wait_for_selector("#campaigns [data-do=rest]")
        assert "2 to call, 0 done" in await lead.inner_text("#campaigns")
        await looks_right(lead, "the leader's")
        all_day(server)

        page = agent.page
        await enter(page, server, "ana")
        assert not await page.is_visible("#lead")
        await page.wait_for_selector("#choose button")  # a key goes to what is there, and the list is still on its way
        await page.press("#choose select", "Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#entry:not([hidden])")
        first = await page.inner_text("#entry-number")
        assert first in ("+34911234567", "+34928123456") and "Tell of the islands." in await page.inner_text("#script")
        await looks_right(page, "the agent's")
        async with agent.context.expect_page() as opened:
            await page.click("[data-do=give]")
        phone = await opened.value
        assert await phone.input_value("#number") == first
        assert phone.url == f"{server.url}/"
        await phone.close()
        await page.click("[data-outcome=refused]")
        await page.wait_for_function("first => document.querySelector('#entry-number').textContent !== first", arg=first)
        await page.click("[data-outcome=reached]")
        await page.wait_for_selector("#said:has-text('Ya se llamó a todas')")

        await lead.reload()
        await lead.wait_for_selector(f"#unwanted li:has-text('{first}')")
        assert "0 to call, 2 done" in await lead.inner_text("#campaigns")
        lead.once("dialog", lambda dialog: dialog.accept())
        await lead.click("#unwanted [data-do=off]")
        await lead.wait_for_selector("#unwanted li", state="detached")
