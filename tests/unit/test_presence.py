"""Presence over several nodes, by example and at random; times are integers of seconds."""

from hypothesis import given
from hypothesis import strategies as st

from rooms.agent import AgentState
from rooms.presence import Attendance, Facts, Person, Presence, Wish

PHONE = Facts(name="Bea", phones=1)


def here() -> Attendance:
    return Attendance("a", lease_s=3, every_s=1)


def heard_of_bea() -> Attendance:
    attendance = here()
    attendance.complete("b", 7, 0, {"bea": PHONE}, 0)
    return attendance


def test_a_person_of_another_node_is_there_as_one_of_ours() -> None:
    attendance = heard_of_bea()
    attendance.know("ana", Facts(phones=2, pages=1))
    bea, ana = attendance.person("bea"), attendance.person("ana")
    assert (bea.presence, bea.state, bea.name, bea.phones) == (Presence.ONLINE, AgentState.AVAILABLE, "Bea", 1)
    assert (ana.phones, ana.pages) == (2, 1)
    assert [person.identity for person in attendance.news()] == ["bea", "ana"] and not attendance.news()


def test_who_is_in_a_consultation_anywhere_is_so_everywhere() -> None:
    attendance = heard_of_bea()
    attendance.know("bea", Facts(phones=1))
    attendance.change("b", 7, 1, {"bea": Facts(name="Bea", consulting=True)}, 1)
    assert attendance.person("bea").state is AgentState.CONSULTING and attendance.person("bea").consulting
    attendance.expire(5)
    assert attendance.person("bea").state is AgentState.AVAILABLE, "it died, and what it said with it"


def test_a_dead_node_leaves_no_ghost() -> None:
    attendance = heard_of_bea()
    assert attendance.hear("b", 7, 0, 2), "a heartbeat renews the lease"
    assert attendance.expire(4) == [] and attendance.next_expiry() == 5
    assert attendance.expire(5) == ["b"]
    assert attendance.person("bea") == Person("bea") and attendance.everybody() == [] and attendance.nodes == ()


def test_who_has_pages_on_two_nodes_stays_when_one_of_them_dies() -> None:
    attendance = heard_of_bea()
    attendance.complete("c", 8, 0, {"bea": PHONE}, 2)
    assert attendance.person("bea").phones == 2
    attendance.expire(3)
    assert attendance.person("bea").phones == 1 and attendance.person("bea").presence is Presence.ONLINE


def test_a_word_of_an_earlier_life_is_not_believed() -> None:
    attendance = here()
    attendance.complete("b", 8, 0, {}, 0)
    attendance.complete("b", 7, 5, {"bea": PHONE}, 1)
    assert attendance.change("b", 7, 6, {"bea": PHONE}, 1), "there is nothing to ask it for"
    attendance.leave("b", 7)
    assert attendance.person("bea").presence is Presence.OFFLINE and attendance.nodes == ("b",)
    attendance.expire(3)
    attendance.complete("b", 7, 7, {"bea": PHONE}, 4)
    assert attendance.nodes == (), "nor after the later life ended"


def test_a_new_life_begins_with_nothing_of_the_old_one() -> None:
    attendance = heard_of_bea()
    assert not attendance.hear("b", 9, 0, 1), "it is to be asked for everything"
    assert attendance.person("bea").presence is Presence.OFFLINE


def test_a_missing_word_is_noticed_and_mended() -> None:
    attendance = heard_of_bea()
    assert attendance.change("b", 7, 1, {"cai": PHONE}, 1)
    assert not attendance.change("b", 7, 3, {"dan": PHONE}, 1)
    assert not attendance.hear("b", 7, 3, 1)
    attendance.complete("b", 7, 3, {"dan": PHONE}, 1)
    assert attendance.hear("b", 7, 3, 1)
    assert {person.identity for person in attendance.everybody()} == {"dan"}


def test_a_break_has_a_reason_and_the_later_word_counts() -> None:
    attendance = heard_of_bea()
    assert attendance.wish("bea", Wish(available=False, reason="lunch", said_at_ms=20))
    attendance.complete("b", 7, 1, {"bea": Facts(phones=1, wish=Wish(available=True, said_at_ms=10))}, 1)
    bea = attendance.person("bea")
    assert (bea.state, bea.reason, bea.available, bea.presence) == (AgentState.BREAK, "lunch", False, Presence.ONLINE)
    attendance.change("b", 7, 2, {"bea": Facts(phones=1, wish=Wish(available=True, said_at_ms=30))}, 1)
    assert attendance.person("bea").state is AgentState.AVAILABLE and attendance.person("bea").reason == ""


