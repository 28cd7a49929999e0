"""Key frames asked of one source: however many want one, it hears one request per interval (RFC 4585, section 6.3.1). Pure."""

_TRIES = 8


class KeyFrameRequests:
    """``interval_s``: between two requests. A request is repeated until its key frame begins, some times at most."""

    def __init__(self, interval_s: float = 0.5) -> None:
        self.wanted = 0
        """How often somebody asked."""
        self.sent = 0
        self._interval_s = interval_s
        self._sent_s: float | None = None
        self.pending = False
        """Asked for, and not yet begun."""
        self._tries = 0

    def ask(self) -> None:
        """Somebody needs a key frame."""
        self.wanted += 1
        self.pending = True
        self._tries = 0

    def arrived(self) -> None:
        """A key frame begins: it serves everybody who asked so far."""
        self.pending = False
        self._tries = 0

    def due(self, now_s: float) -> bool:
        """Is a request to be sent now? Then it counts as sent."""
        if not self.pending or (self._sent_s is not None and now_s - self._sent_s < self._interval_s):
            return False
        self._sent_s = now_s
        self.sent += 1
        self._tries += 1
        self.pending = self._tries < _TRIES
        return True
