"""Appointments as their customers and the house see them."""

from collections.abc import Iterable

from api.appointments import wire
from api.appointments.calendar_file import CalendarEntry, calendar_file
from api.appointments.desk import AppointmentDesk, hours_of, terms
from api.appointments.slots import Slot
from api.store.appointments import Appointment, AppointmentStore, CalendarRow, ServiceRow


class AppointmentViews:
    def __init__(self, desk: AppointmentDesk, store: AppointmentStore) -> None:
        self._desk = desk
        self._store = store

    async def services(self) -> wire.ServiceViews:
        """Those that customers may book; languages are those in which somebody gives them."""
        calendars = await self._desk.calendars()
        found = []
        for row in await self._store.services():
            spoken = {language for calendar in calendars for language in calendar.languages if calendar.gives(terms(row), language)}
            if row.active and spoken:
                found.append(_service(row, sorted(spoken)))
        return wire.ServiceViews(found)

    async def slots(self, slots: Iterable[Slot]) -> list[wire.SlotView]:
        found = list(slots)
        names = await self._desk.names(slot.professional for slot in found)
        public = {who: self._desk.public(who) for who in names}
        return [
            wire.SlotView(slot.start_s, slot.end_s, public[slot.professional], names[slot.professional])
            for slot in found
            if slot.professional in names
        ]

    async def times(self, slots: Iterable[Slot]) -> wire.FreeTimes:
        """The same where there are many: each person and each time once."""
        found = list(slots)
        names = await self._desk.names(slot.professional for slot in found)
        places = {who: place for place, who in enumerate(names)}
        times: dict[tuple[float, float], list[int]] = {}
        for slot in found:
            if slot.professional in places:
                times.setdefault((slot.start_s, slot.end_s), []).append(places[slot.professional])
        return wire.FreeTimes(
            [wire.ProfessionalView(self._desk.public(who), name) for who, name in names.items()],
            [wire.FreeTime(start, end, free) for (start, end), free in times.items()],
        )

    async def own(self, of: Appointment, *, fresh: bool = False) -> wire.OwnView:
        """``fresh``: it was just booked, and its page is to know its token."""
        service = await self._desk.service(of.service_id)
        names = await self._desk.names([of.professional])
        return wire.OwnView(
            number=of.number,
            service_id=of.service_id,
            names={"en": service.name_en, "es": service.name_es},
            with_name=names.get(of.professional, ""),
            professional=self._desk.public(of.professional),
            start_at=of.start_at,
            end_at=of.end_at,
            opens_at=of.start_at - 60.0 * service.early_min,
            closes_at=of.end_at + 60.0 * service.late_min,
            state=of.state,
            language=of.language,
            zone=of.zone,
            name=of.name,
            email=of.email,
            phone=of.e164,
            link=of.link,
            calendar=calendar_of(of, service, self._desk.settings.site),
            token=of.token if fresh else "",
        )

    async def staff(self, found: Iterable[Appointment], *, whole: bool = False) -> list[wire.StaffView]:
        """``whole``: with what became of each."""
        rows = list(found)
        services = {each.service_id: each for each in await self._store.services()}
        names = await self._desk.names(row.professional for row in rows)
        return [
            wire.staff_view(
                row,
                services.get(row.service_id),
                names.get(row.professional, row.professional),
                await self._store.steps(row.appointment_id) if whole else None,
            )
            for row in rows
        ]

    async def calendars(self, rows: Iterable[CalendarRow]) -> list[wire.CalendarView]:
        found = list(rows)
        names = await self._desk.names(row.professional for row in found)
        return [
            wire.CalendarView(
                professional=row.professional,
                name=names.get(row.professional, row.professional),
                hours=row.hours,
                zone=hours_of(row.hours)[0].zone,
                languages=row.languages,
                skills=row.skills,
                buffer_min=row.buffer_min,
                notice_min=row.notice_min,
                horizon_days=row.horizon_days,
            )
            for row in found
        ]


def calendar_of(of: Appointment, service: ServiceRow, site: str, *, organizer: str = "", cancelled: bool = False) -> str:
    """For the customer's own calendar. What is over stands in it as cancelled where it did not take place."""
    return calendar_file(
        CalendarEntry(
            uid=f"{of.appointment_id}@centralita",
            sequence=2 * of.revision + cancelled,
            start_s=of.start_at,
            end_s=of.end_at,
            written_s=of.set_at,
            summary=service.name(of.language),
            description=f"{of.number}\n{site}/book#{of.token}",
            url=f"{site}/consultation#{of.link}" if of.link else "",
            cancelled=cancelled,
            organizer=organizer,
            attendee=of.email,
        )
    )


def _service(row: ServiceRow, languages: list[str]) -> wire.ServiceView:
    names, about = {"en": row.name_en, "es": row.name_es}, {"en": row.about_en, "es": row.about_es}
    return wire.ServiceView(row.service_id, names, about, row.length_min, languages)
