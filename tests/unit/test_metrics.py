"""What Prometheus reads."""

import asyncio
import re
import time
from dataclasses import replace

import msgspec

from api.metrics import Metrics
from media.messages import Fault, LegSample
from rooms.causes import Cause, EndReason
from rooms.record import CallRecord, CallState

LIVE = CallRecord(
    call_id="call-canary", direction="in", caller="+34600111222", caller_name="Canary", called="+34999888777",
    agent="ana", state=CallState.LIVE,
    started_s=10.0, answered_s=13.0, ended_s=None, cause=None, legs=(),
)  # fmt: skip
ENDED = replace(LIVE, state=CallState.ENDED, ended_s=33.0, cause=Cause(EndReason.COMPLETED))


def text(metrics: Metrics) -> str:
    return metrics.render().decode()


def test_a_call_is_counted_once_however_often_it_is_told() -> None:
    metrics = Metrics()
    metrics.call(LIVE)
    metrics.call(LIVE)
    assert 'centralita_calls_live{direction="in"} 1.0' in text(metrics)
    metrics.call(ENDED)
    metrics.call(ENDED)
    told = text(metrics)
    assert 'centralita_calls_live{direction="in"} 0.0' in told
    assert 'centralita_calls_total{direction="in",reason="completed"} 1.0' in told
    assert 'centralita_call_answer_seconds_sum{direction="in"} 3.0' in told
    assert 'centralita_call_seconds_sum{direction="in"} 20.0' in told


def test_a_call_that_ends_at_once_is_counted_and_never_live() -> None:
    metrics = Metrics()
    metrics.call(replace(ENDED, answered_s=None, cause=Cause(EndReason.BUSY)))
    told = text(metrics)
    assert 'centralita_calls_total{direction="in",reason="busy"} 1.0' in told
    assert "centralita_calls_live{" not in told
    assert 'centralita_call_seconds_sum{direction="in"}' not in told


def test_no_label_names_a_call_or_a_person() -> None:
    metrics = Metrics()
    metrics.call(LIVE)
    metrics.call(ENDED)
    sample = LegSample(
        leg_id="leg-canary", packets=50, loss=0.0, jitter_ms=1.0, round_trip_ms=None, discarded=0, concealed_ms=0.0,
        level_dbfs=None, r=90.0, mos=4.4, scale="wb", cause="good", codec="g722",
    )  # fmt: skip
    metrics.quality("agent", sample)
    metrics.quality("phone", msgspec.structs.replace(sample, mos=None, loss=None))
    told = text(metrics)
    labelled = {line.rpartition(" ")[0] for line in told.splitlines()}  # the moment of a counter's making has any digits
    assert not any(canary in line for line in labelled for canary in ("canary", "Canary", "34600", "34999", '"ana"'))
    assert 'centralita_leg_mos_bucket{le="4.5",scale="wb",side="agent"} 1.0' in told
    assert 'centralita_leg_mos_bucket{le="4.25",scale="wb",side="agent"} 0.0' in told
    assert 'centralita_leg_mos_count{scale="wb",side="phone"}' not in told  # not measured is not zero


def test_what_a_side_hears_of_us_and_the_hop_to_blame_are_counted() -> None:
    metrics = Metrics()
    sample = LegSample(
        leg_id="leg-canary", packets=50, loss=0.0, jitter_ms=1.0, round_trip_ms=80.0, discarded=0, concealed_ms=0.0,
        level_dbfs=None, r=90.0, mos=4.4, scale="wb", cause="good", codec="g722", far_loss=0.3, hop_loss=0.1, far_mos=2.4, far_scale="nb",
    )  # fmt: skip
    metrics.quality("phone", sample)
    metrics.bad_second(Fault("leg-canary", "us_to_phone", "loss", 30.0))
    told = text(metrics)
    assert 'centralita_leg_far_mos_bucket{le="2.5",scale="nb",side="phone"} 1.0' in told
    assert 'centralita_leg_far_loss_ratio_sum{side="phone"} 0.1' in told
    assert 'centralita_leg_round_trip_seconds_sum{side="phone"} 0.08' in told
    assert 'centralita_bad_seconds_total{cause="loss",hop="us_to_phone"} 1.0' in told and "canary" not in told


def test_counters_of_others_are_read_at_each_scrape() -> None:
    metrics = Metrics()
    counters = {"packets_forwarded": 1}
    metrics.watch_media(lambda: counters, lambda: {"legs": 3})
    metrics.watch_sockets(lambda: 7)
    assert "centralita_media_packets_forwarded_total 1.0" in text(metrics)
    counters["packets_forwarded"] = 5
    told = text(metrics)
    assert "centralita_media_packets_forwarded_total 5.0" in told
    assert "centralita_media_legs 3.0" in told
    assert "centralita_sockets 7.0" in told


def test_workers_are_told_apart() -> None:
    metrics = Metrics()
    workers: dict[str, tuple[dict[str, float], dict[str, float]]] = {"0": ({"ticks": 7}, {"legs": 2}), "1": ({"ticks": 9}, {"legs": 0})}
    metrics.watch_workers(lambda: workers)
    told = text(metrics)
    assert 'centralita_media_worker_ticks_total{worker="0"} 7.0' in told
    assert 'centralita_media_worker_ticks_total{worker="1"} 9.0' in told
    assert 'centralita_media_worker_legs{worker="0"} 2.0' in told
    del workers["0"]
    assert 'worker="0"' not in text(metrics)


def test_refusal_codes_are_bounded_labels() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.refused(f"code{number}")
    told = text(metrics)
    assert told.count("centralita_refused_requests_total{") == 65
    assert 'centralita_refused_requests_total{code="other"} 36.0' in told


async def test_the_lag_of_the_loop_is_measured() -> None:
    async with Metrics() as metrics:
        await asyncio.sleep(0)  # its timer runs now, for a quarter of a second
        time.sleep(0.4)  # noqa: ASYNC251 - that is what lag is
        async with asyncio.timeout(30):
            while "centralita_event_loop_lag_seconds_count 0.0" in text(metrics):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
        told = text(metrics)
    (sum_s,) = re.findall(r"^centralita_event_loop_lag_seconds_sum (\S+)$", told, re.MULTILINE)
    assert float(sum_s) >= 0.149, "the timer rang so late"
