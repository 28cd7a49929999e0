"""H.264 in RTP (RFC 6184): where a key frame begins, parameter sets first, and frames put together again."""

from collections.abc import Iterable

_SEQUENCE_PARAMETERS, _STAP_A, _FU_A = 7, 24, 28
_START = b"\x00\x00\x00\x01"


def starts_key(payload: bytes) -> bool:
    """Does a key frame begin with this packet? Browsers send parameter sets before each IDR picture, which may be in fragments."""
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        return any(unit[0] & 0x1F == _SEQUENCE_PARAMETERS for unit in _units(payload) if unit)
    return kind == _SEQUENCE_PARAMETERS


def frame(payloads: Iterable[bytes]) -> bytes | None:
    """The units of a frame as a byte stream (ITU-T H.264, annex B); None where a part is missing, or of a kind that we did not agree to."""
    found = bytearray()
    inside = False
    for payload in payloads:
        kind = payload[0] & 0x1F if payload else 0
        starts, ends = (bool(payload[1] & 0x80), bool(payload[1] & 0x40)) if kind == _FU_A and len(payload) > 2 else (False, False)
        if kind == _FU_A and starts != inside and len(payload) > 2:
            found += _START + bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)) + payload[2:] if starts else payload[2:]
            inside = not ends
        elif inside or not 1 <= kind <= _STAP_A:
            return None
        elif kind == _STAP_A:
            for unit in _units(payload):
                found += _START + unit
        else:
            found += _START + payload
    return bytes(found) if found and not inside else None


def _units(payload: bytes) -> list[bytes]:
    """The units in an aggregation packet (section 5.7.1)."""
    found, position = [], 1
    while position + 2 < len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        found.append(payload[position + 2 : position + 2 + size])
        position += 2 + size
    return found
