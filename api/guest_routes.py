"""Guests: who has a link to a room gets a short session for that room and nothing else, which is renewed while its page is open."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from api.appointments.calendar_file import CalendarEntry, calendar_file
from api.bodies import body_of, json_answer
from api.card_numbers import without_cards_in
from api.room_questions import LinkedRoom
from api.store import StoreUnavailable
from signaling.grants import GUEST_PREFIX, Grant, Role, VideoGrant
from signaling.invitations import Invitation, Invitations
from signaling.messages import GuestEntry, GuestSession, IceServer, Session
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

log = structlog.get_logger()


class Booked(Protocol):
    """What is asked of an appointment; ``api.store.appointments.Appointment`` has it."""

    @property
    def name(self) -> str: ...
    @property
    def e164(self) -> str: ...


async def _not_booked(_room_id: str) -> Booked | None:
    return None


CheckLinks = Callable[[str, str, str], Awaitable[LinkedRoom]]
"""Room, link, guest."""


class GuestRoutes:
    """A link is checked against its room each time, where a host may have taken it back: ``check`` raises ``Refusal``. Its id is that of
    its guests' sessions.

    ``relays``: TURN servers for a guest. ``touch`` hears of each session that is given: who came by a
    link is not idle while somebody's page is open by it. ``booked(room)``: the appointment that it is for, if any. ``site``: where our
    pages are. ``rings``: are people rung here?
    ``opened`` hears to which room somebody came by a link.
    """

    def __init__(
        self,
        check: CheckLinks,
        invitations: Invitations,
        tokens: TokenIssuer,
        *,
        relays: Callable[[str], list[IceServer]] = lambda identity: [],
        touch: Callable[[Grant], None] = lambda grant: None,
        booked: Callable[[str], Awaitable[Booked | None]] = _not_booked,
        site: str = "",
        rings: Callable[[], bool] = lambda: False,
        opened: Callable[[str], None] = lambda room_id: None,
    ) -> None:
        self._check = check
        self._invitations = invitations
        self._tokens = tokens
        self._relays = relays
        self._touch = touch
        self._booked, self._site, self._rings = booked, site, rings
        self._opened = opened

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/guests", self._enter)

    async def _enter(self, request: web.Request) -> web.Response:
        entry = without_cards_in(await body_of(request, GuestEntry), "name")
        invitation = self._invitations.read(entry.link)
        identity = _identity(invitation.link_id, entry.device)
        room = await self._check(invitation.room, invitation.link_id, identity)
        self._opened(invitation.room)
        session = msgspec.structs.asdict(self._session(identity, entry.name, invitation.room, invitation.link_id))
        booked = await self._booked_for(invitation.room)
        told = GuestSession(
            **session,
            room_id=invitation.room,
            room_name=room.name,
            hosts=room.hosts,
            starts_at=room.starts_at,
            ends_at=room.ends_at,
            opens_at=room.opens_at,
            closes_at=room.closes_at,
            calendar=self._calendar(room, invitation, entry.link),
            called=booked.name if booked is not None else "",
            rings=self._rings(),
            number=booked.e164[-2:] if booked is not None else "",
        )
        return json_answer(told, 201)

    async def _booked_for(self, room_id: str) -> Booked | None:
        """Nobody stays outside because the database is away."""
        try:
            return await self._booked(room_id)
        except StoreUnavailable as error:
            log.warning("guest.store_away", detail=str(error))
            return None

    def _calendar(self, room: LinkedRoom, invitation: Invitation, link: str) -> str:
        if room.starts_at is None or room.ends_at is None:
            return ""
        address = f"{self._site}/consultation#{link}" if self._site else ""
        entry = CalendarEntry(
            uid=f"{invitation.link_id}@centralita",
            sequence=0,
            start_s=room.starts_at,
            end_s=room.ends_at,
            written_s=room.starts_at,
            summary=room.name or ", ".join(room.hosts),
            description=address,
            url=address,
        )
        return calendar_file(entry)

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
