"""A PBX with phones behind it: whoever is dialled answers at once, and speaks as the phones of ``tests.kit.rtp_phone`` do."""

import asyncio
from collections.abc import Mapping

from pbx.trunk import Answered, Arrived, Confirmed, LineStatus, OnTrunkEvent, TrunkStatus
from rooms.audio import RtpEndpoint
from rooms.causes import Cause
from tests.kit.rtp_phone import RtpPhone


class PhoneTrunk:
    """A ``pbx.trunk.Trunk``; the signalling of a real one is tested elsewhere. ``others``: phones by number; ``phone`` has all the rest."""

    name = "pbx"
    carries_rtp = True

    def __init__(self, phone: RtpPhone, on_event: OnTrunkEvent, others: Mapping[str, RtpPhone] | None = None) -> None:
        self._phone = phone
        self._others = others or {}
        self._on_event = on_event
        self._arriving: dict[str, RtpPhone] = {}
        self.told: list[tuple[str, int]] = []
        """How transfers went that the phones asked for."""

    @property
    def status(self) -> TrunkStatus:
        return TrunkStatus(True, "")

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self.status, 0, 10)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    async def __aenter__(self) -> "PhoneTrunk":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def dial(
        self,
        leg_id: str,
        number: str,
        caller: str,
        offer: RtpEndpoint,
        *,
        private: bool = False,
        diverted_by: str = "",
        caller_number: str = "",
        referred: str = "",
    ) -> None:
        def answered() -> None:
            phone = self._others.get(number, self._phone)
            phone.call(offer.host, offer.port)
            self._on_event(Answered(leg_id, phone.endpoint()))

        asyncio.get_running_loop().call_soon(answered)

    def ring(self, leg_id: str) -> None:
        pass

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        pass

    def arrive(self, leg_id: str, number: str, *, replaces: str = "") -> None:
        """The phone of this number calls us."""
        phone = self._others.get(number, self._phone)
        self._arriving[leg_id] = phone
        self._on_event(Arrived(leg_id, self.name, number, "", "", phone.endpoint(), replaces=replaces))

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        self._arriving.pop(leg_id).call(answer.host, answer.port)
        asyncio.get_running_loop().call_soon(lambda: self._on_event(Confirmed(leg_id)))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        pass

    def hold(self, leg_id: str, held: bool) -> None:
        pass

    def send_digit(self, leg_id: str, digit: str) -> None:
        pass

    def can_refer(self, leg_id: str) -> bool:
        return False

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        raise NotImplementedError("this phone is never asked to transfer")

    def transfer_progress(self, leg_id: str, status: int) -> None:
        self.told.append((leg_id, status))
