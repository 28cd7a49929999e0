"""Settings of the ticketings that have an adapter of their own."""

from typing import Annotated, Literal

from pydantic import Field

from api.backends.backend_section import HttpBackendSection

_Priority = Annotated[str, Field(pattern=r"^(low|normal|high|urgent)$")]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
_State = Annotated[str, Field(min_length=1, max_length=64)]


class RoundupSection(HttpBackendSection):
    """A Roundup tracker; ``base_url`` is the tracker's own. Its words are those of the ``classic`` template where not given."""

    type: Literal["roundup"]
    user: Annotated[str, Field(min_length=1, max_length=128)]
    """Who writes there; the password stands in ``backends.secrets``."""
    ticket_class: _Name = "issue"
    phone_fields: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=8)] = ("phone",)
    """Of its users, where their numbers stand."""
    open_state: _State = "chatting"
    """What a ticket becomes that is opened again."""
    closed_state: _State = "resolved"
    closed_states: tuple[_State, ...] = ("resolved", "done-cbb")
    """All that are closed."""
    priorities: dict[_Priority, _State] = Field(
        default_factory=lambda: {"urgent": "critical", "high": "urgent", "normal": "bug", "low": "wish"}
    )


class RequestTrackerSection(HttpBackendSection):
    """A Request Tracker 5; the token of the user who writes there stands in ``backends.secrets``."""

    type: Literal["request_tracker"]
    queue: Annotated[str, Field(min_length=1, max_length=200)] = "General"
    """Where new tickets go."""
    open_state: _State = "open"
    """What a ticket becomes that is opened again."""
    closed_state: _State = "resolved"
    closed_states: tuple[_State, ...] = ("resolved", "rejected", "deleted")
    """All that are closed."""
    priorities: dict[_Priority, Annotated[int, Field(ge=0, le=1_000)]] = Field(
        default_factory=lambda: {"low": 0, "normal": 50, "high": 75, "urgent": 100}
    )
