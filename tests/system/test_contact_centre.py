"""A day of the contact centre in small: twelve customers call, three agents at their desks, two queues, and everything is on record.

The customers are SIPp and baresip behind kamailio, the agents real browsers; who hears whom is told by tones.
"""

import asyncio
import io
import json
import wave
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page

from api.demo_call.baresip import Phone, PhoneSettings, phone
from api.demo_call.kamailio import DOMAIN, Kamailio, kamailio
from tests.kit.browser import person, tone_file
from tests.kit.customers import Customer, customer
from tests.kit.hearing import hears
from tests.kit.leg_bench import level_at
from tests.kit.server import Server, running_server
from tests.kit.vaults import store_of

pytestmark = pytest.mark.xdist_group("crowded")  # with many browsers, or measured: one such file at a time

PASSWORD = "a password for tests"
AGENTS = {"ana": 697.0, "bea": 770.0, "carl": 852.0}
# Nothing ends by itself unless that is what a customer tries: a machine that stands still for some seconds decides nothing.
PLAN = {
    "numbers.toml": '[[entries]]\nnumber = "1000"\nflow = "main"\nlabel = "house"\n',
    "boxes.toml": '[travel]\ntitles = { es = "Viajes", en = "Travel" }\nagents = ["ana"]\n',
    "queues.toml": """
[sales]
titles = { es = "Ventas", en = "Sales" }
max_wait_s = 900
wrap_up_s = 600
wrap_up_codes = ["booked", "question"]
wrap_up_required = true
ring_s = 180
announce_every_s = 10
call_back_after_s = 1
[support]
titles = { es = "Ayuda", en = "Help" }
max_waiting = 1
ring_s = 180
max_wait_s = 900
wrap_up_s = 600
wrap_up_codes = ["solved"]
""",
    "flows/main.toml": """
languages = ["es", "en"]
start = "hello"
[steps.hello]
kind = "menu"
speak = ["es", "en"]
say = { es = "Para español, pulse uno.", en = "For English, press two." }
choices = { 1 = "spanish", 2 = "english" }
tries = 1
wait_s = 15
no_input = "bye"
no_match = "bye"
[steps.spanish]
kind = "set"
language = "es"
next = "which"
[steps.english]
kind = "set"
language = "en"
next = "which"
[steps.which]
kind = "menu"
say = { es = "Ventas, uno. Ayuda, dos. Mensaje, tres.", en = "Sales, one. Help, two. Message, three." }
choices = { 1 = "sales", 2 = "support", 3 = "message" }
tries = 1
wait_s = 15
no_input = "bye"
no_match = "bye"
[steps.sales]
kind = "queue"
queue = "sales"
full = "message"
nobody = "message"
timeout = "message"
call_back = "will_call"
[steps.support]
kind = "queue"
queue = "support"
full = "sales"
nobody = "message"
timeout = "message"
[steps.will_call]
kind = "hang_up"
say = { es = "Le llamaremos.", en = "We will call you." }
[steps.message]
kind = "voicemail"
box = "travel"
say = { es = "Deje su mensaje.", en = "Leave a message." }
taken = "bye"
empty = "bye"
[steps.bye]
kind = "hang_up"
say = "goodbye"
""",
}


