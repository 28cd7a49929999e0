"""The travel company's flow, gone through by callers of whom it is written what they press."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from media.prompt_texts import TEXTS
from rooms.calendar_reading import read_calendars
from rooms.centre_plan import CentrePlan
from rooms.flows.conditions import FactValue
from rooms.flows.dry_run import Script, dry_run
from rooms.flows.reading import read_flow

FOLDER = Path("deploy/centre")
MAIN = read_flow((FOLDER / "flows/main.toml").read_text(), "main")
PLAN = CentrePlan(1, {"main": MAIN}, calendars=read_calendars((FOLDER / "calendars.toml").read_text()))


def lines(
    at: str,
    *presses: str,
    outcomes: dict[str, str] | None = None,
    answers: dict[str, dict[str, FactValue]] | None = None,
    **facts: FactValue,
) -> list[str]:
    """What happens, without the times and the names of the steps."""
    epoch_s = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Europe/Madrid")).timestamp()
    script = Script(epoch_s, {"caller": "+34600111222", **facts}, presses=presses, outcomes=outcomes or {}, answers=answers or {})
    told = [line.split("  ", 1)[1] for line in dry_run(MAIN, PLAN, script, TEXTS)]
    return [line for line in told if not line.startswith("[")]


WELCOME = "hears: Bienvenido a Viajes Centralita. Para español, pulse 1. Welcome to Viajes Centralita. For English, press 2."


def test_an_english_caller_with_a_booking_that_departs_tomorrow_comes_first() -> None:
    found = lines("2026-11-23T10:00", "2", "2", "1234#", answers={"look-up": {"departs_in_days": 1.0}})
    assert found == [
        "is answered",
        WELCOME,
        "presses 2",
        "hears: For new bookings, press 1. If you have a booking, press 2. To reach an extension, press 3.",
        "presses 2",
        "hears: Enter your booking number, then press the hash key.",
        "presses 1234#",
        "the webhook booking is asked, booking: 1234, caller: +34600111222",
        "hears music: hold",
        "ok",
        "waits in the queue bookings with priority 2",
        "answered",
    ]


def test_a_known_important_caller_is_not_asked_anything() -> None:
    assert lines("2026-11-23T10:00", vip=True, language="es") == ["is answered", "waits in the queue sales with priority 3", "answered"]


def test_on_christmas_eve_at_six_the_office_is_closed_and_whoever_presses_nothing_may_leave_a_message() -> None:
    found = lines("2026-12-24T18:00", "1", "-", "-", "-", outcomes={"voicemail": "empty"})
    assert found[3] == "hears: Ahora estamos cerrados. Le atendemos de lunes a viernes, de nueve a veinte horas."
    assert found.count("hears music: hold") == 3 and sum("No hemos recibido" in line for line in found) == 2
    assert found[-4:] == [
        "leaves a message in the box office, of 120 s at most",
        "empty",
        "hears: Gracias por su llamada. Hasta pronto.",
        "over: completed",
    ]


def test_on_a_holiday_nobody_on_call_leads_to_the_box() -> None:
    found = lines("2026-04-03T11:00", "2", "1", outcomes={"emergency": "nobody", "on-call": "no_answer"})
    assert "hears: Today is a public holiday and we are closed." in found
    assert found[-9:-5] == [
        "waits in the queue emergencies with priority 5",
        "nobody",
        "hears +34600111222 ring, for 25 s at most",
        "no answer",
    ]
    assert found[-1] == "over: completed"


def test_who_waited_too_long_is_called_back_at_another_number() -> None:
    found = lines("2026-11-23T10:00", "!1", "1", "1", "915551234#", outcomes={"sales": "timeout", "call-back": "refused"})
    assert found[-5:] == [
        "is to be called back at 915551234 in the order of the queue sales",
        "hears music: hold",
        "kept",
        "hears: De acuerdo: le llamaremos. Gracias por su paciencia.",
        "over: completed",
    ]


def test_an_outcome_that_a_step_cannot_have_is_told() -> None:
    with pytest.raises(ValueError, match="'sales' cannot end by 'taken': answered, call_back, full, nobody, timeout"):
        lines("2026-11-23T10:00", "1", "1", outcomes={"queue": "taken"})


def test_a_script_has_its_times() -> None:
    script = Script(datetime(2026, 11, 23, 10, tzinfo=ZoneInfo("Europe/Madrid")).timestamp(), presses=("1", "1"))
    found = dry_run(MAIN, PLAN, script, {})
    assert found[:3] == ["00:00  [language: otherwise]", "00:00  [welcome]", "00:00  is answered"]
    assert found[-1] == "00:36  answered"
