"""The Call Control API of the emulated PBX without HTTP: method, path and body in, a reply out, at once or (``routeto``) later."""

import json
from collections.abc import Callable, Sequence

from pbx.threecx.double.calls import Calls, Rejected
from pbx.threecx.double.directory import Device, Dn, Principal
from pbx.threecx.double.legs import ACTIONS, Leg, Status
from pbx.threecx.double.participant import devices, dn_object, is_far, participant
from pbx.threecx.double.reply import Reply

OnReply = Callable[[Reply], None]
FINAL = {"Failed": -1, "Rejected": 0, "Success": 1}


class _Answer(Exception):
    """Leaves the handling of a request with its reply."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.reply = Reply(status, {"finalstatus": "Failed", "reason": "None", "reasontext": text, "result": None} if text else None)


class Control:
    """``handle`` calls ``on_reply`` exactly once for each request."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def handle(self, principal: Principal, method: str, path: Sequence[str], body: bytes, on_reply: OnReply) -> None:
        """``path``: decoded segments after ``/callcontrol``."""
        try:
            if not principal.call_control:
                raise _Answer(403, "this client has no Call Control")
            if method == "GET":
                on_reply(Reply(200, self._read(principal, list(path))))
            elif method == "POST":
                self._act(principal, list(path), body, on_reply)
            else:
                raise _Answer(405)
        except _Answer as answer:
            on_reply(answer.reply)

    def stream_leg(self, principal: Principal, path: Sequence[str]) -> Leg | Reply:
        """The leg whose audio a request wants, or why it gets none."""
        try:
            if not principal.call_control:
                raise _Answer(403, "this client has no Call Control")
            dn = self._dn(principal, path[0])
            leg = self._leg(dn, path[2])
            if dn.number != principal.client_id:
                raise _Answer(int(self._calls.manners.extension_stream_code), "extensions have no streams")
            return leg
        except _Answer as answer:
            return answer.reply

    # -- reading

    def _read(self, principal: Principal, path: list[str]) -> object:
        match path:
            case []:
                listed = [dn for dn in self._calls.directory.dns.values() if principal.lists(dn.number)]
                return [dn_object(dn, self._calls) for dn in listed]
            case [number]:
                return dn_object(self._dn(principal, number), self._calls)
            case [number, "devices"]:
                return devices(self._dn(principal, number))
            case [number, "devices", device_id]:
                dn = self._dn(principal, number)
                self._device(dn, device_id)
                return next(shown for shown in devices(dn) if shown["device_id"] == device_id)
            case [number, "participants"]:
                return [participant(leg, self._calls.manners) for leg in self._calls.of(self._dn(principal, number).number)]
            case [number, "participants", leg_id]:
                leg = self._leg(self._dn(principal, number), leg_id)
                if self._calls.manners.far_leg_by_id == "forbidden" and is_far(leg, self._calls, principal):
                    raise _Answer(403, "not your leg")
                return participant(leg, self._calls.manners)
            case _:
                raise _Answer(404)

    def _dn(self, principal: Principal, number: str) -> Dn:
        dn = self._calls.directory.dns.get(number)
        if dn is None or not principal.lists(number):
            raise _Answer(403, "not a DN of this client")
        return dn

    def _device(self, dn: Dn, device_id: str) -> Device:
        found = next((device for device in dn.devices if device.device_id == device_id), None)
        if found is None:
            raise _Answer(404, "there is no such device")
        return found

    def _leg(self, dn: Dn, leg_id: str) -> Leg:
        leg = self._calls.legs.get(int(leg_id)) if leg_id.isdecimal() and len(leg_id) < 12 else None
        if leg is None or leg.dn != dn.number:
            raise _Answer(404, "there is no such participant")
        return leg

    # -- acting

    def _act(self, principal: Principal, path: list[str], body: bytes, on_reply: OnReply) -> None:
        match path:
            case [number, "makecall"]:
                self._make_call(self._dn(principal, number), "", _fields(body), on_reply)
            case [number, "devices", device_id, "makecall"]:
                dn = self._dn(principal, number)
                self._device(dn, device_id)
                self._make_call(dn, device_id, _fields(body), on_reply)
            case [number, "participants", leg_id, action] if action in ACTIONS:
                self._on_leg(self._leg(self._dn(principal, number), leg_id), action, _fields(body), on_reply)
            case _:
                raise _Answer(404)

    def _make_call(self, dn: Dn, device_id: str, fields: dict[str, object], on_reply: OnReply) -> None:
        destination, timeout_s, attached = _destination(fields), _timeout_s(fields), _attached(fields)
        try:
            leg = self._calls.dial(dn.number, destination, device_id=device_id, timeout_s=timeout_s, attached=attached)
        except Rejected as error:
            on_reply(self._result(int(self._calls.manners.refused_makecall_code), "Rejected", error.reason, str(error)))
        else:
            on_reply(self._result(200, "Success", leg=leg))

    def _on_leg(self, leg: Leg, action: str, fields: dict[str, object], on_reply: OnReply) -> None:
        if not leg.direct_control:
            raise _Answer(403, "no direct control of this leg")
        if leg.status not in ACTIONS[action] and not self._lenient(leg, action):
            raise _Answer(int(self._calls.manners.wrong_state_code), f"{action} is not possible while {leg.status.value}")
        try:
            self._perform(leg, action, fields, on_reply)
        except Rejected as error:
            on_reply(self._result(422, "Failed", error.reason, str(error), leg))

    def _lenient(self, leg: Leg, action: str) -> bool:
        answered = action == "answer" and leg.status is Status.CONNECTED
        return answered and self._calls.manners.answered_route_point == "accepted"

    def _perform(self, leg: Leg, action: str, fields: dict[str, object], on_reply: OnReply) -> None:
        calls = self._calls
        if action == "routeto":
            calls.route(leg, _destination(fields), lambda reason: on_reply(self._routed(leg, reason)), _timeout_s(fields))
            return
        if action == "answer":
            calls.answer(leg)
        elif action == "drop":
            calls.drop(leg)
        elif action == "divert":
            calls.divert(leg, _destination(fields), _timeout_s(fields))
        elif action == "transferto":
            calls.transfer(leg, _destination(fields), _timeout_s(fields))
        elif action == "attach_participant_data":
            leg.attached.update(_attached(fields))
        elif leg.other is not None:
            leg.other.attached.update(_attached(fields))
        on_reply(self._result(200, "Success", leg=leg))

    def _routed(self, leg: Leg, reason: str) -> Reply:
        if reason:
            return self._result(422, "Failed", reason, "the destination did not take the call", leg)
        return self._result(200, "Success", leg=leg)

    def _result(self, status: int, final: str, reason: str = "None", text: str = "", leg: Leg | None = None) -> Reply:
        word: str | int = final if self._calls.manners.finalstatus == "string" else FINAL[final]
        shown = participant(leg, self._calls.manners) if leg is not None and final == "Success" else None
        return Reply(status, {"finalstatus": word, "reason": reason, "reasontext": text, "result": shown})


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise _Answer(400, "a JSON object is expected")
    return {str(name).lower(): value for name, value in fields.items()}


def _destination(fields: dict[str, object]) -> str:
    destination = fields.get("destination")
    if not isinstance(destination, str) or not destination:
        raise _Answer(400, "destination is missing")
    return destination


def _timeout_s(fields: dict[str, object]) -> float | None:
    timeout = fields.get("timeout")
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise _Answer(400, "timeout is a number of seconds")
    return float(timeout)


def _attached(fields: dict[str, object]) -> dict[str, str]:
    attached = fields.get("attacheddata") or {}
    if not isinstance(attached, dict) or not all(isinstance(text, str) for text in attached.values()):
        raise _Answer(400, "attacheddata is a map of texts")
    return {str(name): str(text) for name, text in attached.items()}
