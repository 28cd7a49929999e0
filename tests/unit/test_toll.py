"""What may be dialled and spent, who is stopped, and what it cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.fraud import DialRules, Risk
from pbx.numbers import NumberKind, parse_number
from pbx.rates import BadRates, Rate, RateTable
from pbx.toll import Bound, Spent, TollBounds, TollRefused, TollWatch

RATES = RateTable([Rate("34", 0.02), Rate("346", 0.05, 0.01, 60, 30), Rate("44", 0.1), Rate("34803", 2.0, 1.0)])
RULES = DialRules(regions=frozenset({"ES", "GB", "FR"}))
MADRID, LONDON, PARIS, PREMIUM = "+34911234567", "+442071234567", "+33123456789", "+34803123456"


def watch(rules: DialRules = RULES, **bounds: object) -> TollWatch:
    return TollWatch(rules, TollBounds(**bounds), RATES.cost)  # type: ignore[arg-type]


def code(toll: TollWatch, number: str, now: float, who: str = "ana", *, off_hours: bool = False) -> str:
    """Why this call is refused; "" where it may be made."""
    try:
        toll.ask(who, parse_number(number, "ES"), now, off_hours=off_hours)
    except TollRefused as refused:
        assert str(refused)
        return refused.code
    return ""


def call(toll: TollWatch, number: str, now: float, talk_s: float = 60.0, who: str = "ana") -> float | None:
    call_id = f"{who}-{now}"
    toll.began(call_id, who, parse_number(number, "ES"), now)
    toll.answered(call_id, now)
    return toll.ended(call_id, now + talk_s)


def test_a_stolen_token_is_stopped_at_its_third_premium_number_and_an_emergency_call_passes() -> None:
    toll = watch()
    codes = [code(toll, f"+3480312{index:04}", 10.0 * index) for index in range(200)]
    assert codes[:3] == ["number_not_allowed"] * 3 and set(codes[3:]) == {"calls_suspended"}
    assert code(toll, "112", 2_000) == code(toll, "200", 2_000) == ""
    assert code(toll, MADRID, 2_000) == "calls_suspended" and code(toll, MADRID, 2_000, "ben") == ""
    assert "ana" in toll.suspensions(2_000) and not toll.suspensions(9_000)


def test_premium_numbers_that_are_allowed_are_confirmed_few_and_counted() -> None:
    toll = watch(DialRules(kinds=RULES.kinds | {NumberKind.PREMIUM}, regions=RULES.regions))
    made = 0
    for index in range(200):
        number = f"+3480312{index:04}"
        if code(toll, number, index) == "confirm_call" and not code(toll, number, index + 0.5):
            call(toll, number, index, talk_s=0.2)
            made += 1
    assert made == 2
    assert code(toll, MADRID, 300) == "calls_suspended"


def test_the_attempt_that_suspends_says_so_once() -> None:
    toll = watch()
    told = []
    for at in range(5):
        with pytest.raises(TollRefused) as refused:
            toll.ask("ana", parse_number(PREMIUM, "ES"), at)
        told.append(refused.value.suspended)
    assert [bool(why) for why in told] == [False, False, True, False, False]
    assert not any(digit in told[2] for digit in (PREMIUM[1:], "803"))


@pytest.mark.parametrize(
    ("number", "says"),
    [("806123456", "premium"), ("+881612345678", "satellite"), ("+34412345678", "no published"), ("+4930123456", "country")],
)
def test_a_refusal_says_what_is_wrong_with_the_number(number: str, says: str) -> None:
    with pytest.raises(TollRefused, match=says):
        watch().ask("ana", parse_number(number, "ES"), 0)


def test_who_is_lifted_calls_again() -> None:
    toll = watch()
    for at in range(3):
        code(toll, PREMIUM, at)
    assert toll.lift("ana") and not toll.lift("ana") and not toll.lift("nobody")
    assert code(toll, MADRID, 4) == ""
    assert [code(toll, PREMIUM, at) for at in (5, 6)] == ["number_not_allowed"] * 2  # and begins to count anew
    assert code(toll, MADRID, 7) == ""


def test_a_country_where_nobody_called_is_confirmed_by_dialling_it_again_and_known_then() -> None:
    toll = watch()
    assert code(toll, LONDON, 0) == "confirm_call"
    assert code(toll, PARIS, 1) == "confirm_call"
    assert code(toll, LONDON, 59) == ""
    call(toll, LONDON, 60)
    assert code(toll, "+442079460000", 200, "ben") == ""
    assert code(toll, PARIS, 200) == "confirm_call"  # too late
    assert code(toll, LONDON, 200 + 31 * 86_400) == "confirm_call"


def test_off_hours_what_is_abroad_is_confirmed_and_what_is_dear_refused() -> None:
    toll = watch(DialRules(kinds=RULES.kinds | {NumberKind.PREMIUM}, regions=RULES.regions))
    toll.restore([Spent("ben", "GB", -10, 5)])
    assert code(toll, LONDON, 0) == "" and code(toll, LONDON, 0, off_hours=True) == "confirm_call"
    assert code(toll, MADRID, 1, off_hours=True) == "" and code(toll, PREMIUM, 2, off_hours=True) == "off_hours"


def test_calls_at_once_are_bounded_for_one_and_for_all() -> None:
    toll = watch(person=Bound(calls=1), everybody=Bound(calls=2))
    for who in ("ana", "ben"):
        assert code(toll, MADRID, 0, who) == ""
        toll.began(who, who, parse_number(MADRID, "ES"), 0)
        assert code(toll, MADRID, 1, who) == "calls_full"
    assert code(toll, MADRID, 1, "eva") == "calls_full" and code(toll, "200", 1, "eva") == ""
    toll.ended("ana", 2)
    assert code(toll, MADRID, 3, "eva") == ""


def test_the_days_minutes_and_money_end_and_come_back() -> None:
    toll = watch(person=Bound(minutes=30, cost=5.0), everybody=Bound(cost=6.0))
    toll.began("a", "ana", parse_number(MADRID, "ES"), 0)
    toll.answered("a", 0)
    assert code(toll, MADRID, 29 * 60) == "" and code(toll, MADRID, 30 * 60) == "calls_suspended"  # the call goes on, and counts
    toll.ended("a", 30 * 60)
    call(toll, LONDON, 5_000, 55 * 60, "ben")  # 5.5
    assert code(toll, MADRID, 9_000, "eva") == "budget_spent"  # 0.6 and 5.5
    assert code(toll, MADRID, 100_000, "ana") == code(toll, MADRID, 100_000, "eva") == ""
    assert toll.spent(None, 100_000) == (0, 0)


def test_a_script_that_dials_fast_is_stopped() -> None:
    toll = watch(person=Bound())
    codes = []
    for index in range(20):
        codes.append(code(toll, f"+349112345{index:02}", index))
        if not codes[-1]:
            call(toll, MADRID, index, 0.1)
    assert codes == [""] * 10 + ["calls_suspended"] * 10


def test_what_was_spent_before_a_restart_counts() -> None:
    toll = watch(person=Bound(minutes=10))
    toll.restore([Spent("ana", "GB", 1_000, 599), Spent("ben", "ES", 1_000, 601)])
    assert code(toll, LONDON, 1_100) == "" and code(toll, MADRID, 1_100, "ben") == "calls_suspended"


def test_a_call_costs_by_its_longest_prefix_and_only_where_it_was_answered() -> None:
    toll = watch()
    assert call(toll, "+34600111222", 0, 61) == pytest.approx(0.01 + 0.05 * 90 / 60)
    assert call(toll, MADRID, 100, 61.2) == pytest.approx(0.02 * 62 / 60)
    assert call(toll, PARIS, 300, 60) is None
    toll.began("x", "ana", parse_number(MADRID, "ES"), 400)
    assert toll.ended("x", 500) is None and toll.ended("x", 600) is None and toll.ended("never", 1) is None


@given(st.lists(st.tuples(st.sampled_from(["112", "200", MADRID, LONDON, PREMIUM, "+881612345678"]), st.booleans()), max_size=60))
def test_emergency_numbers_and_extensions_always_pass(dialled: list[tuple[str, bool]]) -> None:
    toll = watch(person=Bound(calls=1, minutes=1))
    for at, (number, off_hours) in enumerate(dialled):
        refused = code(toll, number, at, off_hours=off_hours)
        assert not refused or number not in ("112", "200")
        if not refused:
            call(toll, number, at)
    assert toll.risk(parse_number("112", "ES"), 0) is Risk.FREE


def test_a_rate_table_is_read() -> None:
    table = RateTable.read("prefix, per_minute, connection, first_s, step_s\n+34,0.02,,,\n346,0.05,0.01,60,30\n")
    assert len(table) == 2 and table.rate("+34600111222") == Rate("346", 0.05, 0.01, 60, 30)
    assert table.rate("+34911234567") == Rate("34", 0.02) and table.rate("+1") is None
    assert RateTable.read("prefix,per_minute\n1,0.01\n").cost("+12125550100", 60) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 .* names nothing"),
        ("prefix,price\n", "write prefix,per_minute"),
        ("prefix,per_minute\n34,0.1\n+34,0.2\n", "line 3 .* second time"),
        ("prefix,per_minute\nES,0.1\n", "line 2 .* 'ES'"),
        ("prefix,per_minute\n34,dear\n", "line 2 .* 'dear' under per_minute"),
        ("prefix,per_minute\n34,\n", "line 2 .* '' under per_minute"),
        ("prefix,per_minute\n34,-1\n", "cannot be"),
        ("prefix,per_minute\n34,nan\n", "cannot be"),
        ("prefix,per_minute,step_s\n34,1,0\n", "cannot be"),
    ],
)
def test_a_rate_table_that_cannot_be_used_says_where(text: str, says: str) -> None:
    with pytest.raises(BadRates, match=says):
        RateTable.read(text)
