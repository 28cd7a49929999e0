"""The end of a consultation is told with what its appointment says, and told also where nobody knows."""

from dataclasses import dataclass

from api.consultation_news import ConsultationNews, OfAppointment
from api.happenings import Happening, Happenings
from api.rooms import RoomEvent
from api.store import StoreUnavailable
from rooms.membership import Room, RoomKind


@dataclass(frozen=True)
class Booked:
    appointment_id: str = "a1"
    email: str = "ana@example.org"
    e164: str = "+34600111222"
    language: str = "es"
    person: str = "handle"


def event(room_id: str, what: str = "room_finished", kind: RoomKind = RoomKind.CONSULTATION) -> RoomEvent:
    return RoomEvent(f"{room_id}-{what}", what, Room(room_id, kind, "Viaje", "eva", 0.0, 8, ""), 9.0, reason="over")


async def test_the_end_of_a_consultation_is_told_with_what_its_appointment_says() -> None:
    happenings, told = Happenings(), list[Happening]()
    happenings.listen(told.append)

    async def of_room(room_id: str) -> OfAppointment | None:
        if room_id == "away":
            raise StoreUnavailable("It does not answer.")
        return Booked() if room_id == "booked" else None

    async with ConsultationNews(happenings, of_room) as news:
        for room_id in ("booked", "free", "away"):
            news.hear(event(room_id))
        news.hear(event("meeting", kind=RoomKind.MEETING))
        news.hear(event("booked", "participant_left"))
    found = {happening.subject: happening for happening in told}
    assert set(found) == {"booked", "free", "away"} and {happening.kind for happening in told} == {"consultation.ended"}
    assert found["booked"].facts["email"] == "ana@example.org" and found["booked"].person == "handle"
    assert found["free"].facts == found["away"].facts == {"name": "Viaje", "reason": "over", "host": "eva"}
