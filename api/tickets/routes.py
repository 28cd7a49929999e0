"""Tickets over HTTP, for agents and their programs; for whom ``api/guarded_routes.py`` says."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.query_words import known_word, whole_number
from api.store.tickets import TicketQuery
from api.tickets.ticket import Priority, TicketState
from api.tickets.tickets import MOST_SHOWN, NewComment, NewLink, NewTicket, TicketChange, TicketConflict, Tickets
from signaling.problems import problem
from signaling.refusal import Refusal

OF = ("mine", "team", "all")
"""Whose tickets are listed: those one works on oneself; those of one's teams, or of none; everybody's."""
STANDING = ("open", "over", "any")


class TicketChoices(Struct, frozen=True):
    """What may stand in a ticket's fields: people who may work on it, and the teams and categories that there are."""

    agents: list[str]
    teams: list[str]
    categories: list[str]


class TicketRoutes:
    """``teams_of``: of an identity. ``staff``: identities and teams of those who work here."""

    def __init__(
        self,
        tickets: Tickets,
        teams_of: Callable[[str], Awaitable[frozenset[str]]],
        staff: Callable[[], Awaitable[dict[str, frozenset[str]]]],
    ) -> None:
        self._tickets = tickets
        self._teams_of = teams_of
        self._staff = staff

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/tickets", self._list, allow_head=False)
        app.router.add_post("/api/v1/tickets", self._open)
        app.router.add_get("/api/v1/ticket-choices", self._choices, allow_head=False)
        app.router.add_get("/api/v1/tickets/{ticket_id}", self._view, allow_head=False)
        app.router.add_patch("/api/v1/tickets/{ticket_id}", self._change)
        app.router.add_post("/api/v1/tickets/{ticket_id}/comments", self._comment)
        app.router.add_post("/api/v1/tickets/{ticket_id}/links", self._link)

    async def _list(self, request: web.Request) -> web.Response:
        query, grant = request.query, grant_of(request)
        of, standing = known_word(query, "of", OF, "all"), known_word(query, "standing", STANDING, "open")
        teams = await self._teams_of(grant.identity)
        wanted = TicketQuery(
            agent=grant.identity if of == "mine" else query.get("agent", ""),
            teams=(*sorted(teams), "") if of == "team" else None,
            open=None if standing == "any" else standing == "open",
            state=known_word(query, "state", ("", *TicketState), ""),
            priority=known_word(query, "priority", ("", *Priority), ""),
            category=query.get("category", ""),
            number=query.get("number", ""),
            contact_id=query.get("contact", ""),
            target=query.get("about", ""),
        )
        page = await self._tickets.page(
            grant.identity,
            teams,
            wanted,
            late=known_word(query, "late", ("true", "false"), "false") == "true",
            before=query.get("cursor", ""),
            limit=whole_number(query, "limit", MOST_SHOWN, MOST_SHOWN),
        )
        return json_answer(page)

    async def _open(self, request: web.Request) -> web.Response:
        new = await body_of(request, NewTicket)
        return json_answer(await self._tickets.open(new, grant_of(request).identity))

    async def _choices(self, request: web.Request) -> web.Response:
        used, staff = await self._tickets.words_used(), await self._staff()
        teams = {*used["team"], *(team for teams in staff.values() for team in teams)}
        return json_answer(TicketChoices(sorted(staff), sorted(teams), used["category"]))

    async def _view(self, request: web.Request) -> web.Response:
        return json_answer(await self._tickets.view(request.match_info["ticket_id"], grant_of(request).identity))

    async def _change(self, request: web.Request) -> web.Response:
        change = await body_of(request, TicketChange)
        try:
            ticket = await self._tickets.change(request.match_info["ticket_id"], change, grant_of(request).identity)
        except TicketConflict as conflict:
            return problem(409, conflict, more={"now": conflict.now, "wanted": conflict.wanted})
        return json_answer(ticket)

    async def _comment(self, request: web.Request) -> web.Response:
        comment = await body_of(request, NewComment)
        return json_answer(await self._tickets.comment(request.match_info["ticket_id"], comment, grant_of(request).identity))

    async def _link(self, request: web.Request) -> web.Response:
        link = await body_of(request, NewLink)
        if link.url and not link.url.startswith(("https://", "/")):
            raise Refusal("bad_message", "url is an https address, or one of this server (/...).")
        return json_answer(await self._tickets.link(request.match_info["ticket_id"], link, grant_of(request).identity))
