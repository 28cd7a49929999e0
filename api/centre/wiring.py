"""The contact centre's parts, put together for a server."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from api.audit.audit import Audit
from api.backends.lookup import ContextLookup
from api.centre.arrivals import Arrivals
from api.centre.caller_lookups import EarlierCalls
from api.centre.callers import Callers
from api.centre.demo_plan import demo_documents
from api.centre.plan_access import reader
from api.centre.plan_folder import PlanFolder
from api.centre.plan_routes import PlanRoutes
from api.centre.plans import Plans
from api.centre.skill_routes import SkillRoutes
from api.centre.skills import Skills
from api.centre.sound_routes import SoundRoutes
from api.centre.sound_shelf import SoundShelf
from api.exchange import Exchange
from api.media_plane import MediaPlane
from api.nodes.nodes import Nodes
from api.settings.tree import Settings
from api.spoken_plan import prepare_sounds
from api.store import Store
from media.messages import MediaRefusal, PrepareSounds
from rooms.centre_plan import CentrePlan
from rooms.events import FactsLearned, PlanChanged
from rooms.flows.conditions import Facts

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Centre:
    plans: Plans
    folder: PlanFolder | None
    callers: Callers
    arrivals: Arrivals
    skills: Skills
    sounds: SoundRoutes
    region: str

    @property
    def trouble(self) -> str:
        """For everybody to read: where to look, and nothing of what the plan says."""
        where = "GET /api/v1/centre/documents says why, and the plan before it goes on."
        if self.plans.faults:
            return f"Version {self.plans.version} of the contact centre's plan cannot be read by this server: {where}"
        if self.folder is not None and self.folder.state.faults:
            return f"What stands in centre.folder is not taken: {where}"
        return ""

    def routes(self, teams_of: Callable[[str], Awaitable[frozenset[str]]]) -> tuple[PlanRoutes, SkillRoutes, SoundRoutes]:
        folder = self.folder
        plan_routes = PlanRoutes(self.plans, lambda: folder.state if folder is not None else None, region=self.region)
        return plan_routes, SkillRoutes(self.skills, teams_of), self.sounds


@asynccontextmanager
async def open_centre(
    settings: Settings,
    store: Store,
    audit: Audit,
    worker: MediaPlane,
    exchange: Exchange,
    nodes: Nodes,
    context: ContextLookup,
    *,
    exists: Callable[[str], Awaitable[bool]],
) -> AsyncIterator[Centre]:
    """To be entered before the first call can arrive. ``exists``: is there somebody of this identity?"""

    async def on_plan(plan: CentrePlan) -> None:
        try:
            await prepare_sounds(worker, plan)
        except MediaRefusal as refusal:  # they are made when a caller is to hear them
            log.error("plan.sounds_refused", detail=str(refusal))
        exchange.feed(PlanChanged(plan))
        log.info("plan.taken", version=plan.version, flows=len(plan.flows), queues=len(plan.queues))

    async def renew(sound: str) -> None:
        await worker.perform(PrepareSounds(renewed=(sound,)))

    def learn(call_id: str, facts: Facts) -> None:
        exchange.feed(FactsLearned(call_id, facts))

    async with AsyncExitStack() as stack:
        region = settings.dialing.region
        lookups = [EarlierCalls(store.centre, region)]
        callers = await stack.enter_async_context(Callers(lookups, clock=time.monotonic, deadline_s=settings.centre.lookup_s))
        plans = Plans(store.centre, reader(settings).read, on_plan, tell_nodes=nodes.tell_planned, note=audit.note, now=exchange.now)
        nodes.hear_planned(plans.look)
        await stack.enter_async_context(plans)
        if settings.demo.enabled and settings.demo.plan and not plans.version:
            await plans.put(demo_documents(), by="demo", comment="to try things with")
        folder = None
        if settings.centre.folder is not None:
            folder = await stack.enter_async_context(PlanFolder(settings.centre.folder, plans))
        skills = Skills(store.centre, feed=exchange.feed, tell_nodes=nodes.tell_skilled, exists=exists, note=audit.note)
        nodes.hear_skilled(skills.look)
        nodes.hear_together(skills.look_again)
        await skills.restore()
        await exchange.restore()
        arrivals = Arrivals(lambda: plans.plan, callers, context, learn, region=region, now=exchange.now)
        sounds = SoundRoutes(_shelf(settings, plans), audit, renew)
        yield Centre(plans, folder, callers, arrivals, skills, sounds, region)


def _shelf(settings: Settings, plans: Plans) -> SoundShelf:
    named = ((settings.media.announcement, "media.recording"), (settings.supervision_notice, "supervision.notice"))
    fixed = {sound: setting for sound, setting in named if sound}
    spoken = settings.server.data_dir / "speech"
    return SoundShelf(settings.media.prompts, settings.prompt_folder, spoken, lambda: plans.plan, fixed=fixed)
