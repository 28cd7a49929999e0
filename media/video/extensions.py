"""RTP header extensions as bytes (RFC 8285, one-byte and two-byte form). Ids are agreed per connection; URIs name what they mean."""

from media.rtp import HEADER_BYTES

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_SEQUENCE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
OURS = (MID, RID, REPAIRED_RID, SEND_TIME, TRANSPORT_SEQUENCE)
"""What our answers agree to on video lines."""

_ONE_BYTE = 0xBEDE
_TWO_BYTES = 0x1000


def read(packet: bytes) -> dict[int, bytes]:
    """The extensions of an RTP packet whose header was parsed, by id; what is cut off or malformed is left out."""
    if not packet[0] & 0x10:
        return {}
    start = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    profile = int.from_bytes(packet[start : start + 2], "big")
    end = start + 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    one_byte = profile == _ONE_BYTE
    if end > len(packet) or not (one_byte or profile & 0xFFF0 == _TWO_BYTES):
        return {}
    found: dict[int, bytes] = {}
    position = start + 4
    while position + (not one_byte) < end:
        first = packet[position]
        if first == 0:  # padding
            position += 1
            continue
        if one_byte:
            if first >> 4 == 15:
                break
            identifier, size, position = first >> 4, (first & 0x0F) + 1, position + 1
        else:
            identifier, size, position = first, packet[position + 1], position + 2
        if position + size > end:
            break
        found[identifier] = packet[position : position + size]
        position += size
    return found


def build(extensions: tuple[tuple[int, bytes], ...]) -> bytes:
    """The extension block of a packet, in the one-byte form: ids 1-14, values of 1-16 bytes."""
    body = b"".join(bytes((identifier << 4 | len(value) - 1,)) + value for identifier, value in extensions)
    body += bytes(-len(body) % 4)
    return _ONE_BYTE.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body


def send_time(now_s: float) -> bytes:
    """The value of ``SEND_TIME``: seconds as 6.18 fixed point."""
    return (int(now_s * 262_144) & 0xFFFFFF).to_bytes(3, "big")
