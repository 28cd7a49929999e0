"""The second factor: time-based one-time passwords (RFC 6238: SHA-1, 30 s, six digits, which every app speaks) and recovery codes.

Secrets are kept sealed, recovery codes as hashes. A code is good for its time step and its neighbours, and once: what was used, and
every step before it, is refused.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from api.store import SecondFactor
from signaling.refusal import Refusal

log = structlog.get_logger()
STEP_S = 30
_DIGITS = 6
_SECRET_BYTES = 20
_RECOVERY_CODES = 10
_RECOVERY_BYTES = 15
ISSUER = "Centralita"


class FactorStore(Protocol):
    async def second_factor(self, identity: str) -> SecondFactor | None: ...

    async def begin_second_factor(self, identity: str, secret: str) -> bool: ...

    async def confirm_second_factor(self, identity: str, at: float, step: int, recovery: list[str]) -> None: ...

    async def use_step(self, identity: str, step: int) -> bool: ...

    async def use_recovery(self, factor: SecondFactor, digest: str) -> bool: ...

    async def drop_second_factor(self, identity: str) -> bool: ...


class SecondFactors:
    """``key``: 64 hexadecimal digits that seal the secrets. ``clock``: seconds since the epoch."""

    def __init__(self, store: FactorStore, key: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._seal = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"centralita second factor:" + bytes.fromhex(key)).digest()))
        self._clock = clock

    async def of(self, identity: str) -> SecondFactor | None:
        """A person's second factor, once it is confirmed."""
        factor = await self._store.second_factor(identity)
        return factor if factor is not None and factor.confirmed_at is not None else None

    async def begin(self, identity: str) -> tuple[str, str]:
        """A new secret in base32, and the same as an ``otpauth:`` address for a QR code. It counts once ``confirm`` was asked."""
        drawn = secrets.token_bytes(_SECRET_BYTES)
        if not await self._store.begin_second_factor(identity, self._seal.encrypt(drawn).decode()):
            raise Refusal("second_factor_on", "You have a second factor already: end it first.")
        return base64.b32encode(drawn).decode(), _totp(drawn).get_provisioning_uri(identity, ISSUER)

    async def confirm(self, identity: str, code: str) -> list[str]:
        """Begin to ask for it, when the app's first code is right. Returns the recovery codes, which nobody sees again."""
        factor = await self._store.second_factor(identity)
        if factor is None or factor.confirmed_at is not None:
            raise Refusal("second_factor_off", "There is no second factor to confirm: begin anew.")
        step = self._step_of(factor, code)
        if step is None:
            raise wrong_code()
        codes = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(_RECOVERY_CODES)]
        await self._store.confirm_second_factor(identity, self._clock(), step, [_digest(code) for code in codes])
        return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]

    async def check(self, factor: SecondFactor, code: str) -> str:
        """Which kind of code this is, ``code`` or ``recovery code``, now used. Raises ``Refusal`` (``wrong_code``)."""
        step = self._step_of(factor, code)
        if step is not None:
            if await self._store.use_step(factor.identity, step):
                return "code"
            raise wrong_code()
        digest = _digest(code.replace("-", "").replace(" ", "").lower())
        known = [left for left in factor.recovery if hmac.compare_digest(left, digest)]
        if known and await self._store.use_recovery(factor, digest):
            return "recovery code"
        raise wrong_code()

    async def drop(self, identity: str) -> bool:
        """Ask for it no more. False where there was none."""
        return await self._store.drop_second_factor(identity)

    def _step_of(self, factor: SecondFactor, code: str) -> int | None:
        """The time step that this code is of; None: of none of now. Compared in constant time (RFC 6238, section 5.2: one step back)."""
        given = code.replace(" ", "")
        if len(given) != _DIGITS or not given.isascii() or not given.isdecimal():
            return None
        try:
            totp = _totp(self._seal.decrypt(factor.secret.encode()))
        except InvalidToken:
            log.error("second_factor.sealed", hint="security.second_factor_key is not the one this was sealed with: put that one back")
            return None
        now = int(self._clock()) // STEP_S
        for step in (now, now - 1, now + 1):
            if hmac.compare_digest(totp.generate(step * STEP_S), given.encode()):
                return step
        return None


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, _DIGITS, SHA1(), STEP_S)


def _digest(recovery_code: str) -> str:
    """Recovery codes have 120 bits of randomness: a fast hash is enough (ASVS 5.0, 6.5.2)."""
    return hashlib.sha256(recovery_code.encode()).hexdigest()


def wrong_code() -> Refusal:
    return Refusal("wrong_code", "This code is wrong, too old, or was used: wait for the next one, and see that the clock is right.")
