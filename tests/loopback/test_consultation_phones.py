"""Telephones in consultations: rung for who is in or as they are let in, heard, muted and put out by hosts, and only so often."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.consultation_door import Door, consultation_door
from tests.kit.consultation_guest import ConsultationGuest
from tests.kit.hub import Client
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen

pytestmark = pytest.mark.usefixtures("loopback_ice")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with consultation_door(tmp_path) as found:
        yield found


async def with_guest(door: Door, **wanted: object) -> tuple[Client, ConsultationGuest]:
    """Eva is in, and Tom has asked to be."""
    eva, made = await door.staff(), await door.make(**wanted)
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]})
    tom = await door.guest()
    assert (await tom.come(made["token"], "Tom"))["rings"]
    assert "ok" in await tom.ask("room.join")
    return eva, tom


async def is_told(tom: ConsultationGuest, state: str) -> dict[str, Any]:
    return await tom.hear("room.phone", lambda told: told["state"] == state)


async def test_a_telephone_takes_part_is_muted_by_a_host_and_put_out(door: Door) -> None:
    """The demo line's 600 says what it hears: Eva hears her own tone by it, and no more when she has muted it."""
    eva, tom = await with_guest(door)
    room = {"room_id": tom.room_id}
    async with BrowserPeer(ToneTrack(1_000)) as peer:
        answer = (await eva.ask("room.offer", {**room, "peer_id": "page", "sdp": await peer.offer()}))["ok"]
        await peer.accept(answer["sdp"])
        assert (await tom.ask("room.call_me", number="600"))["ok"]["state"] == "dialling"
        await is_told(tom, "answered")
        await heard_by(peer, True)
        state = (await eva.told("room.state"))[-1]
        phone = next(member for member in state["members"] if member["name"] == "Tom ☎")
        assert "ok" in await eva.ask("room.mute", {**room, "identity": phone["identity"]})
        await heard_by(peer, False)
        assert "ok" in await eva.ask("room.mute", {**room, "identity": phone["identity"], "muted": False})
        await heard_by(peer, True)
        assert tom.person not in door.consultations.legs(tom.room_id) and phone["identity"] not in door.consultations.legs(tom.room_id)
        assert "ok" in await eva.ask("room.kick", {**room, "identity": phone["identity"]})
    assert (await is_told(tom, "ended"))["number"] == "600"


async def heard_by(peer: BrowserPeer, heard: bool) -> None:
    """Waits until this peer hears its own tone, or hears it no more."""
    for _ in range(60):
        sound, rate_hz = await listen(peer, 25)
        if (level_at(sound, 1_000, rate_hz) > 0.02) is heard:
            return
    raise AssertionError(f"the tone was {'never' if heard else 'always'} heard")


async def test_who_waits_is_rung_when_let_in_at_the_number_of_the_appointment(door: Door) -> None:
    eva, tom = await with_guest(door, waiting_room=True)
    waits = (await tom.ask("room.call_me"))["ok"]
    assert (waits["state"], waits["number"]) == ("waiting", "600")
    assert "ok" in await eva.ask("room.admit", {"room_id": tom.room_id, "identity": tom.person, "admitted": True})
    await is_told(tom, "answered")
    assert "ok" in await tom.ask("room.leave"), "the talk goes on without the page"
    state = (await eva.told("room.state"))[-1]
    assert "Tom ☎" in [member["name"] for member in state["members"]]
    assert "ok" in await eva.ask("room.end", {"room_id": tom.room_id})
    await is_told(tom, "ended")
    assert door.watch.spent(None, door.now)[0] == 0.0, "programmes of ours cost nothing"


@pytest.mark.parametrize(
    ("number", "code"),
    [("+881 6 1234 5678", "number_not_allowed"), ("112", "not_a_number"), ("101", "not_a_number"), ("hello", "not_a_number")],
)
async def test_numbers_that_nobody_may_call_are_not_rung(door: Door, number: str, code: str) -> None:
    _, tom = await with_guest(door)
    assert (await tom.ask("room.call_me", number=number))["error"]["code"] == code


async def test_a_public_number_is_rung_on_the_account_of_the_room(door: Door) -> None:
    """The far end of this line knows no such number, and says so."""
    _, tom = await with_guest(door)
    assert (await tom.ask("room.call_me", number="600 111 222"))["ok"]["number"] == "600 11 12 22"
    assert (await is_told(tom, "refused"))["cause"] == "not_found"
    assert ("consultation_called", tom.person, "") in await door.log()


async def test_a_refusal_is_told_and_the_fifth_call_is_too_many(door: Door) -> None:
    _, tom = await with_guest(door)
    for _ in range(4):
        assert (await tom.ask("room.call_me", number="603"))["ok"]["state"] == "dialling"
        assert (await is_told(tom, "refused"))["cause"] == "busy"
    assert (await tom.ask("room.call_me", number="603"))["error"]["code"] == "too_many_calls"


async def test_only_a_host_mutes_and_a_page_turns_itself_on_again(door: Door) -> None:
    eva, tom = await with_guest(door)
    room = {"room_id": tom.room_id}
    await tom.ask("room.microphone", on=True)
    assert (await tom.ask("room.mute", identity="eva"))["error"]["code"] == "not_host"
    assert (await eva.ask("room.mute", {**room, "identity": "nobody"}))["error"]["code"] == "not_member"
    assert "ok" in await eva.ask("room.mute", {**room, "identity": tom.person})
    await tom.hears_of(lambda people: people[tom.person]["muted"] and not people[tom.person]["microphone"])
    assert "ok" in await tom.ask("room.microphone", on=True)
    await tom.hears_of(lambda people: not people[tom.person]["muted"] and people[tom.person]["microphone"])


async def test_outsiders_ring_nobody(door: Door) -> None:
    _, tom = await with_guest(door)
    await tom.ask("room.leave")
    assert (await tom.ask("room.call_me", number="600"))["error"]["code"] == "unknown_room"
