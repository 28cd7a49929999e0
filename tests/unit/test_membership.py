"""Rooms that people come to: the rules one by one, then what must hold whatever happens in whatever order."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import membership_effects as fx
from rooms import membership_events as ev
from rooms.house import House, HousePolicy
from rooms.membership import MEMBER_TABLE, ROOM_TABLE, Exit, MemberState, Role, Room, RoomEnd, RoomKind, RoomState, Schedule
from rooms.refusals import NotPossible

HOST, MEMBER, GUEST = Role.HOST, Role.MEMBER, Role.GUEST


def opened(house: House, **wanted: Any) -> None:
    """Eva's room ``r``, with her in it."""
    house.handle(ev.RoomWanted("r", "eva", "Eva", **wanted), 0)
    if wanted.get("kind", RoomKind.MEETING).value not in ("group", "direct"):
        house.handle(ev.JoinWanted("r", "eva", "Eva"), 0)


def ends(effects: list[fx.MembershipEffect]) -> tuple[str, RoomEnd]:
    """Which room ended by these, and how."""
    last = effects[-1]
    assert isinstance(last, fx.Finish)
    return last.room.room_id, last.why


def refused(house: House, event: ev.MembershipEvent, now: float = 0) -> str:
    with pytest.raises(NotPossible) as refusal:
        house.handle(event, now)
    return refusal.value.code


def room_of(house: House) -> Room:
    room = house.room("r")
    assert room is not None
    return room


def test_the_tables_end() -> None:
    assert all(to is not RoomState.PLANNED for to in ROOM_TABLE.values())
    assert not [state for state, _ in ROOM_TABLE if state is RoomState.ENDED]
    assert {state for state, _ in MEMBER_TABLE} == set(MemberState)


def test_who_is_granted_a_room_comes_in_and_who_is_not_learns_nothing() -> None:
    house = House()
    opened(house)
    assert refused(house, ev.JoinWanted("r", "tom", "Tom")) == refused(house, ev.JoinWanted("none", "tom", "Tom")) == "unknown_room"
    assert refused(house, ev.RemovalWanted("r", "tom", "eva")) == "unknown_room"
    assert house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1) == [fx.Seat("r", "tom"), fx.Show("r")]
    assert house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1) == []
    assert refused(house, ev.ChangeWanted("r", "tom", locked=True)) == "not_host"


def test_a_guest_waits_until_a_host_decides() -> None:
    house = House()
    opened(house, waiting_room=True, invited=(("ana", "Ana", MEMBER),))
    assert house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1) == [fx.ShowWaiting("r"), fx.Keep("r")]
    assert house.handle(ev.JoinWanted("r", "ana", "Ana"), 2) == [fx.Seat("r", "ana"), fx.Show("r")]
    assert refused(house, ev.AdmissionDecided("r", "ana", "tom", True)) == "not_host"
    assert house.handle(ev.AdmissionDecided("r", "eva", "tom", True), 3) == [fx.Seat("r", "tom"), fx.Show("r"), fx.ShowWaiting("r")]
    assert refused(house, ev.AdmissionDecided("r", "eva", "tom", False)) == "nobody_waits"
    house.handle(ev.LeaveWanted("r", "tom"), 4)
    assert fx.Seat("r", "tom") in house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 5), "admitted once is admitted"
    house.handle(ev.JoinWanted("r", "lou", "Lou", GUEST), 6)
    denied = house.handle(ev.AdmissionDecided("r", "eva", "lou", False), 7)
    assert denied == [fx.TurnAway("r", "lou", Exit.DENIED), fx.ShowWaiting("r")]
    house.handle(ev.JoinWanted("r", "kim", "Kim", GUEST), 8)
    assert fx.Seat("r", "kim") in house.handle(ev.ChangeWanted("r", "eva", waiting_room=False), 9)


def test_who_was_removed_stays_out_until_invited() -> None:
    house = House()
    opened(house)
    house.handle(ev.JoinWanted("r", "tom", "Tom", MEMBER), 1)
    assert house.handle(ev.RemovalWanted("r", "eva", "tom"), 2) == [fx.Unseat("r", "tom", Exit.REMOVED), fx.Show("r")]
    assert refused(house, ev.JoinWanted("r", "tom", "Tom", MEMBER), 3) == "removed"
    house.handle(ev.InvitationWanted("r", "eva", "tom", "Tom", MEMBER), 4)
    assert fx.Seat("r", "tom") in house.handle(ev.JoinWanted("r", "tom", "Tom"), 5)


