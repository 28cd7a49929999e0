"""What is said of appointments over HTTP. Times are seconds since the epoch."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.store.appointments import Absence, Appointment, ServiceRow, StepRow

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=2_000)]
Tongue = Literal["en", "es"]
Zone = Annotated[str, Meta(min_length=1, max_length=64)]
Words = Annotated[tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")], ...], Meta(max_length=64)]
Epoch = Annotated[float, Meta(ge=0, le=10_000_000_000)]
Idem = Annotated[str, Meta(max_length=128)]


class ServiceWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``professionals`` and ``languages`` empty: whoever has the skills, in their languages. Times in minutes."""

    name_en: Name
    name_es: Name
    about_en: Text = ""
    about_es: Text = ""
    length_min: Annotated[int, Meta(ge=5, le=480, multiple_of=5)] = 30
    step_min: Annotated[int, Meta(ge=5, le=480, multiple_of=5)] = 30
    languages: Words = ()
    skills: Words = ()
    professionals: Words = ()
    early_min: Annotated[int, Meta(ge=0, le=240)] = 10
    late_min: Annotated[int, Meta(ge=0, le=240)] = 15
    active: bool = True


class CalendarWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``hours``: TOML with the table ``hours`` and, where there are breaks, ``breaks``, each a calendar of the contact centre's kind."""

    hours: Annotated[str, Meta(min_length=1, max_length=20_000)]
    languages: Words = ()
    skills: Words = ()
    buffer_min: Annotated[int, Meta(ge=0, le=240, multiple_of=5)] = 0
    notice_min: Annotated[int, Meta(ge=0, le=43_200)] = 120
    horizon_days: Annotated[int, Meta(ge=1, le=365)] = 60


class AbsenceWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``professional`` empty: me."""

    from_at: Epoch
    until_at: Epoch
    professional: Annotated[str, Meta(max_length=64)] = ""
    reason: Annotated[str, Meta(max_length=200)] = ""


class AbsenceMade(Struct, frozen=True):
    """``colliding``: appointments that stand in that time, which are to be moved."""

    absence: Absence
    colliding: list["StaffView"]


class AppointmentWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``professional``: as slots name them, empty: whoever is free. ``consent``: the wording that the customer agreed to; ``survey``: that
    by which they agreed to be asked how it was, empty where they did not.

    ``idem``: drawn by the page; what is sent twice is booked once.
    """

    service_id: Id
    start_at: Epoch
    name: Name
    language: Tongue
    zone: Zone
    professional: Annotated[str, Meta(max_length=64)] = ""
    email: Annotated[str, Meta(max_length=320)] = ""
    number: Annotated[str, Meta(max_length=64)] = ""
    note: Annotated[str, Meta(max_length=1_000)] = ""
    consent: Annotated[str, Meta(max_length=1_000)] = ""
    survey: Annotated[str, Meta(max_length=1_000)] = ""
    idem: Idem = ""


class OwnAppointment(Struct, frozen=True, forbid_unknown_fields=True):
    """By the customer's token."""

    token: Annotated[str, Meta(min_length=16, max_length=128)]


class OwnMove(Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=16, max_length=128)]
    start_at: Epoch
    professional: Annotated[str, Meta(max_length=64)] = ""


class StepWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``start_at`` and ``professional``: of a move."""

    step: Literal["confirm", "move", "cancel", "miss", "end"]
    start_at: Epoch = 0.0
    professional: Annotated[str, Meta(max_length=64)] = ""


class ServiceView(Struct, frozen=True):
    """To be chosen by customers. ``names`` and ``about`` by language."""

    service_id: str
    names: dict[str, str]
    about: dict[str, str]
    length_min: int
    languages: list[str]


class ServiceViews(Struct, frozen=True):
    services: list[ServiceView]


class SlotView(Struct, frozen=True):
    """``professional`` is a word that stands for them here alone; ``name`` is theirs."""

    start_at: float
    end_at: float
    professional: str
    name: str


class ProfessionalView(Struct, frozen=True):
    """``professional`` is a word that stands for them here alone."""

    professional: str
    name: str


class FreeTime(Struct, frozen=True):
    """``free``: who is, by place in the list of professionals."""

    start_at: float
    end_at: float
    free: list[int]


class FreeTimes(Struct, frozen=True):
    professionals: list[ProfessionalView]
    times: list[FreeTime]


class AlternativeViews(Struct, frozen=True):
    """Near a time that is gone, the nearest first."""

    same_professional: list[SlotView]
    same_day: list[SlotView]
    others: list[SlotView]


class OwnView(Struct, frozen=True):
    """An appointment as its customer sees it. ``link``: the fragment of its room's page, once that is made. ``token`` where it was just
    booked. ``calendar``: a file for their calendar. ``opens_at``, ``closes_at``: from when until when its room lets them in."""

    number: str
    service_id: str
    names: dict[str, str]
    with_name: str
    professional: str
    start_at: float
    end_at: float
    opens_at: float
    closes_at: float
    state: str
    language: str
    zone: str
    name: str
    email: str
    phone: str
    link: str
    calendar: str
    token: str = ""


class StaffView(Struct, frozen=True):
    """An appointment as the house sees it. ``names``: of the service, by language."""

    appointment_id: str
    number: str
    service_id: str
    names: dict[str, str]
    professional: str
    with_name: str
    start_at: float
    end_at: float
    state: str
    language: str
    zone: str
    name: str
    email: str
    phone: str
    note: str
    contact_id: str
    room_id: str
    steps: list[StepRow] = []


class StaffViews(Struct, frozen=True):
    appointments: list[StaffView]


class ServiceRows(Struct, frozen=True):
    services: list[ServiceRow]


class CalendarView(Struct, frozen=True):
    """``zone``: of its hours."""

    professional: str
    name: str
    hours: str
    zone: str
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    buffer_min: int
    notice_min: int
    horizon_days: int


class CalendarViews(Struct, frozen=True):
    calendars: list[CalendarView]


class Absences(Struct, frozen=True):
    absences: list[Absence]


def staff_view(of: Appointment, service: ServiceRow | None, name: str, steps: list[StepRow] | None = None) -> StaffView:
    return StaffView(
        appointment_id=of.appointment_id,
        number=of.number,
        service_id=of.service_id,
        names={"en": service.name_en, "es": service.name_es} if service is not None else {},
        professional=of.professional,
        with_name=name,
        start_at=of.start_at,
        end_at=of.end_at,
        state=of.state,
        language=of.language,
        zone=of.zone,
        name=of.name,
        email=of.email,
        phone=of.e164,
        note=of.note,
        contact_id=of.contact_id,
        room_id=of.room_id,
        steps=steps or [],
    )
