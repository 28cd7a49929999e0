"""The emulator's own door, which no PBX has: over it people and tests of other programs let things happen.

Paths after ``/double``: ``POST calls {caller, called, name}``, ``POST legs/ID/answer|drop``, ``POST legs/ID/digits {digits}`` (whoever is
behind the leg presses them), ``POST legs/ID/press {digits}`` (they are sent to the SIP phone behind it), ``POST faults {...}``,
``GET legs``, ``GET audio/ID`` (how a route point's leg was spoken to), ``GET behaviours``; and the server's ``POST restart``,
``cut-sockets``, ``mute-sockets``, ``steal-tokens``, ``event`` (sends the body's object as an event to every socket), and ``crm-template``
with the XML of a CRM template, as an administrator uploads it (422 names the line that is wrong).
"""

import json
from collections import deque
from collections.abc import Callable, Mapping

from pbx.threecx.double.audio import LegAudio
from pbx.threecx.double.calls import Calls, Rejected
from pbx.threecx.double.faults import Faults
from pbx.threecx.double.legs import Leg
from pbx.threecx.double.manners import BEHAVIOURS, Manners
from pbx.threecx.double.participant import participant
from pbx.threecx.double.reply import Reply


class Stage:
    """``key`` is asked for with each request. ``press``: send digits to the SIP phone behind a leg."""

    def __init__(self, calls: Calls, faults: Faults, audio: Mapping[int, LegAudio], press: Callable[[Leg, str], None], *, key: str) -> None:
        self.key = key
        self._audio = audio
        self._press = press
        self._calls = calls
        self._faults = faults

    def handle(self, method: str, path: list[str], body: bytes) -> Reply:
        try:
            fields = json.loads(body or b"{}")
        except ValueError:
            return Reply(400, {"error": "the body is no JSON"})
        if not isinstance(fields, dict):
            return Reply(400, {"error": "the body is no JSON object"})
        match method, path:
            case "GET", ["behaviours"]:
                return Reply(200, listed(self._calls.manners))
            case "GET", ["legs"]:
                return Reply(200, [participant(leg, self._calls.manners) for leg in self._calls.legs.values()])
            case "GET", ["audio", leg_id] if leg_id.isdecimal():
                return self._heard(int(leg_id))
            case "POST", ["calls"]:
                return self._call(fields)
            case "POST", ["faults"]:
                return self._set_faults(fields)
            case "POST", ["legs", leg_id, act] if leg_id.isdecimal() and act in ("answer", "drop", "digits", "press"):
                leg = self._calls.legs.get(int(leg_id))
                return Reply(404) if leg is None else self._on_leg(leg, act, fields)
            case _:
                return Reply(404, {"error": "see pbx/threecx/double/stage.py for what there is"})

    def _heard(self, leg_id: int) -> Reply:
        audio = self._audio.get(leg_id)
        if audio is None:
            return Reply(404)
        told = {"bytes": len(audio.posted), "pieces": len(audio.arrivals), "lead_s": audio.lead_s(), "ended_cleanly": audio.ended_cleanly}
        return Reply(200, told)

    def _call(self, fields: dict[str, object]) -> Reply:
        texts = {name: str(fields.get(name, "")) for name in ("caller", "called", "name")}
        try:
            leg = self._calls.arrive(texts["caller"], texts["called"], name=texts["name"])
        except Rejected as error:
            return Reply(422, {"error": str(error)})
        return Reply(201, participant(leg, self._calls.manners))

    def _on_leg(self, leg: Leg, act: str, fields: dict[str, object]) -> Reply:
        if act == "answer":
            self._calls.answer(leg)
        elif act == "drop":
            self._calls.drop(leg)
        elif act == "press":
            self._press(leg, str(fields.get("digits", "")))
        else:
            self._calls.press(leg, str(fields.get("digits", "")))
        return Reply(204)

    def _set_faults(self, fields: dict[str, object]) -> Reply:
        wrong = [name for name in fields if name not in Faults.__dataclass_fields__]
        if wrong:
            return Reply(400, {"error": f"no such fault: {', '.join(wrong)}; there are {', '.join(Faults.__dataclass_fields__)}"})
        for name, value in fields.items():
            setattr(self._faults, name, deque(value) if isinstance(value, list) else value)
        return Reply(204)


def listed(manners: Manners) -> list[dict[str, object]]:
    """Every behaviour: its name, what it does, what it rests on, its switch's choices and where that stands."""
    positions = manners.positions()
    return [
        {
            "name": behaviour.name,
            "basis": behaviour.basis.value,
            "what": behaviour.what,
            "choices": list(behaviour.choices),
            "now": positions.get(behaviour.name, ""),
        }
        for behaviour in BEHAVIOURS
    ]
