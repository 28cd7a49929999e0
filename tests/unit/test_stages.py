"""The parts of a trip: their order, the clocks of their places, and what is left of those that nobody could show."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from api.backends.context import LinkHosts, plain, shown
from api.backends.protocols import BookingCard, Stage
from api.backends.rest import RestBooking
from api.backends.rest_settings import RestSection
from api.backends.stages import MOST_STAGES, moment, on_wall, shown_stages
from api.travel.booking import Departure
from api.travel.demo_offer import OFFERS
from api.travel.programme import TourStage, stages_of

LIMA, MADRID = "America/Lima", "Europe/Madrid"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("said", "zone", "found"),
    [
        ("2026-12-05T07:35", LIMA, ("2026-12-05T07:35", at("2026-12-05T12:35Z"), LIMA)),
        ("2026-12-05T07:35", "", ("2026-12-05T07:35", None, "")),
        ("2026-12-05T07:35-05:00", "", ("2026-12-05T07:35", at("2026-12-05T12:35Z"), "")),
        ("2026-12-05T12:35Z", LIMA, ("2026-12-05T07:35", at("2026-12-05T12:35Z"), LIMA)),
        ("2026-12-05T12:35Z", "", ("2026-12-05T12:35", at("2026-12-05T12:35Z"), "UTC")),
    ],
)
def test_a_time_is_what_a_clock_there_shows(said: str, zone: str, found: tuple[str, float | None, str]) -> None:
    assert on_wall(datetime.fromisoformat(said), zone) == found


def test_the_moment_is_known_where_hour_and_zone_are() -> None:
    assert moment("2026-07-01T12:00", MADRID) == at("2026-07-01T10:00Z")
    assert [moment("2026-07-01", MADRID), moment("2026-07-01T12:00", ""), moment("", MADRID)] == [None, None, None]


def test_stages_follow_one_another_and_what_cannot_be_shown_is_left_out() -> None:
    said = (
        Stage("flight", "back", starts="2026-12-12T18:00"),
        Stage("other", "no day"),
        Stage("cruise", "x" * 500, starts="2026-12-05", zone="Mars/Olympus", origin="\u202eamiL"),
        Stage("activity", "bad", starts="2026-13-45T99:00", ends="soon"),
        Stage("hotel", "ends alone", ends="2026-12-06", zone=LIMA, price=Decimal(10)),
    )
    found = shown_stages(said, plain)
    assert [each.title[:10] for each in found] == ["x" * 10, "ends alone", "back", "no day", "bad"]
    first, bad = found[0], found[-1]
    assert (first.kind, first.zone, first.origin, len(first.title)) == ("other", "", "amiL", 160)
    assert (bad.starts, bad.ends, bad.starts_at) == ("", "", None)
    assert found[1].price == 10
    assert len(shown_stages([Stage("other")] * 500, plain)) == MOST_STAGES


def test_a_booking_is_shown_with_its_stages_as_text() -> None:
    card = BookingCard(
        "b", "1", "R1", "t", "ok", None, None, Decimal(0), Decimal(0), "EUR", remark="a\nb", stages=(Stage("hotel", "a\x00b"),)
    )
    (clean,) = shown([card], "b", LinkHosts([]), 9)
    assert (clean.stages[0].title, clean.remark) == ("ab", "a b")


def test_a_programme_becomes_dates_by_its_departure() -> None:
    begins = datetime(2026, 3, 27, 9, tzinfo=ZoneInfo(MADRID))
    departure = Departure("d", "t", begins.timestamp(), begins.timestamp() + 7 * 86_400, MADRID, 9, 1, "EUR", 20)
    flight = TourStage("flight", 1, time="12:15", end_day=2, end_time="10:50", end_zone="Asia/Tokyo", note_en="Bag", note_es="Maleta")
    walk = TourStage("activity", 4, "Walk", "Paseo", time="08:00", end_time="09:30")
    camp = TourStage("hotel", 3, "Camp", "Campamento", end_day=5)
    first, second, third = stages_of((flight, walk, camp), departure, "es")
    assert (first.starts, first.ends, first.zone, first.end_zone, first.note) == (
        *("2026-03-27T12:15", "2026-03-28T10:50", MADRID, "Asia/Tokyo", "Maleta"),
    )
    assert (second.title, second.starts, second.ends) == ("Paseo", "2026-03-30T08:00", "2026-03-30T09:30")
    assert (third.starts, third.ends) == ("2026-03-29", "2026-03-31")
    assert stages_of((walk,), departure, "")[0].title == "Walk"
    shown_walk, *_ = shown_stages([second], plain)
    assert shown_walk.starts_at == at("2026-03-30T06:00Z"), "summer time began in between"


def test_the_demo_has_programmes_in_both_languages_within_their_tours() -> None:
    with_programme = [offer for offer in OFFERS if offer.tour.programme]
    assert len(with_programme) >= 6
    for offer in with_programme:
        begins = datetime(2026, 12, 1, 9, tzinfo=ZoneInfo(offer.zone))
        ends = begins + timedelta(days=offer.tour.days)
        departure = Departure("d", offer.tour.tour_id, begins.timestamp(), ends.timestamp(), offer.zone, 9, 1, "EUR", 20)
        made = stages_of(offer.tour.programme, departure, "es")
        for stage in shown_stages(made, plain):
            assert begins.strftime("%Y-%m-%d") <= stage.starts[:10] <= stage.ends[:10] <= ends.strftime("%Y-%m-%d"), stage
            assert stage.starts_at is None or stage.ends_at is None or stage.starts_at < stage.ends_at, stage
        assert all(bool(each.title_en) == bool(each.title_es) and bool(each.note_en) == bool(each.note_es) for each in offer.tour.programme)


SETTINGS = {
    "id": "trips",
    "type": "rest",
    "kind": "booking",
    "base_url": "https://trips.example",
    "find_customers": {"path": "/p", "fields": {"id": "/id", "name": "/name"}},
    "bookings_for": {
        "path": "/b",
        "fields": {"id": "/id", "title": "/t", "remark": "/internal"},
        "stages": {
            "items": "/parts",
            "fields": {
                "kind": {"at": "/type", "words": {"FLT": "flight", "HTL": "hotel"}},
                "starts": "/dep",
                "ends": "/arr",
                "zone": "/dep_tz",
                "end_zone": "/arr_tz",
                "number": "/no",
                "price": "/sum",
            },
        },
    },
}


def test_a_mapped_backend_tells_stages() -> None:
    section = RestSection.model_validate(SETTINGS)
    backend = RestBooking(section, None, "ES")  # type: ignore[arg-type]
    flight = {"type": "FLT", "dep": "2026-12-05T23:55:00", "arr": "2026-12-06T05:10:00", "dep_tz": MADRID, "arr_tz": LIMA, "no": "AU 1"}
    hotel = {"type": "HTL", "dep": "2026-12-06", "arr": "2026-12-08", "sum": "120.50", "dep_tz": "Nowhere/Land"}
    item = {"id": 7, "t": "Peru", "internal": "margin 30 %", "parts": [flight, hotel, "not a part"]}
    card = backend._booking(section.bookings_for, section.bookings_for.rules() if section.bookings_for else {}, item)
    assert card.remark == "margin 30 %"
    first, second, third = card.stages
    assert first == Stage(
        "flight",
        starts="2026-12-05T23:55",
        ends="2026-12-06T05:10",
        zone=MADRID,
        end_zone=LIMA,
        starts_at=at("2026-12-05T22:55Z"),
        ends_at=at("2026-12-06T10:10Z"),
        number="AU 1",
    )
    assert structs.replace(second, price=None) == Stage("hotel", starts="2026-12-06", ends="2026-12-08") and second.price == Decimal(
        "120.50"
    )
    assert third == Stage("")


def test_a_field_that_no_stage_has_is_refused_at_the_start() -> None:
    wrong = {**SETTINGS, "bookings_for": {**SETTINGS["bookings_for"], "stages": {"items": "/p", "fields": {"gate": "/g"}}}}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="has no field gate"):
        RestSection.model_validate(wrong)
