"""The hub with real Socket.IO clients: signing in, asking, being told, coming back."""

import asyncio
from typing import Any

import msgspec
import pytest
import socketio.exceptions

from signaling import messages as wire
from signaling.hub import HubSettings, Refusal
from signaling.tokens import TokenIssuer
from signaling.topics import person
from tests.kit.hub import SECRET, running_hub


def state(call_id: str, word: str) -> wire.CallState:
    return wire.CallState(
        call_id=call_id, direction="in", state=word, number="+34600111222", name="", agent="ana", muted=False, held=False,
        held_by_other=False, agent_connected=False, started_at=0.0, answered_at=None, ended_at=None, reason=None, detail=None,
    )  # fmt: skip


def quality(call_id: str, at: float = 0.0) -> wire.CallQuality:
    return wire.CallQuality(call_id=call_id, at=at, legs=[])


async def test_snapshot_comes_first_and_requests_are_answered() -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        (snapshot,) = await ana.told("session.snapshot")
        assert ana.notices[0] is snapshot
        assert (snapshot["identity"], snapshot["topic"]) == ("ana", "person:ana")
        assert await ana.ask("call.dial", {"number": "600"}) == {"ok": {"call_id": "c1"}}
        assert await ana.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}
        assert running.line.asked == [("ana", wire.Dial(number="600")), ("ana", wire.HangUp(call_id="c1"))]


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (None, "bad_message"),
        ({"token": 7}, "bad_message"),
        ({"token": "x" * 5000}, "bad_message"),
        ({"token": "not.a.token"}, "token_invalid"),
        ({"token": TokenIssuer("another secret, also long enough: 99").issue("ana", "Ana", "agent").token}, "token_invalid"),
        ({"token": TokenIssuer(SECRET, clock=lambda: 1_700_000_000.0).issue("ana", "Ana", "agent").token}, "token_expired"),
    ],
)
async def test_a_bad_token_is_refused_with_a_code_and_words(auth: Any, code: str) -> None:
    async with running_hub() as running:
        client = await running.unconnected()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(running.url, auth)
        assert client.connect_error["data"]["code"] == code
        assert client.connect_error["message"] == client.connect_error["data"]["message"] != ""
        assert running.line.presence == []


async def test_a_page_of_another_site_is_turned_away() -> None:
    async with running_hub(HubSettings(allowed_origins=("https://phone.example",))) as running:
        stranger = await running.unconnected()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await stranger.connect(running.url, {"token": running.token()}, {"Origin": "https://evil.example"})
        assert running.line.refused == ["bad_origin"]
        assert running.line.abuse == [("", "127.0.0.1", "bad_origin")]
        for origin in ("https://phone.example", running.url):
            friend = await running.unconnected()
            await friend.connect(running.url, {"token": running.token()}, {"Origin": origin})
            await friend.told("session.snapshot")


async def test_presence_is_the_first_and_the_last_connection() -> None:
    async with running_hub() as running:
        first, ben = await running.client("ana"), await running.client("ben")
        await first.told("session.snapshot")
        await ben.told("session.snapshot")
        assert running.line.presence == [("ana", True), ("ben", True)]
        second = await running.client("ana")
        await second.told("session.snapshot")
        await first.ended()
        running.hub.publish(person("ana"), state("c1", "live"))
        await second.told("call.state")
        assert running.hub.is_online("ana")
        assert running.line.presence == [("ana", True), ("ben", True)]
        await second.socket.disconnect()
        await ben.socket.disconnect()
        assert (await running.line.presences(4))[2:] == [("ana", False), ("ben", False)]


async def test_the_telephone_opened_last_takes_over_and_the_older_one_may_take_it_back() -> None:
    async with running_hub() as running:
        office = await running.client("ana")
        wall = await running.client("ana", phone=False)
        await office.told("session.snapshot")
        home = await running.client("ana")
        (closing,) = await office.told("session.closing")
        assert (closing["code"], closing["retry_after"]) == ("taken_over", None)
        await office.ended()
        assert await home.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}
        back = await running.client("ana")
        assert (await home.told("session.closing"))[0]["code"] == "taken_over"
        await back.told("session.snapshot")
        running.hub.publish(person("ana"), state("c1", "live"))
        await back.told("call.state")
        await wall.told("call.state")
        assert running.line.presence == [("ana", True)]


async def test_a_telephone_that_was_cut_off_makes_way_for_one_opened_meanwhile() -> None:
    async with running_hub() as running:
        early = running.token()
        running.now += 60
        home = await running.client("ana")
        await home.told("session.snapshot")
        office = await running.client("ana", token=early, seen={"person:ana": 1})
        assert (await office.told("session.closing"))[0]["code"] == "taken_over"
        await office.ended()
        assert await home.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}
        returned = await running.client("ana", token=running.token(), seen={"person:ana": 1})
        assert (await home.told("session.closing"))[0]["code"] == "taken_over"
        await returned.told("session.snapshot")
        assert running.line.presence == [("ana", True)]


