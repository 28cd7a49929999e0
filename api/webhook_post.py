"""Posting one event to one receiver: with CloudEvents headers, and signed as LiveKit does (a JWT's ``sha256`` claim is the body's hash)."""

from datetime import UTC, datetime

import msgspec
from aiohttp import ClientError, ClientSession
from msgspec import UNSET, Raw, Struct, UnsetType

from api.outward import refuse_inside
from api.store.room_rows import Row
from api.webhook_settings import WebhookSettings
from signaling.tokens import body_token

WITHIN_S = 10.0


class CloudEvent(Struct, frozen=True):
    """CloudEvents 1.0 in JSON, as a receiver is posted it in structured mode, and as it can be had again. ``cursor``: its place."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    sequence: str
    time: str
    datacontenttype: str
    data: Raw
    cursor: int | UnsetType = UNSET


def cloud_event(row: Row, source: str, cursor: int | UnsetType = UNSET) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=row["event_id"],
        source=source,
        type=f"centralita.{row['event']}",
        subject=row["subject"],
        sequence=f"{row['number']:020d}",
        time=datetime.fromtimestamp(row["created_at"], UTC).isoformat(),
        datacontenttype="application/json",
        data=Raw((row["body"] or "null").encode()),
        cursor=cursor,
    )


async def post(http: ClientSession, settings: WebhookSettings, row: Row, now: float) -> tuple[str, bool]:
    """Why it was not taken, empty where it was; and whether anybody answered."""
    event = cloud_event(row, settings.source)
    if settings.structured:
        body, headers = msgspec.json.encode(event), {"Content-Type": "application/cloudevents+json"}
    else:
        body, headers = row["body"].encode(), {"Content-Type": "application/webhook+json"} | _attributes(event)
    headers["Authorization"] = body_token(settings.key, settings.secret, body, now)
    try:
        refuse_inside(row["url"], allow_private=settings.allow_private)
        async with http.post(row["url"], data=body, headers=headers, allow_redirects=False) as response:
            return ("" if 200 <= response.status < 300 else f"it answered {response.status}"), True
    except (ClientError, OSError, TimeoutError) as error:
        return str(error) or type(error).__name__, False


def _attributes(event: CloudEvent) -> dict[str, str]:
    """In binary mode they are headers."""
    return {
        "ce-id": event.id,
        "ce-source": event.source,
        "ce-type": event.type,
        "ce-subject": event.subject,
        "ce-sequence": event.sequence,
        "ce-specversion": event.specversion,
        "ce-time": event.time,
    }
