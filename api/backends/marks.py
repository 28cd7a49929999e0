"""The mark that a write leaves at a backend, so that it can be asked for before the same is written again."""

import base64
import hashlib

LETTERS = 26


def mark_of(idem: str) -> str:
    """26 letters and digits: the same for the same key, nothing to be read in it."""
    return base64.b32encode(hashlib.sha256(idem.encode()).digest()).decode().lower()[:LETTERS]
