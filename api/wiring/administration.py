"""What administrators look after over HTTP: lines and test calls, what is kept for how long, and how each node is."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from api.line_routes import LineRoutes
from api.node_health import NodeFigures, NodesHealth
from api.page_requests import route_of
from api.privacy.retention_routes import RetentionRoutes
from api.routes import PartHealth
from api.settings.tree import Settings
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from signaling.hub import Hub


def add_administration(
    app: web.Application,
    settings: Settings,
    ground: Ground,
    cluster: Cluster,
    calls: Calls,
    hub: Hub,
    health: Callable[[], Awaitable[Mapping[str, PartHealth]]],
    build: str,
) -> None:
    """``health``: the parts of this node. ``build``: of its pages."""

    def dialled(trunk: str, number: str, who: str) -> str:
        """What nobody may dial is not dialled for a test either."""
        if calls.demo is not None and trunk == calls.demo.name:
            return number
        route = route_of(calls.routing, number)
        calls.tolls.ask(who, route.number)
        if calls.threecx is not None:
            calls.threecx.ask(route.number)
        return route.dialled

    LineRoutes(calls.trunks, calls.trial, dialled, ground.audit, cluster.bus.node, threecx=calls.threecx is not None).add_to(app)
    kept = {"recordings": settings.media.recording.retention_days, "chat": settings.chat.retention_days}
    RetentionRoutes(calls.retention, settings.retention.policy(), enabled=settings.retention.enabled, others=kept).add_to(app)
    figures = NodeFigures(
        calls=lambda: calls.exchange.calls,
        pages=lambda: hub.sockets,
        media=lambda: calls.worker.gauges,
        stopping=lambda: calls.exchange.draining,
        database="PostgreSQL" if settings.store_url.startswith("postgres") else "SQLite",
        stored=ground.store.healthy,
        parts=health,
    )
    NodesHealth(cluster.nodes, cluster.bus, figures, build).add_to(app)
