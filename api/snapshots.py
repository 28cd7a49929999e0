"""How things stand for one person: the first thing a page hears after each connect, and all that it needs to draw itself."""

import asyncio
from importlib.metadata import version

from api.exchange import Exchange
from api.nodes.nodes import Nodes
from api.room_owners import RoomOwners
from api.rooms import Rooms
from api.store import Store, StoreUnavailable
from pbx.trunk import Trunk
from rooms.switchboard import Switchboard
from signaling.grants import Grant, Permission, allows
from signaling.messages import PROTOCOL_VERSION, CallState, LineState, Snapshot

RECENT_CALLS = 20
WRITTEN_WITHIN_S = 3.0
"""How long a page that connects waits for a database that is busy to know of the last calls. One that is away is not waited for."""


class Snapshots:
    """Makes ``Snapshot``s. ``demo``: is the demo line there? ``records``: can calls be recorded? ``undo_s``: for so long may be taken back
    what agents did with a call."""

    def __init__(
        self,
        switchboard: Switchboard,
        exchange: Exchange,
        store: Store,
        trunks: dict[str, Trunk],
        rooms: Rooms,
        nodes: Nodes,
        owners: RoomOwners,
        *,
        demo: bool,
        records: bool = False,
        voicemail: bool = False,
        undo_s: float = 0.0,
    ) -> None:
        self._switchboard = switchboard
        self._exchange = exchange
        self._store = store
        self._trunks = trunks
        self._rooms = rooms
        self._nodes = nodes
        self._owners = owners
        self._demo = demo
        self._records = records
        self._voicemail = voicemail
        self._undo_s = undo_s
        self._version = version("centralita")

    async def of(self, grant: Grant) -> Snapshot:
        """Never fails for want of the database: then only the list of recent calls is empty."""
        staff = allows(grant, Permission.PRESENCE_WATCH)
        if staff:
            self._nodes.know(grant)
        recent, elsewhere, rooms = await asyncio.gather(
            self._recent(grant.identity), self._nodes.calls_elsewhere(grant.identity), self._owners.elsewhere(grant)
        )
        # Nothing is awaited from here on: the snapshot is one moment.
        return Snapshot(
            version=PROTOCOL_VERSION,
            server_version=self._version,
            now=self._exchange.now(),
            identity=grant.identity,
            name=grant.name,
            role=grant.role,
            available=self._switchboard.wants_calls(grant.identity),
            demo=self._demo,
            calls=[*self._exchange.calls_of(grant.identity), *elsewhere],
            lines=self._lines() if staff else [],
            recent=recent,
            rooms=[*self._rooms.states_for(grant.identity), *rooms.rooms],
            parked=self._exchange.parked(grant.identity) if staff else None,
            wrap_up=self._exchange.wrap_up(grant.identity),
            records=self._records and staff,
            voicemail=self._voicemail and staff,
            undo_s=self._undo_s,
        )

    def _lines(self) -> list[LineState]:
        return [
            LineState(trunk=line.name, ready=line.status.ready, detail=line.status.detail)
            for trunk in self._trunks.values()
            for line in trunk.lines()
        ]

    async def _recent(self, identity: str) -> list[CallState]:
        # A page that reloads just after a call shall find that call in its list.
        await self._store.caught_up(WRITTEN_WITHIN_S)
        try:
            calls = await self._store.recent_calls(identity, RECENT_CALLS)
        except StoreUnavailable:
            return []
        return [
            CallState(
                call_id=call.call_id,
                direction=call.direction,
                state=call.state,
                number=call.caller if call.direction == "in" else call.called,
                name=call.caller_name,
                agent=call.agent,
                muted=False,
                held=False,
                held_by_other=False,
                agent_connected=False,
                started_at=call.started_at,
                answered_at=call.answered_at,
                ended_at=call.ended_at,
                reason=call.end_reason,
                detail=call.end_detail or None,
            )
            for call in calls
            if call.ended_at is not None
        ]
