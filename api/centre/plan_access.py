"""The plan as the settings let it be read and kept: for a server, and for a command that runs beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.audit.wiring import open_audit
from api.centre.plan_reading import PlanReader
from api.centre.plans import Plans
from api.centre.prompts import prompts_of
from api.settings.tree import Settings
from api.store_beside import store_beside
from rooms.centre_plan import CentrePlan


@asynccontextmanager
async def plans_alone(settings: Settings) -> AsyncIterator[Plans]:
    """For a command: what it changes is in the database, where servers find it. Raises ``StoreUnavailable``."""
    async with store_beside(settings, node="command") as store, open_audit(settings, store) as audit:

        async def on_plan(_plan: CentrePlan) -> None:
            """Nobody calls here."""

        async with Plans(store.centre, reader(settings).read, on_plan, note=audit.note) as plans:
            yield plans


def reader(settings: Settings) -> PlanReader:
    return PlanReader(
        region=settings.dialing.region,
        secrets=settings.centre.secrets,
        prompts=lambda: prompts_of(settings.media.prompts, settings.prompt_folder),
        allow_private=settings.webhooks.allow_private,
    )
