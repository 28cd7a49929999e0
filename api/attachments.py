"""Files that come with messages: uploaded once by a signed address, had by members of their room alone.

The address carries what was agreed (room, owner, name, type, size, time) under a signature, so nothing is kept before a file is there, and
nothing else can be uploaded by it. A file is stored sealed, under a name of our own, and given out as a download that no browser opens as a
page.
"""

import asyncio
import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from api.guarded_routes import grant_of
from api.past_rooms import PastRooms
from api.privacy.key_book import KeysUnavailable
from api.privacy.sealed_file import PIECE_BYTES, Forgotten, SealedFile, pieces_of
from api.privacy.sealed_rows import handle_in_room
from api.store import StoreUnavailable
from api.store.errors import StoreRefused
from api.store.room_rows import Attachment
from api.store.rooms import RoomStore
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling.grants import Grant
from signaling.refusal import Refusal

_UPLOAD_WITHIN_S = 120.0
TICKET_S = 300.0
"""So long an address may be used."""
TYPES = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "application/pdf", "text/plain", "text/csv"),
        *("audio/ogg", "audio/mpeg", "audio/mp4", "audio/webm", "video/mp4", "video/webm", "application/zip"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.text",
    }
)
"""What may be uploaded. No HTML, SVG or script: they would run where somebody opens them."""

SEALED_FILE = ("application/octet-stream", "sealed")
"""Type and name of every file in an encrypted room."""


class _Ticket(Struct, frozen=True, array_like=True):
    attachment_id: str
    room_id: str
    owner: str
    name: str
    content_type: str
    size: int
    expires_at: float


