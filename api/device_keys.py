"""Is a device's public key one, and does the device say itself whose it is? What pages check too (``api/pages/rooms/cipher.js``), here
so that nobody's broken device keeps the others of a room from wrapping their keys."""

import json
from base64 import urlsafe_b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from rooms.sealed import device_id_of
from signaling.messages import AddDevice


def is_genuine(identity: str, device: AddDevice) -> bool:
    """Both keys are points of P-256, the id is their hash, and the one signs for the other, the id and this person."""
    if device_id_of(device.sign_key, device.wrap_key) != device.device_id:
        return False
    said = ["centralita device 1", identity, device.device_id, device.sign_key, device.wrap_key]
    signature = _bytes(device.signature)
    half = len(signature) // 2
    numbers = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
    try:
        _point(device.wrap_key)
        _point(device.sign_key).verify(
            utils.encode_dss_signature(*numbers), json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode(), ec.ECDSA(SHA256())
        )
    except (ValueError, InvalidSignature):
        return False
    return True


def _point(key: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(key))


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
