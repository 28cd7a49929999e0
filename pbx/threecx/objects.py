"""Call Control's objects: participants, devices, numbers (DN), and what becomes of a request. Pure.

Names are matched without regard to case and underscores, because XAPI writes the same objects in PascalCase. Every value may be missing;
values of lists that may grow (states, types) stay plain words; what is not known is kept in ``extra``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROUTE_POINT = "Wroutepoint"
RINGING, CONNECTED = "Ringing", "Connected"


def plain(name: str) -> str:
    """A field's name by which both spellings are the same."""
    return name.replace("_", "").lower()


def fields_of(given: object) -> dict[str, Any]:
    """An object's values by plain names; empty for what is no object."""
    return {plain(str(name)): value for name, value in given.items()} if isinstance(given, Mapping) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Device:
    """``device_id`` changes with every registration."""

    dn: str
    device_id: str
    user_agent: str = ""

    @classmethod
    def read(cls, given: object) -> "Device":
        values = fields_of(given)
        return cls(_text(values.get("dn")), _text(values.get("deviceid")), _text(values.get("useragent")))


@dataclass(frozen=True, slots=True)
class Participant:
    """A leg. ``dn``: whose; ``party_*``: the other side. ``call_id`` is shared by all legs of a call; all ids begin anew with the PBX."""

    id: int
    dn: str
    status: str = ""
    call_id: int = 0
    leg_id: int = 0
    party_dn: str = ""
    party_dn_type: str = ""
    party_caller_id: str = ""
    party_caller_name: str = ""
    party_did: str = ""
    device_id: str = ""
    direct_control: bool = False
    originated_by_dn: str = ""
    referred_by_dn: str = ""
    on_behalf_of_dn: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, given: object, dn: str = "") -> "Participant":
        """Raises ``ValueError`` for what has no id. ``dn``: whose it is, where it does not say so itself."""
        values = fields_of(given)
        identifier = _number(values.pop("id", None))
        if not identifier:
            raise ValueError("a participant without an id")
        return cls(
            id=identifier,
            dn=_text(values.pop("dn", None)) or dn,
            status=_text(values.pop("status", None)),
            call_id=_number(values.pop("callid", None)),
            leg_id=_number(values.pop("legid", None)),
            party_dn=_text(values.pop("partydn", None)),
            party_dn_type=_text(values.pop("partydntype", None)),
            party_caller_id=_text(values.pop("partycallerid", None)),
            party_caller_name=_text(values.pop("partycallername", None)),
            party_did=_text(values.pop("partydid", None)),
            device_id=_text(values.pop("deviceid", None)),
            direct_control=values.pop("directcontrol", None) is True,
            originated_by_dn=_text(values.pop("originatedbydn", None)),
            referred_by_dn=_text(values.pop("referredbydn", None)),
            on_behalf_of_dn=_text(values.pop("onbehalfofdn", None)),
            extra=values,
        )

    @property
    def ringing(self) -> bool:
        return self.status == RINGING

    @property
    def connected(self) -> bool:
        return self.status == CONNECTED


@dataclass(frozen=True, slots=True)
class Dn:
    """A number of the PBX that this client owns or may watch."""

    dn: str
    type: str = ""
    devices: tuple[Device, ...] = ()
    participants: tuple[Participant, ...] = ()

    @classmethod
    def read(cls, given: object) -> "Dn":
        values = fields_of(given)
        dn = _text(values.get("dn"))
        listed = values.get("devices")
        devices = tuple(Device.read(each) for each in (listed if isinstance(listed, list) else ()))
        return cls(dn, _text(values.get("type")), devices, tuple(participants_in(values.get("participants"), dn)))


def participants_in(given: object, dn: str = "") -> list[Participant]:
    """Those of a list that can be read."""
    found = []
    for each in given if isinstance(given, list) else ():
        try:
            found.append(Participant.read(each, dn))
        except ValueError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of ``makecall`` or an action. ``done`` is told by the leg that came back, else by ``finalstatus``, a word or a number."""

    done: bool
    reason: str
    leg: Participant | None

    @classmethod
    def read(cls, given: object) -> "Outcome":
        values = fields_of(given)
        try:
            leg = Participant.read(values.get("result"))
        except ValueError:
            leg = None
        final = values.get("finalstatus")
        succeeded = final == 1 if isinstance(final, int) else str(final).lower() in ("success", "none", "")
        return cls(leg is not None or succeeded, _text(values.get("reasontext") or values.get("reason")), leg)
