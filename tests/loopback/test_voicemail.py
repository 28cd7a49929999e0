"""Callers leave messages: what is kept is what they said and nothing of what they heard, also where a worker or the server dies over it."""

import asyncio
import io
import json
import shutil
import time
import wave
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, web

from api.metrics import Metrics
from api.recording_book import RecordingBook
from api.recording_shelf import RecordingShelf
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.store import Store, StoredVoicemail
from api.voicemail.boxes import Boxes, Voicemail, VoicemailPage
from api.voicemail.routes import VoicemailRoutes
from api.voicemail.taking import Caller, MessageTaking
from media import messages as msg
from media.recording import manifest
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from rooms.audio import PCMA
from rooms.centre_plan import VoicemailBox
from rooms.effects import TakeMessage
from rooms.events import MessageTaken
from rooms.voicemail import MessageLimits
from signaling.centre_messages import VoicemailChanged
from signaling.grants import Grant
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.leg_bench import level_at, level_where_it_sounds
from tests.kit.media_desk import ROOM, MediaDesk, media_desk
from tests.kit.people import known_by
from tests.kit.recorded import recording_of
from tests.kit.rtp_phone import RtpPhone
from tests.kit.stalls import stalls
from tests.kit.vaults import VAULT

KEY = bytes(32)
TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
NOW = 1_800_000_000.0
BOXES = {"sales": VoicemailBox("sales", {"es": "Ventas"}, agents=("ana",), teams=("madrid",))}
WITHIN_S = 60.0


def grant(identity: str = "ana", role: str = "agent", teams: frozenset[str] = frozenset()) -> Grant:
    return Grant(identity, identity, role, "1", 0.0, 0.0, 0.0, teams=teams)


class VoicemailBench:
    """One media plane, what takes messages in it, and the boxes in which they are kept. ``deaf``: messages of which nobody here hears."""

    desk: MediaDesk
    store: Store
    book: RecordingBook
    shelf: RecordingShelf
    taking: MessageTaking
    boxes: Boxes

    def __init__(self) -> None:
        self.settled: dict[str, MessageTaken] = {}
        self.told: list[tuple[str, VoicemailChanged]] = []
        self.consents: list[tuple[StoredVoicemail, bool]] = []
        """Who spoke, or refused."""
        self.at = NOW
        self.deaf = False
        self._came = asyncio.Event()

    def hear(self, event: msg.AnyMediaEvent) -> None:
        if self.deaf:
            return
        match event:
            case msg.RecordingStarted():
                self.book.started(event)
            case msg.RecordingStopped():
                self.book.stopped(event, self.at)
            case msg.RecordingFailed():
                self.book.failed(event, self.at)
            case msg.DigitHeard(leg_id=leg_id, digit=digit):
                self.taking.digit(leg_id, digit)
        self.taking.hear(event)
        self._came.set()

    def fed(self, event: MessageTaken) -> None:
        self.settled[event.call_id] = event
        self._came.set()

    def publish(self, topic: str, notice: VoicemailChanged) -> None:
        self.told.append((topic.removeprefix("person:"), notice))
        self._came.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self._came.clear()
                await self._came.wait()

    def take(self, leg_id: str, max_s: float = 60.0) -> None:
        self.taking.take(
            TakeMessage(ROOM if leg_id == "a" else f"call-{leg_id}", leg_id, "sales", max_s, "es"), Caller("+34911222333", "Eva")
        )

    async def listed(self, who: Grant | None = None) -> VoicemailPage:
        await self.store.flush()
        return await self.boxes.page(who or grant())

    async def sound(self, voicemail_id: str) -> np.ndarray:
        heard = await self.boxes.listen(grant(), voicemail_id, "mono")
        with wave.open(io.BytesIO(heard.body)) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 16_000)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768


