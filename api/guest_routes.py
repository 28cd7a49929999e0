"""Guests: who has a link to a room gets a short session for that room and nothing else, which is renewed while its page is open."""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from api.bodies import body_of, json_answer
from api.card_numbers import without_cards_in
from api.room_questions import LinkedRoom
from signaling.grants import GUEST_PREFIX, Grant, Role, VideoGrant
from signaling.invitations import Invitations
from signaling.messages import GuestEntry, GuestSession, IceServer, Session
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

CheckLinks = Callable[[str, str, str], Awaitable[LinkedRoom]]
"""Room, link, guest."""


class GuestRoutes:
    """A link is checked against its room each time, where a host may have taken it back: ``check`` raises ``Refusal``. Its id is that of
    its guests' sessions.

    ``relays``: TURN servers for a guest. ``touch`` hears of each session that is given: who came by a
    link is not idle while somebody's page is open by it.
    """

    def __init__(
        self,
        check: CheckLinks,
        invitations: Invitations,
        tokens: TokenIssuer,
        *,
        relays: Callable[[str], list[IceServer]] = lambda identity: [],
        touch: Callable[[Grant], None] = lambda grant: None,
    ) -> None:
        self._check = check
        self._invitations = invitations
        self._tokens = tokens
        self._relays = relays
        self._touch = touch

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/guests", self._enter)

    async def _enter(self, request: web.Request) -> web.Response:
        entry = without_cards_in(await body_of(request, GuestEntry), "name")
        invitation = self._invitations.read(entry.link)
        identity = _identity(invitation.link_id, entry.device)
        room = await self._check(invitation.room, invitation.link_id, identity)
        session = msgspec.structs.asdict(self._session(identity, entry.name, invitation.room, invitation.link_id))
        return json_answer(GuestSession(**session, room_id=invitation.room, room_name=room.name, hosts=room.hosts), 201)

    def renew(self, grant: Grant) -> Session:
        """The next token of a guest who came by a link. Raises ``Refusal``."""
        if not grant.session_id:
            raise Refusal("token_expired", "This session is not renewed: ask who gave it to you for another.")
        return self._session(grant.identity, grant.name, grant.room, grant.session_id, grant.signed_in_at)

    def _session(self, identity: str, name: str, room: str, link_id: str, signed_in_at: float | None = None) -> Session:
        video = VideoGrant(room=room, room_join=True)
        session = self._tokens.issue(identity, name, Role.CUSTOMER, video=video, session_id=link_id, signed_in_at=signed_in_at)
        self._touch(self._tokens.verify(session.token))
        return msgspec.structs.replace(session, ice_servers=self._relays(identity))


def _identity(link_id: str, device: str) -> str:
    """The same page with the same link is the same guest; nobody else can be them who does not know what the page drew."""
    return GUEST_PREFIX + hashlib.sha256(f"{link_id}:{device}".encode()).hexdigest()[:40]
