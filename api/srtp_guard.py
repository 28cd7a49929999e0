"""SRTP for the emulated 3CX: ``pbx`` knows the keys, ``media`` the library, and neither knows the other."""

from media.srtp import SrtpError, open_sessions, unprotect
from rooms.audio import SrtpKeys


class SrtpGuard:
    """Satisfies ``pbx.threecx.double.talk.Guard``."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._sessions = open_sessions(keys)
        self._sources: set[bytes] = set()

    def protect(self, packet: bytes) -> bytes:
        protected: bytes = self._sessions.sent.protect(packet)
        return protected

    def unprotect(self, packet: bytes) -> bytes:
        """The plain packet. Raises ``ValueError`` for one that is forged or came before."""
        try:
            return unprotect(self._sessions, packet, False, self._sources)
        except SrtpError as error:
            raise ValueError(str(error)) from None
