"""What the demo's service desk begins with, in two languages: tickets in every state, articles, and what customers answered."""

from typing import Literal

from msgspec import Struct

from api.surveys.survey import Scale
from api.tickets.ticket import Act, Priority


class DemoTicket(Struct, frozen=True):
    """``number``: the customer's. ``ago_h``: how many hours ago it was made. ``acts``: what followed, and how many hours later each;
    ``said``: the comments with them."""

    number: str
    title: str
    text: str
    category: str
    priority: Priority
    team: str
    agent: str
    ago_h: float
    acts: tuple[tuple[float, Act], ...] = ()
    said: str = ""


class DemoArticle(Struct, frozen=True):
    title: str
    language: Literal["en", "es"]
    tags: tuple[str, ...]
    text: str


class DemoAnswer(Struct, frozen=True):
    """``ago_h``: how many hours ago somebody was asked, after a call with ``agent``."""

    number: str
    language: str
    agent: str
    queue: str
    ago_h: float
    scores: dict[Scale, int]
    comment: str = ""


TICKETS = (
    DemoTicket(
        "+34600111222",
        "Falta el resto del pago del Camino de Santiago",
        "Ha pagado la señal. Pregunta si puede pagar el resto por transferencia y hasta cuándo.",
        "pagos",
        Priority.HIGH,
        "ventas",
        "demo",
        3.0,
    ),
    DemoTicket(
        "+13055550101",
        "Cambio de nombre en una plaza",
        "El acompañante será otra persona. Hay que avisar al hotel.",
        "reservas",
        Priority.NORMAL,
        "operaciones",
        "",
        20.0,
    ),
    DemoTicket(
        "+12125550103",
        "Factura para el colegio",
        "Necesita la factura a nombre del centro, con el número de alumnos.",
        "facturas",
        Priority.LOW,
        "administracion",
        "luis",
        50.0,
        ((2.0, Act.ASK),),
        "¿A qué dirección fiscal la emitimos?",
    ),
    DemoTicket(
        "+33639980104",
        "Maleta perdida en el traslado",
        "Bajó del autobús en Oporto sin su maleta azul. Lleva medicación dentro.",
        "incidencias",
        Priority.URGENT,
        "operaciones",
        "ana",
        6.0,
    ),
    DemoTicket(
        "+13235550106",
        "Menú sin gluten para dos personas",
        "Confirmado por escrito con los tres hoteles.",
        "comidas",
        Priority.NORMAL,
        "operaciones",
        "ana",
        90.0,
        ((5.0, Act.SOLVE),),
        "Los tres hoteles lo han confirmado.",
    ),
    DemoTicket(
        "+447700900115",
        "Refund of a cancelled excursion",
        "The boat trip did not sail because of the weather. She was promised 45 EUR back.",
        "refunds",
        Priority.HIGH,
        "sales",
        "",
        30.0,
    ),
    DemoTicket(
        "+447700900116",
        "Visa letter for Japan",
        "Needs a letter for the consulate with dates and hotels.",
        "documents",
        Priority.NORMAL,
        "operations",
        "demo",
        60.0,
        ((4.0, Act.ASK),),
        "Which passport will you travel with?",
    ),
    DemoTicket(
        "+442079460117",
        "Wrong date on the invoice",
        "The invoice says May, the tour was in June.",
        "invoices",
        Priority.LOW,
        "accounts",
        "luis",
        200.0,
        ((20.0, Act.SOLVE), (60.0, Act.CLOSE)),
        "Sent again with the right date.",
    ),
    DemoTicket(
        "+14155550119",
        "Twin room instead of a double",
        "Two friends travel together and were given one bed.",
        "bookings",
        Priority.NORMAL,
        "operations",
        "ana",
        120.0,
        ((3.0, Act.SOLVE), (40.0, Act.REOPEN)),
        "The hotel changed it back.",
    ),
    DemoTicket(
        "+61491570156",
        "Travels with a wheelchair",
        "Ask every hotel for a room without steps, and the coach for its lift.",
        "accessibility",
        Priority.HIGH,
        "operations",
        "demo",
        26.0,
        ((1.0, Act.SOLVE), (2.0, Act.CLOSE)),
        "All five hotels and the coach agreed.",
    ),
)
"""Ten, of which some are late at any time that the demo begins."""

