"""What there is to book in a demo: two services, and the hours of who gives them."""

from collections.abc import Iterable

from api.store.appointments import AppointmentStore, CalendarRow, ServiceRow

SERVICES = (
    ServiceRow(
        "trip-planning",
        "Plan a trip",
        "Planificar un viaje",
        "Tell us where you would like to go: we look at dates, routes and prices together.",
        "Cuéntenos adónde desea ir: vemos juntos fechas, rutas y precios.",
        length_min=45,
        step_min=45,
    ),
    ServiceRow(
        "visa-advice",
        "Visas and documents",
        "Visados y documentos",
        "Which papers your trip needs, and how to come by them in time.",
        "Qué documentos necesita su viaje y cómo obtenerlos a tiempo.",
        length_min=30,
        step_min=30,
    ),
)
HOURS = """[hours]
zone = "Europe/Madrid"
holidays = ["01-01", "easter-2", "05-01", "12-25"]

[hours.weekly]
monday-friday = ["09:00-14:00", "15:30-19:00"]
saturday-sunday = ["10:00-14:00"]

[breaks]
zone = "Europe/Madrid"

[breaks.weekly]
monday-friday = ["11:15-11:45"]
"""


async def seed(store: AppointmentStore, professionals: Iterable[str], now: float) -> None:
    """What is there already stays as it is."""
    known = {service.service_id for service in await store.services()}
    for service in SERVICES:
        if service.service_id not in known:
            await store.keep_service(service)
    hours = {calendar.professional for calendar in await store.calendars()}
    for who in professionals:
        if who not in hours:
            await store.keep_calendar(CalendarRow(who, HOURS, ("en", "es"), (), 5, 30, 60, now, "demo"))
