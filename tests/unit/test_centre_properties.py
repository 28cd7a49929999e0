"""Callers in flows and queues, agents, browsers, phones and plans under random events: nobody is lost, doubled, stuck, or hears nothing."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.effects import Effect
from rooms.move import Target
from rooms.record import CallState
from rooms.switchboard import CallPolicy, Switchboard
from tests.kit.centre import HELP, MENU, SALES, comes, flow, plan
from tests.kit.centre_world import World

AGENTS = ("ana", "bea", "eva")
CALLS = ("c", "d", "e")
STRICT = replace(SALES, max_wait_s=20.0, wrap_up_s=10.0, wrap_up_required=True, sticky_s=5.0, call_back_after_s=5.0)
PLANS = (plan(), plan(STRICT, HELP), plan(HELP), plan(STRICT, replace(HELP, max_wait_s=15.0), flows={"main": flow(MENU[5], *MENU)}))
POLICY = CallPolicy(max_calls=4, call_back_tries=2, call_back_retry_s=30.0)
NUMBER = Target(number="600333444", trunk="pbx")

agents = st.sampled_from(AGENTS)
calls = st.sampled_from(CALLS)
causes = st.sampled_from([EndReason.COMPLETED, EndReason.BUSY, EndReason.NO_ANSWER, EndReason.MEDIA_LOST]).map(Cause)
facts = st.sampled_from([{}, {"last_agent": "bea"}, {"language": "en"}])


def own_leg(world: World, agent: str) -> str:
    return world.legs.get(agent, "nowhere")


def own_call(world: World, agent: str) -> str:
    """The last call of this agent, or one that they have nothing to do with."""
    views = world.switchboard.calls_of(agent)
    return views[-1].call_id if views else "c"


Step = Callable[[World], object]


def arrives(call_id: str, private: bool, known: dict[str, str]) -> Step:
    def step(world: World) -> None:
        if call_id not in world.rooms and call_id not in world.closed:
            world.at(comes(call_id, "anonymous" if private else "+34600111222", private=private, **known))

    return step


def of_call(make: Callable[[str], ev.Event]) -> st.SearchStrategy[Step]:
    return calls.map(lambda call_id: lambda world: world.at(make(call_id)))


def of_agent(make: Callable[[World, str], ev.Event]) -> st.SearchStrategy[Step]:
    return agents.map(lambda agent: lambda world: world.at(make(world, agent)))


def last(of: Callable[[World], list[str]], make: Callable[[str], ev.Event]) -> Step:
    """About the last of these, if there is one."""
    return lambda world: world.at(make(of(world)[-1])) if of(world) else None


def speaks_no_more(world: World, outcome: str) -> None:
    if world.taking:
        call_id = world.taking.pop()
        if call_id in world.rooms:
            for ear in world.rooms[call_id].ears.values():
                ear.speaks = False
            world.at(ev.MessageTaken(call_id, outcome))


def takes(world: World, agent: str) -> None:
    world.at(ev.CallAccepted(own_call(world, agent), agent))
    world.at(ev.LegConnected(own_leg(world, agent)))


def hangs_up(call_id: str) -> Step:
    def step(world: World) -> None:
        if call_id in world.rooms:
            world.rooms[call_id].gone.add(f"{call_id}-phone")
        world.at(ev.LegHungUp(f"{call_id}-phone", Cause(EndReason.COMPLETED)))

    return step


callers = st.one_of(
    st.builds(arrives, calls, st.booleans(), facts),
    st.builds(arrives, calls, st.just(False), facts),
    st.tuples(calls, st.sampled_from("1123456")).map(lambda drawn: lambda world: world.at(ev.DigitHeard(f"{drawn[0]}-phone", drawn[1]))),
    st.tuples(calls, st.sampled_from("1123456")).map(lambda drawn: lambda world: world.at(ev.DigitHeard(f"{drawn[0]}-phone", drawn[1]))),
    st.builds(hangs_up, calls),
    st.sampled_from(["taken", "empty", "failed"]).map(lambda outcome: lambda world: speaks_no_more(world, outcome)),
)
people = st.one_of(
    agents.map(lambda agent: lambda world: takes(world, agent)),
    of_agent(lambda world, agent: ev.CallAccepted(own_call(world, agent), agent)),
    of_agent(lambda world, agent: ev.CallDeclined(own_call(world, agent), agent)),
    of_agent(lambda world, agent: ev.HangUpRequested(own_call(world, agent), agent)),
    of_agent(lambda world, agent: ev.LegConnected(own_leg(world, agent))),
    of_agent(lambda world, agent: ev.LegLost(own_leg(world, agent), Cause(EndReason.MEDIA_LOST))),
    of_agent(lambda world, agent: ev.AgentConnected(agent)),
    of_agent(lambda world, agent: ev.AgentDisconnected(agent)),
    of_agent(lambda world, agent: ev.AvailabilityChanged(agent, True)),
    of_agent(lambda world, agent: ev.AvailabilityChanged(agent, False, "lunch")),
    st.tuples(agents, st.sampled_from(["", "sold"])).map(
        lambda drawn: lambda world: world.at(ev.WrapUpFinished(drawn[0], wrapped(world, drawn[0]), drawn[1]))
    ),
    of_agent(lambda world, agent: ev.WrapUpExtended(agent, wrapped(world, agent))),
    of_agent(lambda world, agent: ev.WrapUpTakenBack(agent, finished_call(world, agent))),
    st.tuples(agents, st.sampled_from([None, AgentState.RINGING, AgentState.ON_CALL, AgentState.WRAP_UP])).map(
        lambda drawn: lambda world: world.at(ev.AgentEngaged(*drawn))
    ),
    st.tuples(agents, st.sampled_from([Target(queue="help"), Target(queue="sales"), Target(agent="bea"), NUMBER]), st.booleans()).map(
        lambda drawn: lambda world: world.at(ev.TransferRequested(own_call(world, drawn[0]), *drawn))
    ),
    st.tuples(agents, st.sampled_from(ev.TransferAction)).map(
        lambda drawn: lambda world: world.at(ev.TransferActed(own_call(world, drawn[0]), *drawn))
    ),
    of_agent(lambda world, agent: ev.ParkRequested(own_call(world, agent), agent)),
    of_agent(lambda world, agent: ev.HoldRequested(own_call(world, agent), agent, True)),
    st.tuples(agents, calls).map(lambda drawn: lambda world: world.at(ev.PickUpRequested(drawn[1], drawn[0]))),
    st.tuples(agents, st.integers(0, 9)).map(lambda drawn: lambda world: dials(world, *drawn)),
)
others = st.one_of(
    st.just(last(lambda world: world.sought, lambda call_id: ev.TargetFound(call_id, NUMBER))),
    st.just(last(lambda world: world.sought, lambda call_id: ev.TargetFound(call_id, NUMBER))),
    st.just(last(lambda world: world.sought, lambda call_id: ev.TargetFound(call_id, None, Cause(EndReason.FORBIDDEN)))),
    st.just(last(lambda world: world.dialled, lambda leg_id: ev.LegRang(leg_id))),
    st.just(last(lambda world: world.dialled, lambda leg_id: ev.LegAnswered(leg_id))),
    causes.map(lambda cause: last(lambda world: world.dialled, lambda leg_id: ev.LegRefused(leg_id, cause))),
    causes.map(lambda cause: last(lambda world: world.dialled, lambda leg_id: ev.LegHungUp(leg_id, cause))),
    st.sampled_from(["ok", "failed"]).map(
        lambda outcome: last(lambda world: world.asking, lambda call_id: ev.WebhookAnswered(call_id, outcome, {"vip": True}))
    ),
    of_call(lambda call_id: ev.FactsLearned(call_id, {"booking": "MAD-1"})),
    of_call(lambda call_id: ev.LegLost(f"{call_id}-phone", Cause(EndReason.MEDIA_LOST))),
    of_call(lambda call_id: ev.SoundEnded(f"{call_id}-phone", "prompt/es/which")),
    of_call(lambda call_id: ev.MessageTaken(call_id, "taken")),
    of_call(lambda call_id: ev.WebhookAnswered(call_id, "ok")),
    of_call(lambda call_id: ev.CallBackCancelled(call_id)),
    st.tuples(agents, st.sampled_from(["JoinBridge", "CloseLeg", "FindTarget"])).map(
        lambda drawn: (
            lambda world: world.at(ev.EffectFailed(own_call(world, drawn[0]), own_leg(world, drawn[0]), Cause(EndReason.FAILED), drawn[1]))
        )
    ),
    st.sampled_from(PLANS).map(lambda changed: lambda world: world.at(ev.PlanChanged(changed))),
    agents.map(lambda agent: lambda world: world.at(ev.AgentSkilled(agent, {"sales": 1}))),
    agents.map(lambda agent: lambda world: world.at(ev.AgentSkilled(agent, {}, frozenset({"help"})))),
)
waits = st.sampled_from([0, 0, 0, 0.5, 1, 1, 2, 5, 12, 35])
noise = st.integers(0, 9).flatmap(lambda die: callers if die < 3 else people if die < 7 else others)


def rung(world: World) -> list[str]:
    """At whose it rings."""
    return [agent for agent in AGENTS if any(view.state is CallState.RINGING for view in world.switchboard.calls_of(agent))]


def somebody(do: Callable[[World, str], object], which: Callable[[World], list[str]]) -> Step:
    return lambda world: do(world, which(world)[0]) if which(world) else None


def in_calls(world: World) -> list[str]:
    return [agent for agent in AGENTS if world.switchboard.agent_state(agent) is AgentState.ON_CALL]


def working(world: World) -> list[str]:
    return [agent for agent in AGENTS if world.switchboard.wrap_up(agent) is not None]


def presses(call_id: str, key: str) -> Step:
    return lambda world: world.at(ev.DigitHeard(f"{call_id}-phone", key))


taken = somebody(takes, rung)
ended = somebody(lambda world, agent: world.at(ev.HangUpRequested(own_call(world, agent), agent)), in_calls)
taken_back = somebody(
    lambda world, agent: world.at(ev.WrapUpTakenBack(agent, finished_call(world, agent))),
    lambda world: [agent for agent in AGENTS if world.switchboard.finished(agent) is not None],
)
finished = somebody(lambda world, agent: world.at(ev.WrapUpFinished(agent, wrapped(world, agent), "sold")), working)
declined = somebody(lambda world, agent: world.at(ev.CallDeclined(own_call(world, agent), agent)), rung)
found = last(lambda world: world.sought, lambda call_id: ev.TargetFound(call_id, NUMBER))
answered = last(lambda world: world.dialled, lambda leg_id: ev.LegAnswered(leg_id))
refused = last(lambda world: world.dialled, lambda leg_id: ev.LegRefused(leg_id, Cause(EndReason.BUSY)))
told = last(lambda world: world.asking, lambda call_id: ev.WebhookAnswered(call_id, "ok", {"vip": True}))


def back_again(world: World) -> None:
    for agent in AGENTS:
        world.at(ev.AvailabilityChanged(agent, True))


@st.composite
def stories(draw: st.DrawFn, call_id: str) -> list[Step]:
    """One caller's way as it would go if nothing came between, with some of it left out."""
    begin: list[Step] = [
        draw(st.builds(arrives, st.just(call_id), st.booleans(), facts)),
        presses(call_id, draw(st.sampled_from("1123456"))),
    ]
    ways: list[list[Step]] = [
        [taken, draw(people), ended, finished, taken_back, draw(people), finished],
        [taken, draw(people), hangs_up(call_id), draw(people), finished],
        [declined, draw(people), taken, hangs_up(call_id), finished],
        [declined, presses(call_id, "1"), back_again, taken, found, answered, ended, finished],
        [declined, presses(call_id, "1"), back_again, taken, found, refused, back_again, taken, found, refused],
        [lambda world: speaks_no_more(world, "taken"), hangs_up(call_id)],
        [found, answered, hangs_up(call_id)],
        [found, refused, taken, ended],
        [told, taken, draw(people), ended],
        [hangs_up(call_id)],
    ]
    whole = begin + draw(st.sampled_from(ways))
    left_out = draw(st.sets(st.integers(1, 9), max_size=2))
    return [step for at, step in enumerate(whole) if at not in left_out]