async def test_a_page_that_only_shows_things_is_no_telephone() -> None:
    async with running_hub() as running:
        board = await running.unconnected()
        await board.connect(running.url, {"token": running.token("ana"), "phone": False})
        await board.told("session.snapshot")
        assert running.line.presence == []
        phone = await running.client("ana")
        await phone.told("session.snapshot")
        await phone.socket.disconnect()
        assert await running.line.presences(2) == [("ana", True), ("ana", False)]
        running.hub.publish(person("ana"), state("c1", "live"))
        await board.told("call.state")
        await board.socket.disconnect()
        assert running.line.presence == [("ana", True), ("ana", False)]


async def test_notices_go_to_the_topic_in_order_and_to_nobody_else() -> None:
    async with running_hub() as running:
        ana, ben = await running.client("ana"), await running.client("ben")
        await ana.told("session.snapshot")
        await ben.told("session.snapshot")
        for word in ("ringing", "answering", "live"):
            running.hub.publish(person("ana"), state("c1", word))
        running.hub.subscribe("ben", "queue:sales")
        running.hub.publish("queue:sales", state("c2", "ringing"))
        running.hub.publish("lines", wire.LineState(trunk="pbx", ready=True, detail=""))
        states = await ana.told("call.state", 3)
        assert [notice["state"] for notice in states] == ["ringing", "answering", "live"]
        assert [notice["seq"] - states[0]["seq"] for notice in states] == [0, 1, 2]
        await ana.told("line.state")
        await ben.told("line.state")
        assert [notice["call_id"] for notice in await ben.told("call.state")] == ["c2"]
        running.hub.close_topic("queue:sales")
        running.hub.publish("queue:sales", state("c3", "ringing"))
        running.hub.publish("lines", wire.LineState(trunk="pbx", ready=False, detail=""))
        await ben.told("line.state", 2)
        assert len(await ben.told("call.state")) == 1


async def test_who_comes_back_gets_what_it_missed_and_no_more() -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        running.hub.publish(person("ana"), state("c1", "ringing"))
        (seen,) = await ana.told("call.state")
        await ana.socket.disconnect()
        running.hub.publish(person("ana"), state("c1", "answering"))
        running.hub.publish(person("ana"), state("c1", "ended"))
        running.hub.publish(person("ana"), state("c2", "ringing"))
        running.hub.publish(person("ana"), quality("c2"))
        back = await running.client("ana", seen={"person:ana": seen["seq"]})
        await back.told("call.state", 2)
        running.hub.publish("lines", wire.LineState(trunk="pbx", ready=True, detail=""))
        await back.told("line.state")
        # Superseded states and old quality figures are not history that anybody wants.
        kinds = [(notice["type"], notice.get("call_id"), notice.get("state")) for notice in back.notices]
        assert kinds == [
            ("session.snapshot", None, None),
            ("call.state", "c1", "ended"),
            ("call.state", "c2", "ringing"),
            ("line.state", None, None),
        ]


@pytest.mark.parametrize("offset", [-1_000_000, +1_000_000])
async def test_who_was_away_too_long_gets_the_snapshot_only(offset: int) -> None:
    async with running_hub() as running:
        running.hub.publish(person("ana"), state("c1", "ringing"))
        ana = await running.client("ana", seen={"person:ana": 1_800_000_000_000 + offset})
        (snapshot,) = await ana.told("session.snapshot")
        running.hub.publish(person("ana"), state("c1", "live"))
        (after,) = await ana.told("call.state")
        assert after["state"] == "live"
        assert after["seq"] == snapshot["seen"]["person:ana"] + 1


async def test_what_happens_while_the_snapshot_is_made_is_not_lost() -> None:
    async with running_hub() as running:
        asked, go_on = asyncio.Event(), asyncio.Event()
        make = running.line.snapshot

        async def slow(grant: Any) -> wire.Snapshot:
            asked.set()
            await go_on.wait()
            snapshot: wire.Snapshot = await make(grant)
            return snapshot

        running.line.snapshot = slow
        ana = await running.client("ana")
        await asyncio.wait_for(asked.wait(), 30)
        running.hub.publish(person("ana"), state("c1", "ringing"))
        go_on.set()
        await ana.told("call.state")
        assert [notice["type"] for notice in ana.notices] == ["session.snapshot", "call.state"]


async def test_the_session_is_renewed_in_the_open_connection() -> None:
    async with running_hub(HubSettings(sweep_s=0.02)) as running:
        ana = await running.client("ana")
        running.now += 500
        renewed = await ana.ask("session.refresh")
        assert renewed["ok"]["expires_at"] == running.now + 600
        running.now += 500
        assert await ana.ask("call.dial", {"number": "600"}) == {"ok": {"call_id": "c1"}}