class Desk:
    """An agent's page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def available(self, wanted: bool) -> None:
        button = self.page.locator("[data-do=available]")
        if await button.get_attribute("aria-pressed") != str(wanted).lower():
            await button.click()
        await self.page.wait_for_selector(f"[data-do=available][aria-pressed={str(wanted).lower()}]")

    async def takes(self, hz: float, *, tag: str = "") -> None:
        """The call that is offered next is accepted, and this tone heard in it."""
        await self.page.wait_for_selector(f".incoming [data-part=known]{tag}")
        await self.page.click("[data-do=accept]")
        await self.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        await hears(self.page, hz)

    async def finishes(self, code: str) -> None:
        """The call is ended, and what it was about is said."""
        await self.page.click("[data-state=live] [data-do=hang-up]")
        await self.page.click(f"[data-part=wrap-up] label:has([value='{code}'])")
        await self.page.click("[data-do=wrap-up-finish]")

    async def queue(self, name: str, waiting: int) -> None:
        await self.page.wait_for_selector(f".queues [data-queue={name}][data-waiting='{waiting}']")


class Day:
    def __init__(self, directory: Path, server: Server, pbx: Kamailio, stack: AsyncExitStack) -> None:
        self.server = server
        self._directory, self._pbx, self._stack = directory, pbx, stack

    async def calls(self, number: str, **part: Any) -> Customer:
        target = f"{self._pbx.host}:{self._pbx.port}"
        called = customer(self._directory / number, number, target, called="1000", domain=DOMAIN, **part)
        return await self._stack.enter_async_context(called)

    async def phone(self, extension: str, hz: float) -> Phone:
        speech = tone_file(self._directory / f"{extension}.wav", hz, seconds=120.0)
        settings = PhoneSettings(extension, f"pw{extension}", (self._pbx.host, self._pbx.port), ("pcma",), speech)
        return await self._stack.enter_async_context(phone(self._directory / extension, settings))

    async def desk(self, identity: str) -> Desk:
        tone = tone_file(self._directory / f"{identity}.wav", AGENTS[identity])
        someone = await self._stack.enter_async_context(person(tone, locale="en-GB"))
        someone.page.set_default_timeout(60_000)
        await someone.sign_in(f"{self.server.url}/?processing=off", identity, PASSWORD)
        desk = Desk(someone.page)
        await desk.page.wait_for_selector(".queues")
        await desk.available(False)
        return desk


@asynccontextmanager
async def rest(server: Server, user: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post("/api/v1/sign-in", json={"user": user, "password": PASSWORD}) as answer:
            token = (await answer.json())["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[Day]:
    folder = tmp_path / "plan"
    (folder / "flows").mkdir(parents=True)
    for name, text in PLAN.items():
        (folder / name).write_text(text)
    passwords = {"line-1000": "pw1000", "401": "pw401", "402": "pw402", "403": "pw403"}
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(kamailio(tmp_path / "kamailio", passwords))
        sip = {"enabled": True, "server": pbx.host, "port": pbx.port, "domain": DOMAIN, "listen_host": "127.0.0.1"}
        settings = {
            "calls": {"undo_s": 0},
            "sip": {**sip, "extension": "1000", "auth_id": "line-1000", "password": "pw1000"},
            # A steady tone is noise, which goes from voices after a while.
            "media.voice": {"noise": "off", "echo": "off", "gain": "off"},
            "centre": {"folder": str(folder)},
        }
        server = await stack.enter_async_context(running_server(tmp_path / "server", settings))
        async with store_of(server.data_dir) as store:
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for identity, role in {**dict.fromkeys(AGENTS, "agent"), "lea": "supervisor"}.items():
                await store.people.save_user(identity, name=identity.title(), role=role, password_hash=hashed)
        await server.line_is_up("pbx")
        yield Day(tmp_path, server, pbx, stack)


async def records(http: aiohttp.ClientSession, kind: str) -> list[dict[str, Any]]:
    async with http.get("/api/v1/calls/records", params={"kind": kind, "format": "jsonl"}) as answer:
        assert answer.status == 200, await answer.text()
        return [json.loads(line) for line in (await answer.text()).splitlines()]


async def all_records(http: aiohttp.ClientSession, many: int) -> list[dict[str, Any]]:
    """Once there are so many: a call's record is complete some seconds after its end."""
    async with asyncio.timeout(60):
        while len(found := await records(http, "call")) < many:  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(1.0)
    return found


