"""Consultations behind a real hub: who gets in by a link and who does not, who is heard, and how they end; the media plane is real."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import ClientSession

from api.store import StoredRecording
from media import messages as media
from signaling.invitations import Invitations
from signaling.refusal import Refusal
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.consultation_door import Door, consultation_door
from tests.kit.hub import Client
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with consultation_door(tmp_path) as found:
        yield found


def code(answer: dict[str, Any]) -> str:
    refused: str = answer["error"]["code"]
    return refused


async def both(door: Door, **wanted: object) -> tuple[Client, dict[str, Any]]:
    """A consultation in which Eva is already, and its link."""
    eva, made = await door.staff(), await door.make(**wanted)
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]})
    return eva, made


async def test_only_who_may_make_rooms_makes_a_consultation(door: Door) -> None:
    link = await door.make()
    async with ClientSession() as http:
        for token, status in (
            (door.tokens.issue("ana", "Ana", "professional").token, 201),
            (door.tokens.issue("app", "App", "service").token, 201),
            (door.tokens.issue("cli", "Cli", "customer").token, 403),
            (link["token"], 401),
            ("", 401),
        ):
            async with http.post(f"{door.url}/api/v1/consultations", json={}, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == status, token
        async with http.post(
            f"{door.url}/api/v1/consultations",
            json={"starts_at": door.now, "ends_at": door.now - 1},
            headers={"Authorization": f"Bearer {door.tokens.issue('ana', 'Ana', 'agent').token}"},
        ) as answer:
            assert (await answer.json())["error"]["code"] == "bad_message"


async def test_without_a_link_of_ours_nobody_gets_in_and_it_names_nobody(door: Door) -> None:
    made = await door.make(name="Japan")
    head, body, signature = made["token"].split(".")
    claims = base64.urlsafe_b64decode(body + "==")
    assert b"eva" not in claims.lower() and b"Japan" not in claims
    someone = await door.guest()
    session = door.tokens.issue("ana", "Ana", "agent").token
    foreign = Invitations("another secret that is long enough 123").issue(made["room_id"], door.now + 60).token
    for token in (session, f"{head}.{body}.{signature[:-4]}AAAA", "x", foreign):
        assert code(await someone.come(token, "Tom")) == "link_invalid"
    assert code(await someone.come(door.links.issue("none", door.now + 60).token, "Tom")) == "unknown_room"
    unknown = door.links.issue(made["room_id"], door.now + 60).token
    assert code(await someone.come(unknown, "Tom")) == "link_revoked", "its room knows nothing of it"
    with pytest.raises(Refusal, match="not one of this server"):
        door.tokens.verify(made["token"])
    door.ahead += 7_201
    assert code(await someone.come(made["token"], "Tom")) == "link_expired"
    assert door.rest() == (0, 0, 0)


async def test_guests_come_neither_too_early_nor_too_late_and_are_told_when(door: Door) -> None:
    starts = door.now + 3_600
    made = await door.make(starts_at=starts, ends_at=starts + 1_800)
    tom = await door.guest()
    told = await tom.come(made["token"], "Tom")
    assert (told["hosts"], told["role"]) == (["Eva"], "customer")
    refused = (await tom.ask("room.join"))["error"]
    assert refused["code"] == "too_early" and refused["retry_after"] == pytest.approx(3_000, abs=5), "ten minutes before"
    eva = await door.staff()
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]}), "a host may prepare"
    door.ahead += 3_001
    await tom.come(made["token"], "Tom")
    assert (await tom.ask("room.join"))["ok"]["room"]["starts_at"] == starts
    door.ahead += 10_000
    late = await door.guest()
    assert code(await late.come(made["token"], "Luz")) == "link_expired", "a link lives as long as its appointment"
    other = await door.make(starts_at=door.now + 60, ends_at=door.now + 120)
    again = await door.staff()
    assert "ok" in await again.ask("room.end", {"room_id": other["room_id"]})
    assert code(await late.come(other["token"], "Luz")) == "room_cancelled"


async def test_who_waits_is_heard_by_nobody_until_a_host_says_so(door: Door) -> None:
    eva, made = await both(door, waiting_room=True)
    tom = await door.guest()
    await tom.come(made["token"], "Tom")
    joined = (await tom.ask("room.join"))["ok"]
    assert joined["waiting"] and joined["room"] is None
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("room.microphone", {"on": True}),
        ("room.watch", {"tiles": []}),
        ("room.offer", {"peer_id": "p", "sdp": "x"}),
    )
    for request, fields in asked:
        assert code(await tom.ask(request, **fields)) == "unknown_room"
    assert door.rest() == (0, 0, 0)
    (waiting,) = (await eva.told("room.waiting"))[-1]["waiting"]
    assert "ok" in await eva.ask("room.admit", {"room_id": made["room_id"], "identity": waiting["identity"]})
    assert [one["name"] for one in (await tom.hear("room.state"))["members"]] == ["Eva", "Tom"]
    assert (await tom.ask("room.microphone", on=False))["ok"]["people"] == [
        {"identity": tom.person, "microphone": False, "tracks": [], "consent": "", "muted": False, "phone": False}
    ]


async def test_a_consultation_has_its_limit_its_people_and_its_end(door: Door) -> None:
    eva, made = await both(door)
    tom, luz, ivo = await door.guest(VideoPeer([], 0)), await door.guest(), await door.guest()
    await tom.join(made["token"], "Tom")
    await tom.offer()
    await luz.join(made["token"], "Luz")
    await ivo.come(made["token"], "Ivo")
    assert code(await ivo.ask("room.join")) == "room_full"
    await luz.ask("room.microphone", on=False)
    await tom.hears_of(lambda people: not people[luz.person]["microphone"] and people[tom.person]["microphone"])
    assert door.rest() == (1, 1, 2)
    assert "ok" in await luz.ask("room.leave")
    await tom.hears_of(lambda people: set(people) == {tom.person})
    assert "ok" in await eva.ask("room.kick", {"room_id": made["room_id"], "identity": tom.person})
    assert (await tom.hear("room.exit"))["reason"] == "removed"
    assert code(await tom.ask("room.microphone", on=True)) == "unknown_room" and code(await tom.ask("room.join")) == "removed"
    assert "ok" in await ivo.ask("room.join")
    assert "ok" in await eva.ask("room.end", {"room_id": made["room_id"]})
    assert (await ivo.hear("room.exit"))["reason"] == "ended"
    assert code(await luz.come(made["token"], "Luz")) == "room_over"
    async with door.consultations:
        pass  # until what was closed is closed
    assert door.rest() == (0, 0, 0)


async def test_a_link_taken_back_puts_out_who_came_by_it_at_once(door: Door) -> None:
    eva, made = await both(door)
    other = (await eva.ask("room.link", {"room_id": made["room_id"]}))["ok"]
    tom, luz = await door.guest(), await door.guest()
    await tom.join(made["token"], "Tom")
    await luz.join(other["token"], "Luz")
    assert "ok" in await eva.ask("room.unlink", {"room_id": made["room_id"], "link_id": made["link_id"]})
    assert (await tom.hear("room.exit"))["reason"] == "revoked"
    assert (await tom.hear("session.closing"))["code"] == "token_revoked"
    await tom.client.ended()
    assert code(await tom.come(made["token"], "Tom")) == "link_revoked"
    await luz.hears_of(lambda people: set(people) == {luz.person})
    assert ("link_revoked", "eva", made["link_id"][:8]) in await door.log()


async def test_a_guest_goes_on_in_the_open_connection(door: Door) -> None:
    _, made = await both(door)
    tom = await door.guest()
    await tom.join(made["token"], "Tom")
    for _ in range(6):
        door.ahead += 400
        renewed = (await tom.client.ask("session.refresh"))["ok"]
        assert (renewed["identity"], renewed["role"]) == (tom.person, "customer")
    assert "ok" in await tom.ask("room.microphone", on=True)
    assert code(await tom.client.ask("call.dial", {"number": "600"})) == "forbidden"


async def test_a_page_is_told_what_was_wrong_and_goes_on(door: Door) -> None:
    eva, made = await both(door)
    tom = await door.guest()
    await tom.join(made["token"], "Tom")
    tile = {"identity": "x", "track": "camera", "height": 1}
    asked: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("room.offer", {"peer_id": "p", "sdp": "nonsense"}, "no_audio"),
        ("room.offer", {"peer_id": "p", "sdp": "x", "tracks": {"0": "desktop"}}, "bad_message"),
        ("room.watch", {"tiles": [tile | {"height": -1}]}, "bad_message"),
        ("room.watch", {"tiles": [tile] * 17}, "bad_message"),
        ("room.microphone", {"on": "yes"}, "bad_message"),
    )
    for request, fields, refused in asked:
        assert code(await tom.ask(request, **fields)) == refused, fields
    assert "ok" in await tom.ask("room.watch", tiles=[tile])
    meeting = (await eva.ask("room.create", {}))["ok"]["room_id"]
    await eva.ask("room.join", {"room_id": meeting})
    assert code(await eva.ask("room.microphone", {"room_id": meeting, "on": True})) == "no_bridge"


async def test_another_page_of_ones_own_takes_the_seat_over(door: Door) -> None:
    """A reload has the same seat and the same leg; the connection of before does not get it back by itself."""
    _, made = await both(door)
    first = await door.guest(VideoPeer([], 0), device="d" * 16)
    await first.join(made["token"], "Tom")
    await first.offer("one")
    legs = door.consultations.legs(made["room_id"])
    second = await door.guest(VideoPeer([], 0), device="d" * 16)
    await second.join(made["token"], "Tom")
    await second.offer("two")
    assert second.person == first.person and door.consultations.legs(made["room_id"]) == legs == {first.person: legs[first.person]}
    assert code(await first.ask("room.offer", peer_id="one", sdp="x")) == "taken_over"
    (room,) = (await second.client.ask("room.list"))["ok"]["rooms"]
    assert [one["name"] for one in room["members"]] == ["Eva", "Tom"]
    assert door.consulting == [], "guests take no calls anyway"


async def test_media_goes_on_while_the_signalling_is_away_and_the_seat_is_kept(door: Door) -> None:
    eva, made = await both(door)
    tom = await door.guest(VideoPeer([], 0))
    await tom.join(made["token"], "Tom")
    await tom.offer()
    leg = door.consultations.legs(made["room_id"])
    await tom.client.socket.disconnect()

    def stands(notices: list[dict[str, Any]]) -> list[str]:
        return [one["state"] for one in notices[-1]["members"]]

    states = 1
    while stands(told := await eva.told("room.state", states)) != ["in", "away"]:
        states = len(told) + 1
    assert door.consultations.legs(made["room_id"]) == leg and door.rest() == (1, 1, 1)
    await tom.connect()
    while stands(told := await eva.told("room.state", states)) != ["in", "in"]:
        states = len(told) + 1
    assert door.consultations.legs(made["room_id"]) == leg
    await tom.client.socket.disconnect()
    states = len(told) + 1
    while stands(told := await eva.told("room.state", states)) != ["in"]:
        states = len(told) + 1
    assert door.consultations.people == 0, "nobody came back in time"


async def test_who_closes_the_page_while_another_one_is_open_is_out(door: Door) -> None:
    """Their telephone page keeps them connected, so it is the lost connection of their sound that tells."""
    eva, made = await both(door)
    desk = await door.staff()
    page = await door.guest(VideoPeer([], 0))
    page.room_id = made["room_id"]
    await page.connect(door.tokens.issue("eva", "Eva", "agent").token)
    await page.offer()
    assert page.peer is not None and door.consulting == [("eva", True)]
    await page.client.socket.disconnect()
    await page.peer.connection.close()
    exits = await desk.told("room.exit", within_s=40)
    assert exits[0]["reason"] == "left"
    assert (await eva.told("room.exit"))[0]["room_id"] == made["room_id"]
    assert door.consulting == [("eva", True), ("eva", False)]


async def test_who_loses_the_media_worker_is_asked_to_connect_anew(door: Door) -> None:
    _, made = await both(door)
    tom = await door.guest(VideoPeer([], 0))
    await tom.join(made["token"], "Tom")
    await tom.offer("one")
    await door.worker.perform(media.CloseRoom(room_id=made["room_id"]))
    door.consultations.on_media_event(media.RoomLost(room_id=made["room_id"], detail="its worker died"))
    asked = await tom.hear("room.reoffer")
    assert (asked["peer_id"], asked["anew"]) == ("one", True)
    door.consultations.take(made["room_id"])
    assert (await tom.hear("room.reoffer", lambda told: not told["peer_id"]))["topic"].endswith(made["room_id"]), "from another node"
    again = await door.guest(VideoPeer([], 0))
    again.client, again.room_id, tom.client = tom.client, tom.room_id, again.client
    await again.offer("two")
    assert door.rest() == (1, 1, 1)


async def test_rooms_hear_nothing_of_one_another(door: Door) -> None:
    _, made = await both(door)
    other = await door.make()
    frames = recorded_vp8(160, 120, 60_000)
    tom, luz, ivo = await door.guest(VideoPeer([("", frames)], 1)), await door.guest(VideoPeer([], 1)), await door.guest()
    await tom.join(made["token"], "Tom")
    await luz.join(made["token"], "Luz")
    await ivo.join(other["token"], "Ivo")
    await tom.offer()
    await luz.offer()
    assert tom.peer is not None and luz.peer is not None
    tom.peer.begin()
    await luz.peer.see(0, frames=5)
    (place,) = (await luz.hear("room.shown", lambda told: bool(told["places"])))["places"]
    assert (place["identity"], place["track"]) == (tom.person, "camera")
    await ivo.ask("room.watch", tiles=[{"identity": tom.person, "track": "camera", "height": 360}])
    people = (await ivo.ask("room.microphone", on=False))["ok"]["people"]
    assert [person["identity"] for person in people] == [ivo.person]
    heard = {notice.get("room_id") for notice in ivo.client.notices if notice["type"].startswith("room.")}
    assert heard == {other["room_id"]}


async def test_nobody_is_recorded_who_did_not_agree_and_all_see_that_it_is_recorded(door: Door) -> None:
    low = recorded_vp8(160, 120, 60_000)
    eva, made = await both(door)
    room = {"room_id": made["room_id"]}
    tom, luz = await door.guest(VideoPeer([("", low)], 0)), await door.guest(VideoPeer([("", low)], 0))
    for someone, name in ((tom, "Tom"), (luz, "Luz")):
        await someone.join(made["token"], name)
        await someone.offer()
        assert someone.peer is not None
        someone.peer.begin()
    assert code(await tom.ask("room.record", action="start")) == "not_host"
    assert code(await tom.ask("room.record", action="agree")) == "wrong_state"
    assert list(door.folder.iterdir()) == []
    assert "ok" in await eva.ask("room.record", {**room, "action": "start"})
    asked = await tom.hear("room.media", lambda told: told["recording"] == "recording")
    assert {person["identity"]: person["consent"] for person in asked["people"]} == {tom.person: "asked", luz.person: "asked"}
    assert tom.peer is not None
    await tom.peer.sent(4)
    assert list(door.folder.iterdir()) == [], "nothing of who was not asked yet"
    assert "ok" in await tom.ask("room.record", action="agree") and "ok" in await luz.ask("room.record", action="refuse")
    await luz.hears_of(lambda people: (people[tom.person]["consent"], people[luz.person]["consent"]) == ("given", "refused"))
    await tom.peer.sent(14)
    assert "ok" in await eva.ask("room.record", {**room, "action": "pause"})
    await luz.hear("room.media", lambda told: told["recording"] == "paused")
    assert "ok" in await eva.ask("room.record", {**room, "action": "resume"})
    await tom.peer.sent(8)
    assert "ok" in await eva.ask("room.record", {**room, "action": "stop"})
    await luz.hear("room.media", lambda told: told["recording"] == "off")
    (part,) = await ended(door, made["room_id"])
    assert (part.agent, part.consent, part.fault, part.lost) == ("eva", "given", "", 0)
    assert [path.name for path in door.folder.glob("*.rec")] == [part.file], "of Luz, who refused, there never was a file"
    room_id = made["room_id"]
    assert door.answers == [(room_id, "eva", True), (room_id, tom.person, True), (room_id, luz.person, False)]
    film = await door.shelf.watch(made["room_id"], "webm", "boss")
    with av.open(io.BytesIO(film.body)) as container:
        assert [stream.metadata["title"] for stream in container.streams] == ["Tom, camera", "Tom, voice"]
        assert sum(1 for _ in container.decode(video=0)) >= 6
    assert "ok" in await tom.ask("room.record", action="refuse"), "he thinks better of it"
    async with asyncio.timeout(30):
        while (await door.shelf.parts_of(made["room_id"]))[0].erased_at is None:  # noqa: ASYNC110 - the shelf tells nobody
            await asyncio.sleep(0.02)


async def ended(door: Door, room_id: str) -> list[StoredRecording]:
    """The parts of a recording, once all are over."""
    async with asyncio.timeout(30):
        while not (parts := await door.shelf.parts_of(room_id)) or any(part.ended_at is None for part in parts):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return parts


async def test_a_connection_is_tried_before_one_comes_in_and_hosts_see_what_came_of_it(door: Door) -> None:
    """The test's peer speaks and hears itself; who waits is told the truth, and the host, who is in another place, who waits and how."""
    eva, made = await door.staff(), await door.make(waiting_room=True)
    async with BrowserPeer(ToneTrack(1_000)) as peer:
        tom = await door.guest()
        await tom.come(made["token"], "Tom")
        answer = await tom.ask("room.check", peer_id="test", sdp=await peer.offer())
        await peer.accept(answer["ok"]["sdp"])
        async with asyncio.timeout(30):  # until what it says comes back
            sound, rate_hz = await listen(peer, 25)
            while level_at(sound, 1_000, rate_hz) <= 0.05:
                sound, rate_hz = await listen(peer, 25)
        await asyncio.wait_for(door.sampled.wait(), 30)
        checked = (await tom.ask("room.checked", microphone=True, camera=False, heard=True, loss=0.0, round_trip_ms=2.0))["ok"]
    assert checked["verdict"] in ("good", "fair", "poor") and checked["mos"] and (checked["camera"], checked["heard"]) == (False, True)
    joined = (await tom.ask("room.join"))["ok"]
    assert joined["waiting"] and joined["queue"]["ahead"] == 0
    assert joined["queue"]["hosts"] == [{"name": "Eva", "here": False, "told": True}]
    told = (await eva.told("room.waiting"))[-1]["waiting"]
    assert [(one["name"], one["checked"]["verdict"]) for one in told] == [("Tom", checked["verdict"])]
    assert [one["name"] for one in (await eva.ask("room.list", {}))["ok"]["waiting"][0]["waiting"]] == ["Tom"]
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]})
    assert (await tom.hear("room.queue", lambda queue: queue["hosts"][0]["here"]))["ahead"] == 0
    assert len(door.sounds) == 0
