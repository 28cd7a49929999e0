"""A mail server for tests (RFC 5321), with STARTTLS and AUTH, that answers what the test wants."""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

DROP = "drop"
"""In place of an answer: the connection is closed without a word."""


@dataclass(eq=False)
class MailServer:
    """``answers``: to the commands that they begin with, each once, then as usual; ``.`` is the end of DATA. ``letters``: those taken.

    ``tls``: what it offers STARTTLS with. ``accounts``: who may send; none: everybody.
    """

    tls: ssl.SSLContext | None = None
    accounts: dict[str, str] = field(default_factory=dict)
    answers: deque[tuple[str, str]] = field(default_factory=deque)
    letters: list[EmailMessage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    port: int = 0
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    def answer(self, *answers: tuple[str, str]) -> None:
        self.answers.extend(answers)

    async def came(self, count: int) -> None:
        async with asyncio.timeout(30.0), self._came:
            await self._came.wait_for(lambda: len(self.letters) >= count)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["MailServer"]:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                pass
            finally:
                writer.close()
                tasks.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = signed_in = False
        writer.write(b"220 mail.test ESMTP\r\n")
        while line := await reader.readline():
            command = line.decode("utf-8", "replace").strip()
            verb = command.split(" ")[0].upper()
            self.said.append(verb if verb == "AUTH" else command)
            if (scripted := self._scripted(command)) is not None:
                if scripted == DROP:
                    return
                writer.write(scripted.encode() + b"\r\n")
            elif verb == "EHLO":
                offers = [
                    *(["STARTTLS"] if self.tls and not secure else []),
                    *(["AUTH PLAIN"] if self.accounts and secure else []),
                    "8BITMIME",
                ]
                writer.write(_reply("250", ["mail.test", *offers]))
            elif verb == "STARTTLS":
                writer.write(b"220 go on\r\n")
                await writer.drain()
                await writer.start_tls(self.tls)
                secure = True
            elif verb == "AUTH":
                _, user, password = base64.b64decode(command.split(" ")[2]).decode().split("\0")
                signed_in = self.accounts.get(user) == password
                writer.write(b"235 2.7.0 welcome\r\n" if signed_in else b"535 5.7.8 who are you\r\n")
            elif verb == "MAIL" and self.accounts and not signed_in:
                writer.write(b"530 5.7.0 sign in first\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                if not await self._letter(reader, writer):
                    return
            elif verb == "QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 2.0.0 fine\r\n")

    async def _letter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take it, unless the test wants it otherwise. False: the connection is to be closed."""
        body = await reader.readuntil(b"\r\n.\r\n")
        scripted = self._scripted(".")
        if scripted == DROP or scripted is None or scripted.startswith("2"):
            found = message_from_bytes(body[:-3].replace(b"\r\n..", b"\r\n."), policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.letters.append(found)
            async with self._came:
                self._came.notify_all()
        if scripted == DROP:
            return False
        writer.write((scripted or "250 2.0.0 taken").encode() + b"\r\n")
        return True

    def _scripted(self, command: str) -> str | None:
        if self.answers and command.upper().startswith(self.answers[0][0].upper()):
            return self.answers.popleft()[1]
        return None


def _reply(code: str, lines: Iterable[str]) -> bytes:
    said = list(lines)
    return "".join(f"{code}{' ' if at == len(said) - 1 else '-'}{line}\r\n" for at, line in enumerate(said)).encode()
