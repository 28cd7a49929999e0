"""The live board in a real browser: a supervisor sees the agent's call, both ways of it, and its end; an agent sees nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from api.demo_call.browser import AgentSettings, agent
from api.demo_call.relay import FlowRelay
from tests.kit.browser import person, tone_file
from tests.kit.looks import settled
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of

PASSWORD = "a password for tests"
LOST_PER_S = 25
"""Every second one of a browser's packets."""


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
    await page.wait_for_selector("[data-board=true], [data-part=refused]")


async def looks_right(page: Page, where: str) -> None:
    """No finding of axe and nothing wider than the screen."""
    await settled(page)
    found = (await Axe().run(page)).response["violations"]
    assert not found, f"{where}: {[(each['id'], [node['target'] for node in each['nodes']]) for each in found]}"
    wide: list[int] = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1], f"{where}: {wide[0]} px on a screen of {wide[1]}"


async def once_more(page: Page) -> None:
    """The call that was: the way of its browser's packets, and its seconds again, by keyboard alone."""
    await page.click("[data-tab=history]")
    await page.click("[data-part=found] [data-row]")
    await page.wait_for_selector("[data-part=call-page] [data-part=paths] [data-row] .kit-badge.good")
    await page.focus("[data-part=replay] [data-field=moment]")
    measured = "[data-part=replay] .mos:not([data-grade=none])"
    most = int(await page.get_attribute("[data-field=moment]", "max") or 0)
    for _ in range(most):
        await page.keyboard.press("ArrowRight")
        if found := await page.locator(measured).count():
            break
    assert most and found, "no second of it was measured"
    await page.keyboard.press("Home")
    await page.wait_for_function("() => document.querySelector('[data-field=moment]').value === '0'")
    await page.click("[data-speed='16']")
    await page.focus("[data-field=moment]")
    await page.keyboard.press(" ")
    await page.wait_for_function("() => Number(document.querySelector('[data-field=moment]').value) > 0")
    await page.wait_for_selector("[data-part=replay]:not([data-playing])")  # at its end, soon at ×16
    await looks_right(page, "the call that was")


async def judged(page: Page, agent: str) -> None:
    """The call whose page is open, by a form that is made for it: from the call to its scorecard and back."""
    call_id = await page.evaluate("location.hash.slice(1)")
    await page.click("[data-do=judge-call]")
    await page.wait_for_selector("[data-part=no-form]")
    await page.click("[data-do=new-form]")
    await page.fill("[data-field=title]", "Service")
    await page.fill("[data-field=criterion]", "Says who they are")
    await page.click("[data-do=save-form]")
    await page.wait_for_selector("[data-part=judge]")  # there is a form now, and it is this call's
    assert await page.input_value("[data-field=call]") == call_id
    await page.wait_for_function("(agent) => document.querySelector('[data-field=agent]').value === agent", arg=agent)
    await looks_right(page, "a call is judged")
    await page.select_option("[data-criterion]", "4")
    await page.click("[data-do=give]")
    await page.wait_for_selector("[data-part=call-page][data-known=true]")
    assert await page.evaluate("location.hash.slice(1)") == call_id


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "es", 320), ("dark", "en", 1280)])
async def test_a_supervisor_sees_calls_live(server: Server, microphone: Path, scheme: str, language: str, width: int) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 640}}
    async with person(microphone) as agent, person(microphone, **options) as eva:
        await agent.sign_in(server.url, server.user, server.password)
        await eva.page.goto(f"{server.url}/board")
        await eva.page.select_option("#language", language)
        await eva.page.wait_for_selector(f"html[lang={language}] #door")
        await looks_right(eva.page, "the door")
        await enter(eva.page, server, "eva", PASSWORD)
        await eva.page.wait_for_selector("#none")
        await looks_right(eva.page, "empty")
        await agent.page.click("[data-do=dial-600]")
        await agent.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        row = "#calls [data-row][data-state=live]"
        await eva.page.wait_for_selector(f"{row} .kit-badge.good")
        assert await eva.page.inner_text("#calls .who") == "600"
        await eva.page.wait_for_function("() => document.querySelector('.since').textContent !== '0:00'")
        await eva.page.focus(row)
        await eva.page.keyboard.press("Enter")
        await eva.page.wait_for_selector(".leg[data-side=agent] [data-way=to] .mos:not([data-grade=none])")  # the browser's own report
        await looks_right(eva.page, "a call")
        await eva.page.click("[data-do=open-call]")
        await eva.page.wait_for_selector("[data-part=call-page][data-known=true] .kit-chart")
        await looks_right(eva.page, "its page")
        for tab in ("history", "alerts", "team"):
            await eva.page.click(f"[data-tab={tab}]")
            await eva.page.wait_for_selector(
                {"history": "[data-part=found] [data-row]", "alerts": "[data-part=thresholds] form"}.get(tab, "[data-part=team] [data-row]")
            )
            await looks_right(eva.page, tab)
        await eva.page.click("[data-tab=live]")
        await agent.page.click("[data-do=hang-up]")
        await eva.page.wait_for_selector("#none")
        await once_more(eva.page)
        await judged(eva.page, server.user)
        await eva.page.click("[data-tab=live]")
        await eva.page.reload()
        await eva.page.wait_for_selector("[data-board=true]")
        if width < 700:
            await eva.page.click("[data-do=menu]")
        await eva.page.click("[data-do=sign-out]")
        await eva.page.wait_for_selector("#door")


