"""The event socket of the emulated PBX, without sockets: which changes a client hears of, and in which envelope."""

import itertools
from collections.abc import Iterator

from pbx.threecx.double.calls import Change, Digits, Upserted
from pbx.threecx.double.directory import Principal
from pbx.threecx.double.manners import Manners

UPSERT, REMOVE, DTMF = 0, 1, 2


class Sequences:
    """Numbers events: for all sockets together, or for each, as the manners say."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._all = itertools.count(1)

    def for_socket(self) -> Iterator[int]:
        return self._all if self._manners.sequence_scope == "global" else itertools.count(1)

    def restart(self) -> None:
        self._all = itertools.count(1)


def event(change: Change) -> dict[str, object]:
    """The inner object of the envelope. Data is null but for digits: the entity has to be read."""
    entity = f"/callcontrol/{change.leg.dn}/participants/{change.leg.id}"
    if isinstance(change, Digits):
        return {"event_type": DTMF, "entity": entity, "attached_data": {"dtmf_input": change.digits}}
    return {"event_type": UPSERT if isinstance(change, Upserted) else REMOVE, "entity": entity, "attached_data": None}


def hears(principal: Principal, change: Change) -> bool:
    """Nobody hears of DNs that are not listed; digits are told to the route point's own client."""
    if isinstance(change, Digits):
        return change.leg.dn == principal.client_id
    return principal.lists(change.leg.dn)
