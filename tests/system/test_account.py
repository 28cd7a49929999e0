"""The page of accounts in a real browser: the second factor from set-up to sign-in, sessions, a new user, a key."""

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.async_api import Page

from api.demo_call.process import free_port
from tests.kit.browser import open_menu, person, tone_file
from tests.kit.issuer import running_issuer
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

PASSWORD = "a password for tests"
MARKUP = """<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>"""
"""A name that would be seen to be one: what the page may not load is an error of its console, and the test fails."""
REFUSED = "the server responded with a status of 401"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    port = free_port()
    settings = {"server": {"port": port, "public_url": f"http://127.0.0.1:{port}"}}
    async with running_issuer(time.time) as issuer, running_server(tmp_path, settings | {"oidc": issuer.settings()}) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in (("ana", "agent"), ("eva", "admin")):
                await store.people.save_user(identity, name=f"{identity.title()} {MARKUP}", role=role, password_hash=hashed)
        yield running


async def enter(page: Page, server: Server, user: str, language: str) -> None:
    await page.goto(f"{server.url}/account")
    await page.wait_for_selector("[data-ready=true]")
    await page.select_option("#language", language)
    await page.wait_for_selector(f"html[lang={language}] #door:not([hidden])")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", PASSWORD)
    await page.click("[data-do=sign-in]")


def code_of(secret: str) -> str:
    return TOTP(base64.b32decode(secret.replace(" ", "")), 6, SHA1(), 30).generate(time.time()).decode()


async def ended(page: Page) -> None:
    """Signs out, which the server hears."""
    await open_menu(page)
    async with page.expect_response("**/api/v1/sign-out") as answer:
        await page.click("[data-do=sign-out]")
    assert (await answer.value).status == 204


async def test_a_person_protects_their_account_and_an_administrator_makes_a_user_and_a_key(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    narrow = {"color_scheme": "light", "viewport": {"width": 320, "height": 640}}
    dark = {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}}
    async with person(microphone, expected=(REFUSED,), **narrow) as desk, person(microphone, expected=(REFUSED,), **dark) as elsewhere:
        await enter(desk.page, server, "ana", "es")
        recovery, *others = await set_up(desk.page)
        await sign_in_elsewhere(elsewhere.page, server, recovery)
        # The first device is shown out, and told why, as soon as its session ends on the other one.
        await elsewhere.page.click("[data-do=end-others]")
        await desk.page.wait_for_selector("#door:not([hidden])")
        await elsewhere.page.wait_for_function("() => document.querySelectorAll('#sessions li').length === 1")
        assert "Su sesión ha terminado" in await desk.page.inner_text("#door [data-part=ended]")
        await elsewhere.page.press("#events-part summary", "Enter")
        await elsewhere.page.wait_for_selector("#events li:has-text('A recovery code was used')")
        await ended(elsewhere.page)
        await enter(elsewhere.page, server, "eva", "en")
        await administer(elsewhere.page)
        assert MARKUP in await elsewhere.page.inner_text("#users")
        assert await elsewhere.page.title() != "broken"
        await ended(elsewhere.page)
        await elsewhere.sign_in(server.url, "eva", PASSWORD)
        await ended(elsewhere.page)  # of the telephone
        await use_the_telephone(desk.page, server, others[0])


async def use_the_telephone(page: Page, server: Server, recovery: str) -> None:
    """Its own sign-in, from a device that is not known: with the password and a recovery code, then by the issuer."""
    await page.context.clear_cookies()
    await page.goto(server.url)
    await page.fill("#user", "ana")
    await page.fill("#password", PASSWORD)
    await page.click("[data-do=sign-in]")
    await page.wait_for_selector("#code:focus")
    assert "dispositivo" in await page.inner_text("#door-error")
    await looks_right(page, "the telephone's sign-in")
    await page.fill("#code", "000000")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#door-error:has-text('no es correcto')")
    await page.fill("#code", recovery)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-ready=true]")
    await ended(page)
    await page.click("[data-do=issuer]")
    await page.wait_for_selector("[data-ready=true]")
    assert page.url == f"{server.url}/"
    await ended(page)


async def set_up(page: Page) -> list[str]:
    """Switches the second factor on. Returns the recovery codes."""
    await page.wait_for_selector("#inside:not([hidden]) #sessions li")
    await looks_right(page, "the account")
    await page.fill("#factor-begin [name=password]", PASSWORD)
    await page.click("[data-do=factor-begin]")
    await page.wait_for_selector("#factor-confirm:not([hidden])")
    await looks_right(page, "the key")
    await page.fill("#factor-confirm [name=code]", code_of(await page.inner_text("#factor-secret")))
    await page.click("[data-do=factor-confirm]")
    await page.wait_for_selector("#factor-codes:not([hidden]) li:nth-child(10)")
    await looks_right(page, "the recovery codes")
    return await page.locator("#factor-codes li").all_inner_texts()


async def sign_in_elsewhere(page: Page, server: Server, recovery: str) -> None:
    await enter(page, server, "ana", "en")
    await page.wait_for_selector("#door-code:not([hidden])")
    assert "new device" in await page.inner_text("#door-error")
    await page.fill("#door [name=code]", recovery)
    await page.fill("#door [name=password]", PASSWORD)
    await page.click("[data-do=sign-in]")
    await page.wait_for_selector("#sessions li:nth-child(2)")
    assert "left: 9" in await page.inner_text("#factor-state")


async def administer(page: Page) -> None:
    await page.wait_for_selector("#users-part:not([hidden]) li")
    await page.fill("#user [name=identity]", "booking")
    await page.fill("#user [name=name]", "Booking system")
    await page.select_option("#user [name=role]", "service")
    await page.click("[data-do=user]")
    await page.wait_for_selector("#users li:has-text('booking')")
    await page.fill("#key [name=identity]", "booking")
    await page.fill("#key [name=name]", "vouchers")
    await page.fill("#key [name=scopes]", "token.issue room.create")
    await page.click("[data-do=key]")
    await page.wait_for_selector("#key-made:not([hidden])")
    key = await page.inner_text("#key-made code")
    assert key.startswith("ck_")
    await page.wait_for_selector(f"#keys li:has-text('{key[:15]}')")
    await looks_right(page, "users and keys")
    await page.click("#keys button")
    await page.wait_for_function("() => document.querySelectorAll('#keys li').length === 0")
