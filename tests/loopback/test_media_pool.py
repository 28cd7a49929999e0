"""Media workers in processes of their own: where rooms go, what a death takes with it, and that a full or deaf worker is told as such."""

import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from media import messages as msg
from media.pool import WorkerPool
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.worker_process import MOST_COMMANDS, WorkerLost, WorkerProcess
from media.worker_seat import pause_after
from rooms.audio import PCMA, SrtpSuite
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ROOM, MediaDesk, ToneTrack, hears, hears_here, listen, media_desk
from tests.kit.rtp_phone import RtpPhone

pytestmark = pytest.mark.usefixtures("loopback_ice")
WITHIN_S = 120.0
"""A worker takes three seconds to start, on a machine that has nothing else to do."""


def of_worker(desk: MediaDesk, name: str) -> list[float]:
    """One number of each worker."""
    pool: WorkerPool = desk.worker  # type: ignore[assignment]
    return [{**counters, **gauges}[name] for counters, gauges in pool.by_worker.values()]


def is_whole(pool: WorkerPool) -> bool:
    return pool.gauges["workers_up"] == pool.gauges["workers"]


async def until_whole(pool: WorkerPool) -> None:
    async with asyncio.timeout(WITHIN_S):
        for seat in pool._seats:
            await seat.worker()
    assert is_whole(pool)


async def test_a_successor_has_its_predecessors_port_though_any_was_free_and_says_again_what_was_not_heard_whole() -> None:
    async with media_desk(workers=1) as desk, BrowserPeer() as before, BrowserPeer() as after:
        pool: WorkerPool = desk.worker  # type: ignore[assignment]
        ((pid, port),) = pool.processes
        await desk.browser("agent", before, "pcma")
        told_later = "prompt/en/told.0123456789ab"
        await pool.perform(msg.PrepareSounds({told_later: "These words came while the server was running already, and are long."}))
        await pool.perform(msg.PlayOnce("agent", told_later))
        os.kill(pid, signal.SIGKILL)
        await desk.hear_of(msg.ReofferWanted, within_s=WITHIN_S)
        assert (await desk.hear_of(msg.SoundEnded, within_s=WITHIN_S)).sound == told_later, "it is said again, and known there"
        await desk.browser("agent", after, "pcma", peer_id="tab2", opened=True)
        ((successor, same),) = pool.processes
        assert (successor != pid, same) == (True, port)