@asynccontextmanager
async def bench_of(folder: Path, *, boxes: Mapping[str, VoicemailBox] = BOXES, **limits: float) -> AsyncIterator[VoicemailBench]:
    bench = VoicemailBench()
    settings = MediaSettings(recording=RecordingSettings(folder / "recordings", (KEY,)))
    async with AsyncExitStack() as stack:
        bench.store = await stack.enter_async_context(Store.open(f"sqlite:///{folder / 'calls.sqlite3'}", vault=VAULT))
        for identity, teams in (("ana", ()), ("tom", ("madrid",)), ("zoe", ("lisbon",))):
            await bench.store.people.save_user(identity, name=identity, role="agent", password_hash="-", teams=teams)
        bench.shelf = RecordingShelf(bench.store, folder / "recordings", (KEY,), clock=lambda: bench.at)
        bench.book = RecordingBook(bench.store, bench.shelf.look_soon, bench.shelf.erase_soon)
        bench.desk = await stack.enter_async_context(media_desk(settings))
        bench.boxes = Boxes(bench.store.voicemails, bench.store.people, bench.shelf, lambda: boxes, now=lambda: bench.at)
        bench.boxes.meet(bench.publish)
        bench.taking = await stack.enter_async_context(
            MessageTaking(
                bench.desk.worker,
                bench.book,
                bench.store,
                feed=bench.fed,
                now=lambda: bench.at,
                on_taken=bench.boxes.taken,
                on_consent=lambda voicemail, given: bench.consents.append((voicemail, given)),
                limits=replace(MessageLimits(), keep_s=WITHIN_S, **limits),
            )
        )
        bench.desk.also = bench.hear
        await stack.enter_async_context(bench.shelf)
        await stack.enter_async_context(bench.boxes)
        yield bench


async def test_a_message_holds_what_was_said_and_nothing_of_what_was_heard(tmp_path: Path) -> None:
    """Two callers beside one another: one presses the key, the other one hangs up. A third says nothing."""
    async with (
        bench_of(tmp_path, tone_s=WITHIN_S, quiet_s=WITHIN_S, begin_s=WITHIN_S) as bench,
        stalls() as stalled,
        RtpPhone(PCMA, frequency_hz=600.0) as a,
        RtpPhone(PCMA, frequency_hz=800.0) as b,
        RtpPhone(PCMA, amplitude=0.0) as c,
    ):
        for leg_id, phone in (("a", a), ("b", b), ("c", c)):
            room_id = ROOM if leg_id == "a" else f"call-{leg_id}"
            if leg_id != "a":
                await bench.desk.worker.perform(msg.OpenRoom(room_id=room_id))
            await bench.desk.phone(leg_id, phone, room_id=room_id)
        await bench.desk.worker.perform(msg.Play("a", "ringback"))  # 425 Hz, all the time
        for leg_id, max_s in (("a", 60.0), ("b", 60.0), ("c", 1.5)):
            bench.take(leg_id, max_s)
        for leg_id, phone in (("a", a), ("b", b)):
            await bench.desk.hear_of(msg.VoiceChanged, lambda event, leg_id=leg_id: event.leg_id == leg_id and event.speaks)  # type: ignore[misc]
            await phone.say(75)
        a.press("5")
        await a.say(10)
        a.press("#")
        await bench.until(lambda: ROOM in bench.settled)
        await bench.desk.worker.perform(msg.CloseLeg("b"))
        await bench.until(lambda: len(bench.settled) == 3 and len(bench.told) == 4)
        assert {name: event.outcome for name, event in bench.settled.items()} == {ROOM: "taken", "call-b": "taken", "call-c": "empty"}
        heard = a.heard()
        assert max(level_at(heard[at : at + 3_200], 1_000.0) for at in range(0, len(heard) - 3_200, 1_600)) > 0.05, "the tone"
        assert sorted((voicemail.call_id, given) for voicemail, given in bench.consents) == sorted([(ROOM, True), ("call-b", True)])
        page = await bench.listed()
        assert [(box.name, box.titles, box.unheard) for box in page.boxes] == [("sales", {"es": "Ventas"}, 2)] and page.next is None
        by_call = {voicemail.call_id: voicemail for voicemail in page.voicemails}
        assert set(by_call) == {ROOM, "call-b"}
        kept = by_call[ROOM]
        assert (kept.caller, kept.caller_name, kept.language, kept.heard_at) == ("+34911222333", "Eva", "es", None)
        for call_id, said_hz, others_hz in ((ROOM, 600.0, (425.0, 800.0, 1_000.0)), ("call-b", 800.0, (600.0, 1_000.0))):
            sound = await bench.sound(by_call[call_id].voicemail_id)
            assert len(sound) / 16_000 == pytest.approx(by_call[call_id].duration_s, abs=0.5 + stalled.seconds) and len(sound) > 16_000
            middle = sound[4_000:-4_000]
            assert level_where_it_sounds(middle, said_hz) == pytest.approx(0.25, rel=0.1)
            assert all(level_at(middle, hz) < 0.005 for hz in others_hz)
        assert {(identity, notice.what, notice.voicemail_id) for identity, notice in bench.told} == {
            (identity, "left", voicemail.voicemail_id) for identity in ("ana", "tom") for voicemail in page.voicemails
        }, "those of the box and of its teams"
        row = await bench.store.recording(kept.voicemail_id)
        assert row is not None and (row.agent, row.consent) == ("", "given")
        entries = manifest.entries(tmp_path / "recordings" / row.file)
        assert [entry.what for entry in entries] == ["begun", "ended", "listened"] and entries[-1].who == ("person ana",)
        assert "911222333" not in "".join(path.read_text() for path in (tmp_path / "recordings").glob("*.manifest"))
        async with asyncio.timeout(WITHIN_S):
            while len(list((tmp_path / "recordings").glob("*.rec"))) > 2:  # noqa: ASYNC110 - erased in a thread
                await asyncio.sleep(0.02)
        assert not bench.taking.running and not bench.book.running
        await only_its_people_reach(bench, kept, tmp_path)