def test_a_locked_room_lets_hosts_in_and_a_full_one_nobody() -> None:
    house = House()
    opened(house, capacity=2)
    house.handle(ev.ChangeWanted("r", "eva", locked=True), 1)
    assert refused(house, ev.JoinWanted("r", "tom", "Tom", MEMBER)) == "room_locked"
    house.handle(ev.JoinWanted("r", "bea", "Bea", HOST), 1)
    assert refused(house, ev.JoinWanted("r", "sue", "Sue", HOST)) == "room_full"


@pytest.mark.parametrize(
    ("now", "code"), [(399, "too_early"), (400, ""), (1_000, ""), (2_899, ""), (2_900, "too_late"), (5_000, "too_late")]
)
def test_guests_come_neither_too_early_nor_too_late(now: float, code: str) -> None:
    house = House(HousePolicy(empty_s=1e9))
    opened(house, kind=RoomKind.CONSULTATION, schedule=Schedule(1_000, 2_000, early_s=600, late_s=900))
    if code:
        with pytest.raises(NotPossible) as refusal:
            house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), now)
        assert refusal.value.code == code
        assert refusal.value.retry_after_s == (1.0 if now < 400 else None)
    else:
        assert fx.Seat("r", "tom") in house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), now)


def test_a_planned_room_is_cancelled_or_ends_by_itself_and_says_so() -> None:
    house = House()
    plan = Schedule(1_000, 2_000)
    for room_id in ("a", "b"):
        house.handle(ev.RoomWanted(room_id, "eva", "Eva", RoomKind.CONSULTATION, schedule=plan), 0)
    assert ends(house.handle(ev.EndWanted("a", "eva"), 1)) == ("a", RoomEnd.CANCELLED)
    assert refused(house, ev.JoinWanted("a", "tom", "Tom", GUEST), 2) == "room_cancelled"
    assert house.next_deadline() == 2_900
    assert ends(house.expire(2_900)) == ("b", RoomEnd.EMPTY)
    assert refused(house, ev.JoinWanted("b", "tom", "Tom", GUEST), 3_000) == "room_over"


def test_who_is_in_when_the_time_is_over_may_stay() -> None:
    house = House()
    opened(house, kind=RoomKind.CONSULTATION, schedule=Schedule(100, 200, late_s=0))
    assert house.expire(200) == []
    left = house.handle(ev.LeaveWanted("r", "eva"), 300)
    assert left[:2] == [fx.Unseat("r", "eva", Exit.LEFT), fx.Show("r")] and ends(left) == ("r", RoomEnd.FINISHED)


def test_a_reload_keeps_the_seat_and_a_long_absence_does_not() -> None:
    house = House(HousePolicy(away_s=30, empty_s=60))
    opened(house)
    house.handle(ev.HandMoved("r", "eva", "eva", True), 1)
    assert house.handle(ev.PersonLost("eva"), 2) == [fx.Show("r")]
    assert house.handle(ev.PersonBack("eva"), 3) == [fx.Show("r")]
    assert room_of(house).members["eva"].hand_s == 1
    house.handle(ev.PersonLost("eva"), 4)
    assert house.expire(34) == [fx.Unseat("r", "eva", Exit.LOST), fx.Show("r")]
    assert ends(house.expire(94)) == ("r", RoomEnd.FINISHED) and house.next_deadline() is None


def test_who_reloads_while_waiting_is_where_they_were_in_the_queue_and_who_comes_late_is_last() -> None:
    house = House(HousePolicy(away_s=30))
    opened(house, waiting_room=True)
    for at, who in enumerate(("tom", "lou", "kim"), 1):
        house.handle(ev.JoinWanted("r", who, who.title(), GUEST), at)
    for who in ("tom", "kim"):
        house.handle(ev.PersonLost(who), 10)
    assert [member.identity for member in room_of(house).waiting()] == ["lou"]
    house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 12)
    assert [member.identity for member in room_of(house).waiting()] == ["tom", "lou"]
    house.handle(ev.JoinWanted("r", "kim", "Kim", GUEST), 41)
    assert [(member.identity, member.since_s) for member in room_of(house).waiting()] == [("tom", 1), ("lou", 2), ("kim", 41)]


