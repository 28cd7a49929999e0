"""The page of rooms in real browsers: nothing written is lost or doubled, guests are let in and put out, and both see it at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page

from tests.kit.browser import person, seen_when, tone_file
from tests.kit.sealed_files import texts_in
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of, vault_of
from tests.system.test_board import looks_right

PASSWORD = "a password for tests"
NO_NETWORK = "net::ERR_INTERNET_DISCONNECTED"
NARROW_DARK = {"color_scheme": "dark", "locale": "es-ES", "viewport": {"width": 320, "height": 640}}
WIDE_LIGHT = {"color_scheme": "light", "locale": "en-GB", "viewport": {"width": 1280, "height": 800}}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in (("ana", "agent"), ("eva", "supervisor")):
                await store.people.save_user(identity, name=identity.title(), role=role, password_hash=hashed)
        yield running


def script(name: str) -> str:
    return (Path(__file__).parents[1] / "kit" / f"{name}.js").read_text()


async def enter(page: Page, server: Server, user: str) -> None:
    await page.goto(f"{server.url}/rooms")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-part=people]")


async def write(page: Page, words: str) -> None:
    await page.fill("#words", words)
    await page.press("#words", "Enter")


def said(words: str) -> str:
    return f".message[data-message]:has-text('{words}')"


async def test_people_write_in_the_clear_and_encrypted_and_a_guest_is_let_in(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    async with (
        person(microphone, **WIDE_LIGHT) as eva,
        person(microphone, expected=(NO_NETWORK,), **NARROW_DARK) as ana,
    ):
        await enter(eva.page, server, "eva")
        await enter(ana.page, server, "ana")
        await make(eva.page, "group", "Reservas")
        await write(eva.page, "El vuelo va con retraso")
        await read_and_answered(eva.page, ana.page)
        await changed(eva.page, ana.page)
        await nothing_is_lost_or_doubled(eva.page, ana.page)
        await read_by_its_people_and_by_nobody_else(eva.page, ana.page)
        await make(eva.page, "meeting", "Consulta")
        await eva.page.check("[data-do=waiting-room]")
        await eva.page.click("[data-do=link]")
        address = await eva.page.input_value("#made")
        await ana.page.goto("about:blank")
        await come_by(ana.page, address)
        await eva.page.click("[data-do=admit]")
        await ana.page.wait_for_selector("#words")
        await write(ana.page, "Buenos días")
        await eva.page.wait_for_selector(said("Buenos días"))
        await looks_right(eva.page, "a meeting with a guest")
        await eva.page.press("[data-member^=guest] summary", "Enter")
        await eva.page.click("[data-do=kick]")
        await ana.page.wait_for_selector(".elsewhere h2:has-text('Un anfitrión le ha sacado de esta sala')")
    kept = list(texts_in(server.data_dir.parent, vault_of(server.data_dir)))
    found = [word for word in ("retraso", "Contratos", "zanahoria", "calabac", "nabo", "berenjena") if any(word in text for text in kept)]
    assert found == ["retraso", "Contratos"], "what is not encrypted opens with our keys, and so does the name of a room"


async def make(page: Page, kind: str, name: str, *, encrypted: bool = False) -> None:
    await page.click("[data-do=new]")
    await page.check(f"#new-room [value={kind}]")
    await page.fill("#new-room [name=name]", name)
    await page.check("#new-room [value=ana]")
    await page.set_checked("[data-do=encrypted]", encrypted)
    await page.click("[data-do=make]")
    await page.wait_for_selector(f"#talk-title:has-text('{name}')")


async def read_and_answered(eva: Page, ana: Page) -> None:
    await ana.wait_for_selector("[data-room][data-unread=true] .badge:has-text('1')")
    await ana.click("[data-room]")
    await ana.wait_for_selector(said("retraso"))
    await eva.wait_for_selector(".read-by:has-text('Ana')")
    await seen_when(eva, ".typers .pulse", ana.type("#words", "Gr"))
    await write(ana, "Gracias")
    await eva.wait_for_selector(said("Gracias"))


async def changed(eva: Page, ana: Page) -> None:
    """By the keyboard alone: a reaction to the other's message, then another wording of one's own."""
    await eva.focus(said("Gracias"))
    await eva.keyboard.press("Enter")
    await eva.focus(".message-tools button")
    await eva.keyboard.press("Enter")
    await ana.wait_for_selector(f"{said('Gracias')} .chip")
    await ana.focus("#words")
    await ana.keyboard.press("ArrowUp")
    await ana.wait_for_selector(".about")
    await write(ana, "Muchas gracias")
    await eva.wait_for_selector(said("Muchas gracias"))
    await looks_right(ana, "a conversation")


async def nothing_is_lost_or_doubled(eva: Page, ana: Page) -> None:
    """What is written without a network goes out when it is back, once, in order; what others wrote meanwhile is there too."""
    await ana.context.set_offline(True)
    await ana.wait_for_selector("[data-part=lost]")
    await write(ana, "primero")
    await write(ana, "segundo")
    await ana.wait_for_selector("[data-outgoing=waiting] ~ [data-outgoing=waiting]")
    await write(eva, "mientras tanto")
    await eva.wait_for_selector(said("mientras tanto"))
    await ana.context.set_offline(False)
    for page in (eva, ana):
        for words in ("segundo", "mientras tanto"):
            await page.wait_for_selector(said(words))
    await ana.wait_for_selector("[data-outgoing]", state="detached")
    texts = "els => els.map(each => each.textContent)"
    assert await ana.eval_on_selector_all(".words", texts) == await eva.eval_on_selector_all(".words", texts)
    assert (await eva.eval_on_selector_all(".words", texts))[-3:] == ["mientras tanto", "primero", "segundo"]


async def come_by(page: Page, address: str) -> None:
    await page.goto(address)
    await page.fill("#door [name=name]", "Tom")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".elsewhere h2:has-text('Espere')")


EXPECTED = {
    "text": "Hola",
    "sameLength": 1,
    "extractable": [False] * 4,
    "genuine": [True, False, False],
    "forOthers": "damaged",
    "otherRoom": "damaged",
    "otherMaker": "damaged",
    "notSigned": "forged",
    "otherKey": "damaged",
    "mayWriteUnder": [True, False, False, False],
    "same": [True, False],
    "impostor": "forged",
    "impostorsDevice": "forged",
    "otherPlace": "forged",
    "damaged": "forged",
    "otherEpochsKey": "damaged",
    "file": "a file",
    "damagedFile": "damaged",
    "numbers": [True, False],
}
"""What right keys open, and what each wrong one is answered."""


async def read_by_its_people_and_by_nobody_else(eva: Page, ana: Page) -> None:
    main = str(await eva.get_attribute("script[src$='/rooms/main.js']", "src"))
    assert await eva.evaluate(script("cipher_checks"), main.replace("main.js", "cipher.js")) == EXPECTED
    await eva.click("[data-do=new]")
    await eva.check("[data-do=encrypted]")
    await looks_right(eva, "what encrypting means")
    await eva.keyboard.press("Escape")
    await make(eva, "group", "Contratos", encrypted=True)
    await ana.click("[data-do=back]")
    await ana.click("[data-room]:has-text('Contratos')")
    await ana.wait_for_selector("#talk-title:has-text('Contratos')")
    await write(ana, "zanahoria")
    await eva.wait_for_selector(said("zanahoria"))
    await eva.set_input_files("input[type=file]", files=[{"name": "berenjena.pdf", "mimeType": "application/pdf", "buffer": b"%PDF nabo"}])
    await eva.fill("#words", "calabacín")
    await eva.click("[data-do=send]:not([disabled])")
    await ana.wait_for_selector(said("calabacín"))
    async with ana.expect_download() as fetched:
        await ana.click(".file:has-text('berenjena.pdf')")
    assert await asyncio.to_thread((await (await fetched.value).path()).read_bytes) == b"%PDF nabo"
    await verified(eva, ana)
    assert await eva.evaluate(script("downgrade_check"), main.replace("main.js", "")) == [True, "encrypted"]


async def verified(eva: Page, ana: Page) -> None:
    digits = []
    for page in (eva, ana):
        await page.click("[data-do=aside]")
        await page.click("[data-do=safety]")
        await page.wait_for_selector(".digits")
        digits.append((await page.inner_text(".digits")).split())
        await looks_right(page, "the safety number")
        await page.click("[data-do=same]")
        await page.wait_for_selector("#safety", state="detached")
    assert digits[0] == digits[1] and len(digits[0]) == 12
