"""What makes the desk quick: numbers read as they are typed, the palette, shortcuts of one's own, the mini phone, colleagues, phrases."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page

from tests.kit.browser import person, tone_file, where_it_is_noon
from tests.kit.hearing import hears, hears_not
from tests.kit.hub import Client
from tests.kit.page import page as plain_page
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right
from tests.system.test_softphone import OUR_HZ, Desk, signed_in

PASSWORD = "a password for tests"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    settings = {"media.recording": {"enabled": True, "consent": "given"}}
    async with running_server(tmp_path, settings) as server:
        async with store_of(server.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            await store.people.save_user("luz", name="Luz <b>", role="supervisor", password_hash=hashed)
        yield server


@pytest.fixture
async def desk(tmp_path: Path, server: Server) -> AsyncIterator[Desk]:
    """Of somebody whose day, which is looked at, began long ago and is not over soon."""
    async with person(tone_file(tmp_path / "tone.wav", OUR_HZ), timezone_id=where_it_is_noon()) as someone:
        yield await signed_in(someone, server)


async def a_supervisor_helps(page: Page, server: Server) -> None:
    """In the middle of a call: a hand is raised, somebody sees to it and writes, and is answered. Then the call's sound is reported."""
    async with plain_page(server.url, "luz", PASSWORD) as luz:
        await page.click("[data-do=raise-hand]")
        await page.wait_for_selector("[data-do=raise-hand][aria-pressed=true]:not([disabled])")
        alert = await alert_of(luz, "help")
        assert alert["subject"] == server.user
        await see_to(server, alert["alert_id"])
        await page.wait_for_selector("[data-part=help][data-by=luz]")
        room = (await luz.ask("room.create", {"kind": "direct", "invited": [{"identity": server.user}]}))["ok"]["room_id"]
        assert "ok" in await luz.ask("chat.message", {"room_id": room, "message_id": "m1", "text": "Offer them the <i>later</i> flight."})
        await page.click("[data-do=unread]")
        await page.wait_for_selector("[data-message=theirs]:has-text('<i>later</i>')")
        await luz.told("chat.read")
        await looks_right(page, "a conversation in a call")
        await page.fill("#chat-words", "They take it.")
        await page.keyboard.press("Enter")
        answer = (await luz.told("chat.message", 2))[-1]
        assert (answer["sender"], answer["text"]) == (server.user, "They take it.")
        await luz.ask("chat.read", {"room_id": room, "position": answer["position"]})
        await page.wait_for_selector("[data-message=mine][data-read=true]")
        await page.click("[data-do=raise-hand]")
        await page.wait_for_selector("[data-do=raise-hand][aria-pressed=false]")


async def alert_of(luz: Client, kind: str) -> dict[str, Any]:
    """The only one of this kind: what a busy machine does to a call is an alert, too."""
    alerts = (await luz.ask("board.watch", {}))["ok"]["alerts"]
    (found,) = [alert for alert in alerts if alert["kind"] == kind]
    return dict(found)


async def see_to(server: Server, alert_id: str) -> None:
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post("/api/v1/sign-in", json={"user": "luz", "password": PASSWORD}) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        async with http.post(f"/api/v1/alerts/{quote(alert_id)}/acknowledgement", headers=headers) as answer:
            assert answer.status == 204


async def the_sound_is_reported(page: Page, server: Server) -> None:
    await page.click("[data-do=report-echo]")
    await page.wait_for_selector("[data-part=reported]:not([hidden]):not(.bad)")
    call_id = await page.get_attribute("[data-call-id]", "data-call-id")
    async with plain_page(server.url, "luz", PASSWORD) as luz:
        alert = await alert_of(luz, "report")
    assert (alert["call_id"], alert["what"]) == (call_id, "echo")


async def chooses(page: Page, words: str, command: str) -> None:
    """Of the palette, by the keyboard alone."""
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("#palette-words:focus")
    await page.keyboard.type(words)
    await page.wait_for_selector(f"[data-command='{command}'][aria-selected=true]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#palette", state="detached")


async def test_numbers_palette_shortcuts_mini_phone_recording_and_help(desk: Desk, server: Server) -> None:
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
    await page.press("[data-part=phrases] summary", "Enter")
    await page.click("[data-do=phrase] >> nth=1")
    await page.wait_for_selector("[data-part=note-state][data-state=kept]")
    assert "by e-mail" in await page.input_value(".context-note textarea")

    await a_supervisor_helps(page, server)
    async with page.context.expect_page() as opening:
        await desk.press("mini")
    mini = await opening.value
    await mini.click("[data-do=mini-mute]")
    await page.wait_for_selector("[data-do=mute][aria-pressed=true]")
    await mini.wait_for_selector("[role=timer]")
    await mini.click("[data-do=mini-hang-up]")
    await desk.call_is("ended")
    await the_sound_is_reported(page, server)
    await page.reload()
    await page.wait_for_selector("[data-ready=true]")
    await page.click("[data-do=day]")
    await page.wait_for_selector(".day tbody tr")
    await looks_right(page, "the day")
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("#palette [role=option]")
    await looks_right(page, "the palette")
