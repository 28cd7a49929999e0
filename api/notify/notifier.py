"""Messages to people by e-mail and SMS: put into the outbox, and delivered from there."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from api.after.outbox import Outbox
from api.backends.protocols import BackendFault, RemoteRef
from api.notify.message import Message, is_address
from api.notify.sms import SmsProvider
from api.notify.smtp import hand_over, letter, message_id
from api.privacy.vault import Vault
from api.settings.email import EmailSection
from api.store.outbox import OutboxEntry

_THREADS = 4
"""Letters under way at once."""


class Notifier:
    """``async with``: owns the threads. ``sms`` None: there is no provider. ``counts``: messages by channel, ``unsent_`` where there is
    nobody to send them by."""

    def __init__(self, outbox: Outbox, vault: Vault, email: EmailSection, sms: SmsProvider | None = None) -> None:
        self._outbox, self._vault = outbox, vault
        self._email, self._sms = email, sms
        self.counts: Counter[str] = Counter()
        outbox.deliver_by("email", Message, self._deliver_email)
        outbox.deliver_by("sms", Message, self._deliver_sms)

    async def __aenter__(self) -> Self:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="smtp")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def can(self, channel: str) -> bool:
        """Is there somebody to send it by?"""
        return bool(self._email.host) if channel == "email" else self._sms is not None

    def send(self, message: Message, *, due_at: float | None = None) -> bool:
        """Returns at once. False: nobody is set up to send it, or the address is none; that is counted. ``due_at``: not before then."""
        fits = is_address(message.to) if message.channel == "email" else message.to.startswith("+")
        if not self.can(message.channel) or not fits:
            self.counts[f"unsent_{message.channel}"] += 1
            return False
        self.counts[message.channel] += 1
        handle = self._vault.email(message.to) if message.channel == "email" else self._vault.number(message.to)
        self._outbox.put(
            message.channel,
            message.channel,
            handle,
            message,
            f"{message.idem}-{message.channel}",
            message.person or handle,
            call_id=message.call_id,
            due_at=due_at,
        )
        return True

    async def _deliver_email(self, entry: OutboxEntry, message: Message, former: RemoteRef | None) -> RemoteRef:
        made = letter(message, self._email, entry.created_at)
        await asyncio.get_running_loop().run_in_executor(self._threads, hand_over, self._email, made)
        return RemoteRef("email", message_id(message.idem, self._email.sender))

    async def _deliver_sms(self, entry: OutboxEntry, message: Message, former: RemoteRef | None) -> RemoteRef:
        if self._sms is None:
            raise BackendFault("refused", "sms.url is not set any more.", retryable=True)
        return await self._sms.send(message.to, message.text, entry.idem)
