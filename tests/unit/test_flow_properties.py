"""Whatever a flow says, a caller presses and others answer: the run ends, never spins, and leaves nobody in silence."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rooms.calendar import Calendar, Span
from rooms.calendar_reading import read_calendars
from rooms.flows import flow as kinds
from rooms.flows.acts import Act, Answer, Connect, Finish, JoinQueue, Music, Ring, Say, TakeMessage
from rooms.flows.conditions import Comparison, Condition
from rooms.flows.flow import KEYS, Flow, Step
from rooms.flows.reading import read_flow
from rooms.flows.run import MOST_STEPS, QUIET_S, FlowRun, Phase

EXAMPLE = read_flow(Path("deploy/centre/flows/main.toml").read_text(), "main")
CALENDARS = {
    **read_calendars(Path("deploy/centre/calendars.toml").read_text()),
    "day": Calendar("Europe/Madrid", {day: (Span(9 * 60, 20 * 60),) for day in range(5)}),
}
NAMES = [f"s{number}" for number in range(6)]
HEARD = (Say, Music, JoinQueue, TakeMessage, Connect)
MOST_EVENTS = 20_000
"""Far more than any run takes that ends: 500 steps, each said ten times at most, with two deadlines each time."""

to = st.sampled_from(NAMES)
perhaps_to = st.sampled_from([*NAMES, ""])
spoken = {"say": st.sampled_from([(), ("welcome",), ("welcome", "which")]), "interruptible": st.booleans()}
conditions = st.builds(
    Condition, st.sampled_from(["vip", "booking", "n"]), st.sampled_from(Comparison), st.sampled_from([(True,), ("1",), (2.0,)])
)
ways = st.lists(st.builds(kinds.Way, st.tuples(conditions), to), min_size=1, max_size=3).map(tuple)


def steps_called(name: str) -> st.SearchStrategy[Step]:
    named = {"name": st.just(name)}
    asked = {"tries": st.integers(1, 3), "no_input": perhaps_to, "no_match": perhaps_to}
    return st.one_of(
        st.builds(kinds.Say, **named, **spoken, next=to),
        st.builds(kinds.Menu, **named, **spoken, **asked, choices=st.dictionaries(st.sampled_from(KEYS), to, min_size=1, max_size=4)),
        st.builds(kinds.Ask, **named, **spoken, **asked, fact=st.just("booking"), next=to, least=st.integers(1, 3), most=st.integers(3, 6)),
        st.builds(kinds.Hours, **named, calendar=st.sampled_from(["day", "none"]), open=to, closed=to),
        st.builds(kinds.Choose, **named, ways=ways, otherwise=to),
        st.builds(kinds.Set, **named, next=to, language=st.sampled_from(["", "en", "es"]), priority=st.none() | st.integers(0, 3)),
        st.builds(kinds.Queue, **named, queue=st.just("q"), full=perhaps_to, nobody=perhaps_to, timeout=perhaps_to, call_back=perhaps_to),
        st.builds(kinds.Voicemail, **named, **spoken, box=st.just("b"), taken=perhaps_to, empty=perhaps_to, failed=perhaps_to),
        st.builds(kinds.CallBack, **named, queue=st.just("q"), kept=perhaps_to, refused=perhaps_to),
        st.builds(kinds.Webhook, **named, webhook=st.just("w"), ok=to, failed=perhaps_to),
        st.builds(kinds.Transfer, **named, number_fact=st.sampled_from(["booking", "caller"]), busy=perhaps_to, no_answer=perhaps_to),
        st.builds(kinds.GoOn, **named, flow=st.sampled_from(["main", "none"])),
        st.builds(kinds.HangUp, **named, **spoken),
    )  # fmt: skip


flows = st.tuples(*(steps_called(name) for name in NAMES)).map(
    lambda steps: Flow("main", ("en", "es"), "en", NAMES[0], {step.name: step for step in steps})
)
events = st.lists(
    st.one_of(
        st.tuples(st.just("digit"), st.sampled_from(KEYS)),
        st.tuples(st.just("done"), st.integers(0, 4)),
        st.tuples(st.just("said"), st.none()),
        st.tuples(st.just("wait"), st.floats(0, 30)),
        st.tuples(st.just("learn"), st.sampled_from([{"vip": True}, {"language": "es"}, {"n": 2.0}, {"booking": ""}])),
    ),
    max_size=60,
)  # fmt: skip


class Watched:
    """A run, and what holds of every run after every event."""

    def __init__(self, flow: Flow, epoch_s: float) -> None:
        self.run = FlowRun(flow, {"main": flow}, {"caller": "+34600111222"}, CALENDARS, epoch_s, 0.0)
        self.now = 0.0
        self.acts: list[Act] = []
        self.answered = self.finished = False
        self._last_heard: Act | None = None
        self._quiet_since: float | None = None
        self.took(self.run.begin(0.0))

    def happens(self, what: str, value: object) -> None:
        run = self.run
        if what == "digit":
            self.took(run.digit(str(value), self.now))
        elif what == "done":
            outcomes = sorted(run.outcomes) or ["said"]
            self.took(run.done(outcomes[int(str(value)) % len(outcomes)], self.now, {"vip": True}))
        elif what == "said":
            self.took(run.done("said", self.now))
        elif what == "learn":
            assert isinstance(value, dict)
            run.learn(value)
        else:
            until = self.now + float(str(value))
            while run.deadline is not None and run.deadline <= until:
                self.expires()
            self.now = until

    def expires(self) -> None:
        deadline = self.run.deadline
        assert deadline is not None
        self.now = max(self.now, deadline)
        self.took(self.run.expire(self.now))
        assert self.run.deadline is None or self.run.deadline > self.now

    def took(self, acts: list[Act]) -> None:
        run = self.run
        for act in acts:
            assert not self.finished, "after the last act there is none"
            assert run.answered or not isinstance(act, HEARD)
            assert not (isinstance(act, Answer) and self.answered)
            self.answered = self.answered or isinstance(act, Answer)
            assert self.answered or not isinstance(act, HEARD), "nothing is heard before the answer"
            self.finished = isinstance(act, Finish)
            self._last_heard = act if isinstance(act, (*HEARD, Ring)) else self._last_heard
        self.acts += acts
        assert self.finished or not run.over or run.trail[-1].outcome == "answered"
        assert len(run.trail) <= MOST_STEPS + 1
        assert run.over or run.deadline is not None or run.outcomes
        self._listen()

    def _listen(self) -> None:
        """Who waits in a question or for another program hears something again soon enough."""
        run = self.run
        in_question = run.phase is Phase.KEYS or (run.outcomes and isinstance(run.step, kinds.Webhook | kinds.CallBack))
        if not in_question or isinstance(self._last_heard, Music | Ring):
            self._quiet_since = None
            return
        self._quiet_since = self.now if self._quiet_since is None else self._quiet_since
        assert run.deadline is not None and run.deadline <= self._quiet_since + QUIET_S


@given(flows | st.just(EXAMPLE), events, st.integers(1_790_000_000, 1_790_600_000), st.integers(0, 4))
def test_every_run_ends_and_leaves_nobody_in_silence(flow: Flow, happened: list[tuple[str, object]], epoch_s: int, usual: int) -> None:
    watched = Watched(flow, epoch_s)
    for what, value in happened:
        watched.happens(what, value)
    for _ in range(MOST_EVENTS):
        if watched.run.over:
            break
        if watched.run.deadline is None:
            watched.happens("done", usual)
        else:
            watched.expires()
    assert watched.run.over and watched.run.deadline is None


@given(events, st.integers(1_790_000_000, 1_790_600_000))
def test_the_same_events_lead_the_same_way(happened: list[tuple[str, object]], epoch_s: int) -> None:
    ways = []
    for _ in range(2):
        watched = Watched(EXAMPLE, epoch_s)
        for what, value in happened:
            watched.happens(what, value)
        ways.append((watched.acts, [(each.step, each.since_s, each.outcome) for each in watched.run.trail]))
    assert ways[0] == ways[1]
