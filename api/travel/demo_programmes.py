"""What happens on which day of the demo's tours. Airlines and hotels are of nobody."""

from collections.abc import Mapping
from typing import Any

from api.travel.programme import TourStage

_AIR = "Aurora Air"
MADRID = "Madrid (MAD)"
HOME = "Europe/Madrid"


def _way(kind: Any, day: int, time: str, end_time: str, origin: str, destination: str, number: str = "", **more: Any) -> TourStage:
    carrier = {"flight": _AIR, "train": "Renfe"}.get(kind, "")
    return TourStage(
        kind=kind, day=day, time=time, end_time=end_time, origin=origin, destination=destination, number=number, carrier=carrier, **more
    )


def _nights(day: int, until: int, name: str, place: str, **more: Any) -> TourStage:
    return TourStage(
        kind="hotel", day=day, end_day=until, time="15:00", end_time="11:00", title_en=name, title_es=name, place=place, **more
    )


def _act(day: int, time: str, end_time: str, place: str, english: str, spanish: str, **more: Any) -> TourStage:
    return TourStage(kind="activity", day=day, time=time, end_time=end_time, place=place, title_en=english, title_es=spanish, **more)


PROGRAMMES: Mapping[str, tuple[TourStage, ...]] = {
    "camino-santiago": (
        _way(
            "flight",
            1,
            "09:05",
            "10:15",
            MADRID,
            "Santiago de Compostela (SCQ)",
            "AU 1612",
            note_en="One bag of 23 kg each",
            note_es="Una maleta de 23 kg por persona",
        ),
        _way(
            "transfer",
            1,
            "11:00",
            "12:50",
            "Santiago de Compostela",
            "Sarria",
            note_en="Our driver waits at the exit with your name",
            note_es="Nuestro conductor espera a la salida con su nombre",
        ),
        _nights(1, 2, "Hostal O Camiño", "Rúa Maior 12, Sarria"),
        _act(
            2,
            "08:30",
            "15:00",
            "Sarria",
            "Stage 1: Sarria to Portomarín, 22 km",
            "Etapa 1: de Sarria a Portomarín, 22 km",
            note_en="Luggage is fetched at 08:00",
            note_es="El equipaje se recoge a las 08:00",
        ),
        _nights(2, 3, "Pousada do Miño", "Portomarín"),
        _act(3, "08:30", "16:00", "Portomarín", "Stage 2: to Palas de Rei, 25 km", "Etapa 2: a Palas de Rei, 25 km"),
        _nights(3, 5, "Casa Benilde", "Palas de Rei"),
        _act(
            4,
            "09:00",
            "13:00",
            "Melide",
            "Stage 3: to Melide, 15 km, and octopus for lunch",
            "Etapa 3: a Melide, 15 km, y pulpo para comer",
        ),
        _act(
            5,
            "08:30",
            "16:30",
            "Melide",
            "Stages 4 and 5: to O Pedrouzo, 33 km, half of it by coach",
            "Etapas 4 y 5: a O Pedrouzo, 33 km, la mitad en autobús",
        ),
        _nights(5, 6, "Pensión Codesal", "O Pedrouzo"),
        _act(6, "08:00", "13:30", "O Pedrouzo", "Stage 6: to Santiago, 20 km", "Etapa 6: a Santiago, 20 km"),
        _nights(6, 8, "Hotel Altaïr", "Rúa dos Loureiros, Santiago de Compostela"),
        _act(7, "12:00", "13:00", "Santiago de Compostela", "Pilgrims' mass", "Misa del peregrino"),
        _way("flight", 8, "16:40", "17:55", "Santiago de Compostela (SCQ)", MADRID, "AU 1617"),
    ),
    "azores": (
        _way("flight", 1, "09:20", "10:45", MADRID, "Ponta Delgada (PDL)", "AU 2440", zone=HOME, end_zone="Atlantic/Azores"),
        _nights(1, 5, "Casa da Lagoa", "Ponta Delgada"),
        _act(2, "09:30", "16:00", "Sete Cidades", "Crater lakes on foot", "Los lagos de los cráteres a pie"),
        _act(3, "08:30", "12:00", "Ponta Delgada", "Sperm whales by boat", "Cachalotes en barco"),
        _act(4, "10:00", "15:00", "Furnas", "Hot springs, and lunch out of the ground", "Aguas termales y comida cocinada bajo tierra"),
        _way("flight", 6, "12:30", "17:35", "Ponta Delgada (PDL)", MADRID, "AU 2441", end_zone=HOME),
    ),
    "morocco-desert": (
        _way("flight", 1, "10:35", "11:15", MADRID, "Fez (FEZ)", "AU 3302", zone=HOME, end_zone="Africa/Casablanca"),
        _nights(1, 4, "Riad Dar Zitoun", "Talaa Kebira, Fez"),
        _act(2, "09:00", "13:00", "Fez", "The medina with a guide", "La medina con guía"),
        _way(
            "transfer",
            4,
            "08:00",
            "17:00",
            "Fez",
            "Merzouga",
            note_en="Over the Middle Atlas, with a stop at Midelt",
            note_es="Por el Atlas Medio, con parada en Midelt",
        ),
        TourStage(kind="hotel", day=4, end_day=6, title_en="Camp at the dunes", title_es="Campamento en las dunas", place="Erg Chebbi"),
        _act(5, "17:00", "19:30", "Erg Chebbi", "By camel into the sunset", "En camello a la puesta de sol"),
        _nights(6, 9, "Auberge Todra", "Tinghir"),
        _way("flight", 10, "15:05", "17:40", "Errachidia (ERH)", MADRID, "AU 3317", end_zone=HOME),
    ),
    "kyoto-autumn": (
        _way("flight", 1, "12:15", "10:50", MADRID, "Tokyo Narita (NRT)", "AU 7700", end_day=2, zone=HOME, end_zone="Asia/Tokyo"),
        _nights(2, 5, "Hotel Kanda", "Chiyoda, Tokyo"),
        _way("train", 5, "09:30", "11:45", "Tokyo", "Kyoto", "Nozomi 21"),
        _nights(5, 9, "Ryokan Momiji", "Higashiyama, Kyoto"),
        _act(6, "08:30", "12:00", "Tōfuku-ji", "Temples among red maples", "Templos entre arces rojos"),
        _nights(
            9,
            10,
            "Shukubo Ekō",
            "Kōya-san",
            note_en="A night in a temple: shared baths",
            note_es="Una noche en un templo: baños compartidos",
        ),
        _way("flight", 12, "11:35", "19:20", "Osaka Kansai (KIX)", MADRID, "AU 7703", end_zone=HOME),
    ),
    "inca-trail": (
        _way("flight", 1, "00:35", "06:10", MADRID, "Lima (LIM)", "AU 6651", zone=HOME, end_zone="America/Lima"),
        _way("flight", 1, "09:40", "11:05", "Lima (LIM)", "Cusco (CUZ)", "AU 6690"),
        _nights(1, 3, "Hostal Qorikancha", "Cusco", note_en="Rest on the first day: 3,400 m", note_es="Descanse el primer día: 3.400 m"),
        _act(2, "09:30", "16:00", "Ollantaytambo", "The Sacred Valley", "El Valle Sagrado"),
        TourStage(
            kind="activity",
            day=3,
            end_day=6,
            title_en="Inca Trail, four days on foot",
            title_es="Camino Inca, cuatro días a pie",
            place="Km 82",
        ),
        _way("train", 6, "16:22", "18:05", "Machu Picchu Pueblo", "Ollantaytambo", "504"),
        _nights(6, 8, "Hostal Qorikancha", "Cusco"),
        _way("flight", 9, "12:55", "14:20", "Cusco (CUZ)", "Lima (LIM)", "AU 6693"),
    ),
    "andalusia": (
        _way("train", 1, "10:00", "12:32", "Madrid Puerta de Atocha", "Sevilla Santa Justa", "AVE 2100"),
        _nights(1, 3, "Casa de los Naranjos", "Santa Cruz, Sevilla"),
        _act(2, "20:30", "22:00", "Triana, Sevilla", "An evening of flamenco", "Una noche de flamenco"),
        _way("train", 3, "11:05", "11:50", "Sevilla Santa Justa", "Córdoba", "AVE 2121"),
        _nights(3, 4, "Hospedería del Alma", "Judería, Córdoba"),
        _way("train", 4, "12:10", "13:40", "Córdoba", "Granada", "AVE 5073"),
        _nights(4, 6, "Carmen del Agua", "Albaicín, Granada"),
        _act(5, "09:00", "13:00", "Granada", "The Alhambra; bring your passport", "La Alhambra; lleve su pasaporte"),
        _way("train", 7, "16:05", "19:30", "Granada", "Madrid Puerta de Atocha", "AVE 5092"),
    ),
}
