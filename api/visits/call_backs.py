"""Visitors who ask to be called back: their number is judged as if an agent had dialled it, and kept as a call-back of its queue."""

import hashlib
from collections.abc import Callable

from api.allowance import SharedAllowance
from api.exchange import Exchange
from api.page_requests import route_of
from api.privacy.consents import Consents
from api.privacy.vault import Vault
from api.rest_limits import SharedQuotas
from api.tolls import Tolls
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visits import LANGUAGES, plain
from api.visits.wire import CallBackMade, CallBackWanted, NumberRead
from pbx.numbers import Number, parse_number
from pbx.routing import NotANumber, Routing
from rooms import events as ev
from rooms.call_back import CallBack
from rooms.switchboard import NotPossible
from signaling.refusal import Refusal

_ALL = "all"


class VisitorCallBacks:
    """``now``: seconds since the epoch. ``node``: which one this is; empty where there is one alone. ``shared``: counts over all of
    them.
    """

    def __init__(
        self,
        settings: VisitSettings,
        desk: FrontDesk,
        exchange: Exchange,
        routing: Routing,
        tolls: Tolls,
        consents: Consents,
        vault: Vault,
        *,
        now: Callable[[], float],
        node: str,
        shared: SharedQuotas | None = None,
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._exchange = exchange
        self._routing = routing
        self._tolls = tolls
        self._consents = consents
        self._vault = vault
        self._node = node
        self._of_address = SharedAllowance("call-backs", settings.call_backs_per_hour, now, shared)
        self._in_all = SharedAllowance("call-backs-in-all", settings.call_backs_in_all, now, shared)

    def read(self, text: str) -> NumberRead:
        """What this number is, and whether anybody here can call it."""
        try:
            number = parse_number(text, self._settings.region)
        except NotANumber as error:
            return NumberRead(text.strip()[:40], "", "not_a_number", str(error))
        try:
            self._judge(number)
        except Refusal as refusal:
            return NumberRead(number.display, number.e164 or "", refusal.code, refusal.message)
        return NumberRead(number.display, number.e164 or "")

    def _judge(self, number: Number) -> str:
        """Its E.164. Raises ``Refusal``."""
        if number.e164 is None:
            raise Refusal("not_a_number", "Give a telephone number with its area or country code.")
        objection = self._tolls.objection(number)
        if objection:
            raise Refusal("number_not_allowed", objection)
        route_of(self._routing, number.e164)
        return number.e164

    async def ask(self, wanted: CallBackWanted, address: str) -> CallBackMade:
        """Keep the wish. Raises ``Refusal``."""
        self._desk.queue(wanted.queue)
        try:
            number = parse_number(wanted.number, self._settings.region)
        except NotANumber as error:
            raise Refusal("not_a_number", str(error)) from None
        e164 = self._judge(number)
        at = self._desk.earliest(wanted.at)
        await self._allow(address)
        clock, since_s = self._exchange.clock, self._exchange.now()
        back = CallBack(
            call_back_id=self._named(wanted.idem),
            queue=wanted.queue,
            number=e164,
            name=_said_by(wanted),
            language=wanted.language if wanted.language in LANGUAGES else LANGUAGES[0],
            since_s=clock.core_s(since_s),
            next_s=None if at is None else clock.core_s(at),
        )
        try:
            self._exchange.feed(ev.CallBackWanted(back))
        except NotPossible as error:
            raise Refusal(error.code, str(error), error.retry_after_s) from None
        whose, words = self._vault.number(e164), plain(wanted.consent)
        self._consents.say_once(whose, "call_back", "yes", words, language=back.language, means="page", about=back.call_back_id)
        return CallBackMade(number.display, at)

    async def _allow(self, address: str) -> None:
        """The address first: what it is refused costs the others nothing. Raises ``Refusal``."""
        wait_s = await self._of_address.take(address) or await self._in_all.take(_ALL)
        if wait_s:
            raise Refusal("too_many_requests", "As many call-backs were asked for as may be in an hour: try again later.", wait_s)

    def _named(self, idem: str) -> str:
        drawn = hashlib.sha256(f"call-back {idem}".encode()).hexdigest()[:32]
        return f"{drawn}-{self._node}" if self._node else drawn


def _said_by(wanted: CallBackWanted) -> str:
    """What is shown of them: what they say, in quotation marks, so that nobody takes it for more."""
    said = " · ".join(text for text in (plain(wanted.said.name), plain(wanted.said.reason)) if text)
    return f"«{said[:150]}»" if said else ""
