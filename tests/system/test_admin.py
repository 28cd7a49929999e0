"""The page of administration in a real browser: each kind of its tools once."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from argon2 import PasswordHasher
from playwright.async_api import Page

from api.store.rows import Line
from tests.kit.browser import person, seen_when, tone_file
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of
from tests.system.test_board import looks_right

PASSWORD = "a password for tests"
MARKUP = """<img src=x onerror="document.title='broken'">"""
REFUSED = "the server responded with a status of 4"
"""What the tests provoke: a fault in a text, a name that is too short."""
SETTINGS = {"limits": {"person_per_minute": 6_000, "person_at_once": 1_000}}
"""A test is quicker than people are."""
FLOW = """languages = ["en"]
start = "hello"

[steps.hello]
kind = "menu"
say = { en = "One." }
choices = { 1 = "wait" }
no_input = "wait"
no_match = "wait"

[steps.wait]
kind = "queue"
queue = "sales"
"""
SECTIONS = (
    *("users", "keys", "trunks", "numbers", "queues", "flows", "prompts", "website"),
    *("rules", "backends", "outbox", "retention", "privacy", "audit", "health"),
)
QUEUES = """[sales] # by hand

[[sales.needs]]
skill = "english"
"""
PLAN = {"queues": QUEUES, "numbers": '[[entries]]\nnumber = "610"\nflow = "main"\n', "flows/main": FLOW}


def dead_letter(fault: str) -> Line:
    """Of a kind that nobody here delivers: tried again, it waits."""
    now = time.time()
    words = dict.fromkeys(("person", "needs", "body", "holder", "result"), "") | {"kind": "other.kind", "backend": "crm", "call_id": ""}
    times = {"created_at": now, "since_at": now, "due_at": now, "held_until": 0.0, "ended_at": now}
    row = {"entry_id": "letter", "idem": "letter", "subject": MARKUP, "number": 1, "attempts": 7, "state": "dead", "fault": fault}
    return Line("outbox", row | words | times)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, SETTINGS) as running:
        async with store_of(running.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in (("eva", "admin"), ("sofia", "supervisor"), ("crm", "service")):
                await store.people.save_user(identity, name=f"{identity.title()} {MARKUP}", role=role, password_hash=hashed)
            store.writer.put_lines([dead_letter(f"It knows no such queue. {MARKUP}")])
            await store.flush()
        async with ClientSession(running.url) as http:
            async with http.post("/api/v1/sign-in", json={"user": "eva", "password": PASSWORD}) as answer:
                token = (await answer.json())["token"]
            async with http.put(
                "/api/v1/centre/documents", json={"documents": PLAN}, headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                assert answer.status == 200, await answer.text()
        yield running


async def enter(page: Page, server: Server, user: str, language: str) -> None:
    await page.goto(f"{server.url}/admin")
    await page.wait_for_selector("#door")
    await page.select_option("#language", language)
    await page.wait_for_selector(f"html[lang={language}]")
    await page.fill("#user", user)
    await page.fill("#password", PASSWORD)
    await page.click("[data-do=sign-in]")
    await page.wait_for_selector(".admin-section[data-shown=true]")


async def open_section(page: Page, name: str) -> None:
    await page.click(f".admin-nav a[href='#{name}']")
    await page.wait_for_selector(f"[data-section={name}][data-shown=true]")
    await page.wait_for_function("() => !document.querySelector('.kit-skeleton')")


async def make_a_person(page: Page) -> None:
    await open_section(page, "users")
    await page.click("[data-do=new-user]")
    form = "[data-part=user]"
    await page.fill(f"{form} [name=identity]", "nuria")
    await page.fill(f"{form} [name=name]", "Nuria Vidal")
    await page.fill(f"{form} [name=teams]", "madrid!")
    await page.fill(f"{form} [name=password]", "short")
    await page.click(f"{form} [data-do=save]")
    await page.wait_for_selector(f"{form} [name=teams][aria-invalid=true]")
    await page.fill(f"{form} [name=teams]", "madrid")
    await page.click(f"{form} [data-do=save]")
    await page.wait_for_selector(f"{form} [name=password][aria-invalid=true]")
    await page.click(f"{form} [data-do=draw]")
    await page.click(f"{form} [data-do=save]")
    await page.wait_for_selector("[data-row=nuria]:has-text('madrid')")
    await page.click("[data-row=nuria]")
    await page.click(f"{form} [data-do=end-sessions]")
    await page.click("[data-part=confirm] [data-do=yes]")
    await page.wait_for_selector("[data-part=confirm]", state="detached")
    await page.click(f"{form} [data-do=close]")


async def make_a_key(page: Page) -> None:
    await open_section(page, "keys")
    await page.click("[data-do=new-key]")
    await page.fill("[data-part=new-key] [name=name]", "report")
    await page.click("[data-part=new-key] [data-do=make]")
    shown = await page.input_value("[data-part=made-key] input")
    assert shown.startswith("ck_") or len(shown) > 30
    await page.click("[data-part=made-key] [data-do=have-it]")
    await page.wait_for_selector("[data-section=keys] tbody tr:has-text('report')")
    assert shown not in await page.content()


async def try_a_line_and_a_backend(page: Page) -> None:
    await open_section(page, "trunks")
    for number, state in (("603", "refused"), ("600", "heard")):
        await page.fill("[data-part=test-call] [name=number]", number)
        await page.click("[data-do=call]")
        await page.wait_for_selector(f"[data-part=tried][data-state={state}]")
    await open_section(page, "backends")
    await page.fill("[data-part=try] [name=number]", "no number")
    await page.click("[data-do=try]")
    await page.wait_for_selector("[data-part=try] [name=number][aria-invalid=true]")
    await page.fill("[data-part=try] [name=number]", "+34 600 111 222")
    await page.click("[data-do=try]")
    await page.wait_for_selector("[data-answer] .kit-badge.good")


async def mend_a_dead_letter(page: Page) -> None:
    await open_section(page, "outbox")
    await page.click("[data-row=letter]")
    assert MARKUP in await page.inner_text("[data-part=entry]")
    await page.click("[data-part=entry] [data-do=retry]")
    await page.wait_for_selector("[data-part=entry]", state="detached")
    await page.click("[data-tab=waiting]")
    await page.wait_for_selector("[data-row=letter]")


async def record_a_prompt(page: Page) -> None:
    await open_section(page, "prompts")
    await page.fill("[data-section=prompts] input[type=search]", "your call will be answered in turn")
    await page.click("[data-row=please-wait]")
    voice = "[data-part=sound] [data-part=voice-en]"
    await page.set_input_files(f"{voice} [data-do=upload]", {"name": "wait.txt", "mimeType": "text/plain", "buffer": b"no sound"})
    await page.wait_for_selector(f"{voice} .notice.bad")
    await page.fill(f"{voice} [name=text]", "One moment, please.")
    await page.click(f"{voice} [data-do=speak]")
    await page.wait_for_selector(f"{voice} .kit-badge.good")
    await page.click(f"{voice} [data-do=record]")
    await page.wait_for_selector(f"{voice} [data-seconds]:not([data-seconds='0'])")
    await page.click(f"{voice} [data-do=record]")
    await page.wait_for_selector(f"{voice} .notice:has-text('dBFS')")
    await seen_when(page, f"{voice} [data-do=play]:has-text('Stop')", page.click(f"{voice} [data-do=play] >> nth=0"))
    await looks_right(page, "a prompt")
    await page.click(f"{voice} [data-do=remove]")
    await page.click("[data-part=confirm] [data-do=yes]")
    await page.wait_for_selector(f"{voice} .kit-badge.neutral")
    await page.keyboard.press("Escape")


async def change_a_queue(page: Page) -> None:
    """In its fields; what is wrong stands at them, and what a form does not know stays as it was written."""
    await open_section(page, "queues")
    await page.click("[data-row=sales]")
    form = "[data-part=queue]"
    await page.fill(f"{form} [name=announce_every_s]", "5")
    await page.fill(f"{form} [name=wrap_up_codes]", "booked, question")
    await page.fill(f"{form} [name=es]", 'Ventas "uno"')
    await page.click(f"{form} [data-do=save]")
    await page.wait_for_selector(f"{form} [name=announce_every_s][aria-invalid=true]:focus")
    await looks_right(page, "a queue")
    await page.fill(f"{form} [name=announce_every_s]", "45")
    text = await page.text_content(f"{form} [data-part=queue-text]") or ""
    assert text.splitlines() == [
        "[sales] # by hand",
        'wrap_up_codes = ["booked", "question"]',
        "announce_every_s = 45",
        'titles = { es = "Ventas \\"uno\\"" }',
        "",
        "[[sales.needs]]",
        'skill = "english"',
    ]
    await page.click(f"{form} [data-do=save]")
    await page.wait_for_selector(form, state="detached")
    await page.wait_for_selector("[data-row=sales]:has-text('Ventas')")


async def edit_a_flow(page: Page) -> None:
    await open_section(page, "flows")
    await page.wait_for_selector("[data-part=picture] [data-step=hello]")
    text = await page.input_value("textarea[name=document]")
    broken = text.replace("[steps.hello]\n", "[steps.hello]\nnonsense = 1\n", 1)
    assert broken != text
    line = broken.split("\n").index("nonsense = 1") + 1
    await page.fill("textarea[name=document]", broken)
    await page.wait_for_selector(f".editor-lines .bad:has-text('{line}')")
    assert await page.is_disabled("[data-do=save]")
    right = text.replace("[steps.hello]\n", "[steps.hello]\n# by Eva\n", 1)
    await page.fill("textarea[name=document]", right)
    await page.wait_for_selector("[data-part=faults][data-count='0']", state="attached")
    await page.click("[data-do=save]:not([disabled])")
    await page.wait_for_selector("[data-do=save][disabled]:not([aria-busy])")
    await page.click("[data-tab=versions]")
    await page.wait_for_selector("[data-row='2']")
    await page.click("[data-tab=try]")
    await page.fill("[data-part=trial] [name=called]", "610")
    await page.click("[data-do=run]")
    await page.wait_for_selector("[data-part=way] li")


async def try_rest(page: Page, server: Server) -> None:
    """What REST can do: found, and asked in one's own name."""
    await page.goto(f"{server.url}/rest")
    await page.fill("[data-field=search]", "/tours")
    await page.click("[data-open=get_tours]")
    await page.click("[data-operation=get_tours] [data-do=try]")
    await page.wait_for_selector("[data-part=answer][data-status='200']")
    assert '"tours"' in await page.inner_text("[data-part=try] ~ pre")
    await looks_right(page, "rest")


async def test_an_administrator_looks_after_people_keys_lines_letters_and_flows(server: Server, tmp_path: Path) -> None:
    screen = {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}
    async with person(tone_file(tmp_path / "tone.wav", 697.0), expected=(REFUSED,), **screen) as eva:
        page = eva.page
        await enter(page, server, "eva", "en")
        for work in (make_a_person, make_a_key, try_a_line_and_a_backend, mend_a_dead_letter, record_a_prompt, change_a_queue, edit_a_flow):
            await work(page)
        await open_section(page, "audit")
        await page.click("[data-do=check]")
        await page.wait_for_selector("[data-part=checked] .notice.good")
        assert "broken" not in await page.title()
        await page.set_viewport_size({"width": 320, "height": 720})
        await page.emulate_media(color_scheme="dark")
        await page.click("[data-do=menu]")
        await page.select_option("#language", "es")
        await page.wait_for_selector("html[lang=es]")
        await page.click("[data-do=menu]")
        for name in SECTIONS:
            await open_section(page, name)
            await looks_right(page, name)
        await try_rest(page, server)
