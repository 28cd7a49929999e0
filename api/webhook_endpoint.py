"""How it stands with one receiver of webhooks. Pure; ``now`` is seconds since the epoch.

It takes what it is sent, or fails since some moment. Whom nobody can reach is left in peace for a while that doubles each time; whoever
took nothing for ``give_up_s`` is cut off: nothing is kept for them any more until an administrator resumes it.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from api.webhook_settings import WebhookSettings


class Endpoint(Struct, frozen=True):
    """``fault``: why it took nothing the last time. ``retry_at``: before that it is not tried."""

    url: str
    taken_at: float | None = None
    failing_since: float | None = None
    failures: int = 0
    fault: str = ""
    retry_at: float = 0.0
    cut_off_at: float | None = None

    @property
    def state(self) -> Literal["well", "failing", "cut off"]:
        if self.cut_off_at is not None:
            return "cut off"
        return "well" if self.failing_since is None else "failing"

    def took(self, now: float) -> "Endpoint":
        """It took an event."""
        return Endpoint(self.url, taken_at=now)

    def failed(self, now: float, fault: str, settings: WebhookSettings, *, reached: bool) -> "Endpoint":
        """It did not take an event. ``reached``: it answered; then only that event has to wait."""
        since = now if self.failing_since is None else self.failing_since
        wait_s = 0.0 if reached else settings.wait_s(self.failures)
        cut_off_at = now if now - since >= settings.give_up_s else None
        return replace(self, failing_since=since, failures=self.failures + 1, fault=fault, retry_at=now + wait_s, cut_off_at=cut_off_at)

    def resumed(self) -> "Endpoint":
        """An administrator says that it is well again."""
        return Endpoint(self.url, taken_at=self.taken_at)
