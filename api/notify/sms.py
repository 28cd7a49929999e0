"""Who sends SMS: a provider that is reached by HTTP, described in the settings."""

import re
from typing import Any, Protocol, Self

import msgspec
from aiohttp import ClientError, ClientResponse

from api.backends.protocols import BackendFault, FaultCause, RemoteRef
from api.outward import InsideError, outward_session, refuse_inside
from api.settings.sms import SmsSection

_WITHIN_S = 10.0
_MOST_BYTES = 65_536
_NAME = re.compile(r"\{(to|text|from|idem|secret)\}")


class SmsProvider(Protocol):
    async def send(self, to: str, text: str, idem: str) -> RemoteRef:
        """Raises ``BackendFault``. ``to``: E.164."""
        ...


class HttpSms:
    """``async with``: owns the session."""

    def __init__(self, settings: SmsSection) -> None:
        self._settings = settings

    async def __aenter__(self) -> Self:
        self._http = outward_session(allow_private=self._settings.allow_private, at_once=4, within_s=_WITHIN_S)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()

    async def send(self, to: str, text: str, idem: str) -> RemoteRef:
        settings = self._settings
        known = {"to": to, "text": text, "from": settings.sender, "idem": idem}
        body = {name: _filled(value, known) for name, value in settings.body.items()}
        shown = {"secret": settings.secret.get_secret_value(), "idem": idem, "from": settings.sender}
        headers = {name: _filled(value, shown) for name, value in settings.headers.items()}
        given: dict[str, Any] = {"json": body} if settings.form == "json" else {"data": body}
        try:
            refuse_inside(settings.url, allow_private=settings.allow_private)
            async with self._http.post(settings.url, headers=headers, allow_redirects=False, **given) as response:
                return await self._taken(response)
        except InsideError as error:
            raise BackendFault("refused", f"{error}.") from None
        except TimeoutError:
            raise BackendFault("slow", "It took too long to answer.") from None
        except (ClientError, OSError) as error:
            raise BackendFault("unreachable", f"The connection broke: {type(error).__name__}.") from None

    async def _taken(self, response: ClientResponse) -> RemoteRef:
        if response.status == 429 or response.status >= 500:
            cause: FaultCause = "rate_limited" if response.status == 429 else "unreachable"
            raise BackendFault(cause, f"It answered {response.status}.", retry_after_s=_seconds(response.headers.get("Retry-After", "")))
        if not 200 <= response.status < 300:
            raise BackendFault("refused", f"It answered {response.status}.")
        body = await response.content.read(_MOST_BYTES)
        try:
            found: Any = msgspec.json.decode(body)
            for step in self._settings.id_at.split("."):
                found = found[int(step)] if isinstance(found, list) else found[step]
        except (msgspec.DecodeError, LookupError, TypeError, ValueError):
            found = ""  # it took the message: to send it again for the want of an id would be worse
        return RemoteRef("sms", str(found)[:128])


def _filled(text: str, known: dict[str, str]) -> str:
    return _NAME.sub(lambda found: known.get(found.group(1), ""), text)


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() and len(text) < 7 else None
