"""H.264 in RTP (RFC 6184): where a key frame begins, parameter sets first."""

_SEQUENCE_PARAMETERS, _STAP_A = 7, 24


def starts_key(payload: bytes) -> bool:
    """Does a key frame begin with this packet? Browsers send parameter sets before each IDR picture, which may be in fragments."""
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        return any(unit & 0x1F == _SEQUENCE_PARAMETERS for unit in _first_bytes(payload))
    return kind == _SEQUENCE_PARAMETERS


def _first_bytes(payload: bytes) -> list[int]:
    """The header of each unit in an aggregation packet (section 5.7.1)."""
    found, position = [], 1
    while position + 2 < len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        found.append(payload[position + 2])
        position += 2 + size
    return found
