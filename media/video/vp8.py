"""VP8 in RTP (RFC 7741): the payload descriptor read and rewritten, key frames told apart. The picture itself is never decoded."""

from typing import NamedTuple


class Vp8(NamedTuple):
    """What a packet's descriptor says. ``picture``: PictureID and its number of bits, 7 or 15, or None; ``tl0``: TL0PICIDX or None.

    ``starts_key``: the first packet of a key frame; then ``width`` and ``height`` in pixels, else 0. ``picture_at`` and ``tl0_at``: where
    they lie in the payload; ``frame_at``: where the part of the frame begins.
    """

    picture: tuple[int, int] | None
    picture_at: int
    tl0: int | None
    tl0_at: int
    layer: int
    starts: bool
    starts_key: bool
    width: int
    height: int
    frame_at: int


def read(payload: bytes) -> Vp8 | None:
    """None when the descriptor is cut off."""
    size = len(payload)
    if size < 1:
        return None
    first = payload[0]
    position = 1
    picture, picture_at, tl0, tl0_at, layer = None, 0, None, 0, 0
    if first & 0x80:
        if size < 2:
            return None
        flags, position = payload[1], 2
        if flags & 0x80:
            picture_at = position
            if size < position + 2:
                return None
            if payload[position] & 0x80:
                picture, position = (((payload[position] & 0x7F) << 8 | payload[position + 1]), 15), position + 2
            else:
                picture, position = (payload[position], 7), position + 1
        if flags & 0x40:
            tl0_at = position
            if size <= position:
                return None
            tl0, position = payload[position], position + 1
        if flags & 0x30:
            if size <= position:
                return None
            layer = payload[position] >> 6 if flags & 0x20 else 0
            position += 1
    starts = bool(first & 0x10) and not first & 0x07
    if size <= position:
        return None
    key = starts and not payload[position] & 0x01
    width = height = 0
    if key:
        if size < position + 10 or payload[position + 3 : position + 6] != b"\x9d\x01\x2a":
            return None
        width = int.from_bytes(payload[position + 6 : position + 8], "little") & 0x3FFF
        height = int.from_bytes(payload[position + 8 : position + 10], "little") & 0x3FFF
    return Vp8(picture, picture_at, tl0, tl0_at, layer, starts, key, width, height, position)


def rewrite(payload: bytes, descriptor: Vp8, picture: int, tl0: int) -> bytes:
    """The same payload under another PictureID and TL0PICIDX, cut to the bits that they have in it."""
    parts = bytearray(payload)
    if descriptor.picture is not None:
        at = descriptor.picture_at
        if descriptor.picture[1] == 15:
            parts[at], parts[at + 1] = 0x80 | picture >> 8 & 0x7F, picture & 0xFF
        else:
            parts[at] = picture & 0x7F
    if descriptor.tl0 is not None:
        parts[descriptor.tl0_at] = tl0 & 0xFF
    return bytes(parts)
