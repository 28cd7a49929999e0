"""Asking a 3CX with a token that is good, at an address that works: what every client of it stands on."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any, Self, TypeVar

import structlog

from pbx.threecx.bases import Bases
from pbx.threecx.faults import Away, Denied, ThreeCxFault, fault_of, reason_in
from pbx.threecx.http import Answer, Kind, PbxHttp, UpgradeRefused
from pbx.threecx.settings import ThreeCxSettings
from pbx.threecx.token_life import Token, TokenLife, life_s

log = structlog.get_logger()
Begun = TypeVar("Begun")
_BROKEN = frozenset({502, 503, 504})
_UNSENT = frozenset({"name", "refused", "certificate"})


class PbxSession:
    """``async with``. One for all that use one client id: they share its token. ``now``: monotonic seconds.

    A request that can be repeated goes to the next address where one fails; one that cannot (``makecall``) only where nothing was sent.
    """

    def __init__(self, settings: ThreeCxSettings, now: Callable[[], float] | None = None, random: Random | None = None) -> None:
        self.settings = settings
        self._now = now or asyncio.get_running_loop().time
        self._http = PbxHttp(settings)
        self._bases = Bases(settings.bases, first_s=settings.first_retry_s, longest_s=settings.longest_retry_s)
        self._life = TokenLife(early=(random or Random()).uniform(0.8, 0.9))
        self._drawing = asyncio.Lock()
        self._drawn_at = ""
        self.streams = 0
        """Streams of sound that run: a new token may end them, so it waits for a quiet moment."""
        self.asked = 0
        self.failed = 0
        self.version = ""

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.__aexit__(*exc_info)

    # ------------------------------------------------------------------ asking

    async def get(self, path: str, kind: Kind = Kind.ASK) -> Any:
        """The JSON at ``path``. Raises ``ThreeCxFault``."""
        return decoded(await self.ask("GET", path, kind=kind))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        kind: Kind = Kind.ASK,
        repeatable: bool | None = None,
    ) -> Answer:
        """A good answer. ``repeatable``: may be sent twice; by default what is not POST. Raises ``ThreeCxFault``."""
        again = method != "POST" if repeatable is None else repeatable
        tried: set[str] = set()
        lost: Away | None = None
        while (base := self._bases.choose(self._now(), frozenset(tried))) is not None:
            tried.add(base)
            try:
                answer = await self._ask(base, method, path, body, headers or {}, kind)
            except Away as away:
                if not (again or away.why in _UNSENT):
                    raise
                lost = away
                continue
            if answer.status in _BROKEN and again:
                lost = Away(f"3CX answers with status {answer.status}: it, or a proxy before it, is in trouble.", sent=True, why="broken")
                continue
            if not answer.good:
                raise fault_of(answer.status, answer.body)
            return answer
        raise lost or self._resting()

    async def _ask(self, base: str, method: str, path: str, body: object, headers: Mapping[str, str], kind: Kind) -> Answer:
        """At this address, with a new token once where 401 came."""
        async with self._trying(base):
            token = await self._token(base)
            answer = await self._send(base, method, path, token, body, headers, kind)
            if answer.status == 401:
                self._refused(base, token)
                token = await self._token(base)
                answer = await self._send(base, method, path, token, body, headers, kind)
                if answer.status == 401:
                    self._refused(base, token)
            if answer.good:
                self._life.on_worked(self._now())
            if answer.status in _BROKEN:
                self._failed(base)
            else:
                self._bases.worked(base)
            return answer

    async def _send(self, base: str, method: str, path: str, token: str, body: object, headers: Mapping[str, str], kind: Kind) -> Answer:
        self.asked += 1
        answer = await self._http.ask(base, method, path, token=token, json=body, headers=headers, kind=kind)
        self.version = answer.headers.get("X-3CX-Version", self.version)
        return answer

    # ------------------------------------------------------------------ long connections

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """A WebSocket's texts. Raises ``ThreeCxFault``."""
        base = self._bases.choose(self._now())
        if base is None:
            raise self._resting()
        async with AsyncExitStack() as stack:
            async with self._trying(base):
                texts = await self._with_token(base, lambda token: self._upgraded(stack, base, path, token))
                self._bases.worked(base)
            yield texts

    async def _upgraded(self, stack: AsyncExitStack, base: str, path: str, token: str) -> AsyncIterator[str]:
        try:
            return await stack.enter_async_context(self._http.socket(base, path, token))
        except UpgradeRefused as refused:
            if refused.status in _BROKEN:
                raise Away(f"3CX opens no event socket now: it answers with status {refused.status}.", sent=True, why="broken") from None
            raise fault_of(refused.status, b"") from None

    @asynccontextmanager
    async def hear(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Sound from the PBX. Raises ``ThreeCxFault``: ``NotReady`` and ``Gone`` before there is any."""
        base = self._bases.likely()
        self.streams += 1
        try:
            async with AsyncExitStack() as stack:

                async def begin(token: str) -> AsyncIterator[bytes]:
                    status, pieces = await stack.enter_async_context(self._http.hear(base, path, token))
                    if not 200 <= status < 300:
                        raise fault_of(status, b"")
                    return pieces

                yield await self._with_token(base, begin)
        finally:
            self.streams -= 1

    async def speak(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        """Sound to the PBX, until ``pieces`` ends. Raises ``ThreeCxFault``."""
        base = self._bases.likely()
        self.streams += 1
        try:
            # What was said is said: a token that is not taken here is not tried again, the next stream gets a new one.
            token = await self._token(base)
            status = await self._http.speak(base, path, token, pieces)
        finally:
            self.streams -= 1
        if status == 401:
            self._refused(base, token)
        if not 200 <= status < 300:
            raise fault_of(status, b"")

    async def _with_token(self, base: str, begin: Callable[[str], Awaitable[Begun]]) -> Begun:
        """Begin something long, with a new token once where 401 came."""
        token = await self._token(base)
        try:
            return await begin(token)
        except Denied:
            self._refused(base, token)
        token = await self._token(base)
        try:
            return await begin(token)
        except Denied:
            self._refused(base, token)
            raise

    # ------------------------------------------------------------------ the token

    async def _token(self, base: str) -> str:
        """One at a time draws; the others wait and take what it drew."""
        if not self._life.is_due(self._now(), quiet=self.streams == 0) and (token := self._life.usable(self._now())) is not None:
            return token.value
        async with self._drawing:
            now = self._now()
            usable = self._life.usable(now)
            if usable is not None and not self._life.is_due(now, quiet=self.streams == 0):
                return usable.value
            self._life.check(now)
            try:
                return await self._draw(base)
            except Away:
                if usable is not None:  # the one there is still lives
                    return usable.value
                raise

    async def _draw(self, base: str) -> str:
        form = {"client_id": self.settings.client_id, "client_secret": self.settings.secret, "grant_type": "client_credentials"}
        answer = await self._http.ask(base, "POST", "/connect/token", form=form)
        if answer.status in (400, 401, 403):
            fault = self._life.on_denied(reason_in(answer.body), self._now())
            log.error("threecx.denied", detail=str(fault))
            raise fault
        if not answer.good:
            raise Away(f"3CX gives no token now: it answers with status {answer.status}.", sent=True, why="broken")
        given = decoded(answer)
        value = given.get("access_token") if isinstance(given, dict) else None
        if not isinstance(value, str) or not value:
            raise Denied("What answers at this address is no 3CX: its token cannot be read.")
        self._life.granted(Token(value, self._now(), life_s(given)))
        self._drawn_at = base
        return value

    def _refused(self, base: str, token: str) -> None:
        """An API answered 401. Two addresses may be two machines, each with tokens of its own: what the other one gave is no theft."""
        self._life.on_refused(token, self._now(), ours=base == self._drawn_at)

    # ------------------------------------------------------------------ addresses

    def _resting(self) -> Away:
        return Away("3CX was not to be reached a moment ago and is tried again soon.", why="silence", retry_after_s=self.retry_s)

    @asynccontextmanager
    async def _trying(self, base: str) -> AsyncIterator[None]:
        """Tells the circuit breaker what went wrong: whoever answers, whatever it says, is there. What went well the caller says."""
        try:
            yield
        except Away:
            self._failed(base)
            raise
        except ThreeCxFault:
            self._bases.worked(base)
            raise
        except BaseException:
            self._bases.abandoned(base)
            raise

    def _failed(self, base: str) -> None:
        self.failed += 1
        self._bases.failed(base, self._now())

    # ------------------------------------------------------------------ how it stands

    @property
    def retry_s(self) -> float:
        return self._bases.wait_s(self._now())

    @property
    def trouble(self) -> str:
        """Why nothing can be asked now, for an administrator; empty where something can."""
        if held := self._life.trouble(self._now()):
            return held
        if len(self._bases.open) == len(self.settings.bases):
            return "3CX is not to be reached at any of its addresses."
        return ""

    @property
    def counts(self) -> dict[str, float]:
        return {"requests": self.asked, "failures": self.failed, "tokens": self._life.drawn, "tokens_refused": self._life.refused}


def decoded(answer: Answer) -> Any:
    """The JSON of an answer. Raises ``Away`` for what is none."""
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:
        raise Away("3CX's answer cannot be read: it is no JSON.", sent=True, why="broken") from None
