"""Calls recorded from end to end: by policy or on demand, with the tone in them, really silent pauses, and everything on record."""

import asyncio
import io
import json
import os
import resource
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, web

from api.nodes.nodes import Nodes
from api.page_requests import PageRequests
from api.recording_routes import RecordingRoutes
from api.recording_shelf import RecordingShelf
from api.routes import PartHealth, make_app, make_runner
from api.store import StoredRecording
from media.codec import make_decoder
from media.espeak import EspeakSpeech
from media.media_files import read_samples
from media.messages import PeerAnswered
from media.pool import WorkerPool
from media.prompt_settings import PromptSettings
from media.recording import manifest
from media.recording.export import render
from media.recording.file import ChunkWriter
from media.recording.keys import KeyRing
from media.recording.manifest import Checkpoint
from media.recording.recordings import RecordingSettings
from media.recording.records import Side, read_recording
from media.settings import MediaSettings
from pbx.routing import DialPlan, Routing
from rooms import events as ev
from rooms.audio import PCMA
from rooms.policy import CallPolicy, RecordingMode, RecordingPolicy
from rooms.recording import RecordingAction
from signaling.bus import MemoryBus
from signaling.frames import read_request
from signaling.grants import Grant
from signaling.messages import ChatRequest, RoomRequest
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.exchange_bench import TIMES, WITHIN_S, ExchangeBench, exchange_bench
from tests.kit.leg_bench import level_at, level_where_it_sounds
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.people import known_by
from tests.kit.rtp_phone import RtpPhone
from tests.kit.vaults import VAULT

pytestmark = pytest.mark.usefixtures("loopback_ice")
KEY = bytes(range(32))
RING = KeyRing([KEY], VAULT.open)
TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
ALWAYS = RecordingPolicy(RecordingMode.ALWAYS, RecordingMode.ALWAYS)
ON_DEMAND = RecordingPolicy(RecordingMode.ON_DEMAND, RecordingMode.ON_DEMAND)
LONG = replace(TIMES, patience_s=60.0, longest_s=60.0)
NOTICE = "Esta llamada se graba. Muchas gracias."
TONE_HZ, BEEP_HZ = 700.0, 1_400.0


@asynccontextmanager
async def bench_of(
    directory: Path, recording: RecordingPolicy, phone: RtpPhone | None = None, *, workers: int = 0
) -> AsyncIterator[ExchangeBench]:
    policy = CallPolicy(recording=recording)
    prompts = PromptSettings(texts={"recording-notice": {"es": NOTICE}})
    settings = MediaSettings(recording=RecordingSettings(directory / "recordings", (KEY,)), prompts=prompts)
    async with exchange_bench(directory, policy=policy, times=LONG, media=settings, phone=phone, workers=workers) as bench:
        yield bench


@asynccontextmanager
async def talking(
    bench: ExchangeBench, number: str = "601", trunk: str = "demo", amplitude: float = 0.25
) -> AsyncIterator[tuple[str, BrowserPeer]]:
    """Ana talks with the demo line, whose voice is recorded speech; her own is a whistle. The call's id, and her browser."""
    async with BrowserPeer(ToneTrack(TONE_HZ, amplitude)) as peer:
        call_id = bench.dial("ana", number, trunk)
        (view,) = bench.switchboard.calls_of("ana")
        answered: PeerAnswered = await bench.exchange.answer_browser(view, "tab", await peer.offer())
        await peer.accept(answered.sdp)
        await bench.told.picture("ana", lambda call: call.state == "live" and call.agent_connected)
        yield call_id, peer


async def over(bench: ExchangeBench, call_id: str) -> list[StoredRecording]:
    """The call is hung up, and everything about it is on record."""
    bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
    await bench.ended(call_id)
    await bench.book.settled(WITHIN_S)
    await bench.store.flush()
    assert bench.left_over() == {}
    return await bench.store.recordings_of(call_id)


