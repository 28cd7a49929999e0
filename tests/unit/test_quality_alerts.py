"""When supervisors are told, when not, and when it is over."""

from api.quality_alerts import MOST_ALERTS, RULES, AlertKind, Alerts, Measures, QueueMeasures, Thresholds, thresholds_words

GOOD = Measures(round_trip_ms=40.0, jitter_ms=3.0, mos=4.2, loss=0.0)


def seconds(alerts: Alerts, *measures: Measures, hop: str = "c from phone", at: float = 0.0) -> list[tuple[str, ...]]:
    """Which kinds are open after each second."""
    seen = []
    for second, each in enumerate(measures):
        alerts.hop(hop, each, at + second)
        seen.append(tuple(sorted(alert.kind for alert in alerts.open.values())))
    return seen


def test_three_bad_seconds_of_five_tell_and_five_good_ones_end_it() -> None:
    bad = Measures(round_trip_ms=401.0)
    well = Measures(round_trip_ms=400.0)
    alerts = Alerts()
    assert seconds(alerts, bad, well, bad, well, well, well) == [()] * 6, "two of five"
    assert seconds(alerts, bad, well, bad, well, bad) == [(), (), (), (), ("round_trip",)]
    assert seconds(alerts, well, well, well, bad, well, well, well, well)[-1] == ("round_trip",), "it hovers"
    assert seconds(alerts, well) == [()]
    assert alerts.told[AlertKind.ROUND_TRIP] == 1


def test_what_is_not_measured_is_neither_good_nor_bad() -> None:
    alerts, bad, unknown = Alerts(), Measures(mos=3.4), Measures()
    assert seconds(alerts, bad, unknown, bad, unknown, bad)[-1] == ("mos",)
    assert seconds(alerts, *[unknown] * 20)[-1] == ("mos",)
    assert seconds(alerts, *[GOOD] * 5)[-1] == ()


def test_loss_counts_by_its_mean_over_seven_seconds() -> None:
    alerts = Alerts()
    assert seconds(alerts, Measures(loss=0.18), *[Measures(loss=0.0)] * 7)[-1] == (), "a single burst of 18 % is 2.6 % of seven"
    assert seconds(alerts, *[Measures(loss=0.04)] * 7) == [()] * 6 + [("loss",)]
    assert seconds(alerts, *[Measures(loss=0.0)] * 7)[-2:] == [("loss",), ()]


def test_silence_and_each_hop_count_by_themselves() -> None:
    alerts, silent = Alerts(), Measures(silent=True)
    seconds(alerts, silent, silent, hop="a")
    assert seconds(alerts, silent, silent, silent, hop="b")[-1] == ("silent",)
    assert [alert.subject for alert in alerts.open.values()] == ["b"]
    assert not alerts.over(["a"]) and alerts.over(["b"]) and not alerts.open
    assert seconds(alerts, silent, silent, hop="a")[-1] == (), "what was before its end is forgotten"


def test_a_queue_tells_of_its_goal_its_longest_wait_and_that_nobody_is_there() -> None:
    alerts = Alerts(Thresholds(service_level=0.8, wait_s=60.0))
    well = QueueMeasures(0.9, 5.0, 1, 2)
    for now in range(9):
        alerts.queue("sales", well, float(now))
    assert not alerts.open
    for now in range(5):
        alerts.queue("sales", QueueMeasures(0.7, 61.0, 2, 0), float(now))
    assert {alert.kind for alert in alerts.open.values()} == {AlertKind.SERVICE_LEVEL, AlertKind.WAIT, AlertKind.NOBODY}
    for now in range(5):
        alerts.queue("sales", well, float(now))
    assert not alerts.open
    for now in range(9):
        alerts.queue("sales", QueueMeasures(None, 0.0, 0, 0), float(now))
    assert not alerts.open, "nobody is needed where nobody waits, and none served is no goal missed"


def test_who_saw_to_it_and_who_put_it_off() -> None:
    alerts = Alerts()
    seconds(alerts, *[Measures(jitter_ms=50.0 + second) for second in range(3)], at=10.0)
    (alert,) = alerts.loud(20.0)
    assert (alert.since, alert.worst, alert.subject) == (12.0, 52.0, "c from phone")
    assert alerts.snooze(alert.alert_id, "eva", 100.0) is alert
    assert (list(alerts.loud(99.0)), list(alerts.loud(100.0))) == ([], [alert])
    assert alerts.acknowledge(alert.alert_id, "luz") is alert and alert.acknowledged_by == "luz"
    assert list(alerts.loud(200.0)) == [] and alerts.open
    assert alerts.acknowledge("gone", "luz") is None and alerts.snooze("gone", "luz", 1.0) is None


def test_other_bounds_hold_from_the_next_second_on() -> None:
    alerts = Alerts()
    seconds(alerts, *[Measures(jitter_ms=50.0)] * 3)
    alerts.change(Thresholds(jitter_ms=60.0))
    assert seconds(alerts, *[Measures(jitter_ms=50.0)] * 5)[-2:] == [("jitter",), ()]
    assert thresholds_words(Thresholds(), alerts.thresholds) == "jitter_ms 30 to 60"


def test_no_more_are_open_than_may_be() -> None:
    alerts = Alerts()
    for hop in range(MOST_ALERTS + 9):
        seconds(alerts, *[Measures(mos=2.0)] * 3, hop=f"{hop}")
    assert len(alerts.open) == MOST_ALERTS
    assert all(rule.bad <= rule.of for rule in RULES.values())
