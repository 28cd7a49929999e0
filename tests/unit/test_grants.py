"""Who may do what: every request and every REST route against every role, written out by hand."""

import jwt
import pytest

from api.guarded_routes import ROUTES
from signaling import messages as wire
from signaling.grants import (
    OF_OTHERS,
    PERMISSIONS,
    REQUESTS,
    Grant,
    Permission,
    Resource,
    Role,
    SipGrant,
    VideoGrant,
    VisitGrant,
    allows,
    authorise,
)
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
P = Permission

COLUMNS = ("customer", "agent", "professional", "supervisor", "admin", "service")
MATRIX = """
session.renew      x x x x x -
session.own        - x x x x -
session.any        - - - - x -
presence.own       - x x x x -
presence.watch     - x x x x x
call.dial          - x x x x x
call.take          - x x x x -
call.record        - x x x x -
call.lift          - - - x x -
call.record.any    - - - x x -
call.listen        - - - x x -
call.whisper       - - - x x -
call.barge         - - - x x -
call.take_over     - - - x x -
board.watch        - - - x x -
queue.watch        - x x x x -
queue.manage       - - - x x -
skills.manage      - - - x x -
centre.manage      - - - - x -
recording.listen   - - - x x x
recording.erase    - - - x x -
records.export     - - - x x x
voicemail.hear     - x x x x -
voicemail.any      - - - x x -
appointments.own   - x x x x x
scores.own         - x x x x -
scores.any         - - - x x -
appointments.any   - - - x x x
services.manage    - - - x x x
room.create        - x x x x x
room.list          - x x x x x
room.join          x x x x x x
room.publish       x x x x x -
room.moderate      - - x x x x
chat.read          x x x x x x
chat.write         x x x x x x
visit.call         x - - - - -
device.own         - x x x x -
token.issue        - - - - x x
users.manage       - - - - x -
keys.manage        - - - - x -
log.read           - - - - x -
nodes.watch        - - - - x -
privacy.manage     - - - - x -
webhooks.manage    - - - - x x
backends.manage    - - - - x -
outbox.manage      - - - - x x
tasks.own          - x x x x x
campaigns.manage   - - - x x x
contacts.read      - x x x x x
contacts.write     - x x x x x
bookings.read      - x x x x x
bookings.write     - x x x x x
bookings.manage    - - - x x x
tickets.read       - x x x x x
tickets.write      - x x x x x
surveys.read       - - - x x x
articles.read      - x x x x x
articles.write     - - - - x x
pbx.context        - - - - x x
pbx.manage         - - - - x -
"""
EXPECTED = {
    line.split()[0]: dict(zip(COLUMNS, (mark == "x" for mark in line.split()[1:]), strict=True)) for line in MATRIX.split("\n") if line
}


def grant(role: str, identity: str = "ana", **more: object) -> Grant:
    return Grant(identity, identity.title(), role, "1", 0.0, 0.0, 0.0, **more)  # type: ignore[arg-type]


def test_the_matrix_names_every_permission_and_every_role() -> None:
    assert set(EXPECTED) == {str(permission) for permission in Permission}
    assert set(COLUMNS) == {str(role) for role in Role} == {str(role) for role in PERMISSIONS}


@pytest.mark.parametrize("role", COLUMNS)
def test_a_role_may_do_what_the_matrix_says(role: str) -> None:
    assert {str(permission): allows(grant(role), permission) for permission in Permission} == {
        name: marks[role] for name, marks in EXPECTED.items()
    }


REQUEST_TYPES: tuple[type[wire.Request], ...] = wire.AnyRequest.__args__  # type: ignore[attr-defined]


def test_every_request_names_its_permission() -> None:
    assert set(REQUESTS) == set(REQUEST_TYPES)


def is_allowed(role: str, kind: type[wire.Request]) -> bool:
    request = kind(**dict.fromkeys(kind.__struct_fields__, "1"))
    try:
        authorise(grant(role), request)  # type: ignore[arg-type]
    except Refusal as refusal:
        assert refusal.code == "forbidden"
        return False
    return True


