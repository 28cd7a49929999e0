"""What flows ask other programs while a caller waits: a question with facts, answered by facts within a few seconds or not at all.

It is posted and signed as events are (``api/webhook_post.py``), reaches nothing of a private network unless that is allowed, and follows
no redirection. What comes back is believed only as far as it is small and flat. Each question has a task of its own; whatever becomes of
it, the call hears ``ok`` or ``failed``, and the log why.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Self
from uuid import uuid4

import msgspec
import structlog
from aiohttp import ClientError, ClientResponse
from msgspec import Meta, Struct

from api.outward import outward_session, refuse_inside
from api.webhook_settings import WebhookSettings
from rooms.centre_plan import FlowWebhook
from rooms.events import WebhookAnswered
from rooms.flows.conditions import Facts
from signaling.tokens import body_token

log = structlog.get_logger()

OK, FAILED = "ok", "failed"
WITHIN_S = 3.0
_AT_ONCE = 64
_MOST_BYTES = 16_384
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Text = Annotated[str, Meta(max_length=500)]
_Answer = Annotated[dict[_Name, bool | float | _Text], Meta(max_length=64)]
_read = msgspec.json.Decoder(_Answer).decode


class Question(Struct, frozen=True, rename="camel"):
    """The body that is posted. ``event`` is ``flow_asks``; ``webhook``: its name in the plan."""

    id: str
    created_at: int
    webhook: str
    call_id: str
    facts: dict[str, str | float | bool]
    event: str = "flow_asks"


class _NoAnswerError(Exception):
    """Says why."""


class WebhookAsking:
    """``async with``: owns the questions under way. ``webhooks`` are those of the plan in force; ``secrets`` sign, by the name that a
    webhook gives. ``settings``: under which key, and may private addresses be asked? ``now``: seconds since the epoch.
    """

    def __init__(
        self,
        webhooks: Callable[[], Mapping[str, FlowWebhook]],
        secrets: Mapping[str, str],
        settings: WebhookSettings,
        *,
        feed: Callable[[WebhookAnswered], None],
        now: Callable[[], float],
        within_s: float = WITHIN_S,
    ) -> None:
        self._webhooks, self._secrets, self._settings = webhooks, secrets, settings
        self._feed, self._now, self._within_s = feed, now, within_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._http = outward_session(allow_private=self._settings.allow_private, at_once=_AT_ONCE, within_s=self._within_s)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    def ask(self, call_id: str, webhook: str, facts: Facts) -> None:
        """Returns at once; ``WebhookAnswered`` follows."""
        full = len(self._tasks) >= _AT_ONCE
        task = asyncio.create_task(self._serve(call_id, webhook, facts, full), name=f"flow-asks-{call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call_id: str, webhook: str, facts: Facts, full: bool) -> None:
        try:
            if full:
                raise _NoAnswerError(f"{_AT_ONCE} questions are under way already")
            async with asyncio.timeout(self._within_s):
                answered = WebhookAnswered(call_id, OK, await self._ask(call_id, webhook, facts))
        except (_NoAnswerError, ClientError, OSError, TimeoutError) as error:
            why = f"no answer within {self._within_s:g} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            log.warning("flow.not_answered", call_id=call_id, webhook=webhook, fault=why)
            answered = WebhookAnswered(call_id, FAILED)
        self._feed(answered)

    async def _ask(self, call_id: str, webhook: str, facts: Facts) -> Facts:
        known = self._webhooks().get(webhook)
        if known is None:
            raise _NoAnswerError("the plan has no such webhook")
        refuse_inside(known.url, allow_private=self._settings.allow_private)
        now = self._now()
        body = msgspec.json.encode(Question(uuid4().hex, int(now), webhook, call_id, dict(facts)))
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if known.secret:
            if known.secret not in self._secrets:
                raise _NoAnswerError(f"the settings have no secret {known.secret!r}")
            headers["Authorization"] = body_token(self._settings.key, self._secrets[known.secret], body, now)
        async with self._http.post(known.url, data=body, headers=headers, allow_redirects=False) as response:
            return await _answer_of(response)


async def _answer_of(response: ClientResponse) -> Facts:
    if not 200 <= response.status < 300:
        raise _NoAnswerError(f"it answered {response.status}")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise _NoAnswerError(f"its answer has more than {_MOST_BYTES} bytes")
    if not body:
        return {}
    try:
        facts = _read(bytes(body))
    except msgspec.DecodeError as error:
        raise _NoAnswerError(f"its answer is no flat object of facts: {error}") from None
    if any(isinstance(value, float) and not math.isfinite(value) for value in facts.values()):
        raise _NoAnswerError("its answer has a number that is none")
    return facts
