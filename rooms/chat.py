"""What is written in one room: messages in order, their changes, who has read how far. Pure; ``now`` is seconds since the epoch.

Unlike the rest of the core this is not on monotonic time, because messages outlive the process that took them.

- The sender draws a message's id. The same id from the same sender is the same message, however often it is sent: it has one place.
- ``position`` counts up by one per room; it is the order of messages, and what history and read marks are told by.
- Only the last ``recent`` messages are at hand. What is to be changed and is not among them is looked up and ``recalled`` first.
- In an encrypted room a message is ciphertext, of which nothing is known here but its size.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rooms.refusals import NotPossible
from rooms.sealed import sealed


@dataclass(frozen=True, slots=True)
class ChatPolicy:
    """``change_s``: how long a sender may edit or delete. Lengths in characters."""

    longest_text: int = 4_000
    longest_cipher: int = 32_768
    most_attachments: int = 10
    change_s: float = 900.0
    most_emoji: int = 20
    most_emoji_each: int = 5
    recent: int = 200


@dataclass(frozen=True, slots=True)
class Reaction:
    emoji: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """``attachments`` are ids. Of one that is deleted only its place is left. ``revision`` counts its changes."""

    room_id: str
    message_id: str
    position: int
    sender: str
    sender_name: str
    sent_at: float
    text: str = ""
    cipher: str = ""
    reply_to: str = ""
    attachments: tuple[str, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    edited_at: float | None = None
    deleted_at: float | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody would say."""

    message_id: str
    sender: str
    sender_name: str
    text: str = ""
    cipher: str = ""
    reply_to: str = ""
    attachments: tuple[str, ...] = ()