def wants(bench: ExchangeBench, call_id: str, action: str) -> None:
    bench.exchange.feed(ev.RecordingRequested(call_id, "ana", RecordingAction(action)))


def file_of(directory: Path, row: StoredRecording) -> Path:
    return directory / "recordings" / row.file


def faults(directory: Path, row: StoredRecording) -> list[str]:
    return manifest.faults(file_of(directory, row), RING.public_keys, Checkpoint(row.entries, row.digest))


def sound(path: Path, side: Side) -> np.ndarray:
    return render(read_recording(path, RING), side).astype(np.float32) / 32_768


def beeps_at(samples: np.ndarray) -> list[float]:
    """Seconds at which the tone is loud, of pieces of 0.1 s."""
    pieces = samples[: len(samples) // 1_600 * 1_600].reshape(-1, 1_600)
    return [0.1 * number for number, piece in enumerate(pieces) if level_at(piece, BEEP_HZ) > 0.04]


async def test_a_call_is_recorded_from_the_first_word_with_the_tone_in_it_and_is_silent_where_it_was_paused(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, talking(bench) as (call_id, peer):
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        await listen(peer, 60)
        wants(bench, call_id, "pause")
        await bench.told.picture("ana", lambda call: call.recording == "paused")
        await listen(peer, 50)
        wants(bench, call_id, "resume")
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        heard, rate_hz = await listen(peer, 50)
        assert any(level_at(piece, BEEP_HZ, rate_hz) > 0.04 for piece in heard[:rate_hz].reshape(20, -1)), "she hears it too"
        (row,) = await over(bench, call_id)
    assert (row.call_id, row.agent, row.consent, row.fault, row.lost) == (call_id, "ana", "not needed", "", 0)
    assert row.ended_at is not None and row.ended_at > row.started_at and row.packets > 100
    assert faults(tmp_path, row) == []
    recorded = read_recording(file_of(tmp_path, row), RING)
    details = recorded.events[0].details
    assert (details["call_id"], details["number"], details["said"]) == (call_id, "601", "agent")
    ((begin_s, end_s),) = recorded.pauses_s
    assert end_s - begin_s > 0.2
    for side in Side:
        channel = sound(file_of(tmp_path, row), side)
        assert not channel[round(begin_s * 16_000) : round(end_s * 16_000)].any()
        assert np.abs(channel[: round(begin_s * 16_000)]).max() > 0.05 < np.abs(channel[round(end_s * 16_000) :]).max()
    assert level_where_it_sounds(sound(file_of(tmp_path, row), Side.SAID)[8_000:], TONE_HZ) == pytest.approx(0.25, rel=0.15)
    beeps = beeps_at(sound(file_of(tmp_path, row), Side.HEARD))
    at_s = [packet.at_s for packet in recorded.packets if packet.side is Side.HEARD]
    first, again = ([at for at in beeps if (at < end_s - 0.1) is early] for early in (True, False))
    for beep, since_s in ((first, 0.0), (again, end_s)):
        assert beep and sum(since_s <= at < beep[0] for at in at_s) < 30, "at once, but for moments in which all stood still"
        assert len(beep) <= 4, "and lasts 0.2 s, which lie in four pieces at most where it is torn in two"


async def test_on_demand_each_start_is_a_part_and_nothing_else_is_kept(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ON_DEMAND) as bench, talking(bench) as (call_id, peer):
        await listen(peer, 5)
        assert not list((tmp_path / "recordings").iterdir())
        for _ in range(2):
            wants(bench, call_id, "start")
            await bench.told.picture("ana", lambda call: call.recording == "recording")
            await listen(peer, 20)
            wants(bench, call_id, "stop")
            await bench.told.picture("ana", lambda call: call.recording == "off")
        rows = await over(bench, call_id)
    assert [row.recording_id for row in rows] == [f"{call_id}-1", f"{call_id}-2"]
    assert [faults(tmp_path, row) for row in rows] == [[], []]
    assert len(list((tmp_path / "recordings").glob("*.rec"))) == 2


async def test_a_phone_is_told_before_anything_is_kept(tmp_path: Path) -> None:
    """The sentence sounds in its ear alone, and only what follows is in the file."""
    announced = replace(ALWAYS, announcement="prompt/es/recording-notice", consent="announced")
    speech = EspeakSpeech().speak("", NOTICE, "es")
    async with (
        RtpPhone(PCMA, frequency_hz=440) as phone,
        bench_of(tmp_path, announced, phone) as bench,
        talking(bench, "600111222", "pbx", 0.01) as (call_id, peer),
    ):
        await bench.told.picture("ana", lambda call: call.recording == "announcing")
        heard, rate_hz = await listen(peer, 60)
        assert level_at(heard[rate_hz // 2 :], 440.0, rate_hz) == pytest.approx(0.25, rel=0.2), "she hears the phone as before"
        assert bench.switchboard.calls_of("ana")[0].recording == "announcing" and not list((tmp_path / "recordings").glob("*.rec"))
        async with asyncio.timeout(30):
            while bench.switchboard.calls_of("ana")[0].recording != "recording":
                await listen(peer, 5)
        decoder = make_decoder(PCMA, rate_hz=16_000)
        told = np.concatenate([decoder.decode(payload) for payload in phone.payloads])
        await phone.hear(60)
        (row,) = await over(bench, call_id)
    assert speech is not None and spoken_in(told, speech) > 0.6
    assert row.consent == "announced" and faults(tmp_path, row) == []
    assert manifest.entries(file_of(tmp_path, row))[0].details == {"consent": "announced"}
    recorded = read_recording(file_of(tmp_path, row), RING)
    assert (recorded.events[0].details["said"], recorded.events[0].details["number"]) == ("other side", "600111222")
    assert level_where_it_sounds(sound(file_of(tmp_path, row), Side.SAID)[4_000:], 440.0) == pytest.approx(0.25, rel=0.15)
    assert spoken_in(sound(file_of(tmp_path, row), Side.HEARD), speech[:16_000]) < 0.4
    assert beeps_at(sound(file_of(tmp_path, row), Side.HEARD))


def spoken_in(heard: np.ndarray, speech: np.ndarray) -> float:
    """How much of what was heard is this speech, wherever it lies: 1 is nothing else."""
    found = np.abs(np.fft.irfft(np.fft.rfft(heard, 1 << 18) * np.conj(np.fft.rfft(speech, 1 << 18))))
    return float(found.max() / (np.linalg.norm(heard) * np.linalg.norm(speech)))


async def test_a_full_disk_is_told_and_counted_and_the_call_goes_on(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with bench_of(tmp_path, replace(ALWAYS, retry_s=0.3)) as bench, talking(bench) as (call_id, peer):
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        await listen(peer, 5)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
            await bench.told.picture("ana", lambda call: call.recording == "failed")
            await listen(peer, 20)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        await listen(peer, 20)
        rows = await over(bench, call_id)
        assert b'centralita_recordings_total{outcome="broken"}' in bench.metrics.render()
        assert bench.worker.counters["recordings_failed"] >= 1
    assert rows[0].fault.startswith("File too large") and rows[-1].fault == ""
    assert faults(tmp_path, rows[-1]) == []


async def test_a_page_asks_for_its_own_call_and_a_supervisor_for_any(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ON_DEMAND) as bench, talking(bench) as (call_id, _):

        async def in_rooms(_grant: Grant, _request: RoomRequest | ChatRequest) -> None:
            raise AssertionError("nobody asks about rooms here")

        routing = Routing(DialPlan(), demo_trunk="demo", pbx_trunk=None)
        pages = PageRequests(
            bench.exchange,
            bench.switchboard,
            routing,
            bench.metrics,
            Nodes(MemoryBus(topics=10, kept=1)),
            in_rooms,
            demo=bench.demo,
            teams_of=lambda agent: frozenset({"hotels"} if agent == "ana" else ()),
        )

        async def ask(identity: str, role: str, action: str, *teams: str) -> str:
            grant = TOKENS.verify(TOKENS.issue(identity, identity, role, teams=teams).token)
            request = read_request("call.record", ({"call_id": call_id, "action": action},))
            try:
                await pages.perform(grant, request)
            except Refusal as refusal:
                return refusal.code
            return bench.switchboard.calls_of("ana")[0].recording.value

        asked = [("ana", "agent", "start"), ("bea", "agent", "pause"), ("eva", "supervisor", "pause"), ("ana", "agent", "resume")]
        assert [await ask(*who) for who in asked] == ["recording", "not_yours", "paused", "recording"]
        assert [await ask("eva", "supervisor", "pause", team) for team in ("flights", "hotels")] == ["not_yours", "paused"]
        assert await ask("ana", "agent", "resume") == "recording"
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        assert [call.recording for call in bench.exchange.board.watch("eva").calls] == ["recording"]
        with pytest.raises(ValueError, match="action"):
            await ask("ana", "agent", "erase")


async def test_the_successor_of_a_worker_goes_on_with_a_new_part(tmp_path: Path) -> None:
    async with (
        RtpPhone(PCMA, frequency_hz=440) as phone,
        bench_of(tmp_path, ALWAYS, phone, workers=1) as bench,
        talking(bench, "600111222", "pbx") as (call_id, _),
    ):
        pool: WorkerPool = bench.worker  # type: ignore[assignment]
        await phone.hear(40)
        os.kill(pool.pid_of(call_id), signal.SIGKILL)
        async with asyncio.timeout(60):
            while len(await bench.store.recordings_of(call_id)) < 2:
                await phone.hear(5, within_s=60)
        await phone.say(60)
        await over(bench, call_id)
        async with library(tmp_path, bench) as shelf:
            await shelf.shelf.look_after()
            cut, went_on = await shelf.shelf.parts_of(call_id)
            assert await shelf.shelf.faults() == []
    assert "died" in cut.fault and went_on.fault == ""
    assert [entry.what for entry in manifest.entries(file_of(tmp_path, cut))] == ["begun", "interrupted"]
    for row in (cut, went_on):
        assert faults(tmp_path, row) == [] and row.ended_at is not None
    assert level_where_it_sounds(sound(file_of(tmp_path, went_on), Side.SAID)[4_000:], 440.0) == pytest.approx(0.25, rel=0.15)


# --- the shelf -----------------------------------------------------------------------------------------------------------------------


class Library:
    """The shelf of a bench, served by HTTP."""

    def __init__(self, shelf: RecordingShelf, http: ClientSession, url: str) -> None:
        self.shelf, self._http, self._url = shelf, http, url

    async def ask(self, method: str, path: str, role: str = "supervisor", identity: str = "6001234", *teams: str) -> tuple[int, str, bytes]:
        headers = {"Authorization": f"Bearer {TOKENS.issue(identity, 'Eva', role, teams=teams).token}"} if role else {}
        async with self._http.request(method, self._url + path, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.read()


@asynccontextmanager
async def library(directory: Path, bench: ExchangeBench, **more: Any) -> AsyncIterator[Library]:
    async with AsyncExitStack() as stack:
        shelf = await stack.enter_async_context(RecordingShelf(bench.store, directory / "recordings", (KEY,), **more))

        async def health() -> dict[str, PartHealth]:
            return {}

        app = make_app(known_by(TOKENS), bench.metrics, health)
        RecordingRoutes(shelf, bench.store.people.teams_of).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession())
        yield Library(shelf, http, f"http://127.0.0.1:{runner.addresses[0][1]}")


async def recorded(bench: ExchangeBench) -> StoredRecording:
    """One call with the echo line."""
    async with talking(bench, "600") as (call_id, peer):
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        await listen(peer, 40)
        (row,) = await over(bench, call_id)
    return row


async def test_a_supervisor_listens_and_the_manifest_says_who_and_when(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, library(tmp_path, bench, clock=lambda: 1_000.0) as shelf:
        row = await recorded(bench)
        address = f"/api/v1/recordings/{row.recording_id}"
        for role, token_less in (("agent", 403), ("customer", 403), ("", 401)):
            assert (await shelf.ask("GET", address, role, "tom"))[0] == token_less
            assert (await shelf.ask("GET", f"/api/v1/calls/{row.call_id}/recordings", role, "tom"))[0] == token_less
            assert (await shelf.ask("DELETE", address, role, "tom"))[0] == token_less
        await bench.store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["hotels"])
        assert (await shelf.ask("GET", address, "supervisor", "eva", "flights"))[0] == 403
        assert (await shelf.ask("DELETE", address, "supervisor", "eva", "flights"))[0] == 403
        _, _, body = await shelf.ask("GET", f"/api/v1/calls/{row.call_id}/recordings", "supervisor", "eva", "flights")
        assert json.loads(body) == {"recordings": []}
        status, kind, body = await shelf.ask("GET", f"/api/v1/calls/{row.call_id}/recordings", "supervisor", "6001234", "hotels")
        assert status == 200 and [part["recording_id"] for part in json.loads(body)["recordings"]] == [row.recording_id]
        status, kind, body = await shelf.ask("GET", address)
        assert (status, kind) == (200, "audio/wav")
        with wave.open(io.BytesIO(body)) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 16_000) and file.getnframes() > 8_000
            sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2) / 32_768
        status, kind, body = await shelf.ask("GET", f"{address}?as=opus")
        assert (status, kind, body[:4]) == (200, "audio/ogg", b"OggS")
        status, kind, body = await shelf.ask("GET", f"{address}?as=mix")
        assert (status, kind) == (200, "audio/ogg")
        together = sides.sum(axis=1, dtype=np.float32)  # the tone and its echo: how loud depends on how late that is
        assert level_at(read_samples(io.BytesIO(body), longest_s=10.0)[4_000:], TONE_HZ) == pytest.approx(
            level_at(together[4_000:], TONE_HZ), abs=0.06
        )
        assert [
            (await shelf.ask("GET", path))[0] for path in (f"{address}?as=mp3", "/api/v1/recordings/x", "/api/v1/recordings/..%2Fkey")
        ] == [
            400,
            404,
            404,
        ]
        listened = [entry for entry in manifest.entries(file_of(tmp_path, row)) if entry.what == "listened"]
        assert [(entry.who, entry.at_unix_s, entry.details["as"]) for entry in listened] == [
            (("person 6001234",), 1_000.0, form) for form in ("wav", "opus", "mix")
        ]
        assert listened[0].details["seconds"] > 0.5 and -20 < listened[0].details["said_peak_dbfs"] < -6
        now = await bench.store.recording(row.recording_id)
        assert now is not None and now.entries == row.entries + 3 and faults(tmp_path, now) == []
    assert "6001234" not in "".join(capfd.readouterr())


async def test_whoever_cuts_alters_or_takes_something_away_is_found_out(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, library(tmp_path, bench) as shelf:
        whole, cut, altered, taken = [await recorded(bench) for _ in range(4)]
        assert await shelf.shelf.faults() == []
        lines = file_of(tmp_path, cut).with_suffix(".manifest").read_bytes().splitlines(keepends=True)
        assert (await shelf.ask("GET", f"/api/v1/recordings/{cut.recording_id}"))[0] == 200
        file_of(tmp_path, cut).with_suffix(".manifest").write_bytes(b"".join(lines))  # nobody has listened
        data = bytearray(file_of(tmp_path, altered).read_bytes())
        data[-1] ^= 1
        file_of(tmp_path, altered).write_bytes(data)
        for suffix in (".rec", ".manifest"):
            file_of(tmp_path, taken).with_suffix(suffix).unlink()
        found = await shelf.shelf.faults()
        assert sorted(fault.partition(": ")[2] for fault in found) == [
            "1 entries were cut from the end: there were 3 once",
            "its manifest is gone",
            "the recording was altered after it ended",
        ]
        assert not any(whole.recording_id in fault for fault in found)
        assert (await shelf.ask("GET", f"/api/v1/recordings/{altered.recording_id}"))[0] in (200, 409)
        assert (await shelf.ask("GET", f"/api/v1/recordings/{taken.recording_id}"))[0] == 404


async def test_erasure_on_request_and_by_age(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, library(tmp_path, bench) as shelf:
        asked, old, young = [await recorded(bench) for _ in range(3)]
        address = f"/api/v1/recordings/{asked.recording_id}"
        assert [(await shelf.ask("DELETE", address))[0] for _ in range(2)] == [204, 204]
        assert (await shelf.ask("GET", address))[0] == 410
        os.utime(file_of(tmp_path, old), (0.0, 0.0))
        async with library(tmp_path, bench, keep_s=3_600.0) as purging:
            await purging.shelf.look_after()
        rows = {row.recording_id: await bench.store.recording(row.recording_id) for row in (asked, old, young)}
        assert [found is not None and found.erased_by for found in rows.values()] == ["6001234", "retention", None]
        for row in (asked, old):
            assert not file_of(tmp_path, row).exists()
            now = rows[row.recording_id]
            assert now is not None and faults(tmp_path, now) == []
            assert manifest.entries(file_of(tmp_path, row))[-1].what == "erased"
        assert await shelf.shelf.faults() == []


async def test_who_does_not_agree_is_erased_at_once(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, library(tmp_path, bench) as shelf:
        bench.book.on_unwanted = shelf.shelf.erase_soon
        async with talking(bench) as (call_id, peer):
            await bench.told.picture("ana", lambda call: call.recording == "recording")
            await listen(peer, 20)
            wants(bench, call_id, "refuse")
            await bench.told.picture("ana", lambda call: call.recording == "off")
            async with asyncio.timeout(WITHIN_S):
                while list((tmp_path / "recordings").glob("*.rec")):
                    await listen(peer, 5)
            (row,) = await over(bench, call_id)
        assert manifest.entries(file_of(tmp_path, row))[-1].details == {"reason": "there was no consent"}
        assert (await shelf.ask("GET", f"/api/v1/recordings/{row.recording_id}"))[0] == 410


async def test_a_running_recording_is_neither_heard_nor_erased(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench, library(tmp_path, bench) as shelf, talking(bench) as (call_id, peer):
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        await listen(peer, 20)
        await bench.store.flush()
        address = f"/api/v1/recordings/{call_id}-1"
        assert [(await shelf.ask(method, address))[0] for method in ("GET", "DELETE")] == [409, 409]
        await over(bench, call_id)
        assert (await shelf.ask("GET", address))[0] == 200


async def test_what_a_crash_left_is_signed_and_its_checkpoint_kept(tmp_path: Path) -> None:
    async with bench_of(tmp_path, ALWAYS) as bench:
        folder, name = tmp_path / "recordings", "c" * 32 + ".rec"
        writer = ChunkWriter(folder / name, RING, file_id=b"\xcc" * 16, data_key=b"k" * 32)
        manifest.append(folder / name, RING, "begun", at_unix_s=1.0)
        writer.write(b"")
        writer.close()
        bench.store.put_recording(StoredRecording("lost-1", "lost", "ana", "given", name, 1.0))
        await bench.store.flush()
        async with library(tmp_path, bench, clock=lambda: 1_000.0) as shelf:
            await shelf.shelf.look_after()
        row = await bench.store.recording("lost-1")
        assert row is not None and (row.ended_at, row.entries, row.fault) == (1_000.0, 2, "The server stopped without a word.")
        assert faults(tmp_path, row) == []