def test_somebody_is_moved_by_a_host_of_both_rooms() -> None:
    house = House()
    opened(house)
    house.handle(ev.RoomWanted("s", "eva", "Eva", waiting_room=True), 0)
    house.handle(ev.RoomWanted("t", "bea", "Bea"), 0)
    house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1)
    assert house.mover("r", "eva", "tom", moderates=False).role is GUEST
    assert refused(house, ev.MovedIn("t", "eva", "tom", "Tom", GUEST)) == "unknown_room"
    moved = house.handle(ev.MovedIn("s", "eva", "tom", "Tom", GUEST), 2) + house.handle(ev.MovedOut("r", "tom"), 2)
    assert moved == [fx.Begin("s"), fx.Seat("s", "tom"), fx.Show("s"), fx.Unseat("r", "tom", Exit.MOVED), fx.Show("r")]


def test_a_group_lasts_and_keeps_a_host() -> None:
    house = House()
    opened(house, kind=RoomKind.GROUP, invited=(("ana", "Ana", MEMBER),))
    assert [member.identity for member in room_of(house).present()] == ["eva", "ana"]
    assert house.handle(ev.PersonLost("ana"), 1) == []
    assert refused(house, ev.LeaveWanted("r", "eva")) == "last_host"
    assert refused(house, ev.MovedOut("r", "eva")) == "fixed_room"
    assert refused(house, ev.InvitationWanted("r", "eva", "eva", "Eva", GUEST)) == "last_host"
    house.handle(ev.InvitationWanted("r", "eva", "ana", "Ana", HOST), 2)
    house.handle(ev.LeaveWanted("r", "eva"), 3)
    assert refused(house, ev.JoinWanted("r", "eva", "Eva")) == "unknown_room"
    assert ends(house.handle(ev.LeaveWanted("r", "ana"), 4)) == ("r", RoomEnd.FINISHED)


def test_no_power_over_rooms_opens_a_lasting_one() -> None:
    house = House()
    opened(house, kind=RoomKind.GROUP)
    assert refused(house, ev.JoinWanted("r", "sue", "Sue", HOST)) == "unknown_room"
    assert refused(house, ev.RemovalWanted("r", "sue", "eva", moderates=True)) == "unknown_room"


def test_a_link_lets_in_until_its_time_or_until_it_is_taken_back() -> None:
    house = House(HousePolicy(most_links=1))
    opened(house)
    assert house.handle(ev.LinkWanted("r", "eva", "l", 100), 0) == [fx.Keep("r")]
    assert refused(house, ev.LinkWanted("r", "eva", "m", 100)) == "links_full"
    house.check_link("r", "l", "tom", 99)
    with pytest.raises(NotPossible, match="expired"):
        house.check_link("r", "l", "tom", 100)
    house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 99)
    house.check_link("r", "l", "tom", 100)
    house.handle(ev.LinkWanted("r", "eva", "m", 200), 101)
    house.handle(ev.LinkRevoked("r", "eva", "m"), 102)
    assert refused(house, ev.LinkRevoked("r", "eva", "m")) == "unknown_link"
    with pytest.raises(NotPossible, match="taken back"):
        house.check_link("r", "m", "tom", 103)


def test_who_came_by_a_link_is_out_when_it_is_taken_back() -> None:
    house = House()
    opened(house, waiting_room=True)
    for link_id in ("l", "m"):
        house.handle(ev.LinkWanted("r", "eva", link_id, 100), 0)
    for identity, link_id in (("tom", "l"), ("luz", "l"), ("ivo", "m")):
        house.handle(ev.JoinWanted("r", identity, identity, GUEST, link_id), 1)
    house.handle(ev.AdmissionDecided("r", "eva", "tom", True), 2)
    effects = house.handle(ev.LinkRevoked("r", "eva", "l"), 3)
    assert fx.Unseat("r", "tom", Exit.REVOKED) in effects and fx.TurnAway("r", "luz", Exit.REVOKED) in effects
    assert effects[0] == fx.Keep("r") and [member.identity for member in room_of(house).waiting()] == ["ivo"]
    assert refused(house, ev.JoinWanted("r", "tom", "Tom", GUEST, "l"), 4) == "link_revoked"
    assert refused(house, ev.JoinWanted("r", "kim", "Kim", GUEST, "m"), 100) == "link_expired"
    assert house.handle(ev.JoinWanted("r", "ivo", "Ivo", GUEST, "m"), 99) == []
    assert fx.TurnAway("r", "ivo", Exit.REVOKED) in house.handle(ev.LinkRevoked("r", "eva", None), 101)
    assert room_of(house).links == {}