async def test_who_refuses_or_hangs_up_before_the_tone_is_over_is_on_no_disk(tmp_path: Path) -> None:
    async with (
        bench_of(tmp_path) as bench,
        RtpPhone(PCMA, frequency_hz=600.0) as a,
        RtpPhone(PCMA, frequency_hz=800.0) as b,
    ):
        await bench.desk.phone("a", a)
        await bench.desk.worker.perform(msg.OpenRoom(room_id="call-b"))
        await bench.desk.phone("b", b, room_id="call-b")
        await a.hear(10)
        for leg_id in ("a", "b"):
            bench.take(leg_id)
        assert bench.taking.digit("a", "*"), "the key that refuses, while the tone sounds"
        await bench.desk.worker.perform(msg.CloseLeg("b"))
        await bench.until(lambda: len(bench.settled) == 2)
        await a.hear(25)
        assert {name: event.outcome for name, event in bench.settled.items()} == {ROOM: "empty", "call-b": "failed"}
        assert list((tmp_path / "recordings").iterdir()) == [] and not bench.book.running
        page = await bench.listed()
        assert page.voicemails == [] and await bench.store.recordings_of(ROOM) == await bench.store.recordings_of("call-b") == []
        assert [(voicemail.call_id, given) for voicemail, given in bench.consents] == [(ROOM, False)]


