"""The live board: what it tells, to whom, and how much of it."""

from msgspec.structs import replace

from api.board import BEAT_S, MOST_CALLS, MOST_TOLD, WATCHED_S, Board, BoardSummary
from media.messages import Fault, LegSample
from signaling.messages import BoardChanged, CallState, Notice
from signaling.topics import BOARD


class Teller:
    """Remembers what a hub would have told."""

    def __init__(self) -> None:
        self.told: list[BoardChanged] = []
        self.by_topic: list[tuple[str, BoardChanged]] = []
        self.hearers: set[str] = set()
        self.topics: set[tuple[str, str]] = set()

    def publish(self, topic: str, notice: Notice) -> None:
        assert topic.partition(":")[0] == BOARD and isinstance(notice, BoardChanged)
        self.by_topic.append((topic, notice))
        self.told.append(notice)

    def subscribe(self, identity: str, topic: str) -> None:
        self.hearers.add(identity)
        self.topics.add((identity, topic))

    def unsubscribe(self, identity: str, topic: str) -> None:
        self.hearers.discard(identity)
        self.topics.discard((identity, topic))


class Bench:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.teller = Teller()
        self.board = Board(now=lambda: 1_000.0 + self.now_s, clock=lambda: self.now_s, node="one", load=lambda: 0.25)
        self.board.meet(self.teller)


def state(call_id: str) -> CallState:
    return CallState(
        call_id=call_id, direction="in", state="live", number="+34600111222", name="", agent="ana", muted=False,
        held=False, held_by_other=False, agent_connected=True, started_at=1.0, answered_at=2.0, ended_at=None,
        reason=None, detail=None, codecs={},
    )  # fmt: skip


SAMPLE = LegSample(
    leg_id="l", packets=50, loss=0.1, jitter_ms=2.0, round_trip_ms=40.0, discarded=0, concealed_ms=0.0, level_dbfs=None, r=60.0,
    mos=3.1, scale="nb", cause="loss", codec="pcma", far_loss=0.3, hop_loss=0.2, far_mos=1.9, far_scale="nb", far_cause="loss",
)  # fmt: skip


def test_who_watches_gets_everything_and_then_what_changed() -> None:
    bench = Bench()
    bench.board.call(state("a"))
    bench.board.tell()
    assert bench.teller.told == [], "nobody watches"
    now = bench.board.watch("eva")
    assert (now.at, now.total, [call.call_id for call in now.calls]) == (1_100.0, 1, ["a"])
    bench.board.call(state("b"))
    bench.board.quality("b", [("phone", SAMPLE)], [Fault("l", "us_to_phone", "loss", 20.0), Fault("l", "phone_to_us", "loss", 9.0)])
    bench.board.tell()
    (changed,) = bench.teller.told
    (call,) = changed.calls
    (leg,) = call.legs
    assert (changed.total, call.call_id, call.hop, call.cause) == (2, "b", "us_to_phone", "loss")
    assert (leg.side, leg.mos, leg.far_mos, leg.loss, leg.far_loss, leg.round_trip_ms) == ("phone", 3.1, 1.9, 0.1, 0.2, 40.0)
    bench.board.quality("b", [("phone", SAMPLE)], [])
    bench.board.over("a")
    bench.board.tell()
    assert ([call.hop for call in bench.teller.told[1].calls], bench.teller.told[1].gone) == ([""], ["a"])
    bench.board.tell()
    assert len(bench.teller.told) == 2, "nothing changed"


def test_a_board_on_which_nothing_happens_is_told_that_too() -> None:
    bench = Bench()
    bench.board.call(state("a"))
    bench.board.tell()
    bench.board.watch("eva")
    bench.now_s += BEAT_S - 0.5
    bench.board.tell()
    assert bench.teller.told == []
    bench.now_s += 0.5
    bench.board.tell()
    (told,) = bench.teller.told
    assert (told.total, told.calls, [(node.name, node.calls, node.load) for node in told.nodes]) == (1, [], [("one", 1, 0.25)])


