"""Digits by SIP INFO: ``application/dtmf-relay`` (``Signal=5``) and ``application/dtmf`` (``5``), as phones send them."""

import re

_DIGITS = frozenset("0123456789*#ABCD")
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
_SIGNAL = re.compile(r"^\s*signal\s*=\s*(\S{1,5})\s*$", re.IGNORECASE | re.MULTILINE)
DURATION_MS = 160
_FLASH = frozenset({"16", "!", "FLASH", "HF"})
"""The hook flash: no digit, and no error."""


def digit_of_info(content_type: str, body: bytes) -> str | None:
    """The digit that an INFO carries; empty for a hook flash, None where it carries neither."""
    text = body[:256].decode("utf-8", "replace")
    found = _SIGNAL.search(text)
    if content_type == "application/dtmf-relay":
        text = found.group(1) if found else ""
    elif content_type != "application/dtmf":
        return None
    elif found is not None:
        # Some name the short type and send the long form.
        text = found.group(1)
    text = text.strip().upper()
    digit = _NUMBERED.get(text, text)
    return digit if digit in _DIGITS else "" if text in _FLASH else None


def info_of_digit(digit: str) -> tuple[str, bytes]:
    """Content-Type and body for one digit. Raises ``ValueError`` for anything else."""
    if digit.upper() not in _DIGITS:
        raise ValueError("no DTMF digit")
    return "application/dtmf-relay", f"Signal={digit.upper()}\r\nDuration={DURATION_MS}\r\n".encode()
