"""G.711 by table, between route points and RTP. PCM is 16 bit little-endian (ITU-T G.711; the tables are computed from it)."""

import struct


def _alaw_value(code: int) -> int:
    code ^= 0x55
    magnitude, segment = (code & 0x0F) << 4, (code & 0x70) >> 4
    magnitude += 8 if segment == 0 else 0x108
    magnitude <<= max(0, segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw_value(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _codes(values: list[int]) -> bytes:
    """For each sample, less its lowest four bits: the code whose value is nearest."""
    order = sorted(range(256), key=lambda code: values[code])
    table, position = bytearray(4096), 0
    for index in range(4096):
        sample = (index - 2048) * 16 + 8
        while position < 255 and abs(values[order[position + 1]] - sample) <= abs(values[order[position]] - sample):
            position += 1
        table[index] = order[position]
    return bytes(table)


_VALUES = {"pcma": [_alaw_value(code) for code in range(256)], "pcmu": [_ulaw_value(code) for code in range(256)]}
_CODES = {name: _codes(values) for name, values in _VALUES.items()}


def decode(name: str, payload: bytes) -> bytes:
    """Codes of ``pcma`` or ``pcmu`` as PCM."""
    values = _VALUES[name]
    return struct.pack(f"<{len(payload)}h", *(values[code] for code in payload))


def encode(name: str, pcm: bytes) -> bytes:
    """PCM as codes of ``pcma`` or ``pcmu``."""
    codes = _CODES[name]
    return bytes(codes[(sample >> 4) + 2048] for (sample,) in struct.iter_unpack("<h", pcm))
