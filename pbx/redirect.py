"""Where a call goes that is redirected (RFC 3261, section 8.1.3.4): numbers to be dialled anew, never addresses to be gone to.

A Contact may name any host in the world. Only its number is taken, and dialled at our own PBX, if whoever asks for the call may dial it.
"""

import re
from collections.abc import Callable

from pbx.identity import user_of
from pbx.message import Response

FOLLOWED = frozenset({300, 301, 302})
"""305 wants another proxy and 380 another service: neither is a number to dial."""
MAX_CONTACTS = 5

Follow = Callable[[str, str], str]
"""``(leg_id, number)``: how the number is written that is dialled instead; empty where it may not be."""


def not_followed(leg_id: str, number: str) -> str:
    """For lines that nobody's calls are redirected on."""
    return ""


class Redirect:
    """The redirections of one call: ``longest`` of them at most, and no number twice."""

    def __init__(self, longest: int, number: str) -> None:
        self._left = longest
        self._tried = {number}
        self._waiting: list[str] = []

    def take(self, response: Response) -> None:
        """Remember where a 3xx points to, the most wanted first."""
        if response.status not in FOLLOWED:
            return
        wanted = sorted(((-_wish(contact.params.get("q")), contact.uri) for contact in response.contacts()), key=lambda pair: pair[0])
        self._waiting = [number for _, uri in wanted if (number := user_of(uri))][:MAX_CONTACTS] + self._waiting

    def next(self) -> str:
        """The number to try now; empty where none is left."""
        while self._waiting and self._left:
            number = self._waiting.pop(0)
            if number not in self._tried:
                self._tried.add(number)
                self._left -= 1
                return number
        return ""


def _wish(text: str | None) -> float:
    """A ``q``, from 0 to 1; 1 where there is none (section 20.10)."""
    return float(text) if text and re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text) else 1.0
