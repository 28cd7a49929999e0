"""`[surveys]`: who is asked what, after what, how often."""

from typing import Annotated, Literal

from pydantic import Field

from api.settings.section import Section
from api.surveys.survey import Scale, SurveyRule

_DAY_S = 86_400.0


class SurveyRuleSection(Section):
    """The first rule that speaks of a call or a consultation counts."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
    after: Literal["call", "consultation"] = "call"
    questions: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=3)] = (Scale.CSAT,)
    queues: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Calls of these queues alone; none: of all."""
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Of those it might be."""
    rest_days: Annotated[float, Field(ge=0, le=3_650)] = 90.0
    """So long nobody is asked again, by any rule."""
    channels: Annotated[tuple[Literal["email", "sms"], ...], Field(min_length=1, max_length=2)] = ("email", "sms")
    """The first by which a customer can be reached."""
    least_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    """Who spoke for less is not asked."""
    open_days: Annotated[float, Field(gt=0, le=365)] = 14.0
    """For so long answers are taken, and may be changed."""

    def rule(self) -> SurveyRule:
        return SurveyRule(
            self.name,
            self.after,
            tuple(dict.fromkeys(self.questions)),
            self.queues,
            self.share,
            self.rest_days * _DAY_S,
            self.channels,
            self.least_s,
            self.open_days * _DAY_S,
        )


class SurveysSection(Section):
    """Nobody is asked who did not agree to it (``/api/v1/contacts/{contact_id}/consents/survey``)."""

    rules: Annotated[tuple[SurveyRuleSection, ...], Field(max_length=32)] = ()
