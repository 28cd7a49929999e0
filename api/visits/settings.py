"""How visitors of other people's sites reach queues, handed down by the settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """``sites``: whose pages may show the button; none: nothing of it is there. ``queues``: of the plan, that visitors may reach; empty:
    all. ``hours``: the plan's calendar by which it is open; empty: always. ``region``: whose national numbers are understood.

    ``most_at_once``: visitors in calls, and as many in chats. ``begun_per_hour``, ``call_backs_per_hour``: of one network address;
    ``call_backs_in_all``: of all together. ``chat_answer_s``: then a chat that nobody took is offered to somebody else as well.
    """

    sites: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    hours: str = ""
    region: str = "ES"
    most_at_once: int = 50
    begun_per_hour: int = 30
    call_backs_per_hour: int = 3
    call_backs_in_all: int = 60
    chat_answer_s: float = 30.0
    patience_s: float = 30.0

    @property
    def enabled(self) -> bool:
        return bool(self.sites)
