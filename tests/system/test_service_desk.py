"""The pages of tickets, articles and surveys in a real browser: narrow and light, wide and dark, with what people may write in them."""

import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page

from api.happenings import Happenings
from api.store.contacts import Contact
from api.store.surveys import StoredSurvey
from api.surveys.survey import Scale
from api.tickets.ticket import Priority, ServiceRules
from api.tickets.tickets import NewLink, NewTicket, TicketChange, Tickets
from tests.kit.browser import person, tone_file
from tests.kit.server import FAST, Server, running_server
from tests.kit.vaults import store_of, vault_of
from tests.system.test_board import looks_right

PASSWORD = "a password for tests"
MARKUP = """<img src=x onerror="document.title='broken'">"""
TOKEN = "a-token-that-nobody-guesses"
EXPECTED = ("status of 409", "status of 429", "status of 404")
"""What a test provokes; and a test is faster than people may be: the page asks again a moment later."""
NARROW = {"locale": "es-ES", "color_scheme": "light", "viewport": {"width": 320, "height": 640}}
WIDE = {"locale": "en-GB", "color_scheme": "dark", "viewport": {"width": 1280, "height": 900}}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """One with tickets, one of them late, and a customer who was asked."""
    data, now = tmp_path / "data", time.time()
    data.mkdir()
    vault = vault_of(data)
    async with store_of(data) as store:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        for identity, role in (("ana", "agent"), ("adm", "admin")):
            await store.people.save_user(identity, name=identity.title(), role=role, password_hash=hashed, teams=("sales",))
        await store.contacts.add(Contact("marta", "Marta", f"Ruiz {MARKUP}", numbers=("+34600111222",), language="es"), "test", now)

        async def exists(identity: str) -> bool:
            return True

        for number, (title, priority) in enumerate(((f"Refund {MARKUP}", Priority.HIGH), ("Seats", Priority.LOW))):
            at = now - (10 * 3_600 if not number else 60)
            tickets = Tickets(
                store.tickets, store.contacts, vault, Happenings(), ServiceRules, region="ES", exists=exists, now=lambda at=at: at
            )  # type: ignore[misc]
            new = NewTicket(
                title, f"Paid twice\n{MARKUP}", "refund", priority, "sales", links=[NewLink("call", "c1")], number="+34600111222"
            )
            made = await tickets.open(new, "demo")
            await tickets.change(made.ticket_id, TicketChange(1, category="money"), "demo")
        handle = vault.person("contact", "marta")
        survey = StoredSurvey(
            "s1", "calls", "call", "c1", (Scale.CSAT, Scale.NPS), handle, "marta", "es", "sales", "ana", "", "sms", now, now + 86_400
        )
        assert await store.surveys.add(survey, hashlib.sha256(TOKEN.encode()).hexdigest())
    async with running_server(tmp_path, FAST) as running:
        yield running


async def enter(page: Page, server: Server, path: str, user: str) -> None:
    await page.goto(f"{server.url}{path}")
    await page.wait_for_selector("[data-ready=true]")
    await page.fill("#door [name=user]", user)
    await page.fill("#door [name=password]", PASSWORD)
    await page.press("#door [name=password]", "Enter")
    await page.wait_for_selector("html:not([data-asking]) #inside:not([hidden])")  # with all that it shows


