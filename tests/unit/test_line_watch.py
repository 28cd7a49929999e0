"""Which changes of a line's state somebody is told."""

from api.line_watch import LineWatch
from api.webhook_bodies import body_of_line
from pbx.trunk import StatusChanged, TrunkStatus


def told(*states: tuple[bool, bool]) -> list[bool]:
    watch = LineWatch()
    return [watch.is_news(StatusChanged("pbx", TrunkStatus(ready, "words", stuck))) for ready, stuck in states]


WAITS, UP, STUCK = (False, False), (True, False), (False, True)


def test_a_start_is_no_news_and_each_change_after_it_is_once() -> None:
    assert told(WAITS, WAITS, UP, UP, WAITS, WAITS, UP) == [False, False, False, False, True, False, True]


def test_a_line_that_a_person_must_correct_is_news_even_if_it_never_was_up() -> None:
    assert told(WAITS, STUCK, STUCK) == [False, True, False]
    assert told(UP, WAITS, STUCK) == [False, True, False]


def test_lines_are_watched_each_for_itself() -> None:
    watch = LineWatch()
    for name in ("a", "b"):
        watch.is_news(StatusChanged(name, TrunkStatus(True, "")))
    assert watch.is_news(StatusChanged("a", TrunkStatus(False, "gone"))) and not watch.is_news(StatusChanged("b", TrunkStatus(True, "")))


def test_receivers_of_webhooks_are_told_which_line_and_why() -> None:
    down = body_of_line(StatusChanged("lisbon", TrunkStatus(False, "The PBX does not answer.")), 1000.5)
    assert (down.event, down.line, down.reason, down.created_at) == ("line_down", "lisbon", "The PBX does not answer.", 1000)
    assert body_of_line(StatusChanged("lisbon", TrunkStatus(True, "")), 1000.5).event == "line_up"