@pytest.mark.parametrize("role", [*COLUMNS, "", "Admin", "root"])
def test_every_request_is_refused_to_whose_role_lacks_its_permission(role: str) -> None:
    expected = {kind: EXPECTED[REQUESTS[kind]].get(role, False) for kind in REQUEST_TYPES}
    assert {kind: is_allowed(role, kind) for kind in REQUEST_TYPES} == expected


def test_a_request_without_a_line_is_open_to_nobody() -> None:
    class Forgotten(wire.Request, frozen=True, tag="forgotten"):
        pass

    with pytest.raises(Refusal) as caught:
        authorise(grant("admin"), Forgotten())  # type: ignore[arg-type]
    assert caught.value.code == "forbidden"


OPEN = {
    ("GET", "/"),
    ("GET", "/consultation"),
    ("GET", "/board"),
    ("GET", "/account"),
    ("GET", "/admin"),
    ("GET", "/rooms"),
    ("GET", "/contacts"),
    ("GET", "/voicemail"),
    ("GET", "/campaigns"),
    ("GET", "/bookings"),
    ("POST", "/api/v1/surveys/open"),
    ("PUT", "/api/v1/surveys/answers"),
    ("GET", "/book"),
    ("GET", "/api/v1/shared/recordings/{token}"),
    ("POST", "/api/v1/rules/hooks/{rule}"),
    ("POST", "/api/v1/backends/{backend_id}/events"),
    ("GET", "/appointments"),
    ("GET", "/tickets"),
    ("GET", "/articles"),
    ("GET", "/styleguide"),
    ("GET", "/rest"),
    ("GET", "/survey"),
    ("POST", "/api/v1/surveys/open"),
    ("PUT", "/api/v1/surveys/answers"),
    ("POST", "/api/v1/surveys/refusal"),
    ("POST", "/api/v1/surveys/ratings"),
    ("GET", "/dial"),
    ("GET", "/static/{hash}/{path}"),
    ("GET", "/api/v1/health/live"),
    ("GET", "/api/v1/health/ready"),
    ("GET", "/api/v1/sign-in"),
    ("POST", "/api/v1/sign-in"),
    ("GET", "/api/v1/oidc/start"),
    ("GET", "/api/v1/oidc/callback"),
    ("POST", "/api/v1/oidc/session"),
    ("GET", "/metrics"),
    ("GET", "/socket.io/"),
    ("POST", "/api/v1/guests"),
    ("GET", "/widget"),
    ("GET", "/start"),
    ("POST", "/api/v1/first-start"),
    ("POST", "/api/v1/first-start/answers"),
    ("POST", "/api/v1/first-start/end"),
    ("GET", "/widget.js"),
    ("GET", "/api/v1/visits/desk"),
    ("GET", "/api/v1/visits/number"),
    ("POST", "/api/v1/visits"),
    ("POST", "/api/v1/visits/chats"),
    ("POST", "/api/v1/visits/call-backs"),
    ("GET", "/api/v1/booking/services"),
    ("GET", "/api/v1/booking/slots"),
    ("GET", "/api/v1/booking/alternatives"),
    ("POST", "/api/v1/booking/appointments"),
    ("POST", "/api/v1/booking/own"),
    ("POST", "/api/v1/booking/own/move"),
    ("POST", "/api/v1/booking/own/cancel"),
    ("POST", "/api/v1/booking/own/confirm"),
    ("POST", "/api/v1/uploads/{ticket}"),
}


def test_no_route_is_open_but_those_meant_to_be() -> None:
    assert {line for line, permission in ROUTES.items() if permission is None} == OPEN


def test_ones_own_is_not_other_peoples() -> None:
    ana, eva = grant("agent"), grant("supervisor", "eva")
    mine, his = Resource(owner="ana"), Resource(owner="ben")
    assert allows(ana, P.CALL_RECORD, mine) and not allows(ana, P.CALL_RECORD, his)
    assert allows(eva, P.CALL_RECORD, his)
    assert not allows(eva, P.CALL_TAKE, his) and not allows(grant("admin"), P.CALL_TAKE, his)
    assert allows(grant("admin"), P.SESSION_OWN, his) and not allows(eva, P.SESSION_OWN, his)
    assert all(wider is None or wider in Permission for wider in OF_OTHERS.values())


