"""The backends of the settings, each with its connections and its credentials."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.backends.credentials import Credentials, FixedHeader, SharedSecret
from api.backends.http import BackendHttp, client_credentials
from api.backends.protocols import Backend
from api.backends.registry import Backends
from api.backends.request_tracker import RequestTracker
from api.backends.rest import RestBooking, RestCrm, RestTicketing
from api.backends.roundup import Roundup
from api.backends.ticketing_settings import RequestTrackerSection, RoundupSection
from api.settings.backends import AnyBackend, BackendsSection

_REST = {"crm": RestCrm, "booking": RestBooking, "ticketing": RestTicketing}


@asynccontextmanager
async def open_adapters(section: BackendsSection, backends: Backends, region: str) -> AsyncIterator[None]:
    """Adds them in their order. ``region``: whose national forms of numbers they have, where they do not say."""
    async with AsyncExitStack() as stack:
        for each in section.list:
            backend = await stack.enter_async_context(open_adapter(each, section.secret(each.id), region))
            backends.add(backend, each.limits(), each.title)
        yield


@asynccontextmanager
async def open_adapter(section: AnyBackend, secret: str, region: str) -> AsyncIterator[Backend]:
    async with AsyncExitStack() as stack:
        credentials = await _credentials(section, secret, stack)
        http = await stack.enter_async_context(BackendHttp(section.base_url, credentials, allow_private=section.allow_private))
        yield _adapter(section, http, section.region or region)


def _adapter(section: AnyBackend, http: BackendHttp, region: str) -> Backend:
    match section:
        case RoundupSection():
            return Roundup(section, http, region)
        case RequestTrackerSection():
            return RequestTracker(section, http, region)
    return _REST[section.kind](section, http, region)


async def _credentials(section: AnyBackend, secret: str, stack: AsyncExitStack) -> Credentials:
    match section:
        case RoundupSection():
            return FixedHeader.basic(section.user, secret)
        case RequestTrackerSection():
            return FixedHeader("Authorization", f"token {secret}")
    auth = section.auth
    match auth.type:
        case "header":
            return FixedHeader(auth.header, f"{auth.prefix}{secret}")
        case "basic":
            return FixedHeader.basic(auth.user, secret)
        case "hmac":
            return SharedSecret(secret.encode(), auth.user)
        case "oauth2":
            http = await stack.enter_async_context(BackendHttp(auth.token_url, allow_private=section.allow_private))
            return client_credentials(http, auth.user, secret, auth.scope)
    return FixedHeader()