class Conversation:
    """One room's chat. ``last``: the highest position so far; ``marks``: how far each has read; ``recent``: the last messages, in order.

    Raises ``NotPossible``: ``not_encrypted``, ``encrypted``, ``too_long``, ``empty_message``, ``duplicate_message``, ``unknown_message``,
    ``not_yours``, ``too_late_to_change``, ``deleted``, ``too_many_reactions``, ``too_many_attachments``.
    """

    def __init__(
        self,
        room_id: str,
        policy: ChatPolicy,
        *,
        encrypted: bool = False,
        last: int = 0,
        marks: dict[str, int] | None = None,
        recent: Iterable[Message] = (),
    ) -> None:
        self._room_id = room_id
        self._policy = policy
        self._encrypted = encrypted
        self.last = last
        self._marks = dict(marks or {})
        self._recent = OrderedDict((message.message_id, message) for message in recent)

    def find(self, message_id: str) -> Message | None:
        """A message that is at hand."""
        return self._recent.get(message_id)

    def recall(self, message: Message) -> None:
        """One that was not at hand is."""
        self._recent.setdefault(message.message_id, message)
        self._recent.move_to_end(message.message_id, last=False)

    def mark_of(self, identity: str) -> int:
        return self._marks.get(identity, 0)

    # ------------------------------------------------------------------ saying

    def say(self, draft: Draft, now: float) -> tuple[Message, bool]:
        """The message, and whether it is a new one."""
        known = self._recent.get(draft.message_id)
        if known is not None:
            if known.sender != draft.sender:
                raise NotPossible("duplicate_message", "Another message has this id already: draw a new one.")
            return known, False
        self._check(draft.text, draft.cipher, draft.attachments)
        message = Message(
            room_id=self._room_id,
            message_id=draft.message_id,
            position=self.last + 1,
            sender=draft.sender,
            sender_name=draft.sender_name,
            sent_at=now,
            text=draft.text,
            cipher=draft.cipher,
            reply_to=draft.reply_to,
            attachments=draft.attachments,
        )
        self.last += 1
        self._put(message)
        return message, True

    def take_back(self, message: Message) -> None:
        """It could not be kept, so it was never said; its position stays unused."""
        self._recent.pop(message.message_id, None)

    def restore(self, message: Message) -> None:
        """Its last change could not be kept: it is as it was."""
        self._put(message)

    # ------------------------------------------------------------------ changing

    def edit(self, message_id: str, by: str, text: str, cipher: str, now: float) -> Message:
        """The message with other words, by its sender, in time."""
        message = self._own(message_id, by, now)
        if (message.text, message.cipher) == (text, cipher):
            return message
        self._check(text, cipher, message.attachments)
        return self._changed(message, replace(message, text=text, cipher=cipher, edited_at=now))

    def delete(self, message_id: str, by: str, now: float, *, host: bool = False) -> Message:
        """Only its place is left. A host may at any time."""
        message = self._standing(message_id) if host else self._own(message_id, by, now)
        return self._changed(message, replace(message, text="", cipher="", attachments=(), reactions=(), deleted_at=now))

    def react(self, message_id: str, by: str, emoji: str, on: bool) -> tuple[Message, bool]:
        """The message with or without this person's reaction, and whether that is new."""
        message = self._standing(message_id)
        if self._encrypted:
            raise NotPossible("encrypted", "The server would see reactions, and this room's messages are encrypted between its members.")
        people = {reaction.emoji: reaction.people for reaction in message.reactions}
        if (by in people.get(emoji, ())) is on:
            return message, False
        if on:
            mine = sum(by in given for given in people.values())
            if mine >= self._policy.most_emoji_each or (emoji not in people and len(people) >= self._policy.most_emoji):
                raise NotPossible("too_many_reactions", "There are enough reactions to this message.")
            people[emoji] = (*people.get(emoji, ()), by)
        else:
            people[emoji] = tuple(person for person in people[emoji] if person != by)
        left = tuple(Reaction(symbol, given) for symbol, given in people.items() if given)
        return self._changed(message, replace(message, reactions=left)), True

    def read(self, by: str, position: int) -> bool:
        """This person has read so far; False where that is no news. Never back, never beyond the last message."""
        if not self.mark_of(by) < position <= self.last:
            return False
        self._marks[by] = position
        return True

    # ------------------------------------------------------------------ rules

    def _check(self, text: str, cipher: str, attachments: tuple[str, ...]) -> None:
        if len(text) > self._policy.longest_text or len(cipher) > self._policy.longest_cipher:
            raise NotPossible("too_long", f"A message has {self._policy.longest_text} characters at most: send it in parts.")
        if self._encrypted and (text or sealed(cipher) is None):
            raise NotPossible("encrypted", "This room's messages are encrypted between its members: the page must send ciphertext.")
        if not self._encrypted and cipher:
            raise NotPossible("not_encrypted", "This room's messages are not encrypted: the page must send text.")
        if not (text.strip() or cipher or attachments):
            raise NotPossible("empty_message", "There is nothing in this message.")
        if len(attachments) > self._policy.most_attachments:
            raise NotPossible("too_many_attachments", f"A message has {self._policy.most_attachments} files at most.")

    def _standing(self, message_id: str) -> Message:
        message = self._recent.get(message_id)
        if message is None:
            raise NotPossible("unknown_message", "There is no such message in this room.")
        if message.deleted_at is not None:
            raise NotPossible("deleted", "This message has been deleted.")
        return message

    def _own(self, message_id: str, by: str, now: float) -> Message:
        message = self._standing(message_id)
        if message.sender != by:
            raise NotPossible("not_yours", "Only who wrote this message can change it.")
        if now >= message.sent_at + self._policy.change_s:
            minutes = round(self._policy.change_s / 60)
            raise NotPossible("too_late_to_change", f"A message can be changed for {minutes} min after it was sent.")
        return message

    def _changed(self, before: Message, after: Message) -> Message:
        changed = replace(after, revision=before.revision + 1)
        self._put(changed)
        return changed

    def _put(self, message: Message) -> None:
        self._recent[message.message_id] = message
        while len(self._recent) > self._policy.recent:
            self._recent.popitem(last=False)