def test_a_break_outlives_its_node_and_is_told_to_the_next() -> None:
    attendance = heard_of_bea()
    attendance.change("b", 7, 1, {"bea": Facts(phones=1, wish=Wish(available=False, reason="lunch", said_at_ms=5))}, 1)
    attendance.expire(9)
    attendance.know("bea", PHONE)
    assert attendance.person("bea").state is AgentState.BREAK
    wish = attendance.own_people()["bea"].wish
    assert wish is not None and wish.reason == "lunch"


def test_away_is_no_break() -> None:
    attendance = heard_of_bea()
    attendance.wish("bea", Wish(away=True, said_at_ms=1))
    assert (attendance.person("bea").presence, attendance.person("bea").state) == (Presence.AWAY, AgentState.AVAILABLE)


def test_a_call_of_another_node_engages() -> None:
    attendance = here()
    attendance.know("bea", PHONE)
    attendance.complete("b", 7, 0, {"bea": Facts(engaged=AgentState.RINGING)}, 0)
    assert attendance.person("bea").state is AgentState.RINGING and attendance.nodes_engaging("bea") == ["b"]
    attendance.change("b", 7, 1, {"bea": Facts(engaged=AgentState.ON_CALL)}, 0)
    assert attendance.person("bea").elsewhere is AgentState.ON_CALL
    attendance.know("bea", Facts(phones=1, engaged=AgentState.RINGING))
    assert attendance.person("bea").state is AgentState.ON_CALL
    attendance.leave("b", 7)
    assert attendance.person("bea").elsewhere is None and attendance.nodes_engaging("bea") == []


def test_watchers_are_told_once_a_second_and_once_of_each() -> None:
    attendance = here()
    attendance.know("ana", Facts(phones=1))
    assert [person.identity for person in attendance.tell(10)] == ["ana"]
    for pages in range(1, 500):
        attendance.know("ana", Facts(phones=1, pages=pages))
    attendance.know("bea", PHONE)
    assert attendance.tell(10.9) == [] and attendance.next_tell(10.9) == 11
    told = attendance.tell(11)
    assert [(person.identity, person.pages) for person in told] == [("ana", 499), ("bea", 0)]
    attendance.know("ana", Facts(phones=1))
    attendance.know("ana", Facts(phones=1, pages=499))
    assert attendance.tell(12) == [], "nothing has changed"


def test_what_is_known_already_is_no_change() -> None:
    attendance = here()
    assert attendance.know("ana", PHONE) and not attendance.know("ana", PHONE)
    assert attendance.know("ana", Facts()) and not attendance.know("ana", Facts())
    assert attendance.own_people() == {}


facts = st.builds(Facts, phones=st.integers(0, 2), engaged=st.sampled_from([None, AgentState.RINGING, AgentState.ON_CALL]))
words = st.lists(st.tuples(st.sampled_from(["ana", "bea", "cai"]), facts), max_size=12)


@given(words, st.randoms(use_true_random=False))
def test_whatever_is_lost_the_picture_is_right_once_everything_was_asked_for(words: list[tuple[str, Facts]], chance: object) -> None:
    sender, receiver = Attendance("b", lease_s=3), here()
    receiver.complete("b", 1, 0, {}, 0)
    number = 0
    for identity, known in words:
        if not sender.know(identity, known):
            continue
        number += 1
        if chance.random() < 0.5 and not receiver.change("b", 1, number, {identity: sender.own(identity)}, 1):  # type: ignore[attr-defined]
            receiver.complete("b", 1, number, sender.own_people(), 1)
    if not receiver.hear("b", 1, number, 2):
        receiver.complete("b", 1, number, sender.own_people(), 2)
    for identity in ("ana", "bea", "cai"):
        ours, theirs = receiver.person(identity), sender.person(identity)
        assert (ours.phones, ours.state, ours.presence) == (theirs.phones, theirs.state, theirs.presence)
