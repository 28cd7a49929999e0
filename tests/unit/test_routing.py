"""Which line takes a number, and what is refused."""

import pytest

from pbx.routing import DialPlan, NoRoute, NumberStyle, Routing


def both(plan: DialPlan | None = None) -> Routing:
    return Routing(plan or DialPlan(), demo_trunk="demo", pbx_trunk="pbx")


@pytest.mark.parametrize(
    ("number", "trunk"), [("600", "demo"), ("604", "demo"), ("606", "pbx"), ("200", "pbx"), ("112", "pbx"), ("600111222", "pbx")]
)
def test_the_demo_line_takes_only_its_own_numbers(number: str, trunk: str) -> None:
    assert both().route(number).trunk == trunk


def test_what_was_written_is_read_back() -> None:
    for style in NumberStyle:
        plan = DialPlan(style=style, line_prefix="0")
        for number in ("+34911234567", "+442071234567", "200"):
            route = both(plan).route(number)
            assert plan.read_back(route.dialled).e164 == route.number.e164
            assert plan.read_back(route.dialled).extension == route.number.extension


def test_without_demo_line_its_numbers_belong_to_the_pbx() -> None:
    assert Routing(DialPlan(), demo_trunk=None, pbx_trunk="pbx").route("600").trunk == "pbx"


def test_without_pbx_the_refusal_says_so() -> None:
    with pytest.raises(NoRoute, match=r"No telephone system is attached.*600 to 605"):
        Routing(DialPlan(), demo_trunk="demo", pbx_trunk=None).route("200")


@pytest.mark.parametrize(
    ("style", "prefix", "dialled"),
    [
        (NumberStyle.PLUS, "", "+34600111222"),
        (NumberStyle.ZEROS, "0", "00034600111222"),
        (NumberStyle.BARE, "", "34600111222"),
        (NumberStyle.NATIONAL, "0", "0600111222"),
    ],
)
def test_public_numbers_are_written_as_the_pbx_wants(style: NumberStyle, prefix: str, dialled: str) -> None:
    routing = both(DialPlan(style=style, line_prefix=prefix))
    assert routing.route("600 111 222").dialled == dialled
    assert routing.route("200").dialled == "200"
    assert routing.route("112").dialled == "112"


def test_a_national_style_keeps_other_countries_international() -> None:
    assert both(DialPlan(style=NumberStyle.NATIONAL)).route("+4930123456").dialled == "004930123456"


def test_a_line_may_stand_in_for_the_pbx_but_not_for_the_demo() -> None:
    down = [False]
    routing = Routing(DialPlan(), demo_trunk="demo", pbx_trunk="pbx", stand_in=lambda: "other" if down[0] else None)
    assert routing.route("205").trunk == "pbx"
    down[0] = True
    assert routing.route("205").trunk == "other" and routing.route("600").trunk == "demo"
