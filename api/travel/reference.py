"""References of bookings: six signs that nobody mistakes for others, on paper or by ear, and that spell no word."""

from random import Random

ALPHABET = "CDFGHJKMNPQRTVWXY34679"
"""Without vowels, and without 0/O, 1/I/L, 2/Z, 5/S, 8/B and U, which looks like V."""
LENGTH = 6


def draw(chance: Random) -> str:
    """One of 113 million."""
    return "".join(chance.choices(ALPHABET, k=LENGTH))


def read(text: str) -> str:
    """A reference as somebody typed it, with blanks, hyphens and small letters; empty where it is none."""
    signs = "".join(text.upper().replace("-", " ").split())
    return signs if len(signs) == LENGTH and all(sign in ALPHABET for sign in signs) else ""
