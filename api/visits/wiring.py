"""Visitors' parts, put together for a server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from api.exchange import Exchange
from api.privacy.consents import Consents
from api.privacy.vault import Vault
from api.rest_limits import SharedQuotas
from api.tolls import Tolls
from api.visits.call_backs import VisitorCallBacks
from api.visits.chats import VisitorChats
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visitor_line import VisitorLine
from api.visits.visits import Visits
from pbx.routing import Routing
from rooms.centre_plan import CentrePlan
from rooms.switchboard import Switchboard
from signaling.messages import IceServer
from signaling.tokens import TokenIssuer


@dataclass(slots=True)
class Visitors:
    """``chats`` is set when rooms are there. ``shared``: counts over all nodes, where there are others."""

    settings: VisitSettings
    desk: FrontDesk
    visits: Visits
    call_backs: VisitorCallBacks
    shared: SharedQuotas | None
    chats: VisitorChats | None = None


def make_visitors(
    settings: VisitSettings,
    line: VisitorLine,
    switchboard: Switchboard,
    exchange: Exchange,
    routing: Routing,
    plan: Callable[[], CentrePlan],
    tolls: Tolls,
    tokens: TokenIssuer,
    relays: Callable[[str], list[IceServer]],
    consents: Consents,
    vault: Vault,
    *,
    node: str,
    shared: SharedQuotas | None,
) -> Visitors:
    """``visits`` and ``chats`` are to be entered."""
    desk = FrontDesk(settings, switchboard, plan, now=exchange.now, core_now=asyncio.get_running_loop().time)
    visits = Visits(settings, line, desk, switchboard, exchange, tokens, relays)
    call_backs = VisitorCallBacks(settings, desk, exchange, routing, tolls, consents, vault, now=exchange.now, node=node, shared=shared)
    return Visitors(settings, desk, visits, call_backs, shared)