async def only_its_people_reach(bench: VoicemailBench, kept: Voicemail, tmp_path: Path) -> None:
    """Whose box it is hears, marks and erases; nobody else knows of it."""
    boss, other_boss, admin = (
        grant(who, role, frozenset(teams))
        for who, role, teams in (
            ("eva", "supervisor", ("madrid",)),
            ("ugo", "supervisor", ("lisbon",)),
            ("adam", "admin", ()),
        )
    )
    member, stranger = grant("tom", teams=frozenset({"madrid"})), grant("zoe", teams=frozenset({"lisbon"}))
    everybody = (grant(), member, boss, admin, other_boss, stranger)
    assert [len((await bench.listed(who)).voicemails) for who in everybody] == [2, 2, 2, 2, 0, 0]
    for who in (stranger, other_boss):
        for act in (
            bench.boxes.listen(who, kept.voicemail_id, "mono"),
            bench.boxes.mark(who, kept.voicemail_id, heard=True),
            bench.boxes.erase(who, kept.voicemail_id),
        ):
            with pytest.raises(Refusal) as refused:
                await act
            assert refused.value.code == "unknown_voicemail"
        with pytest.raises(Refusal, match="not yours"):
            await bench.boxes.page(who, box="sales")
    bench.at += 60.0
    marked = await bench.boxes.mark(member, kept.voicemail_id, heard=True)
    assert (marked.heard_by, marked.heard_at) == ("tom", NOW + 60.0)
    again = await bench.boxes.mark(grant(), kept.voicemail_id, heard=True)
    assert again.heard_by == "tom", "the first one counts"
    page = await bench.boxes.page(grant(), unheard=True)
    assert [voicemail.call_id for voicemail in page.voicemails] == ["call-b"] and page.boxes[0].unheard == 1
    assert (await bench.boxes.mark(boss, kept.voicemail_id, heard=False)).heard_at is None
    await bench.boxes.erase(member, kept.voicemail_id)
    for act in (bench.boxes.listen(grant(), kept.voicemail_id, "mono"), bench.boxes.erase(grant(), kept.voicemail_id)):
        with pytest.raises(Refusal) as refused:
            await act
        assert refused.value.code == "voicemail_erased"
    row = await bench.store.recording(kept.voicemail_id)
    assert row is not None and row.erased_by == "tom" and len(list((tmp_path / "recordings").glob("*.rec"))) == 1
    assert [voicemail.call_id for voicemail in (await bench.listed()).voicemails] == ["call-b"]
    assert [notice.what for identity, notice in bench.told if identity == "ana"] == ["left", "left", "heard", "unheard", "erased"]


async def test_pages_follow_one_another_and_what_a_box_keeps_no_longer_is_erased(tmp_path: Path) -> None:
    boxes = {"sales": replace(BOXES["sales"], keep_days=1)}
    async with bench_of(tmp_path, boxes=boxes) as bench:
        for number in range(3):
            kept = StoredVoicemail(
                f"v{number}", "sales", f"c{number}", "", "", "es", NOW - 40_000.0 * number, NOW, duration_s=2.0, outcome="taken"
            )
            bench.store.put_voicemail(kept)
        for voicemail_id in ("v1", "v2"):
            bench.store.put_recording(recording_of(tmp_path / "recordings", KEY, voicemail_id, 0.2, NOW))
        await bench.store.flush()
        first = await bench.boxes.page(grant(), limit=2)
        last = await bench.boxes.page(grant(), limit=2, before="v1")
        assert (first.next, last.next) == (first.voicemails[-1].voicemail_id, None)
        assert [voicemail.voicemail_id for voicemail in (*first.voicemails, *last.voicemails)] == ["v0", "v1", "v2"]
        bench.at += 10_000.0
        await asyncio.gather(bench.boxes.look_after(), bench.boxes.look_after())
        assert [voicemail.voicemail_id for voicemail in (await bench.listed()).voicemails] == ["v0", "v1"]
        row = await bench.store.voicemails.voicemail("v2")
        assert row is not None and (row.erased_at, row.erased_by) == (NOW + 10_000.0, "retention")
        assert len(list((tmp_path / "recordings").glob("*.rec"))) == 1
        bench.at += 90_000.0
        await bench.boxes.look_after()
        (left,) = (await bench.listed()).voicemails
        assert left.voicemail_id == "v0", "the sound of another node's is for that one to erase"


