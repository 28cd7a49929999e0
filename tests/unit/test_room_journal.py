"""What a worker's successor is told of a room: all that still holds, nothing that was for once."""

import socket

import pytest

from media import messages as msg
from media.room_journal import RoomJournal
from rooms.audio import PCMA, PCMU, RtpEndpoint
from tests.kit.rtp_phone import bound_socket

FIRST = msg.ConnectRtpLeg(leg_id="p", remote=RtpEndpoint("127.0.0.1", 4000, (PCMA,)))
LATER = msg.ConnectRtpLeg(leg_id="p", remote=RtpEndpoint("127.0.0.1", 4002, (PCMU,)))
OPENED = msg.OpenRtpLeg(leg_id="p", room_id="r")


def told() -> tuple[RoomJournal, socket.socket]:
    journal, sock = RoomJournal(msg.OpenRoom(room_id="r")), bound_socket()
    journal.note(msg.OpenPeerLeg(leg_id="a", room_id="r"))
    journal.note(msg.OfferPeer(leg_id="a", peer_id="tab1", sdp="v=0", codecs=("opus",)))
    journal.note(msg.JoinBridge(room_id="r", leg_id="a"))
    journal.note(OPENED, sock)
    for command in (
        FIRST,
        msg.SetGains(room_id="r", gains=(("a", "p", 0.0),)),
        msg.JoinBridge(room_id="r", leg_id="p"),
        msg.Play(leg_id="a", sound="ringback"),
        msg.SetGains(room_id="r", gains=(("a", "p", 1.0), ("p", "a", 0.0))),
        msg.Play(leg_id="p", sound="busy"),
        LATER,
        msg.Play(leg_id="a", sound=None),
        msg.SendDigits(leg_id="p", digits="1"),
        msg.Play(leg_id="p", sound="hold"),
    ):
        journal.note(command)
    return journal, sock


def test_a_room_is_made_again_as_it_stands() -> None:
    journal, _ = told()
    assert journal.commands() == [
        msg.OpenRoom(room_id="r"),
        msg.SetGains(room_id="r", gains=(("a", "p", 1.0), ("p", "a", 0.0))),
        msg.OpenPeerLeg(leg_id="a", room_id="r"),
        msg.JoinBridge(room_id="r", leg_id="a"),
        OPENED,
        LATER,
        msg.JoinBridge(room_id="r", leg_id="p"),
        msg.Play(leg_id="p", sound="hold"),
    ]
    assert journal.legs == {"a", "p"}
    journal.close()


def test_a_phones_socket_is_kept_without_what_came_meanwhile_and_closed_with_its_leg() -> None:
    journal, sock = told()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        for _ in range(3):
            phone.sendto(b"stale", sock.getsockname())
        phone.sendto(b"", sock.getsockname())
        phone.sendto(b"stale", sock.getsockname())
    assert journal.sockets_of(OPENED) is sock
    with pytest.raises(BlockingIOError):
        sock.recv(100)
    assert journal.sockets_of(LATER) is None
    journal.note(msg.CloseLeg(leg_id="p"))
    assert sock.fileno() == -1
    opened = msg.OpenPeerLeg(leg_id="a", room_id="r")
    assert journal.commands() == [msg.OpenRoom(room_id="r"), opened, msg.JoinBridge(room_id="r", leg_id="a")]


def test_a_sentence_is_said_again_until_it_was_heard_or_stopped() -> None:
    journal = RoomJournal(msg.OpenRoom(room_id="r"))
    first, second = msg.PlayOnce(leg_id="a", sound="prompt/es/welcome"), msg.PlayOnce(leg_id="b", sound="prompt/es/closed")
    for command in (first, second):
        journal.note(command)
    assert journal.said == [first, second]
    journal.heard("a")
    assert journal.said == [second]
    journal.note(msg.Hush(leg_id="b"))
    assert journal.said == []
    journal.note(first)
    journal.note(msg.OpenPeerLeg(leg_id="a", room_id="r"))
    journal.note(msg.CloseLeg(leg_id="a"))
    assert journal.said == [] and journal.commands() == [msg.OpenRoom(room_id="r")]


def test_the_end_of_a_room_closes_its_sockets() -> None:
    journal, sock = told()
    journal.close()
    assert sock.fileno() == -1
    assert journal.legs == set()


def test_a_peer_that_died_with_its_worker_is_told_once_and_known_as_former() -> None:
    journal, _ = told()
    assert not journal.is_former("tab1")
    assert journal.retire_peers() == {"a": "tab1"}
    assert journal.retire_peers() == {}
    assert journal.is_former("tab1")
    journal.close()
