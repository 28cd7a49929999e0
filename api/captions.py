"""Captions of a consultation: words that somebody says, written for all in it. Whoever writes them sends them; nothing of them is kept.

A page writes what its own person says, where the browser can; a captioner, or a recogniser that listens, is a host and writes for all.
"""

from api.card_numbers import without_card_numbers
from rooms.membership import Member, Role, Room
from rooms.refusals import NotPossible
from signaling import messages as wire


def caption(room: Room, writer: Member, line: wire.SayCaption, *, moderates: bool) -> wire.CaptionSaid:
    """The line as the room is told it, card numbers blackened. ``moderates``: may the writer act for the house?

    Raises ``NotPossible``: ``not_host`` for another's words from somebody who is no host, ``not_member`` for words of somebody who is not
    here, ``encrypted`` where words are not to pass the server in clear.
    """
    if room.encrypted:
        raise NotPossible("encrypted", "In this room the server reads nothing, so that nobody can write captions.")
    speaker = line.speaker or writer.identity
    if speaker != writer.identity:
        if writer.role is not Role.HOST and not moderates:
            raise NotPossible("not_host", "Only a host writes what others say.")
        if not room.has(speaker):
            raise NotPossible("not_member", "This person is not in the room.")
    return wire.CaptionSaid(line.room_id, line.line_id, writer.identity, speaker, without_card_numbers(line.text), line.lang, line.done)