def test_who_does_not_ask_again_is_told_no_more() -> None:
    bench = Bench()
    bench.board.watch("eva")
    bench.board.watch("luz")
    bench.now_s += WATCHED_S - 1
    bench.board.watch("eva")
    bench.now_s += 2
    bench.board.tell()
    assert bench.teller.hearers == {"eva"}


def test_a_full_board_tells_how_many_more_there_are() -> None:
    bench = Bench()
    for number in range(MOST_CALLS + 7):
        bench.board.call(state(f"c{number}"))
        bench.board.call(state(f"c{number}"))
    now = bench.board.watch("eva")
    assert (now.total, len(now.calls)) == (MOST_CALLS + 7, MOST_CALLS)
    bench.board.quality(f"c{MOST_CALLS + 1}", [("phone", SAMPLE)], [])
    bench.board.over(f"c{MOST_CALLS + 1}")
    bench.board.over("c0")
    bench.board.call(state(f"c{MOST_CALLS + 2}"))
    now = bench.board.watch("eva")
    assert (now.total, len(now.calls)) == (MOST_CALLS + 5, MOST_CALLS)
    bench.board.tell()
    assert bench.teller.told[0].gone == ["c0"] and f"c{MOST_CALLS + 2}" in {call.call_id for call in now.calls}


def test_who_has_teams_sees_the_calls_of_these_alone() -> None:
    bench = Bench()
    teams = {"ana": frozenset({"hotels"}), "ben": frozenset({"flights", "cars"})}
    bench.board.know_teams(lambda identity: teams.get(identity, frozenset()))
    anas, bens, nobodys = state("a"), replace(state("b"), agent="ben"), replace(state("c"), agent="")
    for call in (anas, bens, nobodys):
        bench.board.call(call)

    def seen(identity: str, *of: str) -> tuple[int, list[str]]:
        now = bench.board.watch(identity, frozenset(of))
        return now.total, [call.call_id for call in now.calls]

    assert seen("eva") == (3, ["a", "b", "c"])
    assert seen("hal", "hotels") == (1, ["a"])
    assert seen("cas", "cars", "hotels") == (2, ["a", "b"])
    assert seen("nil", "trains") == (0, [])
    bench.board.tell()
    bench.teller.told.clear()
    # A call comes into sight when an agent of the team has it, and out of it again.
    bench.board.call(replace(nobodys, agent="ana"))
    bench.board.tell()
    told = {topic: ([call.call_id for call in notice.calls], notice.gone) for topic, notice in bench.teller.by_topic}
    assert told == {"board": (["c"], []), "board:hotels": (["c"], []), "board:cars+hotels": (["c"], [])}
    bench.teller.by_topic.clear()
    bench.board.call(replace(nobodys, agent="ben"))
    bench.board.tell()
    told = {topic: ([call.call_id for call in notice.calls], notice.gone) for topic, notice in bench.teller.by_topic}
    assert told == {"board": (["c"], []), "board:hotels": ([], ["c"]), "board:cars+hotels": (["c"], [])}


def test_other_teams_are_another_board() -> None:
    bench = Bench()
    bench.board.watch("eva", frozenset({"hotels"}))
    bench.board.watch("eva", frozenset({"cars"}))
    assert bench.teller.topics == {("eva", "board:cars")}


# --- several nodes


class Nodes:
    """Boards that hear one another. ``lost``: so many of the next words do not arrive. ``told``: the calls of each word that was sent."""

    def __init__(self) -> None:
        self.benches = {name: Bench() for name in ("one", "two")}
        self.told: list[int] = []
        self.lost = 0
        for name, bench in self.benches.items():
            bench.board.meet_nodes(_Desk(self, name))

    def tell(self) -> None:
        for bench in self.benches.values():
            bench.now_s += 1
            bench.board.tell()


