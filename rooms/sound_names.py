"""How the sentences are called that callers hear. What they say, and how it sounds, is the media plane's.

A number stands at the end of a name. Words of a flow's own have a mark of what they say in theirs: flows that call different words alike
do not disturb one another, and a call that began before a change goes on with the words it began with.
"""

import hashlib
import math

MOST_POSITION = 30
"""Behind so many it is said that there are many."""
MOST_WAIT_MINUTES = 30
"""What is more is said to be more."""
MORE = "more"


def sentence(language: str, name: str, words: str = "") -> str:
    """``words``: what is spoken where nobody recorded it; empty: what the server says under this name by itself."""
    mark = f".{hashlib.sha256(words.encode()).hexdigest()[:12]}" if words else ""
    return f"prompt/{language}/{name}{mark}"


def position(language: str, place: int) -> str:
    """``place``: 1 is next."""
    return sentence(language, f"queue-position-{max(place, 1) if place <= MOST_POSITION else MORE}")


def wait(language: str, wait_s: float) -> str:
    """Rounded up to whole minutes, so that nobody is promised too much."""
    minutes = 0 if wait_s < 60.0 else math.ceil(min(wait_s, 1e6) / 60.0)
    return sentence(language, f"queue-wait-{minutes if minutes <= MOST_WAIT_MINUTES else MORE}")


def call_back_offer(language: str, key: str) -> str:
    """``key``: the one to press, 0-9."""
    return sentence(language, f"call-back-offer-{key}")
