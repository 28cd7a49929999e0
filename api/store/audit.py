"""The audit's table: one chain, whoever writes. How entries are chained is the caller's (``api/audit/keys.py``)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, String, Table, Text, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.store.database import in_words
from api.store.schema import metadata
from api.store.statements import Statements

_LOCK = 0x63656E75
"""Key of the PostgreSQL advisory lock under which the audit grows: each entry needs the one before it."""
FIRST_DIGEST = "0" * 64

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", String(16)),
    Column("at", Double, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("who", String(64), nullable=False),
    Column("by", String(64), nullable=False),
    Column("what", Text, nullable=False, server_default=""),
    Column("subject", String(32), nullable=False, server_default=""),
    Column("address", String(64), nullable=False),
    Column("device", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("key_id", String(8), nullable=False, server_default=""),
    Column("previous", String(64), nullable=False, server_default=""),
    Column("digest", String(64), nullable=False),
    Index("ix_audit_who_seq", "who", "seq"),
    Index("ix_audit_subject_seq", "subject", "seq"),
    Index("ix_audit_entry_id", "entry_id", unique=True),
)
"""``digest`` covers the row, the digest of the row before it among it (``previous``), under the key ``key_id``. Where that is empty the row
was written before there was a key, and names neither ``entry_id`` nor ``previous``."""

_EVENT = ("entry_id", "at", "kind", "who", "by", "what", "subject", "address", "device", "detail")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened to ``who``'s account, or what ``who`` did, done ``by`` whom (the same, mostly), from where and with what.

    ``what``: the thing it was done to, by its id; ``subject``: handle of the customer whose data it is. ``at``: seconds since the epoch.
    ``entry_id``: tells two that are alike apart, so that one which was written is not written again.
    """

    at: float
    kind: str
    who: str
    by: str = ""
    address: str = ""
    device: str = ""
    detail: str = ""
    what: str = ""
    subject: str = ""
    entry_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event as it stands in the chain: ``digest`` covers it and ``previous``, the digest before it."""

    seq: int
    event: AuditEvent
    key_id: str
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """Entries behind number ``after``; of those the ones that say this, where it is not empty."""

    after: int = 0
    kind: str = ""
    who: str = ""
    what: str = ""
    subject: str = ""

    @property
    def like(self) -> dict[str, str]:
        said = {"kind": self.kind, "who": self.who, "what": self.what, "subject": self.subject}
        return {name: value for name, value in said.items() if value}

    @property
    def words(self) -> str:
        return " ".join([f"behind {self.after}", *(f"{name} {value}" for name, value in self.like.items())])


Chained = Callable[[str, int, AuditEvent], AuditEntry]
"""The entry that an event becomes behind this digest, with this number."""


class AuditStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def append(self, events: Sequence[AuditEvent], chained: Chained) -> list[AuditEntry]:
        """Those that do not stand there yet, as they were chained one behind the other."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                seq, digest = await self._head(connection)
                ids = [event.entry_id for event in events if event.entry_id is not None]
                known = set((await connection.scalars(select(audit.c.entry_id).where(audit.c.entry_id.in_(ids)))).all()) if ids else set()
                entries: list[AuditEntry] = []
                for event in events:
                    if event.entry_id is None or event.entry_id not in known:
                        entries.append(chained(digest, seq + 1, event))
                        seq, digest = entries[-1].seq, entries[-1].digest
                        known.add(event.entry_id)
                if entries:
                    await connection.execute(audit.insert(), [_row(entry) for entry in entries])
        return entries

    async def _head(self, connection: AsyncConnection) -> tuple[int, str]:
        if self._engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        row = (await connection.execute(select(audit.c.seq, audit.c.digest).order_by(audit.c.seq.desc()).limit(1))).first()
        return (row.seq, row.digest) if row is not None else (0, FIRST_DIGEST)

    async def entries(self, wanted: AuditWanted, limit: int) -> list[AuditEntry]:
        """Oldest first."""
        query = select(audit).where(audit.c.seq > wanted.after).order_by(audit.c.seq).limit(limit)
        for name, value in wanted.like.items():
            query = query.where(audit.c[name] == value)
        return [_entry(row) for row in await self._rows(query)]

    async def events_of(self, identity: str, kinds: Collection[str], limit: int) -> list[AuditEntry]:
        """What happened to this person's account, of these kinds, the newest first."""
        query = select(audit).where(audit.c.who == identity, audit.c.kind.in_(kinds)).order_by(audit.c.seq.desc()).limit(limit)
        return [_entry(row) for row in await self._rows(query)]


def _row(entry: AuditEntry) -> dict[str, Any]:
    own = {"seq": entry.seq, "key_id": entry.key_id, "previous": entry.previous, "digest": entry.digest}
    return asdict(entry.event) | own


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(row["seq"], AuditEvent(**{name: row[name] for name in _EVENT}), row["key_id"], row["previous"], row["digest"])