def test_teams_limit_what_a_supervisor_reaches() -> None:
    eva = grant("supervisor", "eva", teams=frozenset({"hotels", "cars"}))
    hotels, flights = Resource(owner="ana", teams=frozenset({"hotels"})), Resource(owner="ben", teams=frozenset({"flights"}))
    nowhere = Resource(owner="cai")
    of_teams = (P.CALL_LISTEN, P.CALL_WHISPER, P.CALL_BARGE, P.CALL_TAKE_OVER)
    for permission in (P.CALL_RECORD_ANY, P.BOARD_WATCH, P.RECORDING_LISTEN, P.RECORDING_ERASE, *of_teams):
        assert allows(eva, permission, hotels)
        assert not allows(eva, permission, flights) and not allows(eva, permission, nowhere)
        assert allows(grant("supervisor", "all"), permission, flights)
    assert allows(eva, P.CALL_RECORD, hotels) and not allows(eva, P.CALL_RECORD, flights)
    assert allows(eva, P.RECORDING_LISTEN, Resource(owner="eva", teams=frozenset({"flights"})))


def guest(role: str = "customer", **claims: object) -> Grant:
    return TOKENS.verify(TOKENS.issue("cli", "Cli", role, **claims).token)  # type: ignore[arg-type]


def test_livekit_claims_open_one_room_and_no_more() -> None:
    cli = guest(video=VideoGrant(room="r1", room_join=True))
    here, there = Resource(room="r1"), Resource(room="r2")
    for permission in (P.ROOM_JOIN, P.ROOM_PUBLISH, P.CHAT_READ, P.CHAT_WRITE):
        assert allows(cli, permission, here) and not allows(cli, permission, there)
    silent = guest(video=VideoGrant(room="r1", room_join=True, can_publish=False, can_publish_data=False))
    assert allows(silent, P.CHAT_READ, here)
    assert not allows(silent, P.ROOM_PUBLISH, here) and not allows(silent, P.CHAT_WRITE, here)
    assert not allows(guest(video=VideoGrant(room="r1")), P.ROOM_JOIN, here)


def test_a_visitor_reaches_their_own_call_and_nothing_else() -> None:
    cli = guest(visit=VisitGrant(queue="sales", language="en"))
    assert {permission for permission in Permission if allows(cli, permission)} == {P.VISIT_CALL, P.SESSION_RENEW}
    invited = guest(video=VideoGrant(room="r1", room_join=True))
    assert not allows(invited, P.VISIT_CALL), "who came by a link to a room calls nobody"


def test_claims_never_give_more_than_the_role() -> None:
    everything = VideoGrant(room_join=True, room_create=True, room_admin=True, room_list=True)
    greedy = guest(visit=VisitGrant(queue="sales", language="en"), video=everything, sip=SipGrant(admin=True, call=True))
    assert {permission for permission in Permission if allows(greedy, permission)} == PERMISSIONS[Role.CUSTOMER]
    caller = guest("service", sip=SipGrant(call=True))
    assert {permission for permission in Permission if allows(caller, permission)} == {P.CALL_DIAL}


def test_the_claims_are_written_as_livekit_writes_them() -> None:
    token = TOKENS.issue("cli", "Cli", "customer", video=VideoGrant(room="r1", room_join=True), sip=SipGrant()).token
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["video"] == {
        "room": "r1", "roomJoin": True, "roomCreate": False, "roomList": False, "roomAdmin": False,
        "canPublish": True, "canSubscribe": True, "canPublishData": True,
    }  # fmt: skip
    assert claims["sip"] == {"admin": False, "call": False}


def test_a_token_whose_claims_cannot_be_read_is_none_of_ours() -> None:
    token = TOKENS.issue("cli", "Cli", "customer", video=VideoGrant()).token
    claims = jwt.decode(token, options={"verify_signature": False}) | {"video": {"roomJoin": "yes"}}
    kid = jwt.get_unverified_header(token)["kid"]
    with pytest.raises(Refusal) as caught:
        TOKENS.verify(jwt.encode(claims, "a secret for tests, long enough: 0123456789", "HS256", headers={"kid": kid}))
    assert caught.value.code == "token_invalid"
