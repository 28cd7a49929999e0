"""Which line a dialled number takes, and how it is written there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from pbx.fraud import DialRules
from pbx.loopback import DEMO_NUMBERS
from pbx.numbers import NotANumber, Number, parse_number

__all__ = ["DialPlan", "NoRoute", "NotANumber", "NumberStyle", "Route", "Routing"]

_LONGEST_EXTENSION = 6


class NumberStyle(StrEnum):
    """How public numbers are written towards the PBX: ``+34600…``, ``0034600…``, ``34600…``, or national where they are of our region."""

    PLUS = "plus"
    ZEROS = "zeros"
    BARE = "bare"
    NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class DialPlan:
    """``region``: country of national numbers. ``line_prefix`` goes before public numbers (``0`` for a line), never before extensions."""

    region: str = "ES"
    style: NumberStyle = NumberStyle.PLUS
    line_prefix: str = ""
    rules: DialRules = field(default_factory=DialRules)

    def read_back(self, dialled: str) -> Number:
        """The number that was written so towards the PBX. Raises ``NotANumber``."""
        text = dialled.removeprefix(self.line_prefix)
        if self.style is NumberStyle.BARE and text.isdigit() and len(text) > _LONGEST_EXTENSION:
            text = "+" + text
        return parse_number(text, self.region)


@dataclass(frozen=True, slots=True)
class Route:
    """Dial ``dialled`` on the trunk named ``trunk``."""

    trunk: str
    number: Number
    dialled: str


class NoRoute(Exception):
    """No line takes this number. The message is for the person who dialled."""


class Routing:
    """The demo line takes its own few numbers, the PBX all others. A line that is not there is None. ``stand_in``: which line takes the
    PBX's numbers now in place of its own, if any."""

    def __init__(
        self,
        plan: DialPlan,
        *,
        demo_trunk: str | None,
        pbx_trunk: str | None,
        stand_in: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.plan = plan
        self._demo = demo_trunk
        self._pbx = pbx_trunk
        self._stand_in = stand_in

    def route(self, text: str) -> Route:
        """Read a dialled number and choose its line. Raises ``NotANumber`` and ``NoRoute``."""
        number = parse_number(text, self.plan.region)
        if self._demo is not None and number.extension in DEMO_NUMBERS:
            return Route(self._demo, number, number.extension)
        if self._pbx is None:
            demo = f" The demo line answers {min(DEMO_NUMBERS)} to {max(DEMO_NUMBERS)}." if self._demo else ""
            raise NoRoute(f"No telephone system is attached to this server, so {number.display} cannot be reached.{demo}")
        return Route(self._stand_in() or self._pbx, number, self._written(number))

    def _written(self, number: Number) -> str:
        if number.e164 is None:
            return number.extension or ""
        digits = number.e164[1:]
        if self.plan.style is NumberStyle.NATIONAL and number.region == self.plan.region:
            body = "".join(character for character in number.display if character.isdigit())
        else:
            body = {NumberStyle.PLUS: "+", NumberStyle.BARE: ""}.get(self.plan.style, "00") + digits
        return self.plan.line_prefix + body
