"""One caller in one flow: what they hear, what a digit does, and where they end."""

import pytest

from rooms.calendar import Calendar, Span
from rooms.causes import Cause, EndReason
from rooms.flows import flow as kinds
from rooms.flows.acts import (
    Answer,
    AskWebhook,
    Connect,
    Finish,
    JoinQueue,
    Music,
    OfferCallBack,
    Ring,
    Say,
    StopSaying,
    TakeMessage,
)
from rooms.flows.conditions import Comparison, Condition, FactValue
from rooms.flows.flow import Flow, Step
from rooms.flows.run import LONGEST_SAYING_S, MOST_KEYS, MOST_STEPS, FlowRun, Phase

MENU = kinds.Menu(name="menu", say=("which",), choices={"1": "sales", "2": "end"}, tries=2, wait_s=6.0)


def flow(*steps: Step, languages: tuple[str, ...] = ("en", "es")) -> Flow:
    """One that begins with the first of its steps."""
    return Flow("main", languages, languages[0], steps[0].name, {step.name: step for step in steps})


def begun(of: Flow, **facts: str | float | bool) -> FlowRun:
    return FlowRun(of, {of.name: of}, facts, {}, 0.0, 0.0)


def small() -> Flow:
    return flow(
        kinds.Say(name="hello", say=("welcome",), next="menu"),
        MENU,
        kinds.Queue(name="sales", queue="sales"),
        kinds.HangUp(name="end", say=("bye",)),
    )


def test_a_caller_is_answered_greeted_and_led_into_the_queue_they_choose() -> None:
    run = begun(small(), language="es")
    assert run.begin(0) == [Answer(), Say(("prompt/es/welcome",))]
    assert run.done("said", 3) == [Say(("prompt/es/which",))]
    assert run.done("said", 6) == [] and run.deadline == 7.5
    assert run.expire(7.5) == [Music("hold")] and run.deadline == 12
    assert run.digit("1", 8) == [JoinQueue("sales")] and run.deadline is None
    assert run.done("answered", 60) == [] and run.over
    assert [(each.step, each.outcome) for each in run.trail] == [("hello", "next"), ("menu", "1"), ("sales", "answered")]


def test_a_digit_ends_what_is_said_and_early_ones_are_kept_for_the_next_question() -> None:
    run = begun(small())
    run.begin(0)
    assert run.digit("1", 1) == [StopSaying(), JoinQueue("sales")]


def test_who_presses_nothing_hears_the_question_again_and_then_goodbye() -> None:
    run = begun(small())
    run.begin(0), run.done("said", 1), run.done("said", 2), run.expire(3.5)
    assert run.expire(8) == [Say(("prompt/en/nothing-heard", "prompt/en/which"))]
    run.done("said", 10), run.expire(11.5)
    assert run.expire(16) == [Say(("prompt/en/goodbye",))]
    assert run.done("said", 18) == [Finish(Cause(EndReason.COMPLETED))]
    assert run.over and run.deadline is None


def test_a_queue_that_is_full_ends_with_a_goodbye_that_says_nobody_was_there() -> None:
    run = begun(small())
    run.begin(0), run.digit("1", 1)
    assert run.done("full", 1) == [Say(("prompt/en/goodbye",))]
    assert run.done("said", 3) == [Finish(Cause(EndReason.NOBODY_AVAILABLE))]


def test_a_call_may_be_refused_without_ever_being_answered() -> None:
    assert begun(flow(kinds.HangUp(name="end", reason=EndReason.BUSY))).begin(0) == [Finish(Cause(EndReason.BUSY))]


# ---------------------------------------------------------------- digits


def sentences(*names: str, language: str = "en") -> Say:
    return Say(tuple(f"prompt/{language}/{name}" for name in names))


