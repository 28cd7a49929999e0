"""What is done after the fact, put together for a server."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api.after.after_call import AfterCall
from api.after.outbox import Outbox
from api.after.recording_links import RecordingLinks
from api.backends.registry import Backends
from api.happenings import Happenings
from api.notify.notifier import Notifier
from api.notify.sms import HttpSms
from api.notify.templates import Templates
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import Store


@dataclass(frozen=True, slots=True)
class After:
    outbox: Outbox
    notifier: Notifier
    templates: Templates
    call: AfterCall
    links: RecordingLinks


@asynccontextmanager
async def open_after(
    settings: Settings, store: Store, vault: Vault, backends: Backends, happenings: Happenings, templates: Templates
) -> AsyncIterator[After]:
    """To be entered when the store is there. Nodes share the outbox."""
    async with AsyncExitStack() as stack:
        outbox = Outbox(store.outbox, store.writer.put_lines, vault, now=time.time, node=settings.node)
        sms = await stack.enter_async_context(HttpSms(settings.sms)) if settings.sms.url else None
        notifier = await stack.enter_async_context(Notifier(outbox, vault, settings.email, sms))
        before = [secret.get_secret_value() for secret in settings.security.previous_secrets]
        links = RecordingLinks(settings.token_secret(), settings.server.public_url, previous=before)
        call = AfterCall(
            outbox, store, backends, vault, settings.after_call, links, happenings, region=settings.dialing.region, now=time.time
        )
        happenings.listen(call.hear)
        await stack.enter_async_context(outbox)
        yield After(outbox, notifier, templates, call, links)
