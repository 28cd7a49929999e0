"""How it stands with a receiver of webhooks."""

from api.webhook_endpoint import Endpoint
from api.webhook_settings import WebhookSettings

SETTINGS = WebhookSettings(first_retry_s=1.0, longest_retry_s=8.0, give_up_s=100.0)


def away(endpoint: Endpoint, now: float) -> Endpoint:
    return endpoint.failed(now, "nobody answers", SETTINGS, reached=False)


def test_whom_nobody_reaches_is_left_in_peace_longer_each_time() -> None:
    endpoint, waits = Endpoint("u"), []
    for _ in range(6):
        endpoint = away(endpoint, 10.0)
        waits.append(endpoint.retry_at - 10.0)
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (endpoint.state, endpoint.fault, endpoint.failing_since) == ("failing", "nobody answers", 10.0)


def test_who_answers_may_be_sent_something_else_at_once() -> None:
    assert Endpoint("u").failed(10.0, "it answered 500", SETTINGS, reached=True).retry_at == 10.0


def test_one_event_taken_and_all_is_well() -> None:
    well = away(away(Endpoint("u"), 10.0), 20.0).took(30.0)
    assert well == Endpoint("u", taken_at=30.0) and well.state == "well"


def test_who_took_nothing_for_too_long_is_cut_off_until_resumed() -> None:
    endpoint = away(away(Endpoint("u", taken_at=5.0), 10.0), 109.9)
    assert endpoint.state == "failing"
    endpoint = away(endpoint, 110.0)
    assert (endpoint.state, endpoint.cut_off_at) == ("cut off", 110.0)
    assert endpoint.resumed() == Endpoint("u", taken_at=5.0)