async def test_an_expired_token_is_refused_at_the_next_request() -> None:
    async with running_hub(HubSettings(sweep_s=3600)) as running:
        ana = await running.client("ana")
        running.now += 601
        answer = await ana.ask("call.dial", {"number": "600"})
        assert answer["error"]["code"] == "token_expired"
        (closing,) = await ana.told("session.closing")
        assert closing["code"] == "token_expired"
        await ana.ended()
        assert running.line.asked == []


@pytest.mark.parametrize("code", ["token_expired", "token_revoked"])
async def test_a_session_that_is_over_hears_nothing_more(code: str) -> None:
    async with running_hub(HubSettings(sweep_s=0.02)) as running:
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        if code == "token_expired":
            running.now += 601
        else:
            running.tokens.revoke("ana")
        (closing,) = await ana.told("session.closing")
        assert closing["code"] == code
        await ana.ended()


@pytest.mark.parametrize(
    ("event", "payload", "where"),
    [
        ("call.dial", {"number": ""}, "number"),
        ("call.dial", {"number": "600", "extra": 1}, "extra"),
        ("call.dial", {"number": 600}, "number"),
        ("call.dial", {}, "number"),
        ("call.dial", "600", "one object"),
        ("call.dial", ({"number": "600"}, {"number": "601"}), "2 values"),
        ("call.dial", {"type": "call.hang_up", "number": "600"}, "type"),
        ("call.digits", {"call_id": "c1", "digits": "12x"}, "digits"),
        ("call.fly", {}, "unknown request"),
        ("disconnect", "spoofed", "unknown request"),
        ("connect", {}, "unknown request"),
        ("call.dial", {"number": b"600"}, "binary"),
        ("call.dial", {"number": "6" * 70_000}, "65536"),
    ],
)
async def test_malformed_requests_are_answered_and_do_no_harm(event: str, payload: Any, where: str) -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        if where == "binary":
            await ana.socket.emit(event, payload)
        else:
            answer = await ana.ask(event, payload)
            assert answer["error"]["code"] == "bad_message"
            assert where in answer["error"]["message"]
        assert await ana.ask("call.mute", {"call_id": "c1", "muted": True}) == {"ok": {}}
        assert running.line.asked == [("ana", wire.Mute(call_id="c1", muted=True))]


async def test_a_refusal_says_why_and_when_to_try_again() -> None:
    async def perform(*_: object) -> None:
        raise Refusal("busy_line", "All lines are busy: try again.", 2.0)

    async with running_hub() as running:
        running.line.perform = perform
        ana = await running.client("ana")
        answer = await ana.ask("call.dial", {"number": "600"})
        error = msgspec.convert(answer["error"], wire.Error)
        assert (error.code, error.message) == ("busy_line", "All lines are busy: try again.")
        assert error.retry_after == pytest.approx(2.0, abs=0.01)


async def test_a_fault_of_ours_gets_a_number_and_the_server_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def perform(grant: Any, request: wire.AnyRequest) -> None:
        if isinstance(request, wire.Dial):
            raise ZeroDivisionError

    async with running_hub() as running:
        running.line.perform = perform
        ana = await running.client("ana")
        answer = await ana.ask("call.dial", {"number": "600"})
        assert answer["error"]["code"] == "internal"
        assert await ana.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}


async def test_a_request_that_hangs_is_given_up_and_others_go_on_meanwhile() -> None:
    async def perform(grant: Any, request: wire.AnyRequest) -> None:
        if isinstance(request, wire.Dial):
            await asyncio.Event().wait()

    async with running_hub(HubSettings(request_s=1.5, requests_in_flight=2)) as running:
        running.line.perform = perform
        ana = await running.client("ana")
        hanging = [asyncio.ensure_future(ana.ask("call.dial", {"number": "600"})) for _ in range(2)]
        await asyncio.sleep(0)
        third = await ana.ask("call.dial", {"number": "600"})
        assert third["error"]["code"] == "busy"
        assert [answer["error"]["code"] for answer in await asyncio.gather(*hanging)] == ["timeout", "timeout"]
        assert await ana.ask("call.hang_up", {"call_id": "c1"}) == {"ok": {}}


async def test_stopping_tells_everybody_to_come_back() -> None:
    async with running_hub() as running:
        ana = await running.client("ana")
        await ana.told("session.snapshot")
        await running.hub.stop()
        (closing,) = await ana.told("session.closing")
        assert (closing["code"], closing["retry_after"]) == ("stopping", pytest.approx(1.0, abs=0.01))
        await ana.ended()
        late = await running.unconnected()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await late.connect(running.url, {"token": running.token()})
        assert running.line.refused[-1] == "stopping"
