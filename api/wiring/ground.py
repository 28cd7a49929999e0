"""What everything else of a server stands on."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import structlog

from api.after.wiring import After, open_after
from api.audit.audit import Audit
from api.audit.wiring import open_audit
from api.backends.registry import Backends
from api.backends.wiring import open_backends
from api.happenings import Happenings
from api.identity.passwords import Passwords
from api.identity.wiring import Identity, open_identity
from api.leading import Leading
from api.metrics import Metrics
from api.notify.templates import BadTemplate, Templates
from api.outbound.do_not_call import DoNotCall
from api.privacy.consents import Consents
from api.privacy.vault import Vault
from api.privacy.wiring import open_vault
from api.routes import Neighbours
from api.settings.tree import Settings
from api.store import Store
from api.store.sealing import open_sealing
from api.store.spool import RecordSpool
from api.turn import TurnAccess
from api.wiring.start_failure import StartFailure
from signaling.tokens import TokenIssuer

log = structlog.get_logger()
DEMO_AGENT = "demo"


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on: what is counted, what is kept, who somebody is, and how the network sees us."""

    metrics: Metrics
    store: Store
    leading: Leading
    audit: Audit
    tokens: TokenIssuer
    identity: Identity
    relays: TurnAccess
    network: Neighbours
    unwanted: DoNotCall
    happenings: Happenings
    vault: Vault
    consents: Consents
    backends: Backends
    after: After
    demo_password: str | None


@asynccontextmanager
async def open_ground(settings: Settings) -> AsyncIterator[Ground]:
    settings.server.data_dir.mkdir(parents=True, exist_ok=True)
    tokens = TokenIssuer(
        settings.token_secret(),
        previous=[secret.get_secret_value() for secret in settings.security.previous_secrets],
        lifetime_s=settings.security.token_lifetime_s,
        session_s=settings.security.session_s,
    )
    relays = TurnAccess(settings.turn.urls, settings.turn.secret.get_secret_value(), settings.turn.ttl_s)
    network = Neighbours(
        trusted_proxies=tuple(ip_network(name) for name in settings.server.trusted_proxies),
        metrics_from=tuple(ip_network(name) for name in settings.server.metrics_from),
        embedded_in=settings.security.embedded_in,
        buttons_on=settings.widget.sites,
        https=settings.server.tls_certificate is not None or settings.server.public_url.startswith("https:"),
    )
    vault = open_vault(settings)
    spool = RecordSpool(settings.server.data_dir / "calls.spool", vault)
    templates, happenings = _templates(settings), Happenings()
    async with (
        Metrics() as metrics,
        Store.open(settings.store_url, vault=vault, node=settings.node, spool=spool) as store,
        Leading(store.leases, settings.node) as leading,
        open_sealing(store.sealing),
        open_audit(settings, store, vault) as audit,
        open_identity(store.people, tokens, settings.identity(), audit, on_sign_in=metrics.signed_in, relays=relays.of) as identity,
        DoNotCall(store.outbound, audit, settings.dialing.region, time.time) as unwanted,
        Consents(store.consents, store.contacts, vault, note=audit.note) as consents,
        open_backends(settings, metrics) as backends,
        open_after(settings, store, vault, backends, happenings, templates) as after,
    ):
        metrics.watch_store(lambda: store.writer.counts, lambda: store.writer.gauges)
        metrics.watch_vault(lambda: vault.counts, lambda: vault.gauges)
        await _tell_interrupted(store)
        demo_password = await _demo_agent(store, identity.passwords) if settings.demo.enabled else None
        yield Ground(
            metrics,
            store,
            leading,
            audit,
            tokens,
            identity,
            relays,
            network,
            unwanted,
            happenings,
            vault,
            consents,
            backends,
            after,
            demo_password,
        )


def _templates(settings: Settings) -> Templates:
    try:
        return Templates(settings.email.templates)
    except BadTemplate as error:
        raise StartFailure(f"A text of email.templates cannot be used: {error}") from None


async def _demo_agent(store: Store, passwords: Passwords) -> str:
    """A person to try things with, whose password is drawn anew at each start and kept nowhere in clear."""
    password = secrets.token_urlsafe(6)
    await store.people.save_user(DEMO_AGENT, name="Demo Agent", role="agent", password_hash=await passwords.hash(password))
    return password


async def _tell_interrupted(store: Store) -> None:
    """Calls of an earlier run that died without a word get their end in the record."""
    for call_id in await store.mark_interrupted(time.time()):
        log.warning("call.interrupted", call_id=call_id)
