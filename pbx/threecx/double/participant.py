"""What Call Control says about legs and DNs, in its JSON."""

from pbx.threecx.double.calls import Calls
from pbx.threecx.double.directory import Dn, DnType, Principal
from pbx.threecx.double.legs import Leg
from pbx.threecx.double.manners import Manners


def participant(leg: Leg, manners: Manners) -> dict[str, object]:
    """A leg as a participant object; ``party_*`` is the other side."""
    shown: dict[str, object] = {
        "id": leg.id,
        "status": leg.status.value,
        "dn": leg.dn,
        "party_caller_name": leg.party.name,
        "party_dn": leg.party.dn,
        "party_caller_id": leg.party.number,
        "party_did": leg.did if leg.me.kind is not DnType.LINE else "",
        "device_id": leg.device_id,
        "party_dn_type": leg.party.kind.value,
        "direct_control": leg.direct_control,
        "originated_by_dn": leg.originated_by.dn,
        "originated_by_type": leg.originated_by.kind.value,
        "referred_by_dn": leg.referred_by.dn,
        "referred_by_type": leg.referred_by.kind.value,
        "on_behalf_of_dn": leg.on_behalf_of.dn,
        "on_behalf_of_type": leg.on_behalf_of.kind.value,
        "callid": leg.callid,
        "legid": leg.legid,
    }
    if manners.participant_uid == "present":
        shown["participant_uid"] = leg.uid
    return shown


def devices(dn: Dn) -> list[dict[str, object]]:
    return [{"dn": dn.number, "device_id": device.device_id, "user_agent": device.user_agent} for device in dn.devices]


def dn_object(dn: Dn, calls: Calls) -> dict[str, object]:
    legs = [participant(leg, calls.manners) for leg in calls.of(dn.number)]
    return {"dn": dn.number, "type": dn.kind.value, "devices": devices(dn), "participants": legs}


def is_far(leg: Leg, calls: Calls, principal: Principal) -> bool:
    """Is it the other side of a call of the client's own route point, and nothing that the client may act on?"""
    own = any(other.callid == leg.callid and other.dn == principal.client_id for other in calls.legs.values())
    return own and leg.dn != principal.client_id and not leg.direct_control
