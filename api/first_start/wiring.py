"""The first start, put together for a server."""

from collections.abc import Callable

from pydantic import ValidationError

from api.first_start.answers import StartAnswers
from api.first_start.first_start import FirstStart
from api.first_start.trial import registers
from api.first_start.wire import Telephone
from api.settings.tree import Settings
from api.wiring.calls import Calls
from api.wiring.ground import DEMO_AGENT, Ground
from api.wiring.lines import line_to_try
from pbx.trunk import TrunkStatus
from signaling.refusal import Refusal


def make_first_start(settings: Settings, ground: Ground, calls: Calls, again: Callable[[], None]) -> FirstStart:
    """``again``: has the server begin anew."""

    async def tried(line: Telephone) -> TrunkStatus:
        try:
            return await registers(line_to_try(settings, line.line()))
        except ValidationError as error:
            raise Refusal("start_line", f"It cannot be: {error.errors(include_url=False, include_input=False)[0]['msg']}") from None

    return FirstStart(
        StartAnswers(settings.server.data_dir),
        ground.store.people,
        ground.identity.passwords,
        calls.centre.plans,
        tried,
        again,
        ground.audit.note,
        not_counted=frozenset({DEMO_AGENT}) if settings.demo.enabled else frozenset(),
    )
