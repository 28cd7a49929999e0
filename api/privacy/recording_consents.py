"""Whose voice is kept, and the register of consents: who objects since before, and what was asked, told and said."""

import asyncio
import json
from pathlib import Path

from api.privacy.consents import Answer, Consents, Means
from api.privacy.sealed_rows import handle_in_room, is_customer
from api.privacy.vault import Vault
from pbx.numbers import NotANumber, parse_number

_WITHIN_S = 1.0
_IN_MESSAGE = "What is said behind the tone is kept; the key * refuses."
_ON_THE_PAGE = Path(__file__).parents[1] / "pages" / "consultation" / "text"


class RecordingConsents:
    """``wording``: what the other side of a call hears, in this ``language``; empty where nothing is said to them. ``region``: the country
    of numbers without one."""

    def __init__(self, consents: Consents, vault: Vault, *, wording: str, language: str, region: str) -> None:
        self._consents, self._vault = consents, vault
        self._wording, self._language, self._region = wording, language, region
        catalogues = (json.loads((_ON_THE_PAGE / f"{name}.json").read_text()) for name in ("en", "es"))
        self._on_the_page = " / ".join(texts["consent.asked"] for texts in catalogues)

    async def objects(self, number: str) -> bool:
        """Did whoever has this number take back that their calls may be recorded? Raises ``StoreUnavailable`` and TimeoutError where that
        cannot be known: then nothing is recorded yet, and it is tried again."""
        e164 = self._e164(number)
        if not e164:
            return False
        async with asyncio.timeout(_WITHIN_S):
            return await self._consents.objects(await self._consents.handles_of_number(e164), "call_recording")

    def in_call(self, call_id: str, number: str, answer: str, by: str) -> None:
        """``answer``: ``yes``, ``no`` or ``told``; ``by``: an agent to whom they said it."""
        said: Answer = "yes" if answer == "yes" else "told" if answer == "told" else "no"
        means: Means = "agent" if by else "spoken"
        wording, language = ("", "") if by else (self._wording, self._language)
        whose = self._handle(number, call_id)
        self._consents.say_once(whose, "call_recording", said, wording, language=language, means=means, about=call_id, by=by)

    def in_room(self, room_id: str, identity: str, agrees: bool) -> None:
        """Somebody in a consultation pressed a button on their page, in whose language the words were."""
        whose, answer = handle_in_room(self._vault, room_id, identity), _answer(agrees)
        by = "" if whose == self._vault.person("guest", identity) else identity
        self._consents.say_once(whose, "consultation_recording", answer, self._on_the_page, means="page", about=room_id, by=by)

    def in_message(self, voicemail_id: str, call_id: str, number: str, language: str, given: bool) -> None:
        """Somebody spoke behind the tone, or pressed the key that refuses."""
        means: Means = "voice" if given else "spoken"
        whose = self._handle(number, call_id)
        self._consents.say_once(whose, "voicemail", _answer(given), _IN_MESSAGE, language=language, means=means, about=voicemail_id)

    def _handle(self, number: str, call_id: str) -> str:
        """Of whoever has the number, else of the call."""
        e164 = self._e164(number)
        return self._vault.number(e164) if e164 else self._vault.person("call", call_id)

    def _e164(self, number: str) -> str:
        """Empty for extensions of ours, and for who withholds theirs."""
        if not is_customer(number):
            return ""
        try:
            return parse_number(number, self._region).e164 or ""
        except NotANumber:
            return ""


def _answer(agrees: bool) -> Answer:
    return "yes" if agrees else "no"
