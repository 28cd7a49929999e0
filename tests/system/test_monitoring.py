"""A supervisor in an agent's call, from the live board: two real browsers, each with a tone of its own, and the demo line's echo.

What the echo repeats it has heard: so who whispers to the agent does not hear themselves come back, and who barges in does.
"""

from pathlib import Path

from argon2 import PasswordHasher
from playwright.async_api import Page

from api.store.audit import AuditWanted
from tests.kit.browser import person, tone_file
from tests.kit.hearing import hears, hears_not
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

AGENT_HZ, EVA_HZ = 697.0, 1_209.0
PASSWORD = "a password for tests"
UNTOUCHED = {"media.voice": {"noise": "off", "echo": "off", "gain": "off"}}
"""A steady tone is noise, which goes from voices after a while."""
_COUNTED = """
const open = MediaDevices.prototype.getUserMedia;
window.opened = 0;
MediaDevices.prototype.getUserMedia = function (...asked) {
  window.opened += 1;
  return open.apply(this, asked);
};
"""


async def at_the_board(page: Page, server: Server) -> None:
    async with store_of(server.data_dir) as store:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        await store.people.save_user("eva", name="Eva", role="supervisor", password_hash=hashed)
    await page.add_init_script(_COUNTED)
    await page.goto(f"{server.url}/board?processing=off")
    await page.fill("#door [name=user]", "eva")
    await page.fill("#door [name=password]", PASSWORD)
    await page.click("[data-do=sign-in]")
    await page.click("#calls [data-row]")


async def test_listen_whisper_barge_reload_and_take_over_from_the_board(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, UNTOUCHED) as server,
        person(tone_file(tmp_path / "agent.wav", AGENT_HZ)) as agent,
        person(tone_file(tmp_path / "eva.wav", EVA_HZ), viewport={"width": 320, "height": 720}) as supervisor,
    ):
        page, eva = agent.page, supervisor.page
        for each in (page, eva):
            each.set_default_timeout(30_000)
        await agent.sign_in(f"{server.url}/?processing=off", server.user, server.password)
        await page.click("[data-do=dial-600]")
        await page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await at_the_board(eva, server)
        # The keyboard alone will do, while the card is drawn anew every second.
        await eva.focus("[data-do=listen]")
        await eva.keyboard.press("Enter")
        await hears(eva, AGENT_HZ)
        await hears_not(page, EVA_HZ)
        await page.wait_for_selector("[data-part=monitors]:has-text('eva listens')")
        assert await eva.evaluate("[window.opened, document.activeElement.dataset.do]") == [0, "listen"], "nobody is to hear her yet"
        await eva.click("[data-do=whisper]")
        await hears(page, EVA_HZ)
        await hears_not(eva, EVA_HZ)
        await page.wait_for_selector("[data-part=monitors]:has-text('eva whispers')")
        await looks_right(eva, "whispering")
        await eva.click("[data-do=barge]")
        await hears(eva, EVA_HZ)
        await eva.reload()
        await eva.wait_for_selector("[data-do=barge][aria-pressed=true]")
        await hears(eva, EVA_HZ)
        await eva.click("[data-do=take-over-stays]")
        await page.wait_for_selector("[data-part=monitors]:has-text('eva has this call now')")
        await eva.wait_for_selector("[data-mode=owned]")
        await hears(page, EVA_HZ)
        await hears_not(eva, AGENT_HZ)
        await page.click("[data-do=hang-up]")
        await hears(eva, EVA_HZ)
        await eva.click("[data-do=leave]")
        await eva.wait_for_selector("#none")
    async with store_of(server.data_dir) as store:
        log = [entry.event for entry in await store.audit.entries(AuditWanted(), 100)]
    watched = [(entry.kind, entry.who, entry.by, entry.detail.split()[0]) for entry in log if entry.kind.startswith("call.")]
    assert watched[:4] == [
        ("call.monitored", "demo", "eva", "listen"),
        ("call.monitored", "demo", "eva", "whisper"),
        ("call.monitored", "demo", "eva", "barge"),
        ("call.monitor_ended", "demo", "eva", "take_over"),
    ]
    assert {kind for kind, *_ in watched[4:]} == {"call.taken_over", "call.monitored", "call.monitor_ended"}
