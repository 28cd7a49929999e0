"""3CX's Call Control API over REST: what is on, new calls, and what can be done with a leg of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote

from pbx.threecx.faults import Away, Gone, Rejected
from pbx.threecx.http import Kind
from pbx.threecx.objects import Device, Dn, Outcome, Participant, participants_in
from pbx.threecx.session import PbxSession, decoded

_NO_DATA: Mapping[str, str] = MappingProxyType({})
_LOOKS = 3
_LOOK_EVERY_S = 1.0


class CallControl:
    """Everything raises ``ThreeCxFault``. ``sleep`` waits between two looks for a call that may have been made."""

    def __init__(self, session: PbxSession, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._session = session
        self._sleep = sleep

    # ------------------------------------------------------------------ reading

    async def dns(self) -> list[Dn]:
        """Our own route point and every number that the client may watch, with their legs."""
        given = await self._session.get("/callcontrol")
        return [Dn.read(each) for each in given] if isinstance(given, list) else []

    async def dn(self, dn: str) -> Dn:
        return Dn.read(await self._session.get(_path(dn)))

    async def devices(self, dn: str) -> list[Device]:
        given = await self._session.get(_path(dn, "devices"))
        return [Device.read(each) for each in given] if isinstance(given, list) else []

    async def legs(self, dn: str) -> list[Participant]:
        return participants_in(await self._session.get(_path(dn, "participants")), dn)

    async def leg(self, dn: str, participant: int) -> Participant:
        """Raises ``Gone`` for one that has ended."""
        try:
            return Participant.read(await self._session.get(_path(dn, "participants", participant)), dn)
        except ValueError:
            raise Gone("3CX shows a leg without a number.") from None

    # ------------------------------------------------------------------ new calls

    async def make_call(
        self, dn: str, destination: str, *, device_id: str = "", timeout_s: int | None = None, data: Mapping[str, str] = _NO_DATA
    ) -> Outcome:
        """Call ``destination`` from ``dn``, from this device of it where one is given. Never sent twice on its own.

        Where the answer is lost, the leg is looked for: what was not there before and goes to ``destination`` is ours. Where it is not
        found the fault is raised, and the call may still come about.
        """
        known = {leg.id for leg in await self.legs(dn)}
        body: dict[str, object] = {"destination": destination}
        if timeout_s is not None:
            body["timeout"] = timeout_s
        if data:
            body["attacheddata"] = dict(data)
        try:
            return await self._make_call(dn, device_id, body)
        except Away as away:
            if not away.sent:
                raise
            if (leg := await self._found(dn, destination, known)) is None:
                raise
            return Outcome(True, "The answer was lost; the call was found.", leg)

    async def _make_call(self, dn: str, device_id: str, body: Mapping[str, object]) -> Outcome:
        if not device_id:
            return await self._post(_path(dn, "makecall"), body)
        try:
            return await self._post(_path(dn, "devices", device_id, "makecall"), body)
        except Gone:  # it registered anew and is called otherwise now
            before = device_id.partition(";")[0].rpartition(":")[0]
            fresh = [each.device_id for each in await self.devices(dn) if each.device_id != device_id]
            again = next((each for each in fresh if each.startswith(before)), fresh[0] if len(fresh) == 1 else "")
            if not again:
                raise
            return await self._post(_path(dn, "devices", again, "makecall"), body)

    async def _found(self, dn: str, destination: str, known: set[int]) -> Participant | None:
        for look in range(_LOOKS):
            if look:
                await self._sleep(_LOOK_EVERY_S)
            try:
                legs = await self.legs(dn)
            except Away:
                continue
            for leg in legs:
                if leg.id not in known and destination in (leg.party_dn, leg.party_caller_id):
                    return leg
        return None

    # ------------------------------------------------------------------ a leg of ours

    async def answer(self, leg: Participant) -> Outcome:
        """A leg that rings and is ours to command. Raises ``Rejected`` where it is not so."""
        if not (leg.ringing and leg.direct_control):
            raise Rejected("Only a ringing leg that this client controls can be answered.", 422)
        return await self._act(leg, "answer")

    async def drop(self, leg: Participant) -> None:
        """End a leg; one that has ended already is as good."""
        try:
            await self._act(leg, "drop")
        except Gone:
            return

    async def divert(self, leg: Participant, destination: str, *, reason: str = "", timeout_s: int | None = None) -> Outcome:
        """Let somebody else be rung in place of a leg that rings."""
        if not leg.ringing:
            raise Rejected("Only a leg that rings can be diverted.", 422)
        return await self._act(leg, "divert", _route(destination, reason, timeout_s))

    async def transfer(self, leg: Participant, destination: str, *, reason: str = "", timeout_s: int | None = None) -> Outcome:
        """Transfer, blindly, who is connected with this leg."""
        if not leg.connected:
            raise Rejected("Only a connected leg can be transferred.", 422)
        return await self._act(leg, "transferto", _route(destination, reason, timeout_s))

    async def route(self, leg: Participant, destination: str, *, reason: str = "", timeout_s: int | None = None) -> Outcome:
        """Ring somebody while the leg stays; answers when they took the call or did not. On failure the caller is still with us."""
        return await self._act(leg, "routeto", _route(destination, reason, timeout_s), Kind.ROUTE)

    async def attach(self, leg: Participant, data: Mapping[str, str], *, to_party: bool = False) -> Outcome:
        """Attach words to our side of the leg, or the other. ``public_call_screening`` is shown at who is called."""
        return await self._act(leg, "attach_party_data" if to_party else "attach_participant_data", {"attacheddata": dict(data)})

    async def _act(self, leg: Participant, action: str, body: Mapping[str, object] = _NO_DATA, kind: Kind = Kind.ASK) -> Outcome:
        return await self._post(_path(leg.dn, "participants", leg.id, action), body, kind)

    async def _post(self, path: str, body: Mapping[str, object], kind: Kind = Kind.ASK) -> Outcome:
        """An object is always sent: 3CX refuses an empty body."""
        answer = await self._session.ask("POST", path, body=dict(body), kind=kind)
        return Outcome.read(decoded(answer))


def stream_path(leg: Participant) -> str:
    return _path(leg.dn, "participants", leg.id, "stream")


def _path(dn: str, *more: object) -> str:
    return "/".join(["/callcontrol", *(quote(str(part), safe="") for part in (dn, *more))])


def _route(destination: str, reason: str, timeout_s: int | None) -> dict[str, object]:
    body: dict[str, object] = {"destination": destination}
    if reason:
        body["reason"] = reason
    if timeout_s is not None:
        body["timeout"] = timeout_s
    return body