async def test_rest_gives_messages_to_who_may_have_them_and_says_what_is_wrong(tmp_path: Path) -> None:
    async def healthy() -> dict[str, PartHealth]:
        return {}

    async with bench_of(tmp_path) as bench, Metrics() as metrics, ClientSession() as http, AsyncExitStack() as stack:
        bench.store.put_voicemail(
            StoredVoicemail("v", "sales", "c", "+34911222333", "Eva", "es", NOW, NOW, duration_s=0.4, outcome="taken")
        )
        bench.store.put_recording(recording_of(tmp_path / "recordings", KEY, "v", 0.4, NOW))
        await bench.store.flush()
        app = make_app(known_by(TOKENS), metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), time.monotonic))
        VoicemailRoutes(bench.boxes).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/voicemails"

        async def ask(method: str, path: str = "", who: str = "ana", role: str = "agent", **more: Any) -> tuple[int, bytes]:
            headers = {"Authorization": f"Bearer {TOKENS.issue(who, who, role).token}"} if role else {}
            async with http.request(method, url + path, headers=headers, **more) as answer:
                return answer.status, await answer.read()

        assert [(await ask("GET", role=role))[0] for role in ("", "customer", "service")] == [401, 403, 403]
        for path in ("?limit=0", "?limit=101", "?limit=x", "/v/sound?as=mp3"):
            assert (await ask("GET", path))[0] == 400, path
        assert [(await ask("GET", path))[0] for path in ("?box=none", "?cursor=none", "/none/sound")] == [404, 404, 404]
        assert (await ask("PUT", "/v", json={"heard": True, "by": "eva"}))[0] == 400
        assert (await ask("DELETE", "/v", "zoe"))[0] == 404
        status, body = await ask("GET", "?box=sales&unheard=true&limit=1")
        listed = json.loads(body)
        assert status == 200 and [each["voicemail_id"] for each in listed["voicemails"]] == ["v"]
        assert listed["boxes"] == [{"name": "sales", "titles": {"es": "Ventas"}, "unheard": 1}]
        for form, begins in (("mono", b"RIFF"), ("mix", b"OggS")):
            status, body = await ask("GET", f"/v/sound?as={form}")
            assert status == 200 and body.startswith(begins)
        status, body = await ask("PUT", "/v", json={"heard": True})
        assert status == 200 and json.loads(body)["heard_by"] == "ana"
        assert [(await ask("DELETE", "/v"))[0], (await ask("DELETE", "/v"))[0], (await ask("GET", "/v/sound"))[0]] == [204, 410, 410]


async def test_what_was_said_before_a_worker_or_the_server_died_is_kept_and_listed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    async with bench_of(tmp_path / "one") as bench, RtpPhone(PCMA, frequency_hz=600.0) as a:
        await bench.desk.phone("a", a)
        bench.take("a")
        started = await bench.desk.hear_of(msg.RecordingStarted)
        while (tmp_path / "one" / "recordings" / started.file).stat().st_size < 16_000:  # almost two seconds
            await a.hear(5)
        await bench.store.flush()
        shutil.copytree(tmp_path / "one", tmp_path / "two")  # what a server that is killed now leaves on the disk
        bench.hear(msg.RecordingFailed(ROOM, started.recording_id, started.file, "it died", worker_died=True))
        await bench.until(lambda: bench.settled)
        assert bench.settled[ROOM].outcome == "taken"
        (kept,) = (await bench.listed()).voicemails
        assert kept.voicemail_id == started.recording_id and kept.duration_s > 1.0
    async with bench_of(tmp_path / "two") as successor:
        await successor.until(lambda: len(successor.told) == 2)
        (kept,) = (await successor.listed()).voicemails
        assert kept.voicemail_id == started.recording_id and kept.duration_s > 0.8
        assert level_where_it_sounds((await successor.sound(kept.voicemail_id))[3_200:], 600.0) == pytest.approx(0.25, rel=0.1)
        assert await successor.shelf.faults() == []