async def test_a_hop_that_is_bad_is_named_in_words(server: Server, microphone: Path) -> None:
    """A browser that says nothing more: the hop from it is silent."""
    async with person(microphone) as agent, person(microphone, viewport={"width": 1280, "height": 800}) as eva:
        await agent.sign_in(server.url, server.user, server.password)
        await enter(eva.page, server, "eva", PASSWORD)
        await agent.page.click("[data-do=dial-600]")
        await agent.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await eva.page.click("#calls [data-row][data-hop='']")
        await agent.page.evaluate("for (const peer of Object.values(window.centralita.peers)) peer.transceiver.sender.replaceTrack(null)")
        words = "Bad from the agent's browser to the server: nothing arrives."  # on a busy machine something else may be bad before
        await eva.page.wait_for_selector(f'[data-part=panel][data-hop=browser_to_us] .verdict:text-is("{words}")')
        await eva.page.wait_for_selector("#count:text-is('1 running, 1 with a bad hop')")
        await eva.page.wait_for_selector("[data-alert=silent] [data-do=acknowledge]")
        await eva.page.wait_for_selector("#calls [data-row] .kit-badge:text-is('Bad')")
        await looks_right(eva.page, "a bad call")
        await agent.page.click("[data-do=hang-up]")


async def test_an_agent_is_told_that_the_board_is_for_supervisors(server: Server, microphone: Path) -> None:
    async with person(microphone) as agent, person(microphone) as caller:
        await enter(agent.page, server, server.user, server.password)
        assert "supervisors only" in await agent.page.inner_text("[data-part=refused]")
        assert await agent.page.locator("#calls").count() == 0
        # Who only looks on takes no calls: the demo's call me rings at the telephone alone.
        await caller.sign_in(server.url, server.user, server.password)
        await caller.page.click("[data-do=call-me]")
        await caller.page.wait_for_selector("[role=alertdialog]")
        await caller.page.click("[data-do=decline]")
        await asyncio.gather(*(each.page.close() for each in (agent, caller)))


_LOST = "Bad from the agent's browser to the server: packets get lost."
_COUNTED = """(words) => {
  window.seconds = 0;
  const named = () => [...document.querySelectorAll('#calls .cause')].some((each) => each.textContent === words);
  const told = new MutationObserver(() => { if (!named()) window.seconds += 1; });
  told.observe(document.querySelector('[data-at]'), { attributeFilter: ['data-at'] });
}"""


class Switched:
    """A network that is good until ``bad``: then every second packet is lost, which is counted. No chance in it."""

    def __init__(self) -> None:
        self.bad = False
        self.lost = 0
        self._packets = 0

    def fates(self, now_s: float, size: int) -> list[float]:
        self._packets += 1
        if not self.bad or not self._packets % 2:
            return [now_s]
        self.lost += 1
        return []


async def test_loss_on_one_way_is_named_by_its_hop_within_five_seconds_of_it(server: Server, microphone: Path) -> None:
    """The relay on the agent's hop loses what the browser says, and nothing of what it hears."""
    network = Switched()
    async with AsyncExitStack() as stack:
        relays: dict[tuple[str, int], FlowRelay] = {}

        async def redirect(host: str, port: int) -> tuple[str, int]:
            if (host, port) not in relays:
                relays[host, port] = await stack.enter_async_context(FlowRelay((host, port), inwards=network))
            return relays[host, port].address

        asked = AgentSettings(server.url, server.user, server.password, microphone, redirect=redirect)
        speaker = await stack.enter_async_context(agent(asked))
        eva = (await stack.enter_async_context(person(microphone, viewport={"width": 1280, "height": 800}))).page
        await enter(eva, server, "eva", PASSWORD)
        await speaker.page.click("[data-do=dial-600]")
        await eva.wait_for_selector("#calls [data-row][data-state=live][data-hop=''] .kit-badge.good")
        network.bad = True
        # Seconds are those that were measured and shown, however long a busy machine takes for one, and of a browser that stands still
        # nothing gets lost: then those count in which its packets did.
        await eva.evaluate(_COUNTED, _LOST)
        await eva.wait_for_selector(f'#calls [data-row][data-hop=browser_to_us] .cause:text-is("{_LOST}")')
        assert min(await eva.evaluate("window.seconds"), network.lost / LOST_PER_S) <= 5 + 1
        await eva.wait_for_selector('[data-alert=loss]:has-text("the agent\'s browser to the server")')
        assert speaker.complaints == []
