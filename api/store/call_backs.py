"""Who was to be called back when this node stopped. Written by ``Store.put_call_back``."""

from sqlalchemy import and_, exists, select

from api.store.call_back_tables import call_backs
from api.store.statements import Statements
from rooms.call_back import CallBack

_LATER = call_backs.alias("later")


class CallBackStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def open_ones(self, node: str) -> list[CallBack]:
        """Those of this node that have not come to an end, oldest first; times are seconds since the epoch."""
        later = exists().where(and_(_LATER.c.call_back_id == call_backs.c.call_back_id, _LATER.c.seq > call_backs.c.seq))
        last = select(call_backs).where(call_backs.c.node == node, call_backs.c.outcome == "", ~later)
        return [
            CallBack(
                call_back_id=row["call_back_id"],
                queue=row["queue"],
                number=row["number"],
                name=row["name"],
                language=row["language"],
                since_s=row["since_at"],
                priority=row["priority"],
                tries=row["tries"],
                next_s=row["next_at"],
                seq=row["seq"],
            )
            for row in await self._rows(last.order_by(call_backs.c.since_at, call_backs.c.call_back_id))
        ]
