"""The demo's tours, in two languages, and its customers. Every number is from a range that is kept for fiction, where there is one:

555-0100 to 0199 in North America (NANPA), 07700 900 and 020 7946 0 in the United Kingdom (Ofcom), 06 39 98 in France (ARCEP), 0491 570 in
Australia (ACMA). Spain keeps none; the one Spanish number is that of the demo line's own caller.
"""

from msgspec import Struct

from api.store.travel import Tour
from api.travel.demo_programmes import PROGRAMMES
from pbx.loopback import CUSTOMER

CURRENCY = "EUR"


class Offer(Struct, frozen=True):
    """A tour, where its departures begin, how many come along, and what one pays."""

    tour: Tour
    zone: str
    seats: int
    seat_price_cents: int


class Person(Struct, frozen=True):
    first: str
    last: str
    number: str
    language: str
    company: str = ""
    vip: bool = False


def _offer(tour_id: str, country: str, days: int, zone: str, seats: int, price: int, english: str, spanish: str) -> Offer:
    """``english`` and ``spanish``: the title, a bar, and what it is about."""
    (title_en, about_en), (title_es, about_es) = (text.split(" | ") for text in (english, spanish))
    programme = PROGRAMMES.get(tour_id, ())
    return Offer(Tour(tour_id, title_en, title_es, about_en, about_es, country, days, programme), zone, seats, 100 * price)


OFFERS = (
    _offer(
        *("inca-trail", "PE", 8, "America/Lima", 16, 1_890),
        "Inca Trail to Machu Picchu | Four days on foot over Warmiwañusca, two in Cusco and two in the Sacred Valley.",
        "Camino Inca a Machu Picchu | Cuatro días a pie por Warmiwañusca, dos en Cusco y dos en el Valle Sagrado.",
    ),
    _offer(
        *("patagonia", "AR", 12, "America/Argentina/Ushuaia", 14, 3_250),
        "Patagonia end to end | From Ushuaia to El Chaltén with glaciers, penguins and the circuit below Fitz Roy.",
        "Patagonia de punta a punta | De Ushuaia a El Chaltén, con glaciares, pingüinos y el circuito al pie del Fitz Roy.",
    ),
    _offer(
        *("camino-santiago", "ES", 7, "Europe/Madrid", 20, 790),
        "Camino de Santiago, the last 115 km | From Sarria to Santiago in six stages. Luggage is carried on, beds are booked.",
        "Camino de Santiago, los últimos 115 km | De Sarria a Santiago en seis etapas. Llevamos el equipaje y reservamos las camas.",
    ),
    _offer(
        *("andalusia", "ES", 6, "Europe/Madrid", 24, 860),
        "Andalusia by train | Seville, Córdoba and Granada with tickets for the Alhambra and an evening of flamenco.",
        "Andalucía en tren | Sevilla, Córdoba y Granada, con entradas para la Alhambra y una noche de flamenco.",
    ),
    _offer(
        *("iceland-ring", "IS", 8, "Atlantic/Reykjavik", 18, 2_140),
        "Iceland's ring road | Waterfalls, the glacier lagoon and whales at Húsavík, in two small coaches.",
        "La carretera circular de Islandia | Cascadas, la laguna glaciar y las ballenas de Húsavík, en dos autobuses pequeños.",
    ),
    _offer(
        *("morocco-desert", "MA", 9, "Africa/Casablanca", 16, 1_120),
        "Morocco, medinas and desert | Fez, the Todra gorge and two nights in a camp at the dunes of Merzouga.",
        "Marruecos, medinas y desierto | Fez, las gargantas del Todra y dos noches en un campamento en las dunas de Merzouga.",
    ),
    _offer(
        *("kyoto-autumn", "JP", 11, "Asia/Tokyo", 12, 3_680),
        "Kyoto in autumn | Temples among red maples, a night on Mount Kōya and three days in Tokyo.",
        "Kioto en otoño | Templos entre arces rojos, una noche en el monte Kōya y tres días en Tokio.",
    ),
    _offer(
        *("galapagos", "EC", 8, "Pacific/Galapagos", 16, 4_450),
        "Galápagos by boat | Eight days from island to island with a naturalist; masks and fins are on board.",
        "Galápagos en barco | Ocho días de isla en isla con un naturalista; gafas y aletas a bordo.",
    ),
    _offer(
        *("highlands", "GB", 6, "Europe/London", 20, 1_050),
        "Scottish Highlands | Glencoe, Skye and a slow train over the Glenfinnan viaduct.",
        "Tierras Altas de Escocia | Glencoe, Skye y un tren lento por el viaducto de Glenfinnan.",
    ),
    _offer(
        *("costa-rica", "CR", 10, "America/Costa_Rica", 18, 1_980),
        "Costa Rica for families | Volcano, cloud forest and turtles, with short ways and long breakfasts.",
        "Costa Rica en familia | Volcán, bosque nuboso y tortugas, con trayectos cortos y desayunos largos.",
    ),
    _offer(
        *("oaxaca", "MX", 7, "America/Mexico_City", 16, 1_340),
        "Oaxaca and its kitchens | Markets, mezcal and seven moles with the cooks who make them.",
        "Oaxaca y sus cocinas | Mercados, mezcal y siete moles con las cocineras que los preparan.",
    ),
    _offer(
        *("azores", "PT", 5, "Atlantic/Azores", 22, 690),
        "Azores, a long weekend | Crater lakes, hot springs and sperm whales off São Miguel.",
        "Azores, un puente largo | Lagos en cráteres, aguas termales y cachalotes frente a São Miguel.",
    ),
)

