"""The audit as the settings want it: for a server, and for a command that runs beside it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.audit.audit import Audit
from api.audit.keys import AuditKeys
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import AuditEvent, Store
from api.store.spool import AuditSpool


@asynccontextmanager
async def open_audit(settings: Settings, store: Store, vault: Vault | None = None) -> AsyncIterator[Audit]:
    """``vault``: a server's, which keeps on the disk what the database does not take; a command beside it does not."""
    keys = AuditKeys(settings.audit_keys())
    spool = AuditSpool(settings.server.data_dir / "audit.spool", vault) if vault is not None else None
    async with Audit(store.audit, keys, settings.audit_checkpoints, node=settings.node, spool=spool) as audit:
        yield audit


async def note_at_once(
    settings: Settings, store: Store, kind: str, who: str, *, by: str | None = None, detail: str = "", subject_handle: str = ""
) -> None:
    """For a command: it is in the chain when this returns. Raises ``StoreUnavailable``."""
    event = AuditEvent(time.time(), kind, who, who if by is None else by, subject=subject_handle, detail=detail)
    await store.audit.append([event], AuditKeys(settings.audit_keys()).chained)
