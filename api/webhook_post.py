"""Posting one event to one receiver: with CloudEvents headers, and signed as LiveKit does (a JWT's ``sha256`` claim is the body's hash)."""

import socket
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from api.store.room_rows import Row
from api.webhook_settings import WebhookSettings
from signaling.tokens import body_token

WITHIN_S = 10.0


def post_session(settings: WebhookSettings, at_once: int) -> ClientSession:
    """Reaches nothing of a private network unless that is allowed."""
    connector = TCPConnector(resolver=_Resolver(settings.allow_private), limit=at_once, use_dns_cache=False)
    return ClientSession(connector=connector, timeout=ClientTimeout(total=WITHIN_S), trust_env=False)


async def post(http: ClientSession, settings: WebhookSettings, row: Row, now: float) -> tuple[str, bool]:
    """Why it was not taken, empty where it was; and whether anybody answered."""
    if not settings.allow_private and is_inside(urlsplit(row["url"]).hostname or ""):
        return "its address is of a private network", False
    body = row["body"].encode()
    headers = {
        "Content-Type": "application/webhook+json",
        "Authorization": body_token(settings.key, settings.secret, body, now),
        "ce-id": row["event_id"],
        "ce-source": settings.source,
        "ce-type": f"centralita.{row['event']}",
        "ce-subject": row["subject"],
        "ce-sequence": f"{row['number']:020d}",
        "ce-specversion": "1.0",
        "ce-time": datetime.fromtimestamp(row["created_at"], UTC).isoformat(),
    }
    try:
        async with http.post(row["url"], data=body, headers=headers, allow_redirects=False) as response:
            return ("" if 200 <= response.status < 300 else f"it answered {response.status}"), True
    except (ClientError, OSError, TimeoutError) as error:
        return str(error) or type(error).__name__, False


class _Resolver(AbstractResolver):
    """Looks where a name leads before anything is sent there, at each connection: a name may lead elsewhere every time."""

    def __init__(self, allow_private: bool) -> None:
        self._inner = ThreadedResolver()
        self._allow_private = allow_private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private and any(is_inside(each["host"]) for each in found):
            raise OSError("its address is of a private network")
        return found

    async def close(self) -> None:
        await self._inner.close()


def is_inside(host: str) -> bool:
    """Is this an address that is not of the public network? A name is none yet."""
    try:
        address: Any = ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return not address.is_global or address.is_multicast or (mapped is not None and not mapped.is_global)