class _Desk:
    def __init__(self, nodes: Nodes, name: str) -> None:
        self._nodes, self._name = nodes, name

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(name for name in self._nodes.benches if name != self._name)

    def want_board(self, node: str, whole: bool) -> None:
        self._nodes.benches[node].board.on_wanted(self._name, whole)

    def tell_board(self, node: str, summary: BoardSummary) -> None:
        self._nodes.told.append(len(summary.calls))
        if self._nodes.lost:
            self._nodes.lost -= 1
        else:
            self._nodes.benches[node].board.on_told(self._name, summary)


def of_ids(told: list[BoardChanged]) -> list[str]:
    return [call.call_id for changed in told for call in changed.calls]


def test_a_board_shows_the_calls_of_all_nodes_while_it_is_watched() -> None:
    nodes = Nodes()
    one, two = nodes.benches["one"], nodes.benches["two"]
    two.board.call(state("theirs"))
    nodes.tell()
    assert nodes.told == [], "nobody wants to know"
    one.board.call(state("mine"))
    assert [call.call_id for call in one.board.watch("sue").calls] == ["mine", "theirs"]
    nodes.tell()
    two.board.quality("theirs", [("agent", SAMPLE)], [Fault("l", "browser_to_us", "loss", 10.0)])
    two.board.call(state("new"))
    nodes.tell()
    nodes.tell()
    last = one.teller.told[-1]
    assert [(call.call_id, call.hop) for call in last.calls] == [("theirs", "browser_to_us"), ("new", "")] and last.total == 3
    two.board.over("theirs")
    nodes.tell()
    nodes.tell()
    assert one.teller.told[-1].gone == ["theirs"] and one.teller.told[-1].total == 2
    one.board.on_node("two", False)
    nodes.tell()
    assert one.teller.told[-1].gone == ["new"], "a node that is gone leaves nothing on the board"
    two.board.on_node("one", False)
    before = len(nodes.told)
    nodes.tell()
    assert len(nodes.told) == before


def test_teams_limit_what_is_seen_of_other_nodes_too() -> None:
    nodes = Nodes()
    one, two = nodes.benches["one"], nodes.benches["two"]
    two.board.know_teams(lambda identity: frozenset({"north"}))
    two.board.call(state("theirs"))
    assert one.board.watch("sue", frozenset({"south"})).calls == []
    assert [call.call_id for call in one.board.watch("tim", frozenset({"north"})).calls] == ["theirs"]


def test_a_missed_word_is_noticed_and_mended() -> None:
    nodes = Nodes()
    one, two = nodes.benches["one"], nodes.benches["two"]
    one.board.watch("sue")
    nodes.lost = 1
    two.board.call(state("a"))
    nodes.tell()
    assert of_ids(one.teller.told) == []
    two.board.call(state("b"))
    nodes.tell()
    nodes.tell()
    assert sorted(of_ids(one.teller.told)) == ["a", "b"]


def test_what_a_node_tells_in_a_second_and_what_a_board_shows_are_bounded() -> None:
    nodes = Nodes()
    one, two = nodes.benches["one"], nodes.benches["two"]
    for number in range(MOST_CALLS):
        two.board.call(state(f"t{number}"))
    one.board.call(state("mine"))
    now = one.board.watch("sue")
    assert (len(now.calls), now.total) == (MOST_CALLS, MOST_CALLS + 1)
    for number in range(MOST_CALLS):
        two.board.quality(f"t{number}", [("agent", SAMPLE)], [])
    nodes.told.clear()
    for _ in range(4):
        nodes.tell()
    assert nodes.told == [MOST_TOLD, MOST_TOLD, MOST_CALLS - 2 * MOST_TOLD, 0], "the longest waiting first, and each once"


def test_who_is_wanted_no_more_tells_no_more() -> None:
    nodes = Nodes()
    nodes.benches["one"].board.watch("sue")
    nodes.benches["two"].now_s += WATCHED_S
    nodes.tell()
    assert nodes.told == [0], "only what was asked for at once"
