"""What may be dialled in calls, where it is reached, and what it costs."""

from collections.abc import Callable

from api.page_requests import route_of
from api.settings.tree import Settings
from api.threecx import ThreeCx
from api.tolls import Tolls
from api.wiring.ground import Ground
from api.wiring.start_failure import StartFailure
from pbx.loopback import DEMO_NUMBERS
from pbx.rates import BadRates, RateTable
from pbx.routing import Routing
from pbx.toll import TollWatch
from rooms.move import Target
from rooms.record import LegRecord


class Dialling:
    """What people and phones want to call. ``tolls`` and ``threecx`` are set as soon as they are there, before anybody dials."""

    tolls: Tolls
    threecx: ThreeCx | None

    def __init__(self, routing: Routing, *, has_demo: bool) -> None:
        self._routing, self._has_demo = routing, has_demo

    def reached(self, text: str) -> Target:
        route = route_of(self._routing, text)
        return Target(number=route.dialled, trunk=route.trunk)

    def resolve(self, text: str, who: str) -> Target:
        """Where a number is reached that a phone asks us to call."""
        route = route_of(self._routing, text)
        self.tolls.ask(who, route.number)
        return Target(number=route.dialled, trunk=route.trunk)

    def ask(self, who: str, text: str) -> None:
        self.tolls.ask(who, route_of(self._routing, text).number)

    def may_dial(self, who: str, dialled: str) -> None:
        self.tolls.ask_forward(who, dialled)
        if self.threecx is not None and not (self._has_demo and dialled in DEMO_NUMBERS):
            self.threecx.ask(self.tolls.number(dialled))

    def began(self, leg_id: str, who: str, dialled: str) -> None:
        self.tolls.began(leg_id, who, dialled)

    def cost(self, leg: LegRecord) -> float | None:
        return self.tolls.cost(leg)


async def open_tolls(settings: Settings, ground: Ground, now: Callable[[], float], on_suspended: Callable[[str, str], None]) -> Tolls:
    """What was called before this start counts."""
    plan, price = settings.dialing.dial_plan(), _rates(settings).cost
    watch = TollWatch(plan.rules, settings.dialing.toll_bounds(), price)
    tolls = Tolls(watch, plan, price, now=now, hours=settings.dialing.hours, audit=ground.audit, on_suspended=on_suspended)
    await tolls.restore(ground.store.dialled)
    return tolls


def _rates(settings: Settings) -> RateTable:
    file = settings.dialing.rates_file
    if file is None:
        return RateTable()
    try:
        return RateTable.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadRates) as error:
        raise StartFailure(f"The rate table {file} (dialing.rates_file) cannot be used: {error}.") from None
