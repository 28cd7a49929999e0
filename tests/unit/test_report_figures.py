"""What figures are when there is little or nothing to reckon with, and that each says what it is in words."""

import json
from pathlib import Path

from api.reports.figures import DEFINITIONS, DEMAND, Figures, Sums, quantile
from api.reports.funnel import STEPS, funnel
from api.store.rows import _summary

TEXTS = Path(__file__).parents[2] / "api/pages/board/reports/text"
COUNTS = {"judged", "answers", "mos_scale", "measured"}
"""How many a figure is made of; told beside it."""


def test_each_figure_has_words_in_the_code_and_on_the_page() -> None:
    assert set(DEFINITIONS) == set(Figures.__struct_fields__) - COUNTS and set(DEMAND) <= set(DEFINITIONS)
    for language in ("en", "es"):
        texts = json.loads((TEXTS / f"{language}.json").read_text())
        assert {f"report.figure.{name}" for name in DEFINITIONS} <= set(texts), language
        assert {f"report.about.{name}" for name in DEFINITIONS} <= set(texts), language
        assert {f"funnel.{step}" for step in STEPS} <= set(texts), language


def test_of_nothing_nothing_is_told_but_counts() -> None:
    figures = Sums().figures()
    told = {name: getattr(figures, name) for name in DEFINITIONS}
    assert {name for name, value in told.items() if value is not None} == {"offered", "handled", "abandoned", "outgoing", "staffed_s"}
    assert set(figures.answers.values()) == {0} and figures.mos_scale == ""


def test_all_on_a_break_or_gone_have_no_occupancy() -> None:
    sums = Sums()
    sums.states.update({"break": 600.0, "offline": 9_000.0})
    assert (sums.figures().staffed_s, sums.figures().utilisation, sums.figures().occupancy) == (600.0, 0.0, None)


def test_a_hold_longer_than_the_agent_was_there_makes_no_negative_talk() -> None:
    """The phones of a call are held on, after an agent has given it to another."""
    figures = Sums(answered=1, leg_s=10.0, held_s=30.0).figures()
    assert (figures.talk_s, figures.hold_s, figures.handle_s) == (0.0, 30.0, 30.0)


def test_who_gave_up_at_once_spoils_neither_level_nor_share() -> None:
    figures = Sums(offered=4, answered=2, in_time=2, abandoned=2, short=2).figures()
    assert (figures.abandoned, figures.abandoned_share, figures.service_level) == (2, 0.0, 1.0)


def test_calls_are_ranked_as_the_seconds_of_one_are() -> None:
    """Nearest rank from below, both times: of ten calls a tenth is the worst one, of eleven too."""
    for count in (1, 2, 9, 10, 11, 20, 21):
        steps = list(range(20, 20 + 3 * count, 3))
        for q, name in ((0.1, "mos_p10"), (0.5, "mos_p50")):
            ours = quantile(dict.fromkeys(steps, 1), q)
            theirs = getattr(_summary("nb", [step / 20 for step in steps], None, "good"), name)
            assert ours == theirs, (count, q)


def test_scores_of_two_scales_are_never_one_number() -> None:
    sums = Sums()
    sums.hear("wb", 80, 3)
    sums.hear("nb", 40, 2)
    figures = sums.figures()
    assert (figures.mos_scale, figures.measured, figures.mos_p10) == ("wb", 3, 4.0)


def test_a_later_step_implies_those_before_it() -> None:
    rows = [{"room_id": room, "step": step, "at": at} for room, step, at in (
        ("a", "link_made", 0.0), ("a", "joined", 30.0), ("a", "finished", 90.0),
        ("b", "link_made", 0.0), ("b", "opened", 1.0), ("b", "finished", 99.0),
        ("c", "link_made", 0.0), ("c", "waited", 10.0), ("c", "joined", 40.0),
        ("d", "link_made", 0.0),
    )]  # fmt: skip
    found = funnel(rows)
    assert [step.reached for step in found.steps] == [4, 3, 2, 2, 2, 1]
    assert [step.of_before for step in found.steps] == [1.0, 3 / 4, 2 / 3, 1.0, 1.0, 1 / 2]
    assert found.wait_s == 30.0
    assert [step.of_links for step in funnel([]).steps] == [None] * 6 and funnel([]).wait_s is None