PEOPLE = (
    Person("Clara", "Vidal", CUSTOMER, "es"),
    Person("Martín", "Ibáñez", "+13055550101", "es", vip=True),
    Person("Lucía", "Ferrer", "+13055550102", "es"),
    Person("Javier", "Ochoa", "+12125550103", "es", "Colegio San Marcos"),
    Person("Nuria", "Cabrera", "+33639980104", "es"),
    Person("Andrés", "Peñalver", "+33639980105", "es"),
    Person("Beatriz", "Montalvo", "+13235550106", "es", "Bodegas Montalvo", vip=True),
    Person("Íñigo", "Aguirre", "+442079460107", "es"),
    Person("Rosa", "Quintana", "+13055550108", "es"),
    Person("Tomás", "Villalobos", "+15125550109", "es"),
    Person("Elena", "Carrasco", "+33639980110", "es"),
    Person("Gonzalo", "Reyes", "+12105550111", "es", "Club de Montaña Cumbre"),
    Person("Paula", "Santamaría", "+447700900112", "es"),
    Person("Hugo", "Zúñiga", "+13055550113", "es"),
    Person("Amalia", "Duarte", "+16195550114", "es"),
    Person("Emily", "Hartwell", "+447700900115", "en", vip=True),
    Person("James", "Okafor", "+447700900116", "en"),
    Person("Sophie", "Lindqvist", "+442079460117", "en"),
    Person("Daniel", "O'Rourke", "+447700900118", "en", "O'Rourke & Daughters"),
    Person("Grace", "Nakamura", "+14155550119", "en"),
    Person("Oliver", "Pennington", "+442079460120", "en"),
    Person("Hannah", "Weissberg", "+12125550121", "en"),
    Person("Samuel", "Adeyemi", "+447700900122", "en"),
    Person("Charlotte", "Dubois", "+33639980123", "en", "Lycée Voltaire"),
    Person("Ethan", "Kowalski", "+13125550124", "en"),
    Person("Priya", "Raghunathan", "+61491570156", "en"),
    Person("Lucas", "Abernathy", "+61491570157", "en"),
    Person("Maya", "Castellanos", "+14155550127", "en"),
    Person("Noah", "Fitzgerald", "+61491570158", "en", "Harbour Walking Club"),
    Person("Isla", "MacKenzie", "+447700900129", "en"),
)
"""The first is who calls when somebody dials 605."""
