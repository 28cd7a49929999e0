"""The softphone in a real browser against the real server and its demo line: what a person does all day, and what goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from api.demo_call.browser import chromium_path
from tests.kit.browser import Person, person, tone_file
from tests.kit.hearing import hears, hears_not
from tests.kit.looks import COLOURS, Look, look, tight
from tests.kit.pressure import starved_s
from tests.kit.server import Server, running_server

OUR_HZ = 697.0
RELOADED_WITHIN_S, MOST_RELOADS = 2.0, 5
"""A busy machine makes a reload slower and none quicker: what the page can do is the quickest of some, and mostly the first."""
ANSWER_WITHIN_MS = 10_000
"""So long a page waits for the answer to a request."""
NETWORK_SAYS = "Failed to load resource"
"""Chromium's own line for each HTTP answer of 400 and above; not the page's."""
CLOSING = "WebSocket is already in CLOSING or CLOSED state"
"""Chromium's own line where something was sent in the moment in which the server closed."""

SCREENS: tuple[Look, ...] = (("light", "es", 320, ()), ("dark", "en", 320, COLOURS), ("dark", "es", 1280, ()), ("light", "en", 820, ()))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, {"calls": {"undo_s": 60}}) as running:
        yield running


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return tone_file(tmp_path / "tone.wav", OUR_HZ)


class Desk:
    """A signed-in person's page, in the words of the page."""

    def __init__(self, someone: Person) -> None:
        self.page: Page = someone.page
        self.context = someone.context

    async def press(self, what: str) -> None:
        await self.page.click(f"[data-do={what}]")

    async def call_is(self, state: str, *, media: str | None = None) -> None:
        await self.page.wait_for_selector(f"[data-call-id][data-state={state}]" + (f"[data-media={media}]" if media else ""))

    async def shows(self, text: str, where: str = "#main") -> None:
        await self.page.wait_for_function(
            "([where, text]) => document.querySelector(where)?.innerText.includes(text)", arg=[where, text], polling=50
        )


async def signed_in(someone: Person, server: Server) -> Desk:
    # The browser's own processing takes a steady tone for noise and removes it.
    await someone.sign_in(f"{server.url}/?processing=off", server.user, server.password)
    return Desk(someone)