def test_a_room_does_not_end_for_want_of_people_while_a_link_leads_to_it() -> None:
    house = House(HousePolicy(empty_s=10))
    house.handle(ev.RoomWanted("r", "eva", "Eva", kind=RoomKind.CONSULTATION), 0)
    house.handle(ev.LinkWanted("r", "eva", "l", 100), 1)
    assert house.next_deadline() == 100 and house.expire(99) == []
    house.handle(ev.LinkRevoked("r", "eva", "l"), 99)
    assert house.next_deadline() == 109
    assert ends(house.expire(109)) == ("r", RoomEnd.EMPTY)


def test_a_consultation_has_a_limit_of_its_own() -> None:
    house = House(HousePolicy(consultation_capacity=3))
    opened(house, kind=RoomKind.CONSULTATION, capacity=50)
    assert room_of(house).capacity == 3
    house.handle(ev.ChangeWanted("r", "eva", capacity=40), 1)
    assert room_of(house).capacity == 3


def test_a_restart_keeps_rooms_for_those_who_come_back() -> None:
    house = House(HousePolicy(away_s=30))
    opened(house, waiting_room=True)
    house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1)
    kept, after = room_of(house), House(HousePolicy(away_s=30))
    after.remember({"old": RoomEnd.CANCELLED})
    after.adopt(kept, 2)
    assert [member.state for member in kept.present()] == [MemberState.AWAY]
    assert refused(after, ev.JoinWanted("old", "tom", "Tom")) == "room_cancelled"
    assert kept.waiting() == [] and after.handle(ev.PersonBack("eva"), 3) == [fx.Show("r")]
    assert after.next_deadline() is None


def test_a_conversation_of_two_is_nobody_elses() -> None:
    house = House()
    opened(house, kind=RoomKind.DIRECT, invited=(("ana", "Ana", MEMBER),))
    assert refused(house, ev.RemovalWanted("r", "sue", "eva", moderates=True)) == "unknown_room"
    assert (
        refused(house, ev.LeaveWanted("r", "ana")) == refused(house, ev.InvitationWanted("r", "eva", "tom", "Tom", MEMBER)) == "fixed_room"
    )


def test_rooms_are_bounded() -> None:
    house = House(HousePolicy(most_rooms=2, most_made=1))
    opened(house)
    assert refused(house, ev.RoomWanted("s", "eva", "Eva")) == "rooms_full"
    house.handle(ev.RoomWanted("s", "ana", "Ana"), 0)
    house = House(HousePolicy(most_rooms=2, most_rooms_of=1, most_members=3, most_waiting=1))
    opened(house, waiting_room=True)
    house.handle(ev.RoomWanted("s", "eva", "Eva"), 0)
    assert refused(house, ev.RoomWanted("t", "eva", "Eva")) == "rooms_full"
    assert refused(house, ev.JoinWanted("s", "eva", "Eva")) == "rooms_full"
    house.handle(ev.JoinWanted("r", "tom", "Tom", GUEST), 1)
    assert refused(house, ev.JoinWanted("r", "lou", "Lou", GUEST)) == "waiting_full"
    house.handle(ev.JoinWanted("r", "kim", "Kim", MEMBER), 1)
    assert refused(house, ev.JoinWanted("r", "lou", "Lou", MEMBER)) == "room_full"


# --- whatever happens ----------------------------------------------------------------------------------------------------------------

