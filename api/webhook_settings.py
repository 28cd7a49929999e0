"""Where room and call events are posted, and how patiently."""

from dataclasses import dataclass

from api.patience import doubling


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """``key`` names the secret to receivers. ``allow_private``: they may be of this machine or its own network. Times in seconds.

    ``most_waiting`` in the store; of more the newest are not kept, and counted. ``give_up_s``: so old an event is tried
    no more, and who took nothing for so long is cut off. ``keep_s``: so long what was told can be had again; 0: it is not kept.
    ``structured``: the attributes of CloudEvents stand in the body, beside the data, and not in headers.
    """

    urls: tuple[str, ...] = ()
    key: str = "centralita"
    secret: str = ""
    source: str = "/centralita"
    allow_private: bool = False
    most_waiting: int = 10_000
    first_retry_s: float = 1.0
    longest_retry_s: float = 600.0
    give_up_s: float = 86_400.0
    keep_s: float = 0.0
    structured: bool = False

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures before this one."""
        return doubling(self.first_retry_s, self.longest_retry_s, failures)
