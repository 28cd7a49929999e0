"""Opus in Ogg: pages by RFC 3533, headers by RFC 7845. Packets are written as they are, one or two (left, right) for each stretch of time.

Time passes only by packets (RFC 7845, section 4.1): where one was lost stands a packet of its first byte alone, for which every decoder
makes up the sound, and where nothing shall be heard stands silence.
"""

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct, pack
from typing import BinaryIO

RATE_HZ = 48_000
"""Opus counts time in these, whatever it carries."""
SILENCE = b"\xf8\xff\xfe"
"""20 ms of digital silence, mono."""
_PAGE = Struct("<4sBBqIIIB")
_CRC_OFFSET = 22
_PAGE_SAMPLES = RATE_HZ
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def lost_packet(previous: bytes) -> bytes:
    """What stands for a lost packet of one frame as the ``previous`` one has them."""
    return bytes([previous[0] & 0xFC])


def both_channels(left: bytes, right: bytes) -> bytes:
    """One packet of two mono streams: the first tells its length (RFC 6716, appendix B). Raises ValueError where it has several frames."""
    if left[0] & 3:
        raise ValueError("only Opus packets of one frame each can stand side by side: write each side alone, or WAV")
    size = len(left) - 1
    length = bytes([size]) if size < 252 else bytes([252 + size % 4, (size - 252 - size % 4) // 4])
    return left[:1] + length + left[1:] + right


def write_ogg(file: BinaryIO, packets: Iterable[tuple[bytes, int]], *, channels: int, serial: int) -> None:
    """A whole file of (packet, samples at 48 kHz). ``channels`` 2: packets by ``both_channels``. Raises OSError."""
    family = pack("<B", 0) if channels == 1 else pack("<BBBBB", 1, 2, 0, 0, 1)
    head = b"OpusHead" + pack("<BBHIh", 1, channels, 0, RATE_HZ, 0) + family
    vendor = b"centralita"
    tags = b"OpusTags" + pack("<I", len(vendor)) + vendor + pack("<I", 0)
    file.write(_page([head], 0, serial, 0, first=True))
    file.write(_page([tags], 0, serial, 1))
    number, granule = 2, 0
    for group, last in _grouped(packets):
        granule += sum(samples for _, samples in group)
        file.write(_page([packet for packet, _ in group], granule, serial, number, last=last))
        number += 1


def _grouped(packets: Iterable[tuple[bytes, int]]) -> Iterator[tuple[list[tuple[bytes, int]], bool]]:
    """What goes onto one page: at most a second, 255 lacing values."""
    group: list[tuple[bytes, int]] = []
    samples = lacing = 0
    for packet in packets:
        more = len(packet[0]) // 255 + 1
        if group and (samples >= _PAGE_SAMPLES or lacing + more > 255):
            yield group, False
            group, samples, lacing = [], 0, 0
        group.append(packet)
        samples += packet[1]
        lacing += more
    yield group, True


def _page(packets: list[bytes], granule: int, serial: int, number: int, *, first: bool = False, last: bool = False) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    flags = (2 if first else 0) | (4 if last else 0)
    page = bytearray(_PAGE.pack(b"OggS", 0, flags, granule, serial, number, 0, len(lacing)) + lacing + b"".join(packets))
    page[_CRC_OFFSET : _CRC_OFFSET + 4] = _checksum(page).to_bytes(4, "little")
    return bytes(page)


def _checksum(page: bytes | bytearray) -> int:
    """CRC-32 with the usual polynomial but neither mirrored nor inverted (RFC 3533, section 6): zlib's, of mirrored bits, made so."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