async def test_echo_mute_hold_and_keys(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await hears(desk.page, OUR_HZ)

        await desk.press("mute")
        await desk.page.wait_for_selector("[data-do=mute][aria-pressed=true]")
        await hears_not(desk.page, OUR_HZ)
        await desk.page.keyboard.press("Control+Shift+M")
        await desk.page.wait_for_selector("[data-do=mute][aria-pressed=false]")
        await desk.shows("Microphone on", "[data-part=said]")
        await hears(desk.page, OUR_HZ)

        await desk.press("hold")
        await desk.shows("On hold", "[data-part=state]")
        await hears_not(desk.page, OUR_HZ)
        await desk.press("hold")
        await desk.shows("In call", "[data-part=state]")
        await hears(desk.page, OUR_HZ)

        await desk.press("keypad")
        await desk.page.click(".pad [data-key='4']")
        await desk.page.keyboard.type("2#")
        await desk.shows("42#", ".digits")
        await desk.shows("42#", ".digits-heard")

        await desk.page.keyboard.press("Escape")
        await desk.call_is("live", media="up")
        await desk.page.keyboard.press("Control+Shift+E")
        await desk.call_is("ended")
        await desk.shows("600", ".recent")

        await desk.page.wait_for_selector("[data-part=undo][data-what=call]")
        await desk.page.keyboard.press("Control+Shift+U")
        await desk.call_is("live", media="up")
        await desk.page.wait_for_selector("[data-part=undo]", state="detached")


# The page shows the cause and, in bars, the MOS that the server told of the last second; a line that is good is shown to be. One that a
# busy machine's pauses spoil is not, and says why.
_SHOWN_AS_MEASURED = """() => {
  const leg = Object.values(window.centralita.state.quality)[0]?.legs.find((each) => each.side === 'agent');
  const shown = document.querySelector('.side[data-side=agent]')?.dataset;
  if (!shown || leg?.mos == null || leg.cause === 'unclassified') return false;
  const bars = [1.5, 2.8, 3.5, 4.0].filter((step) => leg.mos >= step).length;
  const spoiled = leg.loss > 0 || leg.jitter_ms >= 10 || leg.round_trip_ms >= 100;
  return shown.cause === leg.cause && Number(shown.level) === bars && (spoiled || (leg.cause === 'good' && bars >= 3));
}"""


async def test_speech_quality_and_details(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.page.fill("#number", " tel:601 ")
        await desk.page.keyboard.press("Enter")
        await desk.call_is("live", media="up")
        await hears(desk.page)
        await desk.page.wait_for_function(_SHOWN_AS_MEASURED)
        await desk.page.press("[data-part=numbers] > summary", "Enter")
        await desk.page.wait_for_selector(".tables table:nth-of-type(2)")
        await desk.page.wait_for_function("() => document.querySelector('[role=timer]').textContent !== '0:00'")
        assert await desk.page.get_attribute("[role=timer]", "aria-live") == "off"
        marks = await desk.page.evaluate("performance.getEntriesByType('mark').map((mark) => mark.name)")
        assert [name for name in marks if name in ("dial-click", "ringing", "first-audio")] == ["dial-click", "ringing", "first-audio"]


async def test_busy_and_never_answered(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("dial-603")
        await desk.call_is("ended")
        await desk.shows("The line is busy. Try again in a while.")
        await desk.press("dial-604")
        await desk.call_is("ringing")
        await desk.press("hang-up")
        await desk.call_is("ended")
        await desk.shows("You ended the call before it was answered.")
        await desk.press("dismiss")
        await desk.shows("Ready for calls")
        await desk.page.fill("#number", "no digits at all")
        await desk.press("dial")
        await desk.page.wait_for_selector("#dial-error")
        assert await desk.page.get_attribute("#number", "aria-invalid") == "true"


async def test_call_me(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("call-me")
        await desk.page.wait_for_selector("[role=alertdialog]")
        assert (await desk.page.title()).startswith("(1) ")
        await desk.page.wait_for_function("() => document.activeElement.dataset.do === 'accept'")
        await desk.page.keyboard.press("Escape")
        await desk.press("silence")
        await desk.press("accept")
        await desk.call_is("live", media="up")
        await desk.press("hang-up")
        await desk.call_is("ended")

        await desk.press("call-me")
        await desk.page.wait_for_selector("[role=alertdialog]")
        await desk.page.keyboard.press("Control+Shift+D")
        await desk.page.wait_for_selector("[role=alertdialog]", state="detached")
        await desk.shows("Declined", "[data-part=said]")

        # Somebody who types is not interrupted.
        await desk.page.focus("#number")
        await desk.page.evaluate("document.querySelector('[data-do=call-me]').click()")
        await desk.page.wait_for_selector("[role=alertdialog]")
        assert await desk.page.evaluate("document.activeElement.id") == "number"


async def test_reload_in_mid_call(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await hears(desk.page, OUR_HZ)
        took_s = [await _reloaded(desk)]
        while min(took_s) > RELOADED_WITHIN_S and len(took_s) < MOST_RELOADS:
            took_s.append(await _reloaded(desk))
        assert min(took_s) <= RELOADED_WITHIN_S, took_s
        await desk.call_is("live", media="up")


async def _reloaded(desk: Desk) -> float:
    """Seconds until the call is heard again."""
    loop = asyncio.get_running_loop()
    began, starved = loop.time(), starved_s()
    await desk.page.reload()
    await hears(desk.page, OUR_HZ)
    return loop.time() - began - (starved_s() - starved)


async def test_signalling_lost_in_mid_call(server: Server, microphone: Path) -> None:
    async with person(microphone, expected=(CLOSING,)) as someone:
        lines: list[Any] = []
        whole = asyncio.Event()
        whole.set()
        network = Swallowing()

        async def pass_on(route: Any) -> None:
            await whole.wait()
            server = route.connect_to_server()
            route.on_message(lambda message: None if network.swallows(message) else server.send(message))
            lines.append(route)

        await someone.page.clock.install()
        await someone.page.route_web_socket("**/socket.io/**", pass_on)
        desk = await signed_in(someone, server)
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await hears(desk.page, OUR_HZ)

        whole.clear()
        await lines[0].close(code=1011)
        await desk.page.wait_for_selector("[data-banner=link]")
        await hears(desk.page, OUR_HZ)
        await desk.press("mute")
        await hears_not(desk.page, OUR_HZ)

        whole.set()
        await desk.page.wait_for_selector("[data-banner=link]", state="detached")
        await desk.page.wait_for_function("() => window.centralita.state.calls[0].muted")
        await desk.page.wait_for_selector("[data-do=mute][aria-pressed=true]")
        await desk.press("mute")
        await hears(desk.page, OUR_HZ)
        await _session_ends_in_mid_call(desk, server)
        await _what_nobody_answers_is_asked_again(desk, network)


class Swallowing:
    """A network in which the next request of some name is lost, though the line is whole."""

    def __init__(self) -> None:
        self.name = ""
        self.done = asyncio.Event()

    def lose(self, name: str) -> None:
        self.name = name
        self.done.clear()

    def swallows(self, message: str | bytes) -> bool:
        if not self.name or f'"{self.name}"' not in str(message):
            return False
        self.name = ""
        self.done.set()
        return True


async def _what_nobody_answers_is_asked_again(desk: Desk, network: Swallowing) -> None:
    """Also where the line is whole all the time, so that nothing else would have it asked again: a mute, sound after a reload, the end."""
    page = desk.page

    async def unanswered() -> None:
        await asyncio.wait_for(network.done.wait(), 30)
        await page.clock.fast_forward(ANSWER_WITHIN_MS)
        await page.wait_for_selector("[data-banner=refusal]")

    network.lose("call.mute")
    await desk.press("mute")
    await unanswered()
    await page.wait_for_selector("[data-banner=refusal]", state="detached")
    await page.wait_for_function("() => window.centralita.state.calls[0].muted")
    await desk.press("mute")
    await page.wait_for_function("() => !window.centralita.state.calls[0].muted")
    network.lose("peer.offer")
    await page.reload()
    await unanswered()
    await hears(page, OUR_HZ)
    network.lose("call.hang_up")
    await desk.press("hang-up")
    await unanswered()
    await desk.call_is("ended")


async def _session_ends_in_mid_call(desk: Desk, server: Server) -> None:
    """The call goes on, what is typed is kept, and the same person signs in beside it."""
    page = desk.page
    await page.focus(".context-note textarea")
    session = "JSON.parse(sessionStorage.getItem('centralita.session')).token"
    leave = f"fetch('/api/v1/sign-out', {{ method: 'POST', headers: {{ authorization: 'Bearer ' + {session} }} }})"
    await page.evaluate(f"async () => {{ await {leave} }}")
    await page.wait_for_selector("[data-banner=session]")  # who is typing is told, and not interrupted
    await page.keyboard.type("Written without a session.")
    await page.wait_for_selector("[data-part=note-state][data-state=refused]")
    await hears(page, OUR_HZ)
    await desk.press("mute")
    await hears_not(page, OUR_HZ)
    await desk.press("sign-in-again")
    assert await page.input_value("#user") == server.user
    await page.fill("#password", server.password)
    await page.click("#again [data-do=sign-in]")
    await page.wait_for_selector("#again", state="detached")
    await page.wait_for_selector("[data-part=note-state][data-state=kept]")
    await page.wait_for_function("() => window.centralita.state.calls[0].muted")
    await desk.press("mute")
    await hears(page, OUR_HZ)


async def test_microphone_denied(server: Server) -> None:
    """A browser that answers its own question with no, and is told yes later."""
    flags = [
        "--use-fake-device-for-media-stream",
        "--deny-permission-prompts",
        "--autoplay-policy=no-user-gesture-required",
        "--no-sandbox",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        context = await browser.new_context(locale="en-GB")
        context.set_default_timeout(30_000)
        someone = Person(context, await context.new_page())
        desk = await signed_in(someone, server)
        await desk.press("dial-601")
        await desk.call_is("live", media="up")
        await desk.shows("The browser does not let this page use the microphone.", "[data-banner=microphone]")
        await desk.shows("You can hear the other side", "[data-banner=microphone]")
        await hears(desk.page)
        await context.grant_permissions(["microphone"])
        await desk.page.wait_for_selector("[data-banner=microphone]", state="detached")
        await desk.page.wait_for_function("() => window.centralita.state.microphone.track?.readyState === 'live'")
        assert not someone.complaints
        await browser.close()


async def test_devices_are_exchanged_in_a_call_and_remembered(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        await hears(desk.page, OUR_HZ)
        await desk.press("settings")
        await desk.page.wait_for_selector("#device-input option:nth-child(3)", state="attached")
        await desk.page.select_option("#device-input", index=2)
        label = await desk.page.eval_on_selector("#device-input", "(list) => list.selectedOptions[0].textContent.trim()")
        await desk.page.wait_for_function("(label) => window.centralita.state.microphone.track?.label === label", arg=label)
        await desk.page.wait_for_selector("#settings .level[data-heard=true]")
        await desk.page.keyboard.press("Escape")
        await desk.call_is("live", media="up")
        await hears(desk.page, OUR_HZ)
        await desk.page.reload()
        await desk.page.wait_for_function("(label) => window.centralita.state.microphone.track?.label === label", arg=label)


async def test_the_phone_is_in_one_tab(server: Server, microphone: Path) -> None:
    async with person(microphone) as someone:
        desk = await signed_in(someone, server)
        await desk.press("dial-600")
        await desk.call_is("live", media="up")
        second = await someone.context.new_page()
        await second.goto(f"{server.url}/dial?processing=off&number=web%2Btel%3A%2B34600111222")
        await second.wait_for_selector("[data-do=use-here]")
        assert second.url == f"{server.url}/?processing=off"
        # A link of another page puts its number into the phone's field, wherever that is, and dials nothing.
        await desk.page.wait_for_function("() => document.querySelector('#number')?.value === '+34600111222'")
        await second.click("[data-do=use-here]")
        await desk.page.wait_for_selector("[data-do=use-here]")
        await second.fill("#user", server.user)
        await second.fill("#password", server.password)
        await second.click("[data-do=sign-in]")
        await second.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await hears(second, OUR_HZ)


async def test_the_same_person_on_two_computers(server: Server, microphone: Path) -> None:
    """The telephone is where it was opened last, with its calls; the other page offers to take it back, and does not by itself."""
    async with person(microphone) as one, person(microphone) as other:
        here = await signed_in(one, server)
        await here.press("dial-600")
        await here.call_is("live", media="up")
        await hears(here.page, OUR_HZ)
        there = await signed_in(other, server)
        await there.call_is("live", media="up")
        await hears(there.page, OUR_HZ)
        await here.page.wait_for_selector("[data-do=use-here]")

        await here.press("use-here")
        await here.call_is("live", media="up")
        await hears(here.page, OUR_HZ)
        await there.page.wait_for_selector("[data-do=use-here]")
        await here.press("hang-up")
        await here.call_is("ended")


async def test_wrong_password(server: Server, microphone: Path) -> None:
    async with person(microphone, expected=(NETWORK_SAYS,)) as someone:
        page = someone.page
        await page.goto(server.url)
        await page.fill("#user", server.user)
        await page.fill("#password", "wrong")
        await page.click("[data-do=sign-in]")
        for language, text in (("en", "User name or password is wrong"), ("es", "El usuario o la contraseña no son correctos")):
            await page.select_option("#language", language)
            await Desk(someone).shows(text, "#door-error")
        assert await page.get_attribute("#password", "aria-invalid") == "true"
        await page.fill("#password", server.password)
        await page.press("#password", "Enter")
        await page.wait_for_selector("[data-ready=true]")
        forged = "{ token: 'forged', got_at: Date.now() / 1000, expires_in: 600 }"
        await page.evaluate(f"sessionStorage.setItem('centralita.session', JSON.stringify({forged}))")
        await page.reload()
        await page.wait_for_selector("#user")


async def test_a_computer_whose_clock_is_wrong(server: Server, microphone: Path) -> None:
    """Its session lives as long as any other: it survives a reload and is renewed after 60 % of its ten minutes."""
    for ahead_s in (-7200, 7200):
        await _works_though_the_clock_is_wrong(server, microphone, ahead_s)


async def _works_though_the_clock_is_wrong(server: Server, microphone: Path, ahead_s: int) -> None:
    wrong = f"const right = Date.now; Date.now = () => right() + {ahead_s * 1000};"
    watched = (
        "window.waits = []; const later = setTimeout; window.setTimeout = (act, ms) => { window.waits.push(ms); return later(act, ms); };"
    )
    async with person(microphone) as someone:
        await someone.context.add_init_script(wrong + watched)
        desk = await signed_in(someone, server)
        await desk.page.reload()
        await desk.page.wait_for_selector("[data-ready=true]")
        await desk.page.wait_for_function("() => window.waits.some((ms) => 340_000 < ms && ms <= 360_000)")
        await desk.press("dial-600")
        await desk.page.wait_for_function("() => /^0:(0[1-9]|[1-5][0-9])$/.test(document.querySelector('[role=timer]')?.textContent)")
        await desk.press("hang-up")
        await desk.call_is("ended")


async def test_every_screen_is_accessible_and_fits(server: Server, microphone: Path) -> None:
    """The door, the desk without a call and both in every theme are looked at with all pages (``test_pages``)."""
    faults: list[str] = []
    async with person(microphone, viewport={"width": 320, "height": 568}, reduced_motion="reduce") as someone:
        desk = await signed_in(someone, server)
        page = desk.page
        await desk.press("call-me")
        await page.wait_for_selector("[role=alertdialog]")
        faults += await look(page, "ringing", SCREENS)
        await desk.press("accept")
        await desk.call_is("live", media="up")
        await desk.press("keypad")
        await desk.press("mute")
        await page.click("summary")
        await page.wait_for_selector(".side[data-side=agent]")
        faults += [*await look(page, "in a call", SCREENS), *await tight(page, "in a call")]
        await desk.press("settings")
        faults += await look(page, "settings", SCREENS)
        await page.keyboard.press("Escape")
        await desk.press("hang-up")
        await desk.call_is("ended")
        faults += await look(page, "ended", SCREENS)
        await desk.press("shortcuts")
        faults += await look(page, "shortcuts", SCREENS)
    assert not faults, "\n".join(faults)