async def test_a_ticket_from_the_list_to_its_end_with_two_who_change_it(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    async with person(microphone, expected=EXPECTED, **NARROW) as one, person(microphone, expected=EXPECTED, **WIDE) as other:
        page = one.page
        await enter(page, server, "/tickets", "ana")
        await page.wait_for_selector("#tickets > li:nth-child(2)")
        first = page.locator("#tickets > li:nth-child(1)")
        assert "Refund <img" in await first.inner_text() and "atrasada" in await first.inner_text()
        await looks_right(page, "the list")
        await page.focus("#tickets > li:nth-child(1) a")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#ticket-title:focus")
        assert "Paid twice" in await page.inner_text("#journal") and "money" in await page.inner_text("#journal")
        assert await page.get_attribute("#ticket-whose a", "href") == "/contacts#marta"
        await page.press("#ticket details summary", "Enter")
        await looks_right(page, "a ticket")
        await page.fill("#change [name=category]", "dinero")  # before the other one does

        wide = other.page
        await enter(wide, server, "/tickets", "adm")
        await wide.goto(f"{server.url}/tickets{await page.evaluate('location.hash')}")
        await wide.wait_for_selector("#ticket:not([hidden])")
        await wide.click("#acts [data-do=take]")
        await wide.wait_for_selector("#ticket-about:has-text('adm')")
        await wide.press("#ticket details summary", "Enter")
        await wide.fill("#change [name=category]", "refunds")
        await wide.press("#change [name=category]", "Enter")
        await wide.wait_for_selector("#ticket-about:has-text('refunds')")
        await wide.wait_for_selector("#said:has-text('Saved')")
        await looks_right(wide, "a ticket, wide and dark")

        await page.press("#change [name=category]", "Enter")
        await page.wait_for_selector("#conflict:not([hidden])")
        assert "«refunds»" in await page.inner_text("#conflict") and "«dinero»" in await page.inner_text("#conflict")
        await looks_right(page, "a conflict")
        await page.click("[data-do=keep-mine]")
        await page.wait_for_selector("#ticket-about:has-text('dinero · sales · adm')")
        await page.fill("#comment textarea", f"¿Qué asiento? {MARKUP}")
        await page.select_option("#comment [name=who]", "ask")
        await page.click("#comment button")
        await page.wait_for_selector("#ticket-about:has-text('a la espera del cliente')")
        await page.wait_for_selector("#journal > li[data-internal=false] p:has-text('<img')")
        await page.click("#acts [data-do=solve]")
        await page.wait_for_selector("#acts [data-do=reopen]")
        await page.wait_for_function("() => document.querySelectorAll('#tickets > li').length === 1")
        await page.press("#make summary", "Enter")
        await page.fill("#new [name=title]", "Nuevo")
        await page.press("#new [name=title]", "Enter")
        await page.wait_for_selector("#ticket-title:has-text('Nuevo')")
        assert await page.title() == "Incidencias · Centralita"


async def test_an_article_is_written_found_and_read_as_text(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    async with person(microphone, expected=EXPECTED, **NARROW) as someone:
        page = someone.page
        await enter(page, server, "/articles", "adm")
        await page.click("[data-do=write]")
        await page.fill("#edit [name=title]", f"Cancelación {MARKUP}")
        text = f"# Gratis\n\n- **24 horas** antes, [aquí](https://example.com/a)\n- no [esto](javascript:alert(1))\n\n{MARKUP}"
        await page.fill("#edit textarea", text)
        await page.fill("#edit [name=tags]", "vuelos reembolso")
        await page.check("#edit [name=published]")
        assert await page.inner_text("#preview h3") == "Gratis" and await page.locator("#preview a").count() == 1
        await looks_right(page, "an article being written")
        await page.click("#edit button[type=submit]")
        await page.wait_for_selector("#article:not([hidden])")
        assert "<img" in await page.inner_text("#article-text") and "javascript:" in await page.inner_text("#article-text")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 1280, "height": 900})
        await page.fill("#search [name=q]", 'cancelacion" OR *')
        await page.press("#search [name=q]", "Enter")
        await page.wait_for_selector("#found mark:has-text('Cancelación')")
        await looks_right(page, "what was found")

        await page.goto(server.url)  # and beside a call
        await page.click("[data-do=dial-600]")
        await page.press("[data-call-id][data-state=live] [data-part=articles] summary", "Enter")
        await page.fill("[data-part=articles] input", "cancel")
        await page.wait_for_selector("[data-part=articles] mark:has-text('Cancelación')")
        await page.click("[data-do=read-article]")
        await page.wait_for_selector("[data-article] .article-text li")
        assert "<img" in await page.inner_text("[data-article]")
        await looks_right(page, "an article beside a call")
        await page.click("[data-do=articles-back]")
        await page.wait_for_selector("[data-part=articles] mark")


async def test_a_customer_answers_one_question_at_a_time_and_changes_their_mind(server: Server, tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    async with person(microphone, expected=EXPECTED, **{**NARROW, "locale": "en-GB"}) as someone:
        page = someone.page
        await page.goto(f"{server.url}/survey#{TOKEN}")
        await page.wait_for_selector("html[lang=es] #question:not([hidden])")
        assert "su llamada" in await page.inner_text("#asked")
        await page.click("#question button[type=submit]")
        await page.wait_for_selector("#said:has-text('Elija')")
        await looks_right(page, "the first question")
        await page.check("#scores input[value='2']")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#place:has-text('Pregunta 2')")
        assert await page.locator("#scores input").count() == 11
        await looks_right(page, "the second question")
        await page.check("#scores input[value='10']")
        await page.click("#question button[type=submit]")
        await page.fill("#words textarea", f"Bien {MARKUP}")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 1280, "height": 900})
        await looks_right(page, "the words")
        await page.click("#words button[type=submit]")
        await page.wait_for_selector("#thanks-title:focus")
        await page.click("[data-do=refuse]")
        await page.wait_for_selector("#said:has-text('No se le preguntará más')")
        await page.reload()
        await page.wait_for_selector("#scores input[value='2']:checked", state="attached")
        await page.goto(f"{server.url}/survey#another")
        await page.reload()
        await page.wait_for_selector("#said:has-text('enlace')")
        await enter(page, server, "/contacts#marta", "ana")
        await page.wait_for_selector("#contact:not([hidden])")
        assert not await page.is_checked("[name=survey]")
        await page.check("[name=survey]")
        await page.wait_for_selector("#said:not(:empty)")
    async with store_of(server.data_dir) as store:
        assert await store.surveys.answers("s1") == {Scale.CSAT: 2, Scale.NPS: 10}
        assert (await store.surveys.of_subject("c1"))[0].comment == f"Bien {MARKUP}"
        said = await store.consents.said([vault_of(server.data_dir).person("contact", "marta")])
        assert [(each.given, each.by) for each in said] == [(True, "ana"), (False, "")]
