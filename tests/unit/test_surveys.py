"""Surveys: who is asked, and what is made of answers."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.settings.faults import ConfigError
from api.settings.tree import Settings
from api.surveys.survey import Occasion, Scale, SurveyRule, Tally, check_answers, is_drawn, rule_for, tally, why_not
from signaling.refusal import Refusal

RULE = SurveyRule("sales", "call", (Scale.CSAT, Scale.NPS), queues=("sales",), share=0.25)
REST = replace(RULE, name="calls", queues=(), least_s=0.0)
OCCASION = Occasion("call", "c1", 1_000.0, 120.0, "sales", "ana")
DAY = 86_400.0


def test_the_first_rule_that_fits_counts() -> None:
    rules = (RULE, REST, replace(REST, name="rooms", after="consultation"))
    assert rule_for(OCCASION, rules) is RULE
    assert rule_for(replace(OCCASION, queue="other"), rules) is REST
    assert rule_for(replace(OCCASION, lasted_s=29.0), (RULE,)) is None
    found = rule_for(replace(OCCASION, after="consultation"), rules)
    assert found is not None and found.name == "rooms"


def test_about_the_share_is_drawn_and_the_same_ones_each_time() -> None:
    names = [f"call-{number}" for number in range(4_000)]
    drawn = [name for name in names if is_drawn(RULE, name, "secret")]
    assert 0.22 < len(drawn) / len(names) < 0.28
    assert drawn == [name for name in names if is_drawn(RULE, name, "secret")]
    assert drawn != [name for name in names if is_drawn(RULE, name, "another")]
    assert all(is_drawn(replace(RULE, share=1.0), name, "s") for name in names)
    assert not any(is_drawn(replace(RULE, share=0.0), name, "s") for name in names)


@pytest.mark.parametrize(
    ("consented", "asked_at", "drawn", "why"),
    [
        (True, None, True, "asked"),
        (False, None, True, "no_consent"),
        (True, 1_000 * DAY - RULE.rest_s + 1, True, "too_soon"),
        (True, 1_000 * DAY - RULE.rest_s, True, "asked"),
        (True, None, False, "not_drawn"),
    ],
)
def test_nobody_is_asked_without_consent_too_soon_or_beyond_the_share(
    consented: bool, asked_at: float | None, drawn: bool, why: str
) -> None:
    assert why_not(RULE, consented=consented, asked_at=asked_at, drawn=drawn, now=1_000 * DAY) == why


@pytest.mark.parametrize(("scale", "score"), [(Scale.CSAT, 0), (Scale.CSAT, 6), (Scale.NPS, -1), (Scale.NPS, 11), (Scale.EFFORT, 4)])
def test_what_is_no_answer_is_refused(scale: Scale, score: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_answers((Scale.CSAT, Scale.NPS), {scale: score})
    assert caught.value.code == "bad_message"
    check_answers((Scale.CSAT, Scale.NPS), {Scale.CSAT: 1, Scale.NPS: 10})


def test_the_figures_are_those_of_their_sources() -> None:
    assert tally(Scale.CSAT, {5: 3, 4: 1, 3: 2, 1: 2}) == Tally(8, 0.5)
    assert tally(Scale.NPS, {10: 2, 9: 1, 8: 3, 7: 2, 6: 1, 0: 1}) == Tally(10, pytest.approx(10.0))
    assert tally(Scale.EFFORT, {7: 2, 4: 1, 1: 1}) == Tally(4, 4.75)
    assert [tally(scale, {}) for scale in Scale] == [Tally(0, None)] * 3


@given(st.sampled_from(Scale), st.integers(0, 2**32))
def test_figures_stay_within_their_bounds_and_grow_with_better_answers(scale: Scale, seed: int) -> None:
    draw = random.Random(seed)
    least, most = scale.bounds
    scores = {score: draw.randrange(5) for score in range(least, most + 1)}
    scores[least] += 1
    before = tally(scale, scores)
    better = scores | {least: scores[least] - 1, most: scores[most] + 1}
    after = tally(scale, better)
    low, high = {Scale.CSAT: (0, 1), Scale.NPS: (-100, 100), Scale.EFFORT: (1, 7)}[scale]
    assert before.score is not None and after.score is not None
    assert low <= before.score < after.score <= high + 1e-9


def test_rules_of_the_settings_need_an_address_for_their_links() -> None:
    rule = {"name": "after-calls", "questions": ["csat", "nps", "csat"], "share": 0.2, "rest_days": 30}
    with pytest.raises(ConfigError, match="public_url"):
        Settings.load(env={}, overrides={"surveys": {"rules": [rule]}})
    loaded = Settings.load(env={}, overrides={"surveys": {"rules": [rule]}, "server.public_url": "https://phone.example"})
    made = loaded.surveys.rules[0].rule()
    assert (made.name, made.questions, made.share, made.rest_s) == ("after-calls", (Scale.CSAT, Scale.NPS), 0.2, 30 * DAY)
