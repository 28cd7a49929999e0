"""SRTP and SRTCP of one packet as RFC 3711 and RFC 7714 write them down, with the ciphers of another library than ours."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rooms.audio import SrtpKey

_TAG_BYTES = {"AES_CM_128_HMAC_SHA1_32": 4}


def _counter(key: bytes, first: int, octets: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(first.to_bytes(16, "big"))).encryptor()
    return encryptor.update(octets) + encryptor.finalize()


def _derived(key: SrtpKey, label: int, octets: int) -> bytes:
    """RFC 3711, section 4.3; a salt of 12 octets is widened to 14 (RFC 7714, section 11)."""
    salt_bytes = 12 if "GCM" in key.suite else 14
    master, salt = key.key[:-salt_bytes], key.key[-salt_bytes:].ljust(14, b"\0")
    return _counter(master, (int.from_bytes(salt, "big") ^ label << 48) << 16, bytes(octets))


def protect(key: SrtpKey, packet: bytes, roc: int = 0) -> bytes:
    """A packet of RTP without extension."""
    sequence, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
    index = roc << 16 | sequence
    if "GCM" in key.suite:
        salt = int.from_bytes(_derived(key, 2, 12), "big")
        nonce = (ssrc << 48 | index) ^ salt
        return packet[:12] + AESGCM(_derived(key, 0, len(key.key) - 12)).encrypt(nonce.to_bytes(12, "big"), packet[12:], packet[:12])
    salt = int.from_bytes(_derived(key, 2, 14), "big")
    body = _counter(_derived(key, 0, len(key.key) - 14), salt << 16 ^ ssrc << 64 ^ index << 16, packet[12:])
    said = packet[:12] + body
    return said + hmac.new(_derived(key, 1, 20), said + roc.to_bytes(4, "big"), hashlib.sha1).digest()[: _TAG_BYTES.get(key.suite, 10)]


def protect_rtcp(key: SrtpKey, packet: bytes, index: int) -> bytes:
    """A compound of RTCP; its tag is of 80 bits in every suite of counter mode (RFC 4568, section 6.2.2)."""
    ssrc, flagged = int.from_bytes(packet[4:8], "big"), (1 << 31 | index).to_bytes(4, "big")
    if "GCM" in key.suite:
        nonce = (ssrc << 48 | index) ^ int.from_bytes(_derived(key, 5, 12), "big")
        cipher = AESGCM(_derived(key, 3, len(key.key) - 12))
        return packet[:8] + cipher.encrypt(nonce.to_bytes(12, "big"), packet[8:], packet[:8] + flagged) + flagged
    salt = int.from_bytes(_derived(key, 5, 14), "big")
    said = packet[:8] + _counter(_derived(key, 3, len(key.key) - 14), salt << 16 ^ ssrc << 64 ^ index << 16, packet[8:]) + flagged
    return said + hmac.new(_derived(key, 4, 20), said, hashlib.sha1).digest()[:10]
