"""The register of consents: what stands in it, what counts, and what is about one moment alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.audit.looks import Looks
from api.metrics import Metrics
from api.privacy.access import SubjectAccess
from api.privacy.consent_routes import ConsentRoutes
from api.privacy.consents import Consents, SaidConsent, version_of
from api.privacy.erasure import Person
from api.routes import PartHealth, make_app, make_runner
from api.store import Store
from api.store.audit import AuditWanted
from api.store.contacts import Contact
from signaling.grants import Grant
from tests.kit.people import AUDIT_KEYS
from tests.kit.vaults import VAULT

NUMBER = "+34600111222"
HANDLE = VAULT.number(NUMBER)
QUESTION = "Press 1 if you agree."
AT = 1_800_000_000.0


class Register:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = AT
        self.noted: list[tuple[str, str, str, str]] = []
        self.consents = Consents(store.consents, store.contacts, VAULT, note=lambda *told: self.noted.append(told), now=lambda: self.now)

    async def say(self, given: bool, **more: float) -> None:
        self.now += 1.0
        await self.consents.say(HANDLE, "call_recording", SaidConsent(given, "May we?", **more), "ana", means="rest")  # type: ignore[arg-type]


@pytest.fixture
async def register(tmp_path: Path) -> AsyncIterator[Register]:
    async with Store.open(f"sqlite:///{tmp_path}/consents.sqlite3", vault=VAULT) as store:
        made = Register(store)
        async with made.consents:
            yield made


async def test_an_entry_says_what_was_asked_when_how_and_what_the_answer_was(register: Register) -> None:
    register.consents.say_once(HANDLE, "call_recording", "no", QUESTION, language="en", means="spoken", about="call-1")
    await register.consents.written()
    (said,) = await register.consents.of([HANDLE])
    told = (said.purpose, said.answer, said.given, said.wording, said.language, said.means, said.about, said.at, said.until_at, said.by)
    assert told == ("call_recording", "no", False, QUESTION, "en", "spoken", "call-1", AT, AT, "")
    assert said.version == version_of(QUESTION) != version_of("Press 1 if you agree!")
    assert register.noted == [("consent_refused", "", "call_recording call-1", HANDLE)]


async def test_the_newest_standing_word_counts_until_it_is_taken_back_or_over(register: Register) -> None:
    consents = register.consents
    assert not await consents.given([HANDLE], "call_recording") and not await consents.objects([HANDLE], "call_recording"), "silence"
    await register.say(True, until_at=AT + 100.0)
    assert await consents.given([HANDLE], "call_recording")
    register.now = AT + 101.0
    assert not await consents.given([HANDLE], "call_recording") and not await consents.objects([HANDLE], "call_recording"), "it is over"
    await register.say(False)
    assert await consents.objects([HANDLE], "call_recording") and not await consents.objects([HANDLE], "voicemail"), "by purpose"
    assert await consents.objecting([HANDLE, "x" * 26], "call_recording") == {HANDLE: register.now}
    await register.say(True)
    assert await consents.given([HANDLE], "call_recording") and not await consents.objects([HANDLE], "call_recording")


async def test_a_key_in_one_call_says_nothing_about_the_next(register: Register) -> None:
    await register.say(False)
    register.now += 10.0
    register.consents.say_once(HANDLE, "call_recording", "yes", QUESTION, means="spoken", about="call-1")
    await register.consents.written()
    register.now += 10.0
    assert not await register.consents.given([HANDLE], "call_recording") and await register.consents.objects([HANDLE], "call_recording")


async def test_what_a_contact_says_counts_for_their_numbers_and_a_copy_has_it(register: Register) -> None:
    contact = Contact("marta", "Marta", "Sol", numbers=(NUMBER,))
    await register.store.contacts.add(contact, "ana", AT)
    handles = register.consents.handles_of(contact)
    await register.consents.say(handles, "call_recording", SaidConsent(False, "No."), "ana", means="agent")
    assert await register.consents.objects(await register.consents.handles_of_number(NUMBER), "call_recording")
    assert len(await register.consents.of(handles)) == 1, "one word, though it stands under two handles"
    copy = await register.store.part(SubjectAccess).copy_for(Person("marta", frozenset(handles)), AT)
    (kept,) = [kept for kept in copy.kept if kept.table == "consents"]
    assert {row["answer"] for row in kept.rows} == {"withdrawn"} and kept.rows[0]["at"].startswith("2027-01-15")


@asynccontextmanager
async def served(register: Register) -> AsyncIterator[tuple[ClientSession, Audit]]:
    """The routes, asked by an agent, whose looks are in an audit."""

    async def identify(token: str) -> Grant:
        return Grant("ana", "Ana", "agent", "1", 0.0, 0.0, 0.0)

    async def health() -> dict[str, PartHealth]:
        return {}

    async with AsyncExitStack() as stack:
        audit = await stack.enter_async_context(Audit(register.store.audit, AUDIT_KEYS))
        metrics = await stack.enter_async_context(Metrics())
        app = make_app(identify, metrics, health, on_looked=Looks(audit, VAULT).note)
        ConsentRoutes(register.consents, register.store.contacts, VAULT, "ES").add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url, headers = f"http://127.0.0.1:{runner.addresses[0][1]}", {"Authorization": "Bearer x"}
        yield await stack.enter_async_context(ClientSession(url, headers=headers)), audit


async def test_what_somebody_agreed_to_is_seen_and_taken_back_over_rest_by_contact_and_by_number(register: Register) -> None:
    await register.store.contacts.add(Contact("marta", "Marta", "Sol", numbers=(NUMBER,)), "ana", AT)
    async with served(register) as (http, audit):

        async def ask(method: str, path: str, body: object = None, status: int = 200) -> list[tuple[str, str, str, str]]:
            async with http.request(method, path, json=body) as answer:
                assert answer.status == status, await answer.text()
                told = (await answer.json()).get("consents", [])
                return [(each["purpose"], each["answer"], each["means"], each["by"]) for each in told]

        said = {"given": False, "wording": "Do not record me.", "language": "en"}
        assert await ask("PUT", "/api/v1/contacts/marta/consents/call_recording", said) == [("call_recording", "withdrawn", "rest", "ana")]
        assert await register.consents.objects([HANDLE], "call_recording"), "who calls is known by the number"
        register.now += 1.0
        by_number = {"number": "600 111 222", "purpose": "marketing", "given": True, "wording": "May we call you?"}
        assert await ask("POST", "/api/v1/consents", by_number) == [
            ("marketing", "yes", "rest", "ana"),
            ("call_recording", "withdrawn", "rest", "ana"),
        ]
        both = await ask("POST", "/api/v1/consents/search", {"number": "+34 600 111 222"})
        assert both == await ask("GET", "/api/v1/contacts/marta/consents") and len(both) == 2
        await ask("PUT", "/api/v1/contacts/marta/consents/selling", said, 404)
        await ask("PUT", "/api/v1/contacts/nobody/consents/survey", said, 404)
        await ask("POST", "/api/v1/consents/search", {"number": "200"}, 400)
        await audit.written()
        entries = [entry.event for entry in await audit.entries(AuditWanted(), 100)]
    assert [(entry.kind, entry.subject) for entry in entries] == [
        ("consents_changed", VAULT.person("contact", "marta")),
        ("consents_changed", HANDLE),
        ("consents_read", HANDLE),
        ("consents_read", VAULT.person("contact", "marta")),
    ]
