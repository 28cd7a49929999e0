"""What no new password may be (ASVS 5.0, 6.2.1, 6.2.4, 6.2.11): short, easily guessed, or made of names. The only file that knows zxcvbn.

zxcvbn carries, offline, the 30,000 most used passwords, 30,000 words, 15,000 names, keyboard rows, dates and repetitions, and estimates
how many tries a guesser needs who knows them all (Wheeler, USENIX Security 2016). So a common password is found out doubled, with digits
behind it or with its letters replaced, as those of 12 characters and more mostly are.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable

from zxcvbn import zxcvbn

from signaling.refusal import Refusal

SHORTEST = 12
_FEWEST_GUESSES = 1e8
"""Below this a password is known to guessers: what zxcvbn counts as weaker than 3 of 4."""
_MOST_READ = 72
"""Characters that are estimated; what comes behind can only make it better."""
_PRODUCT = "centralita"
_SHORTEST_IDENTITY = 3
_SHORTEST_PART = 4
"""A shorter part of a name is in too many words."""
_ONE_AT_A_TIME = threading.Lock()
"""zxcvbn keeps what it looks for in its own module."""


class PasswordRules:
    """``words``: names of the house, its company and brands, beside the product's; case and accents do not count."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = frozenset(plain for word in (*words, _PRODUCT) if (plain := _plain(word)))

    def check(self, password: str, identity: str, name: str) -> None:
        """A new password of ``identity``, who is called ``name``. Takes a few ms. Raises ``Refusal``."""
        if len(password) < SHORTEST:
            raise Refusal("weak_password", f"This password is too short: at least {SHORTEST} characters are needed, the longer the better.")
        plain = _plain(password)
        if any(word in plain for word in self._words | _names(identity, name)):
            raise Refusal("password_names", "This password contains your name, the company's or the product's: choose other words.")
        with _ONE_AT_A_TIME:
            guesses = zxcvbn(password[:_MOST_READ])["guesses"]
        if guesses < _FEWEST_GUESSES:
            raise Refusal(
                "common_password", "This password is among the first that guessers try: four or five words by chance are far better."
            )


def _plain(text: str) -> str:
    """Small letters without accents."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter)).strip()


def _names(identity: str, name: str) -> set[str]:
    """The name to sign in with, and each longer part of it and of the name that colleagues see."""
    whole = _plain(identity)
    parts = re.split(r"[\W_]+", f"{whole} {_plain(name)}")
    return {part for part in parts if len(part) >= _SHORTEST_PART} | ({whole} if len(whole) >= _SHORTEST_IDENTITY else set())