ARTICLES = (
    DemoArticle(
        "Cancelaciones y reembolsos",
        "es",
        ("cancelacion", "reembolso", "pagos"),
        """\
# Qué se devuelve

- Más de **30 días** antes: todo menos la señal.
- De 30 a 15 días: la mitad.
- Menos de 15 días: nada, salvo enfermedad con justificante.

El reembolso llega por el mismo medio de pago en 10 días laborables.""",
    ),
    DemoArticle(
        "Señal y resto del pago",
        "es",
        ("pagos", "reservas"),
        """\
Se paga el **20 %** al reservar y el resto hasta 21 días antes de la salida.

Se puede pagar con tarjeta o por transferencia. Una reserva sin señal se libera a los quince minutos.""",
    ),
    DemoArticle(
        "Equipaje en los traslados",
        "es",
        ("equipaje", "autobus"),
        """\
Una maleta de hasta 23 kg y una bolsa de mano por persona.

1. Si falta una maleta, llamar al conductor mientras el autobús sigue en ruta.
2. Anotar color, tamaño y si lleva medicación.
3. Abrir una incidencia **urgente** para operaciones.""",
    ),
    DemoArticle(
        "Menús especiales y alergias",
        "es",
        ("comidas", "alergias"),
        """\
Sin gluten, vegetariano, vegano, halal y kosher: avisar a los hoteles **7 días** antes.

Ante una alergia grave se pide confirmación por escrito de cada hotel.""",
    ),
    DemoArticle(
        "Niños y bebés",
        "es",
        ("ninos", "reservas"),
        """\
Los menores de 2 años viajan sin plaza y gratis. De 2 a 11 años pagan el 70 %.

Toda silla infantil se pide al reservar.""",
    ),
    DemoArticle(
        "Seguro de viaje",
        "es",
        ("seguro", "cancelacion"),
        """\
Cubre enfermedad, accidente y cancelación por causa mayor.

Se contrata hasta 48 horas después de reservar. No cubre cambios de opinión.""",
    ),
    DemoArticle(
        "Cancellations and refunds",
        "en",
        ("cancellation", "refund", "payments"),
        """\
# What is paid back

- More than **30 days** before: everything but the deposit.
- From 30 to 15 days: half of it.
- Less than 15 days: nothing, unless somebody is ill and has a certificate.

Refunds arrive by the way in which was paid, within 10 working days.""",
    ),
    DemoArticle(
        "Deposit and balance",
        "en",
        ("payments", "bookings"),
        """\
The deposit is **20 %** when booking, the balance is due 21 days before departure.

Cards and bank transfers are taken. A booking without its deposit is let go after fifteen minutes.""",
    ),
    DemoArticle(
        "Passports and visas",
        "en",
        ("documents", "visa"),
        """\
Passports have to be valid for six months after the return.

- Japan: no visa for most Europeans for 90 days.
- Australia: an electronic authority (eVisitor) before the flight.

We write letters for consulates; that takes two working days.""",
    ),
    DemoArticle(
        "Accessible travel",
        "en",
        ("accessibility", "hotels"),
        """\
Ask for: steps, lifts, the width of doors, a shower without a tub.

The coach company needs **72 hours** for a vehicle with a lift.""",
    ),
    DemoArticle(
        "Lost luggage on a transfer",
        "en",
        ("luggage", "coach"),
        """\
1. Call the driver while the coach is still on its way.
2. Note colour, size, and whether there is medicine in it.
3. Make an **urgent** ticket for operations.""",
    ),
    DemoArticle(
        "Changing a name on a booking",
        "en",
        ("bookings", "names"),
        """\
Free of charge until 7 days before departure; later the hotels decide.

Flights cannot be changed: a new ticket is needed.""",
    ),
)

_C, _N, _E = Scale.CSAT, Scale.NPS, Scale.EFFORT
ANSWERS = (
    DemoAnswer("+13055550102", "es", "ana", "ventas", 30.0, {_C: 5, _N: 10}, "Muy amables, gracias."),
    DemoAnswer("+33639980105", "es", "luis", "ventas", 54.0, {_C: 4, _N: 9}),
    DemoAnswer("+13055550108", "es", "ana", "ventas", 78.0, {_C: 2, _N: 4}, "Tuve que llamar tres veces."),
    DemoAnswer("+15125550109", "es", "demo", "ventas", 102.0, {_C: 5, _N: 8, _E: 6}),
    DemoAnswer("+447700900118", "en", "ana", "sales", 31.0, {_C: 5, _N: 10, _E: 7}, "Solved in a minute."),
    DemoAnswer("+442079460120", "en", "luis", "sales", 55.0, {_C: 3, _N: 7, _E: 4}),
    DemoAnswer("+12125550121", "en", "demo", "sales", 79.0, {_C: 4, _N: 9, _E: 6}),
    DemoAnswer("+13125550124", "en", "luis", "sales", 103.0, {_C: 1, _N: 2, _E: 2}, "Nobody called me back."),
)