@st.composite
def woven(draw: st.DrawFn) -> list[tuple[float, Step]]:
    """Callers' stories woven into one another and into noise, with time passing between."""
    threads = [draw(stories(call_id)) for call_id in CALLS[: draw(st.integers(1, 3))]]
    threads.append(draw(st.lists(noise, max_size=14)))
    steps: list[tuple[float, Step]] = []
    while any(threads):
        thread = draw(st.sampled_from([thread for thread in threads if thread]))
        steps.append((draw(waits), thread.pop(0)))
    return steps


steps = woven()


def wrapped(world: World, agent: str) -> str:
    wrap_up = world.switchboard.wrap_up(agent)
    return wrap_up.call_id if wrap_up is not None else "c"


def finished_call(world: World, agent: str) -> str:
    finished = world.switchboard.finished(agent)
    return finished.wrap_up.call_id if finished is not None else "c"


def dials(world: World, agent: str, number: int) -> None:
    call_id = f"x{number}"
    if (
        call_id not in world.rooms
        and call_id not in world.closed
        and world.at(ev.CallDialed(call_id, agent, f"{call_id}-{agent}", f"{call_id}-far", "600", "pbx"))
    ):
        world.legs[agent] = f"{call_id}-{agent}"
        world.dialled.append(f"{call_id}-far")


