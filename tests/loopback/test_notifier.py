"""E-mail to a mail server that does not always take it, and SMS to a provider."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from api.after.delivery import OutboxSettings
from api.after.outbox import Outbox
from api.notify.message import Attachment, Message
from api.notify.notifier import Notifier
from api.notify.sms import HttpSms
from api.privacy.vault import Vault
from api.settings.email import EmailSection
from api.settings.sms import SmsSection
from api.store import Store
from tests.kit.certificate import Authority
from tests.kit.mail_server import DROP, MailServer

QUICK = OutboxSettings(first_retry_s=0.01, longest_retry_s=0.05)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as entered:
        yield entered


async def notifier(stack: AsyncExitStack, folder: Path, email: EmailSection, sms: HttpSms | None = None) -> tuple[Outbox, Notifier]:
    vault = Vault.in_memory()
    store = await stack.enter_async_context(Store.open(f"sqlite:///{folder}/mail.sqlite3", vault=vault))
    outbox = Outbox(store.outbox, store.writer.put_lines, vault, now=lambda: asyncio.get_running_loop().time(), settings=QUICK)
    made = await stack.enter_async_context(Notifier(outbox, vault, email, sms))
    await stack.enter_async_context(outbox)
    return outbox, made


def to_ana(idem: str = "c1-1", **more: Any) -> Message:
    return Message("email", "ana@example.org", "Hola, señor", ".\n.. buenos días", idem, **more)


async def counted(outbox: Outbox, what: str) -> None:
    async with asyncio.timeout(30.0):
        while not outbox.counts[what]:  # noqa: ASYNC110 - letters have no hearer
            await asyncio.sleep(0.02)


async def test_a_letter_goes_over_tls_signed_in_and_arrives_as_it_was_written(stack: AsyncExitStack, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("127.0.0.1"))
    server = await stack.enter_async_context(MailServer(tls=context, accounts={"me": "secret"}).serving())
    email = EmailSection(
        host="127.0.0.1", port=server.port, ca_file=authority.file, user="me", password=SecretStr("secret"), sender="calls@example.com"
    )
    _, sender = await notifier(stack, tmp_path, email)
    assert sender.send(to_ana(attachments=(Attachment("v.ics", "text/calendar", "BEGIN:VCALENDAR\nEND:VCALENDAR\n"),)))
    await server.came(1)
    [found] = server.letters
    body = found.get_body(("plain",))
    assert body is not None and body.get_content().replace("\r\n", "\n") == ".\n.. buenos días\n" and found["Subject"] == "Hola, señor"
    assert server.said.index("STARTTLS") < server.said.index("AUTH")


async def test_a_server_whose_certificate_nobody_trusts_is_told_nothing(stack: AsyncExitStack, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority(tmp_path).sign("127.0.0.1"))
    server = await stack.enter_async_context(MailServer(tls=context, accounts={"me": "secret"}).serving())
    email = EmailSection(host="127.0.0.1", port=server.port, user="me", password=SecretStr("secret"), sender="calls@example.com")
    outbox, sender = await notifier(stack, tmp_path, email)
    sender.send(to_ana())
    await counted(outbox, "dead")
    assert "certificate is not trusted" in (await outbox.entries("dead", 1))[0].fault
    assert "AUTH" not in server.said and not server.letters


async def test_later_means_again_never_means_a_dead_letter_and_a_letter_that_came_twice_has_one_id(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    server = await stack.enter_async_context(MailServer().serving())
    email = EmailSection(host="127.0.0.1", port=server.port, tls="none", sender="calls@example.com")
    outbox, sender = await notifier(stack, tmp_path, email)
    server.answer(("EHLO", "421 4.3.2 later"), ("HELO", "421 4.3.2 later"), ("RCPT", "451 4.7.1 greylisted"), ("MAIL", DROP), (".", DROP))
    sender.send(to_ana())
    await server.came(2)  # it had taken it when the connection broke
    assert len({letter["Message-ID"] for letter in server.letters}) == 1
    server.answer(("RCPT", "550 5.1.1 no <ana@example.org> here"))
    sender.send(to_ana("c1-2"))
    await counted(outbox, "dead")
    assert (await outbox.entries("dead", 2))[0].fault == "refused: It answered 550 5.1.1."


async def test_without_a_server_nothing_is_kept_and_that_is_counted(stack: AsyncExitStack, tmp_path: Path) -> None:
    outbox, sender = await notifier(stack, tmp_path, EmailSection())
    assert not sender.send(to_ana()) and not sender.send(Message("sms", "+34600111222", "", "Hola", "c1-1"))
    assert sender.counts == {"unsent_email": 1, "unsent_sms": 1} and outbox.counts == {}


async def test_an_sms_goes_to_the_provider_once_it_takes_it(stack: AsyncExitStack, tmp_path: Path) -> None:
    posts: list[tuple[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        posts.append((request.headers["Authorization"] + " " + request.headers["Idempotency-Key"], await request.json()))
        if len(posts) == 1:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return web.json_response({"messages": [{"id": "m-1"}]})

    app = web.Application()
    app.router.add_post("/sms", take)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/sms"
    settings = SmsSection(url=url, secret=SecretStr("s3"), sender="Viajes", id_at="messages.0.id", allow_private=True)
    sms = await stack.enter_async_context(HttpSms(settings))
    outbox, sender = await notifier(stack, tmp_path, EmailSection(), sms)
    assert sender.send(Message("sms", "+34600111222", "", "Hola {secret}", "c1-1"))
    await counted(outbox, "delivered")
    assert posts == [("Bearer s3 c1-1-sms", {"to": "+34600111222", "from": "Viajes", "text": "Hola {secret}"})] * 2
