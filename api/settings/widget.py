"""`[widget]`: the button on other people's sites."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Names, Section
from api.settings.values import Origins
from api.visits.settings import VisitSettings


class WidgetSection(Section):
    """The button on other people's sites, by which visitors call, write or ask to be called back (``api/pages/widget``)."""

    sites: Origins = ()
    """Whose pages may show it: ``https://host[:port]``; none: nothing of it is there."""
    queues: Names = ()
    """Which queues of the plan visitors may reach; empty: all."""
    hours: Annotated[str, Field(max_length=64)] = ""
    """The calendar of the plan by which it is open; empty: always."""
    most_at_once: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Visitors in calls, and as many in chats."""
    begun_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 30
    """Visits of one network address."""
    call_backs_per_hour: Annotated[int, Field(ge=1, le=100)] = 3
    """... and call-backs that it may ask for."""
    call_backs_in_all: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Call-backs an hour that all visitors together may ask for."""
    chat_answer_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    """A chat that nobody took for so long is offered to somebody else as well."""

    def visits(self, region: str) -> VisitSettings:
        return VisitSettings(
            sites=self.sites,
            queues=self.queues,
            hours=self.hours,
            region=region,
            most_at_once=self.most_at_once,
            begun_per_hour=self.begun_per_hour,
            call_backs_per_hour=self.call_backs_per_hour,
            call_backs_in_all=self.call_backs_in_all,
            chat_answer_s=self.chat_answer_s,
        )