def opened() -> World:
    """All three are there, two of them sell."""
    world = World(Switchboard(POLICY))
    world.at(ev.PlanChanged(PLANS[0]))
    for agent in AGENTS:
        world.at(ev.AgentSkilled(agent, {"sales": 1} if agent != "eva" else {}))
        world.at(ev.AgentConnected(agent))
    return world


@given(steps)
def test_nobody_is_lost_doubled_stuck_or_left_in_silence(steps: list[tuple[float, Step]]) -> None:
    world = opened()
    for wait, step in steps:
        world.pass_time(wait)
        step(world)
        world.check(AGENTS)
    switchboard = world.switchboard
    for _ in range(40):  # nobody does anything more
        for outcome in list(world.taking):
            speaks_no_more(world, "taken" if outcome else "")
        world.pass_time(60)
        world.check(AGENTS)
    for agent in AGENTS:
        calls = switchboard.calls_of(agent)
        talking = [view for view in calls if view.state is not CallState.RINGING or view.direction == "out"]
        assert len(calls) == len(talking), "nothing rings for ever"
        assert switchboard.wrap_up(agent) is None and switchboard.finished(agent) is None
        assert switchboard.agent_state(agent) is not AgentState.RINGING or agent_is_elsewhere(world, agent)
    for call_id in world.rooms:
        view = switchboard.call(call_id)
        assert view is not None and (view.move is None or view.move.state in ("waiting", "consulting")), "no caller is stuck in a flow"
        waits = view.move is not None and view.move.state == "waiting"
        assert not (
            waits and any(switchboard.agent_state(agent) is AgentState.AVAILABLE for agent in could_take(view.centre and view.centre.queue))
        )
    world.at(ev.DrainRequested())
    assert not world.rooms and len(switchboard) == 0 and switchboard.next_deadline() is None


def agent_is_elsewhere(world: World, agent: str) -> bool:
    return not world.switchboard.calls_of(agent)


def could_take(queue: str | None) -> tuple[str, ...]:
    return AGENTS if queue == "help" else ()


@settings(max_examples=40)
@given(steps)
def test_a_refusal_changes_nothing(steps: list[tuple[float, Step]]) -> None:
    """A switchboard that is spared every request which another one refuses stays the same."""
    tried, spared = opened(), opened()
    told: list[tuple[float, ev.Event | None]] = []
    handle, expire = tried.switchboard.handle, tried.switchboard.expire

    def handled(event: ev.Event, now: float) -> list[Effect]:
        effects = handle(event, now)
        told.append((now, event))
        return effects

    def expired(now: float) -> list[Effect]:
        told.append((now, None))
        return expire(now)

    tried.switchboard.handle, tried.switchboard.expire = handled, expired  # type: ignore[method-assign]
    for wait, step in steps:
        tried.pass_time(wait)
        step(tried)
    for now, event in told:
        spared.now = now
        spared.perform(spared.switchboard.expire(now) if event is None else spared.switchboard.handle(event, now))
    assert spared.effects == tried.effects