class Attachments:
    """``is_member`` says whether somebody is in a room; ``secret`` signs addresses; ``largest`` and all ``together`` in bytes; ``now``:
    seconds since the epoch; ``at_once``: uploads."""

    def __init__(
        self,
        store: RoomStore,
        is_member: Callable[[Grant, str], Awaitable[bool]],
        past: PastRooms,
        folder: Path,
        secret: str,
        *,
        now: Callable[[], float],
        largest: int,
        together: int,
        at_once: int = 8,
    ) -> None:
        self._store = store
        self._is_member = is_member
        self._past = past
        self._folder = folder
        self._key = hashlib.sha256(b"centralita uploads:" + secret.encode()).digest()
        self._now = now
        self._largest = largest
        self._together = together
        self._free = at_once

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/uploads/{ticket}", self._upload)
        app.router.add_get("/api/v1/attachments/{attachment_id}", self._download, allow_head=False)

    def ticket(self, owner: str, request: wire.AttachToChat, *, encrypted: bool) -> wire.UploadTicket:
        """Where this member may upload this file. In an encrypted room it is ciphertext, whose name and type only its message tells."""
        if encrypted and (request.content_type, request.name) != SEALED_FILE:
            raise NotPossible("encrypted", "This room's files are encrypted between its members: the page must send ciphertext.")
        if not encrypted and request.content_type not in TYPES:
            raise NotPossible("bad_type", "Files of this type are not taken: send a picture, a PDF, a document or a sound.")
        if request.size > self._largest:
            raise NotPossible("too_large", f"A file has {self._largest // 1_000_000} MB at most.")
        agreed = _Ticket(
            uuid4().hex, request.room_id, owner, _tame(request.name), request.content_type, request.size, self._now() + TICKET_S
        )
        body = msgspec.json.encode(agreed)
        signed = urlsafe_b64encode(body + self._signature(body)).decode().rstrip("=")
        return wire.UploadTicket(attachment_id=agreed.attachment_id, url=f"/api/v1/uploads/{signed}", expires_in=TICKET_S)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")

    def _agreed(self, signed: str) -> _Ticket:
        """What an address stands for. Raises ``Refusal``."""
        try:
            whole = urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
            body, signature = whole[:-32], whole[-32:]
            if hmac.compare_digest(signature, self._signature(body)):
                agreed = msgspec.json.decode(body, type=_Ticket)
                if agreed.expires_at > self._now():
                    return agreed
        except ValueError:
            pass
        raise Refusal("upload_refused", "This address takes no upload, or not any more: ask for a new one.")

    async def _upload(self, request: web.Request) -> web.Response:
        agreed = self._agreed(request.match_info["ticket"])
        if request.content_length != agreed.size or request.content_type != agreed.content_type:
            raise Refusal("upload_refused", "This is not the file that was asked for: its type or size is another.")
        if not self._free:
            raise Refusal("busy", "Many files are being uploaded right now: try again in a moment.", 5.0)
        self._free -= 1
        part = self._folder / f"{uuid4().hex}.part"
        try:
            await self._check_place(agreed.size)
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True, mode=0o700)
            async with asyncio.timeout(_UPLOAD_WITHIN_S):
                await self._receive(request, part, agreed)
            await self._keep(agreed, part)
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except OSError as error:
            raise Refusal("store_unavailable", f"The file could not be kept: {error.strerror}.", 10.0) from None
        finally:
            self._free += 1
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return web.Response(status=201, headers={"Cache-Control": "no-store"})

    async def _check_place(self, size: int) -> None:
        try:
            stored = await self._store.attachments_size()
        except StoreUnavailable:
            raise Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0) from None
        if stored + size > self._together:
            raise Refusal("files_full", "The server has no place for more files: please tell an administrator.")

    async def _receive(self, request: web.Request, part: Path, agreed: _Ticket) -> None:
        received, vault = 0, self._store.vault
        half = vault.half(handle_in_room(vault, agreed.room_id, agreed.owner))
        with os.fdopen(await asyncio.to_thread(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            sealed = SealedFile(file, half)
            async for piece in request.content.iter_chunked(PIECE_BYTES):
                received += len(piece)
                if received > agreed.size:
                    break
                await asyncio.to_thread(sealed.write, piece)
            await asyncio.to_thread(sealed.end)
            await asyncio.to_thread(file.flush)
            await asyncio.to_thread(os.fsync, file.fileno())
        if received != agreed.size:
            raise Refusal("upload_refused", "The file came incomplete: try again.")

    async def _keep(self, agreed: _Ticket, part: Path) -> None:
        """In its place first, then known: what nobody knows of does no harm."""
        stored = self._folder / uuid4().hex
        kept = Attachment(
            agreed.attachment_id, agreed.room_id, agreed.owner, agreed.name, agreed.content_type, agreed.size, stored.name, self._now()
        )
        await asyncio.to_thread(part.rename, stored)
        try:
            await self._store.add_attachment(kept)
        except StoreUnavailable as error:
            await asyncio.to_thread(stored.unlink)
            if isinstance(error, StoreRefused):
                raise Refusal("upload_refused", "This file was uploaded already.") from None
            raise Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0) from None

    async def _download(self, request: web.Request) -> web.StreamResponse:
        try:
            found = await self._store.attachment(request.match_info["attachment_id"])
            reads = found is not None and await self._may_read(found.room_id, grant_of(request))
        except StoreUnavailable:
            raise Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0) from None
        if found is None or not reads:
            raise Refusal("unknown_attachment", "There is no such file, or you are not in its room.")
        pieces = pieces_of(self._folder / found.file, self._store.vault)
        try:
            first = await asyncio.to_thread(next, pieces, b"")
        except FileNotFoundError:
            raise web.HTTPNotFound from None
        except (Forgotten, KeysUnavailable):
            raise Refusal("unknown_attachment", "This file was erased.") from None
        response = web.StreamResponse()
        response.content_length = found.size
        response.headers[hdrs.CONTENT_TYPE] = found.content_type
        response.headers[hdrs.CONTENT_DISPOSITION] = f"attachment; filename*=UTF-8''{quote(found.name)}"
        response.headers[hdrs.CACHE_CONTROL] = "private, no-store"
        await response.prepare(request)
        await response.write(first)
        while piece := await asyncio.to_thread(next, pieces, b""):
            await response.write(piece)
        return response

    async def _may_read(self, room_id: str, grant: Grant) -> bool:
        return await self._is_member(grant, room_id) or await self._past.readable(room_id, grant.identity)


def _tame(name: str) -> str:
    """A file's name without folders and what no name should hold."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    tamed = "".join(character for character in last if character.isprintable() and character not in '<>:"|?*').strip(" .")
    return tamed or "file"
