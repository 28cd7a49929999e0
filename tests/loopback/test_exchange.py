"""Where pages, lines, media and call control meet: calls of every outcome leave nothing behind, and one call's fault stays its own."""

import asyncio
import contextlib
import os
import resource
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from api.call_line import CallLine, LineFull
from api.rtp_ports import NoPortLeft, RtpPair, RtpPorts
from api.store.rows import MEANS
from media import messages as media
from media.settings import MediaSettings
from pbx import trunk as line
from rooms import events as ev
from rooms.audio import PCMA, AudioCodec, DemoEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling.messages import CallDigit, CallQuality
from tests.kit.browser_peer import BrowserPeer
from tests.kit.exchange_bench import POLICY, TIMES, WITHIN_S, ExchangeBench, exchange_bench

HASTY_CALLER = replace(TIMES, patience_s=0.3)
NOBODY_ANSWERS, NOBODY_SPEAKS = replace(POLICY, no_answer_s=0.3), replace(POLICY, agent_media_s=0.2)


async def _agent_hangs_up(bench: ExchangeBench) -> str:
    call_id = bench.dial("ana", "600")
    await bench.told.call("ana", "live")
    bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
    return call_id


async def _agent_gives_up(bench: ExchangeBench) -> str:
    call_id = bench.dial("ana", "604")
    await bench.told.call("ana", "ringing")
    bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
    return call_id


async def _agent_gives_up_at_once(bench: ExchangeBench) -> str:
    call_id = bench.dial("ana", "600")
    bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
    return call_id


async def _dialled(bench: ExchangeBench, number: str) -> str:
    return bench.dial("ana", number)


async def _rings(bench: ExchangeBench) -> str:
    bench.demo.call("601", "", "ana")
    return (await bench.told.call("ana", "ringing")).call_id


async def _declined(bench: ExchangeBench) -> str:
    call_id = await _rings(bench)
    bench.exchange.feed(ev.CallDeclined(call_id, "ana"))
    return call_id


async def _accepted(bench: ExchangeBench) -> str:
    call_id = await _rings(bench)
    bench.exchange.feed(ev.CallAccepted(call_id, "ana"))
    bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
    return call_id


OUTCOMES = {
    EndReason.COMPLETED: [_agent_hangs_up, _accepted],
    EndReason.GAVE_UP: [_agent_gives_up, _agent_gives_up_at_once, _rings],
    EndReason.BUSY: [lambda bench: _dialled(bench, "603")],
    EndReason.NO_ANSWER: [lambda bench: _dialled(bench, "604")],
    EndReason.NOT_FOUND: [lambda bench: _dialled(bench, "699")],
    EndReason.MEDIA_LOST: [lambda bench: _dialled(bench, "600")],
    EndReason.DECLINED: [_declined],
}


HASTE = {EndReason.NO_ANSWER: NOBODY_ANSWERS, EndReason.MEDIA_LOST: NOBODY_SPEAKS}
"""What ends by itself does so soon, and nothing else."""


@pytest.mark.parametrize(("reason", "act"), [(reason, act) for reason, acts in OUTCOMES.items() for act in acts])
async def test_a_call_of_any_outcome_leaves_nothing_behind(tmp_path: Path, reason: EndReason, act) -> None:  # type: ignore[no-untyped-def]
    times = HASTY_CALLER if (reason, act) == (EndReason.GAVE_UP, _rings) else TIMES
    async with exchange_bench(tmp_path, times=times, policy=HASTE.get(reason, POLICY)) as bench:
        bench.exchange.feed(ev.AgentConnected("ana"))
        for _ in range(3):
            assert await bench.ended(await act(bench)) == reason
        assert bench.left_over() == {}