def test_what_wants_to_be_heard_is_not_ended_by_a_digit_which_counts_all_the_same() -> None:
    notice = kinds.Say(name="notice", say=("please-wait",), interruptible=False, next="menu")
    run = begun(flow(notice, MENU, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end")))
    run.begin(0)
    assert run.digit("1", 1) == []
    assert run.done("said", 4) == [JoinQueue("sales")]


def test_digits_that_come_early_pass_over_what_is_said_through_several_questions() -> None:
    inner = kinds.Menu(name="inner", say=("which",), choices={"2": "sales"})
    hello = kinds.Say(name="hello", say=("welcome",), next="outer")
    outer = kinds.Menu(name="outer", say=("which",), choices={"1": "more"})
    more = kinds.Say(name="more", say=("please-wait",), next="inner")
    run = begun(flow(hello, outer, more, inner, kinds.Queue(name="sales", queue="sales")))
    run.begin(0)
    assert run.digit("1", 1) == [StopSaying(), Say(("prompt/en/please-wait",))]
    assert run.digit("2", 2) == [StopSaying(), JoinQueue("sales")]


def test_after_a_wrong_digit_the_early_ones_are_dropped_and_the_question_is_said_again() -> None:
    notice = kinds.Say(name="notice", say=("please-wait",), interruptible=False, next="menu")
    run = begun(flow(notice, MENU, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end")))
    run.begin(0), run.digit("7", 1), run.digit("1", 1)
    assert run.done("said", 3) == [sentences("invalid-choice", "which")]
    assert run.digit("8", 4) == [StopSaying(), sentences("goodbye")]


def test_a_digit_left_over_does_not_silence_a_round_of_announcements() -> None:
    one, two = kinds.Say(name="one", say=("please-wait",), next="two"), kinds.Say(name="two", say=("welcome",), next="one")
    run = begun(flow(one, two))
    run.begin(0)
    assert run.digit("5", 1) == [StopSaying(), sentences("welcome")]  # each was passed over once
    assert run.done("said", 3) == [sentences("please-wait")]


def test_a_digit_left_over_from_announcements_answers_no_question_behind_them() -> None:
    late = kinds.Way((Condition("late", Comparison.IS, (True,)),), "menu")
    one, two = kinds.Say(name="one", say=("please-wait",), next="two"), kinds.Say(name="two", say=("welcome",), next="which")
    run = begun(flow(one, two, kinds.Choose(name="which", ways=(late,), otherwise="one"), MENU, kinds.HangUp(name="end")))
    run.begin(0)
    assert run.digit("2", 1) == [StopSaying(), sentences("welcome")]
    run.learn({"late": True})
    assert run.done("said", 3) == [sentences("which")]


def test_no_more_early_digits_are_kept_than_anybody_needs() -> None:
    notice = kinds.Say(name="notice", say=("please-wait",), interruptible=False, next="digits")
    digits = kinds.Ask(name="digits", say=("which",), fact="booking", most=MOST_KEYS, next="more")
    run = begun(flow(notice, digits, kinds.Ask(name="more", say=("which",), fact="more", most=1, next="digits")))
    run.begin(0)
    for _ in range(MOST_KEYS + 20):
        run.digit("4", 1)
    run.done("said", 3)
    assert run.facts["booking"] == "4" * MOST_KEYS and "more" not in run.facts


def test_digits_pressed_in_a_queue_answer_no_later_question() -> None:
    run = begun(flow(kinds.Queue(name="sales", queue="sales", timeout="menu"), MENU, kinds.HangUp(name="end")))
    run.begin(0), run.digit("1", 5)
    assert run.done("timeout", 60) == [sentences("which")]


def test_what_is_no_key_is_no_digit() -> None:
    run = begun(flow(MENU, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end")))
    run.begin(0)
    assert [run.digit(key, 1) for key in ("", "11", "A", "x")] == [[], [], [], []]


NUMBER = kinds.Ask(name="number", say=("which",), fact="booking", least=4, most=6, tries=2, wait_s=8.0, between_s=3.0, next="end")


@pytest.mark.parametrize(
    ("pressed", "expected"),
    [("1234#", "1234"), ("123456", "123456"), ("12*5678#", "5678"), ("4711", "4711")],
)
def test_digits_become_a_fact(pressed: str, expected: str) -> None:
    run = begun(flow(NUMBER, kinds.HangUp(name="end")))
    run.begin(0), run.done("said", 2)
    for number, key in enumerate(pressed):
        run.digit(key, 3 + number)
    while run.deadline is not None:  # that was all of it, once some time has passed
        run.expire(run.deadline)
    assert run.facts["booking"] == expected


def test_too_few_digits_are_asked_for_again_and_whoever_begins_anew_for_ever_is_led_on() -> None:
    run = begun(flow(NUMBER, kinds.HangUp(name="end")))
    run.begin(0), run.done("said", 2), run.digit("1", 3), run.digit("2", 4)
    assert run.expire(7) == [sentences("invalid-choice", "which")]
    run.done("said", 10)
    now = 10.0
    while run.phase is Phase.KEYS:
        run.digit("*", now)
        now = min(now + 1, run.deadline or now)
        run.expire(now)
    assert now == 10 + 8 + 2 * 6 * 3


# ---------------------------------------------------------------- steps that decide


OFFICE = {"office": Calendar("UTC", {0: (Span(9 * 60, 17 * 60),)})}
MONDAY_S = 4 * 86_400.0  # 5 January 1970


def test_hours_are_those_of_the_moment_when_the_caller_comes_there() -> None:
    hours = kinds.Hours(name="hours", calendar="office", open="sales", closed="end")
    steps = flow(
        kinds.Say(name="hello", say=("welcome",), next="hours"), hours, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end")
    )
    for begun_at, expected in ((17 * 3600 - 10, JoinQueue("sales")), (17 * 3600 - 2, Finish(Cause(EndReason.COMPLETED)))):
        run = FlowRun(steps, {}, {}, OFFICE, MONDAY_S + begun_at, 1000.0)
        run.begin(1000)
        assert run.done("said", 1003) == [expected]


def test_hours_and_conditions_refuse_a_call_that_was_never_answered() -> None:
    hours = kinds.Hours(name="hours", calendar="office", open="who", closed="end")
    who = kinds.Choose(name="who", ways=(kinds.Way((Condition("blocked", Comparison.IS, (True,)),), "end"),), otherwise="menu")
    steps = flow(hours, who, MENU, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end", reason=EndReason.DECLINED))
    refused = [Finish(Cause(EndReason.DECLINED))]
    assert FlowRun(steps, {}, {}, OFFICE, MONDAY_S, 0).begin(0) == refused
    assert FlowRun(steps, {}, {"blocked": True}, OFFICE, MONDAY_S + 36_000, 0).begin(0) == refused
    assert FlowRun(steps, {}, {}, OFFICE, MONDAY_S + 36_000, 0).begin(0) == [Answer(), sentences("which")]


@pytest.mark.parametrize(
    ("comparison", "wanted", "value", "expected"),
    [
        (Comparison.IS, ("x",), "x", True),
        (Comparison.IS, (7.0,), "7", True),
        (Comparison.IS, (True,), True, True),
        (Comparison.IS, (True,), 1.0, False),
        (Comparison.IS, ("x",), "", False),
        (Comparison.IS_NOT, ("x",), "y", True),
        (Comparison.IS_NOT, ("x",), "", False),  # nothing holds of what is not known
        (Comparison.ONE_OF, ("es", "ca"), "ca", True),
        (Comparison.ONE_OF, ("es", "ca"), "en", False),
        (Comparison.AT_LEAST, (50.0,), 50, True),
        (Comparison.AT_LEAST, (50.0,), "60", True),
        (Comparison.AT_LEAST, (50.0,), "many", False),
        (Comparison.AT_LEAST, (0.0,), True, False),
        (Comparison.AT_MOST, (2.0,), 3, False),
        (Comparison.BEGINS, ("+34",), "+34600111222", True),
        (Comparison.BEGINS, ("+34",), 34.0, False),
        (Comparison.KNOWN, (True,), "x", True),
        (Comparison.KNOWN, (True,), "", False),
        (Comparison.KNOWN, (False,), "", True),
    ],
)
def test_a_condition_holds_of_a_fact(comparison: Comparison, wanted: tuple[FactValue, ...], value: FactValue, expected: bool) -> None:
    assert Condition("fact", comparison, wanted).holds({"fact": value}) is expected


def test_a_fact_that_is_learned_late_counts_from_the_next_condition_on_and_is_never_waited_for() -> None:
    vip = kinds.Way((Condition("vip", Comparison.IS, (True,)),), "end")
    early, late = (kinds.Choose(name=name, ways=(vip,), otherwise=to) for name, to in (("early", "hello"), ("late", "sales")))
    hello = kinds.Say(name="hello", say=("welcome",), next="late")
    steps = flow(early, hello, late, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end"))
    run = begun(steps)
    assert run.begin(0) == [Answer(), sentences("welcome")]
    run.learn({"vip": True})
    assert run.done("said", 2) == [Finish(Cause(EndReason.COMPLETED))]


# ---------------------------------------------------------------- languages


def test_the_language_is_the_callers_where_the_flow_has_it_and_can_be_set() -> None:
    spanish = kinds.Set(name="spanish", language="es", next="hello")
    hello = kinds.Say(name="hello", say=("welcome",), next="end")
    assert begun(flow(hello, kinds.HangUp(name="end")), language="fr").begin(0) == [Answer(), sentences("welcome")]
    assert begun(flow(spanish, hello, kinds.HangUp(name="end"))).begin(0) == [Answer(), sentences("welcome", language="es")]


def test_a_language_learned_after_the_first_word_changes_nothing_and_one_that_a_webhook_answers_does() -> None:
    steps = flow(
        kinds.Say(name="hello", say=("welcome",), next="ask"),
        kinds.Webhook(name="ask", webhook="who", ok="bye"),
        kinds.HangUp(name="bye", say=("goodbye",)),
    )
    run = begun(steps)
    run.learn({"language": "es"})
    assert run.language == "es"
    run.begin(0), run.learn({"language": "en"})
    assert run.language == "es"
    assert run.done("said", 2) == [AskWebhook("who")]
    assert run.done("ok", 3, {"language": "en", "name": "Ana"}) == [sentences("goodbye")] and run.facts["name"] == "Ana"


def test_a_question_in_several_languages_says_them_one_after_the_other() -> None:
    run = begun(flow(kinds.Menu(name="menu", say=("which",), speak=("es", "en"), choices={"1": "end"}), kinds.HangUp(name="end")))
    assert run.begin(0) == [Answer(), Say(("prompt/es/which", "prompt/en/which"))]


def test_another_flow_goes_on_in_its_own_languages_and_words() -> None:
    other = Flow(
        "other", ("fr",), "fr", "hello", {"hello": kinds.Say(name="hello", say=("hello",), next="")}, {"hello": {"fr": "Bonjour."}}
    )
    main = flow(kinds.GoOn(name="on", flow="other"))
    run = FlowRun(main, {"main": main, "other": other}, {"language": "es"}, {}, 0, 0)
    (_, said) = run.begin(0)
    assert isinstance(said, Say) and said.sounds[0].startswith("prompt/fr/hello.") and run.language == "fr"
    assert [(each.flow, each.step) for each in run.trail] == [("main", "on"), ("other", "hello")]


# ---------------------------------------------------------------- steps that hand the caller over


def test_a_message_is_taken_after_its_announcement() -> None:
    box = kinds.Voicemail(name="box", say=("voicemail-greeting",), box="office", max_s=60, taken="bye")
    run = begun(flow(box, kinds.HangUp(name="bye", say=("goodbye",))))
    assert run.begin(0) == [Answer(), sentences("voicemail-greeting")]
    assert run.done("said", 3) == [TakeMessage("office", 60)] and run.deadline == 73
    assert run.done("taken", 20) == [sentences("goodbye")]


def test_a_webhook_is_told_what_it_may_know_and_the_caller_hears_something_meanwhile() -> None:
    hook = kinds.Webhook(name="ask", webhook="booking", tell=("booking", "caller"), wait_s=4, ok="sales", failed="end")
    steps = flow(hook, kinds.Queue(name="sales", queue="sales"), kinds.HangUp(name="end"))
    run = begun(steps, caller="+34600111222", secret="x")
    assert run.begin(0) == [AskWebhook("booking", (("caller", "+34600111222"),))] and run.deadline == 1.5
    assert run.expire(1.5) == [Ring()]
    assert run.expire(4) == [Finish(Cause(EndReason.NOBODY_AVAILABLE))]
    assert run.trail[0].outcome == "failed"


def test_a_transfer_goes_to_whom_a_fact_names_or_fails_at_once() -> None:
    to_account = kinds.Transfer(name="account", agent_fact="account", ring_s=20, failed="to-office")
    office = kinds.Transfer(name="to-office", number="600", busy="end")
    steps = flow(to_account, office, kinds.HangUp(name="end", reason=EndReason.BUSY))
    run = begun(steps, account="ana")
    assert run.begin(0) == [Answer(), Connect("ana", 20, is_agent=True)] and run.deadline == 30
    assert run.expire(30) == [sentences("goodbye")]
    run = begun(steps)
    assert run.begin(0) == [Answer(), Connect("600", 30)]
    assert run.done("busy", 3) == [Finish(Cause(EndReason.BUSY))]


def test_a_call_back_is_kept_for_the_callers_number_and_refused_without_one() -> None:
    steps = flow(
        kinds.CallBack(name="back", queue="sales", kept="end", refused="busy"),
        kinds.HangUp(name="end"),
        kinds.HangUp(name="busy", reason=EndReason.BUSY),
    )
    run = begun(steps, caller="+34600111222")
    assert run.begin(0) == [OfferCallBack("sales", "+34600111222")]
    assert run.done("kept", 1) == [Finish(Cause(EndReason.NOBODY_AVAILABLE))]  # of a call that was never answered
    assert begun(steps).begin(0) == [Finish(Cause(EndReason.BUSY))]


def test_the_priority_is_the_callers_until_a_queue_has_its_own() -> None:
    steps = flow(
        kinds.Set(name="up", priority=3, next="one"),
        kinds.Queue(name="one", queue="a", full="two"),
        kinds.Queue(name="two", queue="b", priority=0),
    )
    run = begun(steps)
    assert run.begin(0) == [Answer(), JoinQueue("a", 3)]
    assert run.done("full", 1) == [JoinQueue("b", 0)]


def test_an_outcome_that_nothing_waits_for_is_none() -> None:
    run = begun(flow(kinds.Queue(name="sales", queue="sales")))
    run.begin(0)
    assert [run.done(outcome, 1) for outcome in ("said", "taken", "nonsense")] == [[], [], []]
    run.done("answered", 2)
    assert run.over and run.done("timeout", 3) == [] and run.digit("1", 4) == [] and run.begin(5) == []


def test_what_is_never_reported_to_be_said_ends_by_itself() -> None:
    run = begun(small())
    run.begin(0)
    assert run.expire(LONGEST_SAYING_S) == [StopSaying(), sentences("which")]


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "step",
    [
        kinds.Set(name="a", next="a"),
        kinds.Set(name="a", next="nowhere"),
        kinds.Hours(name="a", calendar="nowhere", open="a", closed="a"),
        kinds.GoOn(name="a", flow="nowhere"),
    ],
)
def test_a_faulty_flow_that_nobody_checked_ends_and_says_why(step: Step) -> None:
    run = begun(flow(step))
    assert run.begin(0) == [Answer(), sentences("technical-problem")]
    (end,) = run.done("said", 3)
    assert isinstance(end, Finish) and end.cause.reason is EndReason.FAILED and "'main'" in end.cause.detail
    assert len(run.trail) <= MOST_STEPS + 1


def test_facts_are_bounded() -> None:
    run = begun(small(), **{f"fact{number}": "x" * 10_000 for number in range(1_000)})
    assert len(run.facts) <= 101 and max(len(str(value)) for value in run.facts.values()) == 500


def test_steps_that_follow_one_another_are_one_silence() -> None:
    """A key pressed late and another program that takes its time: who waits hears music as soon as if it were one."""
    run = begun(
        flow(
            kinds.Menu(name="menu", say=("which",), choices={"1": "ask"}),
            kinds.Webhook(name="ask", webhook="crm", ok="end"),
            kinds.HangUp(name="end"),
        )
    )
    run.begin(0), run.done("said", 3)
    assert [type(act).__name__ for act in run.digit("1", 4)] == ["AskWebhook"] and run.deadline == 4.5
    assert run.expire(4.5) == [Music("hold")]