async def test_a_worker_that_is_killed_is_replaced_its_calls_go_on_and_others_notice_nothing(tmp_path: Path) -> None:
    """Phones go on at the same address, one encrypted, a browser by a new connection; the second death within a minute ends the call."""
    recording = RecordingSettings(tmp_path, (bytes(32),))
    port = 10_000 + 2 * (os.getpid() % 5_000)
    suite = SrtpSuite.AEAD_AES_256_GCM
    async with (
        RtpPhone(PCMA, frequency_hz=600, suite=suite) as far,
        RtpPhone(PCMA) as c,
        RtpPhone(PCMA) as d,
        BrowserPeer(ToneTrack(1_000)) as before,
    ):
        async with media_desk(MediaSettings(port=port, recording=recording), workers=2) as desk, BrowserPeer(ToneTrack(1_500)) as after:
            pool: WorkerPool = desk.worker  # type: ignore[assignment]
            first = pool.processes
            assert [found for _, found in first] == [port, port + 1]
            await pool.perform(msg.OpenRoom(room_id="other"))
            await desk.browser("agent", before, "pcma")
            await desk.phone("phone", far)
            for leg_id, phone in (("c", c), ("d", d)):
                await desk.phone(leg_id, phone, room_id="other")
            await desk.gain(("agent", "phone", 0.0))
            await pool.perform(msg.StartRecording(ROOM, "rec", "phone", "given"))
            started = await desk.hear_of(msg.RecordingStarted)
            await far.hear(30)
            await d.hear(30)
            await desk.numbers()
            assert of_worker(desk, "rooms") == [1, 1]
            assert of_worker(desk, "legs") == [2, 2]
            assert pool.gauges["legs"] == 4

            counted = pool.counters["packets_in"]
            os.kill(first[0][0], signal.SIGKILL)
            lost = await desk.hear_of(msg.PeerLost)
            assert (lost.leg_id, lost.peer_id) == ("agent", "tab1")
            failed = await desk.hear_of(msg.RecordingFailed)
            assert (failed.room_id, failed.recording_id, failed.file) == (ROOM, "rec", started.file)
            assert not is_whole(pool)
            wanted = await desk.hear_of(msg.ReofferWanted, within_s=WITHIN_S)
            assert wanted.leg_id == "agent"
            with pytest.raises(msg.MediaRefusal) as refusal:
                await pool.perform(msg.OfferPeer(leg_id="agent", peer_id="tab1", sdp=await after.offer(), codecs=("pcma",)))
            assert refusal.value.code == "peer_closed"
            heard_before = len(far.arrivals)
            await desk.browser("agent", after, "pcma", peer_id="tab2", opened=True)
            await far.hear(60)
            await hears(far, 1_500, rel=0.1, last=30)
            assert len({header.ssrc for header in far.headers[heard_before:]}) == 1
            heard, rate_hz = await listen(after, 30)
            assert level_at(heard[len(heard) // 2 :], 600, rate_hz) < 0.01, "what was muted stays so"
            await desk.gain(("agent", "phone", 1.0))
            await hears_here(after, 600, rel=0.12)
            second = pool.processes
            assert [found for _, found in second] == [port, port + 1]
            assert second[0] != first[0] and second[1] == first[1]
            assert pool.counters["packets_in"] >= counted
            assert (pool.counters["workers_lost"], pool.counters["rooms_taken_over"], pool.counters["rooms_lost"]) == (1, 1, 0)

            await pool.perform(msg.StartRecording(ROOM, "late", "phone", "given"))
            os.kill(second[0][0], signal.SIGKILL)  # before it can tell of a file
            await desk.hear_of(msg.RecordingFailed, lambda event: event.recording_id == "late" and event.worker_died)
            gone = await desk.hear_of(msg.RoomLost)
            assert gone.room_id == ROOM
            assert await pool.perform(msg.CloseRoom(room_id=ROOM)) is None
            with pytest.raises(msg.MediaRefusal, match="not open"):
                await pool.perform(msg.SendDigits(leg_id="phone", digits="1"))
            await until_whole(pool)
            await pool.perform(msg.OpenRoom(room_id=ROOM))
            await desk.numbers()
            assert of_worker(desk, "rooms") == [1, 1]
            await d.hear(10)
            assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(d.headers)} == {1}
            assert len({header.ssrc for header in d.headers}) == 1
            await hears(d, 440, rel=0.1, last=10)
        assert len([event for event in desk.events if isinstance(event, msg.RoomLost)]) == 1


async def test_a_worker_with_too_much_waiting_refuses_but_never_a_close_and_its_death_answers_all() -> None:
    lost: list[str] = []
    process = WorkerProcess(("sh", "-c", "exec cat > /dev/null"), late_s=60.0)  # it hears and says nothing
    await process.start()
    beginning = asyncio.ensure_future(process.begin(0, MediaSettings(), lambda event: None, lost.append))
    await asyncio.sleep(0)
    asked = [asyncio.ensure_future(process.perform(msg.OpenRoom(room_id=str(n)))) for n in range(MOST_COMMANDS)]
    await asyncio.sleep(0)
    with pytest.raises(msg.MediaRefusal) as refusal:
        await process.perform(msg.OpenRoom(room_id="one more"))
    assert refusal.value.code == "worker_full"
    asked.append(asyncio.ensure_future(process.perform(msg.CloseRoom(room_id="0"))))
    await asyncio.sleep(0)
    assert not any(answer.done() for answer in asked)
    os.kill(process.pid, signal.SIGKILL)
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)
    assert all(isinstance(answer, WorkerLost) for answer in answers)
    assert len(lost) == 1
    with pytest.raises(WorkerLost):
        await beginning
    assert await process.ended() == -signal.SIGKILL
    with pytest.raises(WorkerLost):
        await process.perform(msg.OpenRoom(room_id="late"))
    await process.stop()


async def test_a_worker_that_is_late_gets_no_new_room_but_all_else() -> None:
    process = WorkerProcess(("sh", "-c", "exec cat > /dev/null"), late_s=0.0)
    await process.start()
    beginning = asyncio.ensure_future(process.begin(0, MediaSettings(), lambda event: None, lambda why: None))
    waits = asyncio.ensure_future(process.perform(msg.Play(leg_id="a", sound="music")))  # which may take its time
    await asyncio.sleep(0)
    asked = asyncio.ensure_future(process.perform(msg.OpenRoom(room_id="a")))
    await asyncio.sleep(0)
    assert not asked.done(), "a sound that is being prepared makes nobody late"
    with pytest.raises(msg.MediaRefusal, match="late") as refusal:
        await process.perform(msg.OpenRoom(room_id="b"))
    assert refusal.value.code == "worker_full"
    more = asyncio.ensure_future(process.perform(msg.JoinBridge(room_id="a", leg_id="a")))
    await asyncio.sleep(0)
    assert not more.done()
    await process.stop()
    answers = await asyncio.wait_for(asyncio.gather(waits, asked, more, beginning, return_exceptions=True), 30)
    assert all(isinstance(answer, WorkerLost) for answer in answers)


async def test_a_worker_that_cannot_start_is_told_in_words_and_the_others_are_stopped() -> None:
    pool = WorkerPool(MediaSettings(), lambda event: None, workers=2, command=("false",))
    with pytest.raises(WorkerLost):
        await pool.__aenter__()


def test_after_two_deaths_within_a_minute_the_next_worker_waits_longer_and_longer() -> None:
    assert [pause_after(deaths) for deaths in range(1, 10)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]
