"""Of the 3CX client what needs no PBX: the token's life, addresses, frames, objects and the book of calls, in plain numbers of seconds."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.threecx.bases import Bases
from pbx.threecx.cache import Cache
from pbx.threecx.call_book import CallBook, CallKey, CallOver, LegAppeared, LegChanged, LegGone
from pbx.threecx.directory import ActiveCall, Licence, LoggedCall, PbxQuality, PbxUser, Segment
from pbx.threecx.faults import Contested, Denied
from pbx.threecx.frames import FrameKind, read_frame
from pbx.threecx.objects import Dn, Outcome, Participant
from pbx.threecx.token_life import Token, TokenLife, life_s


def jwt_of(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in ({"alg": "ES256"}, claims)]
    return ".".join([*parts, "sig"])


def leg(identifier: int, call_id: int, leg_id: int = 1, status: str = "Ringing", dn: str = "205") -> Participant:
    return Participant(id=identifier, dn=dn, status=status, call_id=call_id, leg_id=leg_id)


# --- tokens -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "token", "expected"),
    [
        (60, "opaque", 3_600.0),  # minutes, up to 20.0.8
        (3_600, "opaque", 3_600.0),  # seconds, from 20.0.9
        (299, "opaque", 299 * 60.0),
        (300, "opaque", 300.0),
        (60, jwt_of(iat=1_000, exp=1_000 + 900), 900.0),  # the claims say less
        (600, jwt_of(iat=0, exp=3_600), 600.0),
        (None, jwt_of(nbf=10, exp=1_210), 1_200.0),
        (None, "opaque", 1_800.0),
        (60, "a.%%%.c", 3_600.0),
        (3_600, jwt_of(iat=5, exp=5), 3_600.0),
    ],
)
def test_a_tokens_life_is_the_lesser_of_what_is_said_and_claimed(expires_in: object, token: str, expected: float) -> None:
    assert life_s({"access_token": token, "expires_in": expires_in}) == expected


def test_a_token_is_renewed_in_a_quiet_moment_and_before_its_end_in_any() -> None:
    life = TokenLife(early=0.8)
    assert life.is_due(0.0, quiet=False)
    life.granted(Token("a", 0.0, 3_600.0))
    assert not life.is_due(2_879.0, quiet=True)
    assert life.is_due(2_880.0, quiet=True)
    assert not life.is_due(2_880.0, quiet=False)  # a stream of sound would end by it
    assert life.is_due(3_481.0, quiet=False)
    assert life.usable(3_599.0) is not None and life.usable(3_600.0) is None


def test_who_loses_its_token_three_times_stops_and_says_why() -> None:
    life = TokenLife()
    for at in (10.0, 20.0):
        life.check(at)
        life.granted(Token(f"t{at}", at, 3_600.0))
        life.on_refused(f"t{at}", at + 1)
    life.granted(Token("t3", 30.0, 3_600.0))
    with pytest.raises(Contested, match="a client of its own"):
        life.on_refused("t3", 31.0)
    with pytest.raises(Contested) as held:
        life.check(40.0)
    assert held.value.retry_after_s == 51.0
    assert "client" in life.trouble(40.0) and not life.trouble(92.0)
    life.check(92.0)
    # The quarrel goes on: the next pause is twice as long.
    for at in (92.0, 93.0):
        life.granted(Token(f"u{at}", at, 3_600.0))
        life.on_refused(f"u{at}", at)
    life.granted(Token("u", 94.0, 3_600.0))
    with pytest.raises(Contested):
        life.on_refused("u", 94.0)
    assert life.trouble(94.0 + 119) and not life.trouble(94.0 + 121)


def test_a_401_to_an_old_token_or_a_renewed_one_is_no_theft() -> None:
    life = TokenLife(most_thefts=1)
    life.granted(Token("old", 0.0, 100.0))
    life.on_refused("old", 101.0)
    life.granted(Token("new", 102.0, 100.0))
    life.on_refused("old", 103.0)
    assert life.usable(103.0) is not None and life.refused == 1


def test_refused_credentials_are_not_tried_until_the_pbx_blocks_us() -> None:
    life = TokenLife()
    assert "threecx.secret" in str(life.on_denied("invalid_client", 0.0))
    life.check(0.0)
    life.on_denied("invalid_client", 1.0)
    with pytest.raises(Denied, match="invalid_client"):
        life.check(60.0)
    life.check(61.0)
    life.on_denied("invalid_client", 61.0)
    with pytest.raises(Denied):
        life.check(61.0 + 119.0)


# --- addresses ----------------------------------------------------------------------------------------------------------------------


def test_work_goes_to_the_next_address_and_comes_back_by_one_request() -> None:
    bases = Bases(("https://a/", "https://b"), failures=2, first_s=1.0, longest_s=4.0)
    assert bases.choose(0.0) == "https://a"
    bases.failed("https://a", 0.0)
    assert bases.choose(0.0) == "https://a"  # once is no failure yet
    bases.failed("https://a", 0.0)
    assert bases.choose(0.5) == "https://b" and bases.open == ("https://a",)
    assert bases.choose(1.0) == "https://a"  # half open: one tries
    assert bases.choose(1.0) == "https://b"
    bases.failed("https://a", 1.0)
    assert bases.choose(2.9) == "https://b"  # twice as long
    assert bases.choose(3.0) == "https://a"
    bases.worked("https://a")
    assert bases.choose(3.0) == "https://a" == bases.choose(3.0)


def test_what_decides_nothing_takes_no_turn() -> None:
    bases = Bases(("https://a", "https://b"), failures=1, first_s=1.0)
    assert bases.likely() == "https://a"
    bases.failed("https://a", 0.0)
    assert bases.likely() == "https://b"
    bases.failed("https://b", 0.0)
    assert bases.likely() == "https://a" and bases.choose(1.0) == "https://a"


def test_with_every_circuit_open_nothing_is_asked_until_one_may_be_tried() -> None:
    bases = Bases(("https://a",), failures=1, first_s=1.0, longest_s=4.0)
    for _ in range(4):
        bases.failed("https://a", 0.0)
    assert bases.choose(3.9) is None and bases.wait_s(3.0) == 1.0
    assert bases.choose(4.0) == "https://a"
    bases.abandoned("https://a")
    assert bases.choose(4.0) == "https://a"


def test_what_was_looked_up_is_forgotten_in_time_and_when_there_is_too_much() -> None:
    cache: Cache[str, int] = Cache(10.0, most=2)
    cache.put("a", 1, 0.0)
    assert cache.get("a", 9.9) == 1 and cache.get("a", 10.0) is None
    for name in "bcd":
        cache.put(name, 2, 1.0)
    assert [cache.get(name, 1.0) for name in "bcd"] == [None, 2, 2]


# --- what 3CX says ------------------------------------------------------------------------------------------------------------------


def frame_text(event_type: object, entity: str = "/callcontrol/870/participants/512", data: object = None, sequence: object = 41) -> str:
    return json.dumps({"sequence": sequence, "event": {"event_type": event_type, "entity": entity, "attached_data": data}})


@pytest.mark.parametrize(
    ("text", "kind", "dn", "participant", "digits"),
    [
        (frame_text(0), FrameKind.CHANGED, "870", 512, ""),
        (frame_text("Upsert"), FrameKind.CHANGED, "870", 512, ""),
        (frame_text(1), FrameKind.REMOVED, "870", 512, ""),
        (frame_text(2, data={"dtmf_input": "12#x"}), FrameKind.DIGITS, "870", 512, "12#"),
        (frame_text(2, data="5"), FrameKind.DIGITS, "870", 512, "5"),
        (frame_text(3), FrameKind.OTHER, "870", 512, ""),
        (frame_text(99), FrameKind.OTHER, "870", 512, ""),
        (frame_text(0, "/callcontrol/205"), FrameKind.CHANGED, "205", 0, ""),
        (frame_text(0, "/callcontrol/205/devices/sip%3A205%40x"), FrameKind.CHANGED, "205", 0, ""),
        ('{"Sequence":1,"Event":{"EventType":0,"Entity":"/callcontrol/9/participants/3"}}', FrameKind.CHANGED, "9", 3, ""),
    ],
)
def test_frames_are_read(text: str, kind: FrameKind, dn: str, participant: int, digits: str) -> None:
    frame = read_frame(text)
    assert frame is not None and (frame.kind, frame.dn, frame.participant, frame.digits) == (kind, dn, participant, digits)


UNREADABLE = ["", "[]", "{", "null", '{"event": 5}', frame_text(0, "/else/where"), frame_text(0, ""), '{"event":{"entity":7}}']


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_frame_is_none(text: str) -> None:
    assert read_frame(text) is None


def test_objects_are_read_in_both_spellings_and_keep_what_is_new() -> None:
    snake = {"id": "7", "status": "Held", "dn": "205", "callid": 3, "legid": 2, "party_caller_id": None, "direct_control": True, "new": 1}
    pascal = {"Id": 7, "Status": "Held", "DN": "205", "CallId": "3", "LegId": 2, "DirectControl": True, "New": 1}
    read = Participant.read(snake)
    assert read == Participant.read(pascal) and read.extra == {"new": 1} and read.party_caller_id == ""
    assert (read.id, read.call_id, read.leg_id, read.status) == (7, 3, 2, "Held") and not (read.ringing or read.connected)
    with pytest.raises(ValueError, match="without an id"):
        Participant.read({"status": "Ringing"})
    whole = Dn.read({"dn": "870", "type": "Wnew", "devices": [{"device_id": "sip:x"}], "participants": [{"id": 1}, {"id": None}, 5]})
    assert [each.dn for each in whole.participants] == ["870"] and whole.devices[0].device_id == "sip:x"


@pytest.mark.parametrize(
    ("given", "done"),
    [
        ({"finalstatus": "Success", "result": {"id": 4}}, True),
        ({"finalstatus": 1, "result": None}, True),
        ({"finalstatus": 0, "reasontext": "Busy"}, False),
        ({"finalstatus": -1, "reason": "NoAnswer"}, False),
        ({"finalstatus": "Failed", "reasontext": "No"}, False),
        ({"FinalStatus": "Failed", "Result": {"Id": 9}}, True),
        (None, True),
    ],
)
def test_an_outcome_is_told_by_its_leg_else_by_a_word_or_a_number(given: object, done: bool) -> None:
    assert Outcome.read(given).done is done


NAMES = st.sampled_from(
    [
        *("id", "dn", "status", "callid", "legid", "devices", "participants", "event", "entity", "event_type", "attached_data", "result"),
        *("License", "MaxSimCalls", "StartTime", "Party1", "MOSFromPBX", "TalkingDuration", "sequence", "finalstatus", "dtmf_input"),
    ]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("/callcontrol/870/participants/5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@given(ODD)
def test_whatever_is_said_is_read_or_left(said: object) -> None:
    read_frame(json.dumps(said))
    for read in (Dn.read, Outcome.read, Licence.read, PbxUser.read, PbxQuality.read, Segment.read, ActiveCall.read):
        read(said)
    for strict in (Participant.read, LoggedCall.read):
        with suppress(ValueError):
            strict(said)


# --- the book of calls --------------------------------------------------------------------------------------------------------------


def test_a_call_rings_is_answered_and_ends_after_its_grace() -> None:
    book = CallBook(grace_s=2.0)
    (appeared,) = book.read(leg(600, 7), book.mark(), 1.0)
    assert isinstance(appeared, LegAppeared) and not appeared.adopted and appeared.key.call == CallKey(1, 7)
    assert book.read(leg(600, 7), book.mark(), 1.7) == []  # 3CX repeats itself
    (changed,) = book.read(leg(600, 7, status="Connected"), book.mark(), 5.0)
    assert isinstance(changed, LegChanged) and changed.before.ringing
    (gone,) = book.remove("205", 600, 9.0)
    assert isinstance(gone, LegGone) and gone.leg.connected
    assert book.next_deadline() == 11.0 and book.expire(10.9) == []
    assert book.expire(11.0) == [CallOver(CallKey(1, 7))] and book.calls == 0


def test_between_two_waves_of_a_ring_group_the_call_goes_on() -> None:
    book = CallBook(grace_s=2.0)
    book.read(leg(1, 7), book.mark(), 0.0)
    book.remove("205", 1, 1.0)
    book.read(leg(2, 7, 2, dn="206"), book.mark(), 2.5)
    assert book.next_deadline() is None and book.expire(10.0) == [] and book.calls == 1


def test_a_reading_that_comes_after_a_newer_one_does_not_count() -> None:
    book = CallBook()
    early, late = book.mark(), book.mark()
    book.read(leg(1, 7, status="Connected"), late, 0.0)
    assert book.read(leg(1, 7), early, 0.1) == []
    assert book.legs[0].connected
    asked = book.mark()
    book.remove("205", 1, 0.2)
    assert book.read(leg(1, 7), asked, 0.3) == [] and book.legs == []


def test_a_snapshot_takes_and_gives_but_not_what_changed_since_it_was_asked_for() -> None:
    book = CallBook()
    book.read(leg(1, 7), book.mark(), 0.0)
    asked = book.mark()
    book.read(leg(2, 8), book.mark(), 0.1)  # newer than the snapshot, which does not have it
    events = book.snapshot([leg(3, 9, status="Connected")], asked, 0.2)
    assert [type(event) for event in events] == [LegGone, LegAppeared]
    assert isinstance(events[1], LegAppeared) and events[1].adopted
    assert sorted(each.id for each in book.legs) == [2, 3]


def test_a_leg_that_moves_to_another_call_is_keyed_anew() -> None:
    book = CallBook(grace_s=2.0)
    book.read(leg(1, 7), book.mark(), 0.0)
    (changed,) = book.read(leg(1, 9), book.mark(), 1.0)
    assert isinstance(changed, LegChanged) and changed.key.call.call_id == 9 and changed.before.call_id == 7
    assert book.expire(3.0) == [CallOver(CallKey(1, 7))]


def test_a_pbx_that_restarted_counts_anew_in_a_new_epoch() -> None:
    book = CallBook()
    book.read(leg(600, 70), book.mark(), 0.0)
    events = book.snapshot([leg(1, 1), leg(600, 2)], book.mark(), 5.0, reconnected=True)
    assert [type(event) for event in events] == [LegGone, CallOver, LegAppeared, LegAppeared]
    assert book.epoch == 2 and {key.call for key in book.keys} == {CallKey(2, 1), CallKey(2, 2)}


def test_a_reconnect_to_the_same_pbx_keeps_the_epoch() -> None:
    book = CallBook()
    book.read(leg(600, 70), book.mark(), 0.0)
    book.snapshot([leg(600, 70), leg(601, 71)], book.mark(), 5.0, reconnected=True)
    assert book.epoch == 1 and book.calls == 2
