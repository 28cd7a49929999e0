"""Retention over HTTP: what is kept for how long, and what the next look would delete; for whom ``api/guarded_routes.py`` says."""

import math
from collections.abc import Mapping

from aiohttp import web
from msgspec import Struct

from api.bodies import json_answer
from api.privacy.retention import LOOK_EVERY_S, Retention
from api.privacy.retention_policy import RetentionPolicy
from api.store.retention import KINDS


class KeptKind(Struct, frozen=True):
    """``days``: None is for good, or as long as something else says (``retention`` in the settings). ``class_days``: at most so long as its
    class. ``countries``: days by ISO code of the customer's number, in place of both."""

    kind: str
    data_class: str
    days: float | None
    class_days: int | None
    countries: dict[str, int]


class RetentionNow(Struct, frozen=True):
    """``enabled``: does anything look? ``deleted``: rows by kind since the server's start; ``neglected``: looks that the database missed.
    ``others``: days of what is deleted by other parts, None: for good."""

    enabled: bool
    look_every_s: float
    kinds: list[KeptKind]
    deleted: dict[str, int]
    neglected: int
    others: dict[str, int | None]


class RetentionDue(Struct, frozen=True):
    """Rows by kind that would be deleted now."""

    due: dict[str, int]


class RetentionRoutes:
    """``enabled``: does ``retention`` look by itself? ``others``: see ``RetentionNow``."""

    def __init__(self, retention: Retention, policy: RetentionPolicy, *, enabled: bool, others: Mapping[str, int | None]) -> None:
        self._retention, self._policy, self._enabled, self._others = retention, policy, enabled, others

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/retention", self._list, allow_head=False)
        app.router.add_get("/api/v1/retention/due", self._due, allow_head=False)

    async def _list(self, _request: web.Request) -> web.Response:
        counts = dict(self._retention.counts)
        neglected = counts.pop("neglected", 0)
        kinds = kept_kinds(self._policy)
        return json_answer(RetentionNow(self._enabled, LOOK_EVERY_S, kinds, counts, neglected, dict(self._others)))

    async def _due(self, _request: web.Request) -> web.Response:
        found: Mapping[str, int] = await self._retention.due()
        return json_answer(RetentionDue({kind.name: 0 for kind in KINDS} | dict(found)))


def kept_kinds(policy: RetentionPolicy) -> list[KeptKind]:
    found: dict[str, KeptKind] = {}
    for kind in KINDS:
        keep_s = policy.keep_s(kind.name, kind.data_class)
        countries = {code: periods[kind.name] for code, periods in sorted(policy.countries.items()) if kind.name in periods}
        days = None if math.isinf(keep_s) else keep_s / 86_400
        found.setdefault(
            kind.name, KeptKind(kind.name, kind.data_class.value, days, policy.classes.get(kind.data_class) or None, countries)
        )
    return list(found.values())
