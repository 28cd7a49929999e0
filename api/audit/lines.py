"""An entry of the audit as it is told to a person or a program."""

from msgspec import Struct

from api.store.audit import AuditEntry


class AuditLine(Struct, frozen=True):
    seq: int
    at: float
    kind: str
    who: str
    by: str
    what: str
    subject: str
    address: str
    device: str
    detail: str
    digest: str


def audit_line(entry: AuditEntry) -> AuditLine:
    event = entry.event
    return AuditLine(
        entry.seq,
        event.at,
        event.kind,
        event.who,
        event.by,
        event.what,
        event.subject,
        event.address,
        event.device,
        event.detail,
        entry.digest,
    )
