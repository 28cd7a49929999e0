"""Chat of rooms: what ``rooms.chat`` decides is kept, then told and acknowledged; never the other way round."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from api.card_numbers import without_card_numbers
from api.deadline_timer import DeadlineTimer
from api.rooms import Rooms
from api.store import StoreUnavailable
from api.store.errors import StoreFenced
from api.store.room_rows import Attachment, mark_entry, message_entry
from api.store.rooms import RoomStore
from rooms.chat import ChatPolicy, Conversation, Draft, Message
from rooms.membership import Role
from rooms.refusals import NotPossible
from rooms.typing_marks import TypingMarks
from signaling import messages as wire
from signaling import topics
from signaling.refusal import Refusal

T = TypeVar("T")


@dataclass(slots=True)
class _Open:
    """``turn``: what is written in one room is kept and told one after another. ``marks``: how far each has read, by identity."""

    conversation: Conversation
    marks: dict[str, int]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Chat:
    """``async with``: owns the timer of typing and what is under way. ``most_open``: conversations at hand; the longest untouched is let go
    and read from the store again.

    Everything raises ``NotPossible`` for what a person may not do, ``Refusal`` where the store is needed and away, ``StoreFenced`` where
    another node holds the room now.
    """

    def __init__(self, rooms: Rooms, store: RoomStore, *, policy: ChatPolicy | None = None, most_open: int = 2_000) -> None:
        self._rooms = rooms
        self._store = store
        self._policy = policy or ChatPolicy()
        self._most_open = most_open
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._opening = asyncio.Lock()
        self._typing = TypingMarks()
        self._timer = DeadlineTimer(self._typing.next_deadline, asyncio.get_running_loop().time, self._expire)
        self._at_work: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> "Chat":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*self._at_work, return_exceptions=True)
        self._timer.close()

    @property
    def open(self) -> int:
        """Conversations at hand."""
        return len(self._open)

    # ------------------------------------------------------------------ writing

    async def say(self, draft: Draft, room_id: str) -> wire.ChatMessage:
        """Returns when the message is safe. The sender types no more. Card numbers in it nobody sees."""
        draft = replace(draft, text=without_card_numbers(draft.text))
        return await self._unbroken(self._say(draft, room_id))

    async def edit(self, room_id: str, message_id: str, by: str, text: str, cipher: str) -> wire.ChatMessage:
        return await self._unbroken(self._edit(room_id, message_id, by, without_card_numbers(text), cipher))

    async def delete(self, room_id: str, message_id: str, by: str) -> None:
        await self._unbroken(self._delete(room_id, message_id, by))

    async def react(self, room_id: str, message_id: str, by: str, emoji: str, on: bool) -> None:
        await self._unbroken(self._react(room_id, message_id, by, emoji, on))

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """To its end, though who asked waits no longer: what is written stays in step with what is kept and told."""
        task = asyncio.create_task(work, name="chat")
        self._at_work.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # a refusal that nobody waits for any more is no fault

    async def _say(self, draft: Draft, room_id: str) -> wire.ChatMessage:
        files = await self._files_of(draft, room_id)
        async with self._turn(room_id, draft.sender) as chat:
            message, new = chat.say(draft, self._rooms.now())
            if new:
                await self._keep(chat, message, None)
                self._tell(message, files)
        self.type(room_id, draft.sender, False)
        return chat_message(message, files)

    async def _edit(self, room_id: str, message_id: str, by: str, text: str, cipher: str) -> wire.ChatMessage:
        async with self._turn(room_id, by) as chat:
            before = await self._recalled(chat, room_id, message_id)
            return await self._change(chat, before, chat.edit(message_id, by, text, cipher, self._rooms.now()))

    async def _delete(self, room_id: str, message_id: str, by: str) -> None:
        async with self._turn(room_id, by) as chat:
            before = await self._recalled(chat, room_id, message_id)
            host = self._rooms.house.member(room_id, by).role is Role.HOST
            await self._change(chat, before, chat.delete(message_id, by, self._rooms.now(), host=host))

    async def _react(self, room_id: str, message_id: str, by: str, emoji: str, on: bool) -> None:
        async with self._turn(room_id, by) as chat:
            before = await self._recalled(chat, room_id, message_id)
            await self._change(chat, before, chat.react(message_id, by, emoji, on)[0])

    async def read(self, room_id: str, by: str, position: int) -> None:
        async with self._turn(room_id, by) as chat:
            if chat.read(by, position):
                self._open[room_id].marks[by] = position
                kept = self._rooms.keep(mark_entry(room_id, by, position))
                self._rooms.hub.publish(topics.room(room_id), wire.ChatRead(room_id=room_id, identity=by, position=position))
                with store_needed():
                    await kept

    # ------------------------------------------------------------------ reading

    async def history(self, room_id: str, by: str, *, before: int | None, after: int | None, limit: int) -> wire.ChatPage:
        """A page of messages, in order."""
        async with self._turn(room_id, by):
            marks = dict(self._open[room_id].marks)
        with store_needed():
            found = await self._store.history(room_id, before=before, after=after, limit=limit + 1)
            more = len(found) > limit
            page = found[:limit] if after is not None else found[-limit:]
            files = await self._store.attachments(name for message in page for name in message.attachments)
        return wire.ChatPage(messages=[chat_message(message, files) for message in page], more=more, read=marks)

    async def overview(self, by: str, elsewhere: Iterable[str] = ()) -> wire.ChatGists:
        """Of each room in which this person is, at other nodes ``elsewhere``: the last message, and how much is unread."""
        mine = [*(room.room_id for room in self._rooms.house.rooms_of(by) if room.has(by)), *elsewhere]
        with store_needed():
            await self._rooms.written()  # what was read a moment ago counts
            gists = await self._store.gists(mine, by)
            files = await self._store.attachments(name for gist in gists if gist.last is not None for name in gist.last.attachments)
        return wire.ChatGists(
            rooms=[
                wire.ChatGist(gist.room_id, None if gist.last is None else chat_message(gist.last, files), gist.read, gist.unread)
                for gist in gists
            ]
        )

    # ------------------------------------------------------------------ typing

    def type(self, room_id: str, identity: str, on: bool) -> None:
        self._rooms.house.member(room_id, identity)
        if self._typing.mark(room_id, identity, on, asyncio.get_running_loop().time()):
            self._tell_typing(room_id)
        self._timer.arm()

    def _expire(self) -> None:
        for room_id in self._typing.expire(asyncio.get_running_loop().time()):
            self._tell_typing(room_id)

    def _tell_typing(self, room_id: str) -> None:
        self._rooms.hub.publish(topics.room(room_id), wire.TypingNow(room_id=room_id, people=self._typing.of(room_id)))

    # ------------------------------------------------------------------ conversations

    def forget(self, room_id: str) -> None:
        """The room is over, or another node's."""
        self._open.pop(room_id, None)

    @asynccontextmanager
    async def _turn(self, room_id: str, identity: str) -> AsyncIterator[Conversation]:
        """The room's conversation, for one of its members, while nobody else writes in it."""
        self._rooms.house.member(room_id, identity)
        opened = self._open.get(room_id) or await self._opened(room_id)
        self._open.move_to_end(room_id)
        async with opened.turn:
            self._rooms.house.member(room_id, identity)  # they may have been put out while they waited
            if self._open.get(room_id) is not opened:
                raise StoreFenced("This room was another node's for a moment: what was said there is to be read first.")
            yield opened.conversation

    async def _opened(self, room_id: str) -> _Open:
        async with self._opening:
            if room_id not in self._open:
                room = self._rooms.house.room(room_id)
                with store_needed():
                    last = await self._store.last_position(room_id)
                    recent = await self._store.history(room_id, limit=self._policy.recent)
                    marks = await self._store.marks(room_id)
                encrypted = room is not None and room.encrypted
                chat = Conversation(room_id, self._policy, encrypted=encrypted, last=last, marks=marks, recent=recent)
                self._open[room_id] = _Open(chat, marks)
                self._shed()
            return self._open[room_id]

    def _shed(self) -> None:
        """Let go of the longest untouched conversations in which nothing is under way, but for the one just opened."""
        for room_id in list(self._open)[: max(0, len(self._open) - self._most_open)]:
            if not self._open[room_id].turn.locked():
                del self._open[room_id]

    async def _recalled(self, chat: Conversation, room_id: str, message_id: str) -> Message | None:
        """The message as it is; looked up where it is older than what is at hand."""
        if chat.find(message_id) is None:
            with store_needed():
                found = await self._store.message(room_id, message_id)
            if found is not None:
                chat.recall(found)
        return chat.find(message_id)

    async def _change(self, chat: Conversation, before: Message | None, after: Message) -> wire.ChatMessage:
        with store_needed():
            files = await self._store.attachments(after.attachments) if after.attachments else []
        if after is not before:
            await self._keep(chat, after, before)
            self._tell(after, files)
        return chat_message(after, files)

    async def _keep(self, chat: Conversation, message: Message, before: Message | None) -> None:
        """Raises ``Refusal`` when it cannot be kept, ``StoreFenced`` where another node holds the room; then it was never said, or is as it
        was."""
        try:
            await self._rooms.keep(message_entry(message))
        except StoreUnavailable as error:
            if before is None:
                chat.take_back(message)
            else:
                chat.restore(before)
            if isinstance(error, StoreFenced):
                raise
            raise Refusal("store_unavailable", f"The message could not be kept, so it was not sent. {error}", 5.0) from None

    def _tell(self, message: Message, files: Sequence[Attachment]) -> None:
        self._rooms.hub.publish(topics.room(message.room_id), chat_message(message, files))

    async def _files_of(self, draft: Draft, room_id: str) -> list[Attachment]:
        """The files that a message names, which must be its sender's and of this room."""
        if not draft.attachments:
            return []
        with store_needed():
            found = await self._store.attachments(draft.attachments)
        known = {file.attachment_id for file in found if (file.room_id, file.owner) == (room_id, draft.sender)}
        if not known.issuperset(draft.attachments):
            raise NotPossible("unknown_attachment", "A file of this message is not there: upload it to this room first.")
        return found


@contextmanager
def store_needed() -> Iterator[None]:
    """Where the database is away, who asked is told so."""
    try:
        yield
    except StoreFenced:
        raise
    except StoreUnavailable:
        raise Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0) from None


def chat_message(message: Message, files: Iterable[Attachment]) -> wire.ChatMessage:
    of = {file.attachment_id: file for file in files}
    return wire.ChatMessage(
        room_id=message.room_id,
        message_id=message.message_id,
        position=message.position,
        sender=message.sender,
        name=message.sender_name,
        sent_at=message.sent_at,
        text=message.text,
        cipher=message.cipher,
        reply_to=message.reply_to,
        attachments=[
            wire.ChatFile(attachment_id=name, name=of[name].name, content_type=of[name].content_type, size=of[name].size)
            for name in message.attachments
            if name in of
        ],
        reactions={reaction.emoji: list(reaction.people) for reaction in message.reactions},
        edited_at=message.edited_at,
        deleted_at=message.deleted_at,
        revision=message.revision,
    )
