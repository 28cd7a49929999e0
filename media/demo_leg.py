"""The far end of the demo line: programmes in place of a phone. No network, no codec: they hear and say frames at RATE_HZ.

``echo`` says what it hears, ``speech`` plays recorded sentences over and over, ``dtmf`` says one and then presses keys, both as tones
and as digits that are heard the way a phone's would be.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np

from dsp.tones import dtmf
from media.codec import Samples
from media.messages import MediaRefusal
from media.settings import RATE_HZ
from media.sounds import PROMPTS, Sound, load_prompt, silence

_PAUSE_S = 1.0
_KEYS = "12345#"
_PRESS_S, _REST_S = 0.12, 0.2


class Programme(Protocol):
    echoes: bool
    """Does it say nothing but what it hears? Then ``frame`` is not asked: its packets can be sent straight back."""

    def frame(self) -> Samples:
        """What it says in the next 20 ms."""
        ...

    def press(self, digits: str) -> None:
        """Somebody pressed keys for it."""
        ...


class Echo:
    """Says what it hears; a key pressed is pressed back."""

    echoes = True

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        self._on_digit = on_digit

    def frame(self) -> Samples:
        return silence(0.02)

    def press(self, digits: str) -> None:
        for digit in digits:
            self._on_digit(digit)


class Speech:
    """Recorded sentences in English and Spanish with pauses, over and over."""

    echoes = False

    def __init__(self) -> None:
        self._sound = Sound(_sentences())

    def frame(self) -> Samples:
        return self._sound.frame()

    def press(self, digits: str) -> None:
        """It listens to no keys."""


class Keys:
    """A sentence, then the keys 1 2 3 4 5 #, over and over: heard as tones and told to ``on_digit`` as each begins."""

    echoes = False

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        samples, self._presses = _sentence_and_keys()
        self._sound = Sound(samples)
        self._on_digit = on_digit

    def frame(self) -> Samples:
        start = self._sound.position
        frame = self._sound.frame()
        for position, key in self._presses:
            if start <= position < start + len(frame):
                self._on_digit(key)
        return frame

    def press(self, digits: str) -> None:
        """It listens to no keys."""


def make_programme(name: str, on_digit: Callable[[str], None]) -> Programme:
    """A programme by its name in ``DemoEndpoint``. Raises MediaRefusal for an unknown one."""
    if name == "echo":
        return Echo(on_digit)
    if name == "speech":
        return Speech()
    if name == "dtmf":
        return Keys(on_digit)
    raise MediaRefusal("unknown_programme", f"The demo line has no programme {name!r}: use echo, speech or dtmf.")


@lru_cache(maxsize=1)
def _sentences() -> Samples:
    pieces = [piece for name in PROMPTS for piece in (load_prompt(name), silence(_PAUSE_S))]
    return np.concatenate(pieces)


@lru_cache(maxsize=1)
def _sentence_and_keys() -> tuple[Samples, tuple[tuple[int, str], ...]]:
    """The samples of one round, and where in it each key begins."""
    pieces = [load_prompt("en-vm-intro"), silence(_PAUSE_S)]
    presses = []
    for key in _KEYS:
        presses.append((sum(map(len, pieces)), key))
        pieces += [dtmf(key, RATE_HZ, duration_s=_PRESS_S), silence(_REST_S)]
    return np.concatenate((*pieces, silence(_PAUSE_S))), tuple(presses)
