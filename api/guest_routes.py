"""Guests: who has a link to a room gets a short session for that room and nothing else, and asks again before it ends."""

import hashlib

from aiohttp import web

from api.bodies import body_of, json_answer
from api.rooms import Rooms
from rooms.refusals import NotPossible
from signaling.consultations import Invitations
from signaling.grants import Role, VideoGrant
from signaling.messages import GuestEntry
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer


class GuestRoutes:
    """``invitations`` of rooms. A link is checked against its room each time, where a host may have taken it back."""

    def __init__(self, rooms: Rooms, invitations: Invitations, tokens: TokenIssuer) -> None:
        self._rooms = rooms
        self._invitations = invitations
        self._tokens = tokens

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/guests", self._enter)

    async def _enter(self, request: web.Request) -> web.Response:
        entry = await body_of(request, GuestEntry)
        invitation = self._invitations.read(entry.link)
        identity = _identity(invitation.link_id, entry.device)
        try:
            self._rooms.house.check_link(invitation.room, invitation.link_id, identity, self._rooms.now())
        except NotPossible as error:
            raise Refusal(error.code, str(error)) from None
        video = VideoGrant(room=invitation.room, room_join=True)
        return json_answer(self._tokens.issue(identity, entry.name, Role.CUSTOMER, video=video), 201)


def _identity(link_id: str, device: str) -> str:
    """The same page with the same link is the same guest; nobody else can be them who does not know what the page drew."""
    return "guest-" + hashlib.sha256(f"{link_id}:{device}".encode()).hexdigest()[:40]