async def test_twelve_customers_and_three_agents(day: Day) -> None:
    ana, bea, carl = [await day.desk(identity) for identity in AGENTS]
    house, second, impatient = [await day.phone(f"40{number}", hz) for number, hz in ((1, 1_500.0), (2, 1_300.0), (3, 1_700.0))]

    # Three are served at once, each by who has just become free; both sides hear each other.
    await ana.available(True)
    first = await day.calls("500", keys="21", tone_hz=1_000.0)
    await ana.takes(1_000.0, tag=":has-text('English')")
    await bea.available(True)
    await second.dial("1000")
    await second.event("CALL_ESTABLISHED", within_s=30.0)
    for key in "11":
        await second.press(key)
    await bea.takes(1_300.0, tag=":has-text('Spanish')")
    await carl.available(True)
    third = await day.calls("502", keys="22", tone_hz=1_600.0)
    await carl.takes(1_600.0, tag=":has-text('Help')")

    # Everybody is busy: one asks to be called back and keeps the place, one gives up, one waits, one overflows into the other queue.
    await house.dial("1000")
    await house.event("CALL_ESTABLISHED", within_s=30.0)
    for key in "11":
        await house.press(key)
    await ana.queue("sales", 1)
    await house.press("1")
    async with asyncio.timeout(60):
        while not await ana.page.is_visible("[data-call-back=waiting]"):
            await house.press("1")  # it counts once it was offered
            await asyncio.sleep(1.0)
    await house.event("CALL_CLOSED", within_s=30.0)
    await impatient.dial("1000")
    await impatient.event("CALL_ESTABLISHED", within_s=30.0)
    for key in "11":
        await impatient.press(key)
    await bea.queue("sales", 2)  # with who is to be called back
    await impatient.hang_up()
    await bea.queue("sales", 1)
    helped = await day.calls("504", keys="12", tone_hz=1_800.0)
    await ana.queue("support", 1)
    overflowed = await day.calls("505", keys="12", tone_hz=2_000.0)
    await ana.queue("sales", 2)

    # Those whom no agent hears: one leaves a message, one has nothing to say, one hangs up, one presses what is nothing, one nothing.
    others = [
        await day.calls("506", keys="13", tone_hz=1_100.0, leaves_after_s=20.0),
        await day.calls("507", keys="23"),
        await day.calls("508", leaves_after_s=1.0),
        await day.calls("509", keys="9"),
        await day.calls("510"),
    ]

    # Who asked to be called back had the place before the others.
    house.forget_events()
    await ana.finishes("booked")
    await ana.page.wait_for_selector(".incoming [data-part=known]:has-text('call-back')")
    await ana.page.click("[data-do=accept]")
    await house.event("CALL_ESTABLISHED", within_s=30.0)
    await hears(ana.page, 1_500.0)
    await bea.finishes("question")
    await bea.takes(1_800.0)
    await carl.finishes("solved")
    await carl.takes(2_000.0)
    for desk, code in ((ana, "question"), (bea, "solved"), (carl, "booked")):
        await desk.available(False)
        await desk.finishes(code)
    for each in (first, third, helped, overflowed, *others):
        await each.has_gone()
    for mine in (house, second):
        assert any(heard_in(path, hz) for path in mine.recordings() for hz in AGENTS.values()), mine.settings.extension

    async with rest(day.server, "lea") as http:
        calls = await all_records(http, 13)
        legs, events = await records(http, "leg"), await records(http, "event")
        assert len(calls) == 13 and len({call["call_id"] for call in calls}) == 13
        by_caller = {call["caller"]: call for call in calls if call["direction"] == "in"}
        assert {number: by_caller[number]["answered_by"] for number in ("500", "402", "502", "504", "505")} == {
            **{"500": "ana", "402": "bea", "502": "carl"},
            **{"504": "bea", "505": "carl"},
        }
        assert {number: by_caller[number]["wrap_up_codes"] for number in ("500", "402", "504")} == {
            "500": ["booked"],
            "402": ["question"],
            "504": ["solved"],
        }
        assert by_caller["505"]["queues"] == ["support", "sales"]  # the first was full
        assert by_caller["402"]["language"] == "es" and by_caller["500"]["language"] == "en"
        (back,) = [call for call in calls if call["direction"] == "out"]
        assert back["called"] == "401" and back["call_back"] and back["answered_by"] == "ana"
        assert all(call["ended_at"] and call["end_reason"] for call in calls)
        assert all(leg["ended_at"] for leg in legs) and {leg["call_id"] for leg in legs} == {call["call_id"] for call in calls}
        for call in calls:
            mine = [event for event in events if event["call_id"] == call["call_id"]]
            assert [event["seq"] for event in mine] == list(range(1, len(mine) + 1)) and len(mine) == call["entries"], call["caller"]
            assert [event["at"] for event in mine] == sorted(event["at"] for event in mine)
        visits = Counter((visit["queue"], visit["outcome"]) for visit in await records(http, "visit"))
        assert visits == {
            ("sales", "served"): 3,
            ("sales", "abandoned"): 1,
            ("sales", "call_back"): 1,
            ("support", "served"): 2,
            ("support", "full"): 1,
        }
        async with http.get("/api/v1/queues/statistics", params={"format": "jsonl"}) as answer:
            assert answer.status == 200, await answer.text()
            told = [json.loads(line) for line in (await answer.text()).splitlines()]
        summed = {queue: Counter[str]() for queue in ("sales", "support")}
        for row in told:  # more than one where a quarter of an hour ended meanwhile
            summed[row["queue"]].update({name: row[name] for name in ("answered", "abandoned", "called_back", "turned_away")})
        assert summed["sales"] == Counter(answered=3, abandoned=1, called_back=1, turned_away=0)
        assert summed["support"] == Counter(answered=2, abandoned=0, called_back=0, turned_away=1)

    # The one who had something to say is heard by whose box it is.
    async with rest(day.server, "ana") as http:
        async with http.get("/api/v1/voicemails") as answer:
            (message,) = (await answer.json())["voicemails"]
        assert message["caller"] == "506" and message["duration_s"] > 3
        async with http.get(f"/api/v1/voicemails/{message['voicemail_id']}/sound") as answer:
            assert answer.status == 200
            samples, rate_hz = samples_of(await answer.read())
        assert level_at(samples[rate_hz:], 1_100.0, rate_hz) > 0.1
    status, metrics = await day.server.get("/metrics")
    live = [float(line.split()[1]) for line in metrics.splitlines() if line.startswith("centralita_calls_live{")]
    assert status == 200 and live and not any(live)
    log = day.server.data_dir.parent / "server.log"
    errors = [line for line in log.read_text().splitlines() if '"level": "error"' in line]
    assert errors == []


def heard_in(path: Path, hz: float) -> bool:
    with wave.open(str(path)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: file.getnchannels()].astype(np.float32) / 32_768
    seconds = samples[: len(samples) // rate_hz * rate_hz].reshape(-1, rate_hz)
    return any(level_at(second, hz, rate_hz) > 0.02 for second in seconds)


def samples_of(sound: bytes) -> tuple[np.ndarray, int]:
    with wave.open(io.BytesIO(sound)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768, file.getframerate()