PEOPLE, ROOMS = ("eva", "ana", "tom", "lou"), ("r", "s", "g")
people, rooms = st.sampled_from(PEOPLE), st.sampled_from(ROOMS)
granted = st.sampled_from([None, HOST, MEMBER, GUEST, GUEST])
yes = st.booleans()
plans = st.sampled_from([None, None, Schedule(10, 20, 5, 5)])
steps = st.one_of(
    st.builds(ev.RoomWanted, st.sampled_from("rs"), people, people, capacity=st.integers(1, 3), waiting_room=yes, schedule=plans),
    st.builds(ev.RoomWanted, st.just("g"), people, people, st.just(RoomKind.GROUP), invited=st.just((("tom", "Tom", MEMBER),))),
    *[st.builds(ev.JoinWanted, rooms, people, people, granted)] * 4,
    st.builds(ev.LeaveWanted, rooms, people),
    *[st.builds(ev.AdmissionDecided, rooms, people, people, yes)] * 2,
    st.builds(ev.InvitationWanted, rooms, people, people, people, st.sampled_from(Role)),
    st.builds(ev.RemovalWanted, rooms, people, people, yes),
    st.builds(ev.MovedIn, rooms, people, people, people, st.sampled_from(Role), yes, yes),
    st.builds(ev.MovedOut, rooms, people),
    st.builds(ev.ChangeWanted, rooms, people, locked=yes, waiting_room=yes),
    st.builds(ev.EndWanted, rooms, people),
    st.builds(ev.HandMoved, rooms, people, people, yes),
    st.builds(ev.Reacted, rooms, people, st.just("👍")),
    st.builds(ev.PersonLost, people),
    st.builds(ev.PersonBack, people),
)


class Witness:
    """Performs effects on paper and objects to what must not be."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seats: dict[str, set[str]] = {}

    def see(self, event: ev.MembershipEvent | None, effects: list[fx.MembershipEffect]) -> None:
        for effect in effects:
            seats = self.seats.setdefault(effect.room_id, set())
            match effect:
                case fx.Seat(room_id=room_id, identity=identity):
                    assert identity not in seats
                    seats.add(identity)
                    self.entered(event, room_id, identity)
                case fx.Unseat(identity=identity):
                    seats.remove(identity)
                case fx.Finish():
                    assert not self.seats.pop(effect.room_id)
        for room_id in ROOMS:
            self.stands(room_id)

    def entered(self, event: ev.MembershipEvent | None, room_id: str, identity: str) -> None:
        room = self.house.room(room_id)
        assert room is not None and room.state is RoomState.OPEN
        assert len(self.seats[room_id]) <= room.capacity
        member = room.members[identity]
        assert not member.removed
        if isinstance(event, ev.JoinWanted) and member.role is not HOST:
            assert not room.locked
            assert not room.waiting_room or member.role is MEMBER or member.admitted

    def stands(self, room_id: str) -> None:
        room = self.house.room(room_id)
        if room is None:
            assert not self.seats.get(room_id)
            return
        assert {member.identity for member in room.present()} == self.seats.get(room_id, set())
        assert len(room.waiting()) <= 2 and len(room.members) <= 5
        assert all(member.is_in for member in room.members.values() if member.hand_s is not None)
        assert all(member.worth_keeping for member in room.members.values())
        if room.lasting:
            assert room.hosts() and not room.waiting() and all(member.state is not MemberState.AWAY for member in room.members.values())
        for member in room.members.values():
            known = room in self.house.rooms_of(member.identity)
            assert known is (member.state is not MemberState.OUT)


begun = st.builds(ev.RoomWanted, st.just("r"), st.just("eva"), st.just("Eva"), capacity=st.integers(2, 3), waiting_room=yes)


@given(begun, st.lists(st.tuples(st.sampled_from([0, 0, 0, 0, 0, 1, 3, 40]), steps), max_size=50))
def test_seats_agree_with_rooms_whatever_happens(begin: ev.RoomWanted, story: list[tuple[int, ev.MembershipEvent]]) -> None:
    house = House(HousePolicy(most_rooms=3, most_members=5, most_waiting=2, empty_s=30, away_s=5, capacity=4))
    witness, now = Witness(house), 0
    for opening in (begin, ev.JoinWanted("r", "eva", "Eva"), ev.ChangeWanted("r", "eva", locked=True)):
        witness.see(opening, house.handle(opening, now))
    witness.see(None, house.handle(ev.ChangeWanted("r", "eva", locked=False), now))
    for wait, event in story:
        now += wait
        witness.see(None, house.expire(now))
        with suppress(NotPossible):
            witness.see(event, house.handle(event, now))
    for identity in PEOPLE:
        witness.see(None, house.handle(ev.PersonLost(identity), now))
    while (deadline := house.next_deadline()) is not None:
        witness.see(None, house.expire(deadline))
    assert all(room.lasting for room in filter(None, map(house.room, ROOMS))), "nothing else outlives its people"
    assert house.next_deadline() is None