async def test_a_call_whose_room_is_lost_ends_with_the_cause(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        call_id = bench.dial("ana", "600")
        await bench.told.call("ana", "live")
        bench.exchange.on_media_event(media.RoomLost(room_id=call_id, detail="The media worker of this call is gone: it closed its end."))
        assert await bench.ended(call_id) == EndReason.MEDIA_LOST
        call = await bench.store.call(call_id)
        assert call is not None and call.end_detail == "The media worker of this call is gone: it closed its end."
        assert bench.left_over() == {}


async def test_what_an_agent_speaks_into_and_by_what_it_travels_is_on_record(tmp_path: Path) -> None:
    async with BrowserPeer() as page, exchange_bench(tmp_path) as bench:
        bench.exchange.feed(ev.AgentConnected("ana"))
        call_id = bench.dial("ana", "600")
        await bench.told.call("ana", "live")
        (view,) = bench.switchboard.calls_of("ana")
        await page.accept((await bench.exchange.answer_browser(view, "tab", await page.offer())).sdp)
        bench.exchange.keep_headset(
            view, wire.PeerHeadset(call_id=call_id, peer_id="tab", label="Ana's headset (Jabra EVOLVE 20 MS) (0b0e:0300)")
        )
        bench.exchange.keep_headset(view, wire.PeerHeadset(call_id=call_id, peer_id="a page of before", label="Built-in Audio"))
        path = wire.PeerPath(call_id=call_id, peer_id="tab", local="host", remote="host", protocol="udp", family="ipv4", network="wifi")
        bench.exchange.keep_path(view, path)
        bench.exchange.keep_path(view, msgspec.structs.replace(path, local="relay", relay="tls", family="ipv6", network="ethernet"))
        bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        await bench.ended(call_id)
        (leg,) = (leg for leg in (await bench.store.records.legs_of([call_id]))[call_id] if leg["kind"] == "agent")
        assert {name: leg[name] for name in MEANS} == {
            "codec": "opus",
            "headset": "Jabra EVOLVE 20 MS",
            "connection": "ethernet",
            "way": "relay/tls",
            "family": "ipv6",
        }


async def test_many_calls_at_once_leave_nothing_behind(tmp_path: Path) -> None:
    soon = replace(POLICY, no_answer_s=1.0, agent_media_s=0.2)
    async with exchange_bench(tmp_path, policy=soon) as bench:
        people = [f"agent{n}" for n in range(40)]
        for person in people:
            bench.exchange.feed(ev.AgentConnected(person))
        dialled = [bench.dial(person, number) for person, number in zip(people, ["600", "602", "603", "604", "699"] * 8, strict=True)]
        with pytest.raises(NotPossible):
            bench.dial(people[0], "601")
        for call_id, person in list(zip(dialled, people, strict=True))[::3]:
            bench.exchange.feed(ev.HangUpRequested(call_id, person))
        await asyncio.wait_for(bench.exchange.no_calls(), WITHIN_S)
        assert bench.left_over() == {}
        await bench.store.flush()
        calls = [await bench.store.call(call_id) for call_id in dialled]
        assert all(call is not None and call.ended_at is not None for call in calls)


async def test_nobody_available_is_on_record_too(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        bench.demo.call("601", "")
        await asyncio.sleep(0)
        await asyncio.wait_for(bench.exchange.no_calls(), WITHIN_S)
        assert bench.left_over() == {}


async def test_stopping_ends_every_call_whatever_its_state(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        for person in ("ana", "bea", "eva"):
            bench.exchange.feed(ev.AgentConnected(person))
        calls = [bench.dial("ana", "600"), bench.dial("bea", "604")]
        bench.demo.call("601", "", "eva")
        calls.append((await bench.told.call("eva", "ringing")).call_id)
        await bench.told.call("ana", "live")
        await asyncio.wait_for(bench.exchange.stop(), WITHIN_S)
        assert [await bench.ended(call_id) for call_id in calls] == [EndReason.SERVER_STOPPED] * 3
        assert bench.left_over() == {}


def remote(port: int, *codecs: AudioCodec) -> RtpEndpoint:
    return RtpEndpoint("127.0.0.1", port, codecs or (PCMA,))


async def test_a_call_with_too_much_to_do_ends_and_is_forgotten(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        call_id = bench.dial("ana", "604")
        await bench.told.call("ana", "ringing")
        for n in range(400):  # in one moment: the call's line cannot follow
            try:
                bench.exchange.feed(ev.MuteRequested(call_id, "ana", n % 2 == 0))
            except NotPossible as refusal:
                assert refusal.code == "ended"
                break
        assert await bench.ended(call_id) == EndReason.FAILED
        assert bench.told.states(call_id, "ana")[-1] == "ended"
        assert bench.left_over() == {}


async def test_a_phone_that_floods_hurts_its_own_call_and_not_its_trunk(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        call_id, other = bench.dial("ana", "600"), bench.dial("bea", "601")
        await bench.told.call("ana", "live")
        await bench.told.call("bea", "live")
        phone_leg = bench.switchboard.record(call_id).legs[0].leg_id  # type: ignore[union-attr]
        for n in range(400):
            bench.exchange.on_trunk_event(line.Reagreed(phone_leg, remote(4000 + n)))
        await bench.told.call("ana", "ended")
        assert bench.told.states(other, "bea")[-1] == "live"
        bench.exchange.feed(ev.HangUpRequested(other, "bea"))
        assert await bench.ended(call_id) == EndReason.FAILED
        assert bench.left_over() == {}


class RememberedPorts(RtpPorts):
    def __init__(self, host: str, first: int, last: int) -> None:
        super().__init__(host, first, last)
        self.opened: list[RtpPair] = []

    def open(self) -> RtpPair:
        self.opened.append(super().open())
        return self.opened[-1]


async def test_what_the_media_plane_refuses_ends_the_call_and_closes_its_ports(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path, media=MediaSettings(most_rooms=1)) as bench:
        bench.phones._ports = ports = RememberedPorts("127.0.0.1", 0, 0)
        first = bench.dial("ana", "604")
        await bench.told.call("ana", "ringing")
        bench.demo.carries_rtp = True
        second = bench.dial("bea", "604")
        refused = await bench.told.call("bea", "ended")
        assert (refused.call_id, refused.reason) == (second, "failed")
        assert "rooms already" in (refused.detail or "")
        bench.exchange.feed(ev.HangUpRequested(first, "ana"))
        assert await bench.ended(second) == EndReason.FAILED
        kept = await bench.store.call(second)
        assert kept is not None and kept.end_sip == 503, "who calls from outside is told to come again"
        assert [(pair.rtp.fileno(), pair.rtcp.fileno()) for pair in ports.opened] == [(-1, -1)]
        assert bench.left_over() == {}


def test_a_server_out_of_files_says_so_and_leaves_no_socket() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = [int(entry.name) for entry in os.scandir("/proc/self/fd")]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(in_use) + 2, hard))
    holes = []
    try:
        with contextlib.suppress(OSError):
            while len(holes) <= max(in_use):
                holes.append(os.open(os.devnull, os.O_RDONLY))
        os.close(holes.pop())  # room for one socket of the two
        with pytest.raises(NoPortLeft, match="ulimit"):
            RtpPorts("127.0.0.1", 0, 0).open()
    finally:
        for hole in holes:
            os.close(hole)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_fault_in_one_calls_event_ends_that_call_and_never_reaches_the_trunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange_bench(tmp_path) as bench:
        call_id = bench.dial("ana", "600")
        await bench.told.call("ana", "live")
        phone_leg = bench.switchboard.record(call_id).legs[0].leg_id  # type: ignore[union-attr]

        def broken(endpoint: object) -> bool:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(bench.phones, "held_by_phone", broken)
        bench.exchange.on_trunk_event(line.Reagreed(phone_leg, remote(4000)))
        assert await bench.ended(call_id) == EndReason.FAILED
        assert bench.left_over() == {}


def quality(room_id: str, *legs: str) -> media.QualitySampled:
    def sample(leg_id: str) -> media.LegSample:
        return media.LegSample(leg_id, 50, 0.0, 1.0, None, 0, 0.0, -30.0, 90.0, 4.3, "wb", "good", "opus")

    return media.QualitySampled(room_id=room_id, legs=tuple(sample(leg_id) for leg_id in legs))


async def test_of_several_agents_who_ring_only_the_one_who_has_the_call_hears_more(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        for person in ("ana", "bea", "eva"):
            bench.exchange.feed(ev.AgentConnected(person))
        bench.demo.call("601", "")
        call_id = (await bench.told.call("eva", "ringing")).call_id
        legs = {leg.party: leg.leg_id for leg in bench.switchboard.record(call_id).legs}  # type: ignore[union-attr]

        def heard() -> set[str]:
            return {topic for topic, notice in bench.told.notices if isinstance(notice, CallQuality | CallDigit)}

        bench.exchange.feed(ev.CallDeclined(call_id, "eva"))
        await bench.told.call("eva", "ended")
        bench.exchange.on_media_event(quality(call_id, legs["ana"], legs["bea"]))
        bench.exchange.on_trunk_event(line.DigitArrived(legs["601"], "1"))
        assert heard() == set()
        bench.exchange.feed(ev.CallAccepted(call_id, "ana"))
        assert (await bench.told.call("bea", "ended")).reason == "answered_elsewhere"
        await bench.told.call("ana", "answering")
        bench.exchange.on_media_event(quality(call_id, legs["ana"], legs["601"]))
        bench.exchange.on_trunk_event(line.DigitArrived(legs["601"], "1"))
        assert heard() == {"person:ana"}
        bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        assert await bench.ended(call_id) == EndReason.COMPLETED
        assert bench.told.states(call_id, "bea")[-1] == bench.told.states(call_id, "eva")[-1] == "ended"
        assert bench.left_over() == {}


async def test_an_offer_for_a_call_that_is_just_ending_is_refused_in_words(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path) as bench:
        call_id = bench.dial("ana", "604")
        view = bench.switchboard.calls_of("ana")[0]
        bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        with pytest.raises(media.MediaRefusal) as refusal:
            await bench.exchange.answer_browser(view, "p1", "v=0\r\n")
        assert refusal.value.code == "unknown_call"
        assert await bench.ended(call_id) == EndReason.GAVE_UP


# --- the line of a call --------------------------------------------------------------------------------------------------------------


class Failures(list[tuple[str, Exception]]):
    def add(self, call_id: str, name: str, error: Exception) -> None:
        self.append((name, error))


async def closed(calls_line: CallLine) -> None:
    over = asyncio.Event()
    calls_line.close(over.set)
    await asyncio.wait_for(over.wait(), WITHIN_S)


async def test_a_full_line_refuses_work_but_never_the_last_words() -> None:
    failures, done = Failures(), []
    calls_line = CallLine("c", failures.add, capacity=3)

    async def work() -> None:
        done.append("work")

    def last() -> None:
        done.append("last")

    for _ in range(3):
        calls_line.put("work", work)
    with pytest.raises(LineFull):
        calls_line.put("work", work)
    calls_line.put("last", last, last=True)
    await closed(calls_line)
    assert (done, failures) == (["work"] * 3 + ["last"], [])


async def test_a_job_that_hangs_is_given_up_and_whoever_asked_is_not_left_waiting() -> None:
    failures, done = Failures(), asyncio.Event()
    calls_line = CallLine("c", failures.add, job_s=0.05)

    async def forever() -> None:
        await asyncio.Event().wait()

    async def after() -> None:
        done.set()

    asked = asyncio.create_task(calls_line.ask(forever))
    await asyncio.sleep(0)
    calls_line.put("after", after)
    await asyncio.wait_for(done.wait(), WITHIN_S)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asked, WITHIN_S)
    calls_line.put("hangs", forever)
    await closed(calls_line)
    assert [name for name, error in failures if isinstance(error, TimeoutError)] == ["hangs"]


async def test_jobs_that_wait_and_jobs_that_do_not_are_done_in_order_and_one_that_fails_keeps_none_from_being_done() -> None:
    failures, done, opened = Failures(), [], asyncio.Event()
    calls_line = CallLine("c", failures.add)

    async def waits() -> None:
        await opened.wait()
        done.append("waits")

    def fails() -> None:
        done.append("fails")
        raise ValueError("so it is")

    def at_once() -> None:
        done.append("at once")
        opened.set()

    for name, job in (("fails", fails), ("at once", at_once), ("waits", waits), ("fails", fails), ("at once", at_once)):
        calls_line.put(name, job)
    assert done == []
    await closed(calls_line)
    assert done == ["fails", "at once", "waits", "fails", "at once"]
    assert [(name, type(error)) for name, error in failures] == [("fails", ValueError)] * 2


async def test_a_line_that_is_closed_cuts_short_what_hangs_and_whoever_asked_is_not_left_waiting() -> None:
    failures = Failures()
    calls_line = CallLine("c", failures.add, drain_s=0.05)

    async def forever() -> None:
        await asyncio.Event().wait()

    calls_line.put("hangs", forever)
    asked = asyncio.create_task(calls_line.ask(forever))
    await asyncio.sleep(0)
    await closed(calls_line)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asked, WITHIN_S)
    assert failures == []


@pytest.mark.parametrize(("private", "verified", "number"), [(False, True, "+34911"), (False, False, "+34911"), (True, True, "anonymous")])
async def test_pages_hear_whether_anybody_vouches_for_a_caller_and_no_private_number(
    tmp_path: Path, private: bool, verified: bool, number: str
) -> None:
    async with exchange_bench(tmp_path) as bench:
        bench.exchange.feed(ev.AgentConnected("ana"))
        bench.exchange.on_trunk_event(
            line.Arrived("leg", "demo", "+34911", "Clara", "ana", DemoEndpoint("speech"), private=private, verified=verified)
        )
        shown = await bench.told.call("ana", "ringing")
        assert (shown.number, shown.private, shown.verified) == (number, private, verified)
        assert shown.name == ("" if private else "Clara")
        bench.exchange.on_trunk_event(line.HungUp("leg", Cause(EndReason.GAVE_UP, 487)))
        assert await bench.ended(shown.call_id) == "gave_up"
