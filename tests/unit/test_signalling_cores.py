"""The pure parts under the hub: frames, guard, replay, outbox."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import messages as wire
from signaling.audience import Audience
from signaling.frames import REQUEST_TYPES, Kind, read_frame, read_request
from signaling.guard import CLASSES, ClientLimits, Guard
from signaling.heartbeats import Heartbeats
from signaling.outbox import Line, Outbox
from signaling.replay import ReplayLog, ReplayLogs
from signaling.topics import is_volatile, owner_of, person, superseding_key


@pytest.mark.parametrize(
    ("text", "kind", "ack"),
    [
        ("3", Kind.PONG, None),
        ("1", Kind.CLOSE, None),
        ("40", Kind.CONNECT, None),
        ('40{"token":"x"}', Kind.CONNECT, None),
        ("41", Kind.DISCONNECT, None),
        ('42["call.dial",{"number":"600"}]', Kind.REQUEST, None),
        ('4217["call.dial"]', Kind.REQUEST, 17),
        ('4217["call.fly"]', Kind.MALFORMED, 17),
        ('4217["connect"]', Kind.MALFORMED, 17),
        ('4217["call.dial",NaN]', Kind.MALFORMED, 17),
        ('429999999999["call.dial"]', Kind.MALFORMED, None),
        ("40[1]", Kind.MALFORMED, None),
        ('40{"token":', Kind.MALFORMED, None),
        ('42["call.dial","\ud800"]', Kind.MALFORMED, None),
        ("42" + '["call.dial",' + "[" * 50_000, Kind.MALFORMED, None),
    ],
)
def test_frames(text: str, kind: Kind, ack: int | None) -> None:
    frame = read_frame(text, 65_536)
    assert (frame.kind, frame.ack) == (kind, ack)
    assert bool(frame.fault) is (kind is Kind.MALFORMED)


@given(st.text() | st.binary() | st.text().map(lambda text: "42" + text) | st.text().map(lambda text: '420["call.dial",' + text))
def test_no_frame_is_too_strange(data: str | bytes) -> None:
    frame = read_frame(data, 1_000)
    assert frame.kind in Kind


def test_a_frame_over_the_limit_keeps_its_number_for_the_answer() -> None:
    frame = read_frame('425["call.dial","' + "x" * 100 + '"]', 50)
    assert (frame.kind, frame.ack) == (Kind.MALFORMED, 5)


def test_every_request_of_the_protocol_is_read_and_no_value_is_quoted_in_faults() -> None:
    samples: list[wire.AnyRequest] = [
        wire.RefreshSession(),
        wire.SetPresence(available=True),
        wire.Dial(number="600"),
        wire.Accept(call_id="c"),
        wire.Digits(call_id="c", digits="1#A"),
        wire.PeerOffer(call_id="c", peer_id="p", sdp="v=0"),
        wire.CallMe(),
    ]
    for request in samples:
        payload = msgspec.to_builtins(request)
        assert read_request(payload.pop("type"), (payload,)) == request
    with pytest.raises(ValueError, match="digits") as caught:
        read_request("call.digits", ({"call_id": "c", "digits": "canary"},))
    assert "canary" not in str(caught.value)


def test_the_guard_bears_haste_a_while_then_dismisses() -> None:
    guard = Guard(ClientLimits(rate_per_s=1.0, burst=2, hasty_per_s=0.01, hasty_burst=2), 0.0)
    assert guard.check(read_frame("40", 100), 0.0).refusal is None
    request = read_frame('42["demo.call_me"]', 100)
    assert guard.check(request, 0.0).refusal is None
    verdicts = [guard.check(request, 0.0) for _ in range(3)]
    assert [verdict.dismiss for verdict in verdicts] == [False, False, True]
    assert all(verdict.refusal is not None and verdict.refusal.retry_after == 1.0 for verdict in verdicts)


def test_each_class_of_requests_has_its_own_allowance() -> None:
    guard = Guard(ClientLimits(rate_per_s=1_000.0, burst=1_000), 0.0)
    assert guard.check(read_frame("40", 100), 0.0).refusal is None
    dial, hang_up = read_frame('421["call.dial",{"number":"6"}]', 100), read_frame('422["call.hang_up",{"call_id":"c"}]', 100)
    refusals = [guard.check(dial, 0.0).refusal for _ in range(11)]
    assert refusals[:10] == [None] * 10
    assert refusals[10] is not None and (refusals[10].code, refusals[10].retry_after) == ("too_many_requests", 2.0)
    assert [guard.check(hang_up, 0.0).refusal for _ in range(50)] == [None] * 50
    assert guard.check(dial, 2.0).refusal is None
    assert set(CLASSES) <= REQUEST_TYPES


def test_replay_tells_what_was_missed_or_that_it_is_forgotten() -> None:
    log: ReplayLog[str] = ReplayLog(first_seq=100, kept=3)
    assert log.since(99) == []
    for text in "abcd":
        log.keep(log.next_seq(), text)
    assert log.last_seq == 103
    assert log.since(103) == []
    assert log.since(101) == ["c", "d"]
    assert log.since(100) == ["b", "c", "d"]
    assert log.since(99) is None  # "a" is forgotten
    assert log.since(104) is None  # not ours
    log.next_seq()  # a volatile one
    assert log.since(103) == []


def test_what_is_old_is_forgotten_with_all_that_was_said_before_it() -> None:
    log: ReplayLog[str] = ReplayLog(first_seq=1, kept=9, kept_s=10.0)
    for key, text, at in ((None, "a", 100.0), ("x", "x1", 101.0), ("x", "x2", 109.0), (None, "b", 111.0)):
        log.keep(log.next_seq(), text, key, epoch_s=at)
    assert log.since(1) == ["x2", "b"]
    assert log.since(0) is None, "who missed the first needs a snapshot"


def test_a_later_state_takes_the_place_of_the_earlier() -> None:
    log: ReplayLog[str] = ReplayLog(first_seq=0, kept=2)
    for key, text in (("x", "x1"), ("x", "x2"), (None, "n"), ("x", "x3")):
        log.keep(log.next_seq(), text, key)
    assert log.since(-1) == ["n", "x3"]


@given(st.lists(st.sampled_from(["a", "b", "volatile", None]), max_size=60), st.integers(1, 5), st.integers(0, 60))
def test_what_is_replayed_is_what_was_missed_but_for_the_superseded(keys: list[str | None], kept: int, seen_count: int) -> None:
    log: ReplayLog[tuple[int, str | None]] = ReplayLog(first_seq=1, kept=kept)
    said: list[tuple[int, str | None]] = []
    for key in keys:
        seq = log.next_seq()
        if key != "volatile":
            said.append((seq, key))
            log.keep(seq, (seq, key), key)
    seen = min(seen_count, log.last_seq)
    missed = log.since(seen)
    newest = {key: seq for seq, key in said if key is not None}
    expected = [(seq, key) for seq, key in said if seq > seen and (key is None or newest[key] == seq)]
    assert missed is None or missed == expected
    if len(expected) <= kept and seen == 0 and len(said) <= kept:
        assert missed == expected


def test_a_topic_begun_anew_counts_on_above_its_former_numbers() -> None:
    logs: ReplayLogs[str] = ReplayLogs(topics=1, kept=4)
    first = logs.log("a", 1_000.0)
    last = [first.next_seq() for _ in range(100)][-1]
    logs.log("b", 1_000.2)
    assert len(logs) == 1
    again = logs.log("a", 1_000.2)
    assert again.next_seq() > last
    assert again.since(last) is None


class Reader:
    """Has an outbox; writes down what that tells."""

    def __init__(self, *, packets: int = 10, size: int = 1_000) -> None:
        self.heard: list[str] = []
        self.outbox = Outbox(
            packets=packets, size=size, on_waiting=lambda: self.heard.append("waiting"), on_overflow=lambda: self.heard.append("over")
        )

    def all(self) -> list[bytes]:
        return list(iter(self.outbox.take, None))


@pytest.mark.parametrize(("packets", "size", "texts"), [(3, 10_000, ["x"] * 4), (100, 50, ["x" * 40, "y" * 40])])
def test_the_outbox_is_bounded_in_number_and_size(packets: int, size: int, texts: list[str]) -> None:
    reader = Reader(packets=packets, size=size)
    for text in [*texts, "late"]:
        reader.outbox.offer(Line(text))
    assert reader.heard == ["waiting", "over"]
    assert len(reader.outbox) == 0
    reader.outbox.end(Line("bye"))
    assert reader.all() == [b"\x81\x03bye"]


def test_the_outbox_keeps_order_and_supersedes_what_may_be() -> None:
    reader = Reader()
    for text, key in (("a", None), ("q1", "q"), ("b", None), ("q2", "q"), ("other", "r")):
        reader.outbox.offer(Line(text), key)
    reader.outbox.end()
    reader.outbox.end(Line("too late"))
    reader.outbox.offer(Line("too late"))
    assert [frame[2:] for frame in reader.all()] == [b"a", b"b", b"q2", b"other"]
    assert reader.outbox.superseded == 1


def test_the_outbox_says_when_there_is_something_again() -> None:
    reader = Reader(size=50)
    for _ in range(3):
        reader.outbox.offer(Line.message("x" * 20))
        reader.outbox.offer(Line.message("x" * 10))
        assert len(reader.all()) == 2
    assert reader.heard == ["waiting"] * 3


def test_who_is_asked_whether_it_is_there_and_who_is_lost() -> None:
    beats: Heartbeats[str] = Heartbeats(interval_s=10, timeout_s=3)
    for client, now in (("ana", 0.0), ("ben", 1.0), ("eve", 2.0)):
        beats.begin(client, now)
    assert beats.to_ask(9.9) == []
    assert beats.to_ask(11.0) == ["ana", "ben"]
    beats.answered("eve", 11.5)  # was not asked
    beats.answered("ana", 12.0)
    assert beats.to_ask(12.0) == ["eve"]
    assert beats.lost(13.9) == []
    assert beats.lost(14.0) == ["ben"]
    beats.end("eve")
    assert beats.lost(99.0) == []
    assert beats.to_ask(22.0) == ["ana"]


def test_topics() -> None:
    assert owner_of(person("ana")) == "ana"
    assert owner_of("lines") is None
    quality = wire.CallQuality(call_id="c", at=0.0, legs=[])
    assert is_volatile(quality)
    digit = wire.CallDigit(call_id="c", digit="1")
    assert superseding_key(digit) is None
    assert superseding_key(quality) != superseding_key(wire.CallQuality(call_id="d", at=0.0, legs=[]))


def test_who_hears_what() -> None:
    audience = Audience(("lines",))
    audience.subscribe("ben", "queue:sales")
    audience.subscribe("ana", "queue:sales")
    audience.subscribe("ben", person("ana"))
    audience.subscribe("ana", person("ana"))
    assert set(audience.hearers("queue:sales", ["ana"])) == {"ana", "ben"}
    assert audience.hearers(person("ana"), []) == ("ana", "ben")
    assert audience.hearers("lines", ["ana", "eve"]) == ("ana", "eve")
    assert audience.hearers("nothing", ["ana"]) == ()
    assert audience.topics_of("ana") == ["person:ana", "lines", "queue:sales"]
    audience.close("queue:sales")
    audience.unsubscribe("ben", person("ana"))
    audience.unsubscribe("ben", "never")
    assert audience.topics_of("ben") == ["person:ben", "lines"]
    assert audience.hearers("queue:sales", ["ana"]) == ()
