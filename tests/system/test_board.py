"""The live board in a real browser: a supervisor sees the agent's call, both ways of it, and its end; an agent sees nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.kit.browser import person, tone_file
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of

PASSWORD = "a password for tests"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            await store.people.save_user("eva", name="Eva", role="supervisor", password_hash=hashed)
        yield running


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return tone_file(tmp_path / "tone.wav", 697.0)


async def enter(page: Page, server: Server, user: str, password: str) -> None:
    await page.goto(f"{server.url}/board")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", password)
    await page.click("[data-do=sign-in]")
    await page.wait_for_selector("[data-ready=true]")


async def looks_right(page: Page, where: str) -> None:
    """No finding of axe and nothing wider than the screen."""
    found = (await Axe().run(page)).response["violations"]
    assert not found, f"{where}: {[(each['id'], [node['target'] for node in each['nodes']]) for each in found]}"
    wide: list[int] = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1], f"{where}: {wide[0]} px on a screen of {wide[1]}"


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "es", 320), ("dark", "en", 1280)])
async def test_a_supervisor_sees_calls_live(server: Server, microphone: Path, scheme: str, language: str, width: int) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 640}}
    async with person(microphone) as agent, person(microphone, **options) as eva:
        await agent.sign_in(server.url, server.user, server.password)
        await eva.page.goto(f"{server.url}/board")
        await eva.page.select_option("#language", language)
        await eva.page.wait_for_selector(f"html[lang={language}] #door:not([hidden])")
        await looks_right(eva.page, "the door")
        await enter(eva.page, server, "eva", PASSWORD)
        await eva.page.wait_for_selector("#none:not([hidden])")
        await looks_right(eva.page, "empty")
        await agent.page.click("[data-do=dial-600]")
        await agent.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await eva.page.wait_for_selector("#calls [data-state=live] .leg[data-side=agent] .mos[data-grade=good]")
        assert await eva.page.inner_text("#calls .who") == "600"
        await eva.page.wait_for_function("() => document.querySelector('.since').textContent !== '0:00'")
        heard = "#calls .leg[data-side=agent] dd:nth-of-type(2) .mos:not([data-grade=none])"
        await eva.page.wait_for_selector(heard)  # the browser's own report
        await looks_right(eva.page, "a call")
        await agent.page.click("[data-do=hang-up]")
        await eva.page.wait_for_selector("#none:not([hidden])")
        await eva.page.reload()
        await eva.page.wait_for_selector("[data-ready=true]")
        await eva.page.click("[data-do=sign-out]")
        await eva.page.wait_for_selector("#door:not([hidden])")


async def test_a_hop_that_is_bad_is_named_in_words(server: Server, microphone: Path) -> None:
    """A browser that says nothing more: the hop from it is silent."""
    async with person(microphone) as agent, person(microphone, viewport={"width": 1280, "height": 800}) as eva:
        await agent.sign_in(server.url, server.user, server.password)
        await enter(eva.page, server, "eva", PASSWORD)
        await agent.page.click("[data-do=dial-600]")
        await agent.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await eva.page.wait_for_selector("#calls [data-hop='']")
        await agent.page.evaluate("for (const peer of Object.values(window.centralita.peers)) peer.transceiver.sender.replaceTrack(null)")
        await eva.page.wait_for_selector("#calls [data-hop=browser_to_us]")
        assert await eva.page.inner_text(".verdict") == "Bad from the agent's browser to the server: nothing arrives."
        assert await eva.page.inner_text("#count") == "1 running, 1 with a bad hop"
        await looks_right(eva.page, "a bad call")
        await agent.page.click("[data-do=hang-up]")


async def test_an_agent_is_told_that_the_board_is_for_supervisors(server: Server, microphone: Path) -> None:
    async with person(microphone) as agent, person(microphone) as caller:
        await enter(agent.page, server, server.user, server.password)
        assert "supervisors only" in await agent.page.inner_text("#said")
        assert await agent.page.inner_text("#calls") == ""
        # Who only looks on takes no calls: the demo's call me rings at the telephone alone.
        await caller.sign_in(server.url, server.user, server.password)
        await caller.page.click("[data-do=call-me]")
        await caller.page.wait_for_selector("[role=alertdialog]")
        await caller.page.click("[data-do=decline]")
        await asyncio.gather(*(each.page.close() for each in (agent, caller)))
