"""A letter handed to a mail server (RFC 5321), in a thread: the standard library's client waits where it stands."""

import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import TypeVar

from api.backends.protocols import BackendFault
from api.notify.message import Message, as_html, is_address, one_line
from api.settings.email import EmailSection

T = TypeVar("T")


def letter(message: Message, settings: EmailSection, at: float) -> EmailMessage:
    """As it goes over the wire. Its id comes of the message's key, so that one that comes twice is known. Raises ``BackendFault``."""
    if not is_address(message.to):
        raise BackendFault("refused", "The address is none.")
    made = EmailMessage()
    local, _, domain = message.to.rpartition("@")
    try:
        made["From"] = Address(settings.sender_name, addr_spec=settings.sender)
        made["To"] = Address("", local, domain.encode("idna").decode())
    except (ValueError, UnicodeError):
        raise BackendFault("refused", "The address is none.") from None
    made["Subject"] = one_line(message.subject)
    made["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    made["Message-ID"] = message_id(message.idem, settings.sender)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: whoever is away does not answer us
    if message.language:
        made["Content-Language"] = one_line(message.language)
    made.set_content(message.text)
    made.add_alternative(message.html or as_html(message.text, message.language), subtype="html")
    for file in message.attachments:
        main, _, kind = file.content_type.partition("/")
        if main != "text" or not kind.isalpha():
            raise BackendFault("refused", "A file is sent that is no text.")
        params = {"method": one_line(file.method)} if file.method else {}
        made.add_attachment(file.text, subtype=kind, filename=one_line(file.name), params=params)
    return made


def message_id(idem: str, sender: str) -> str:
    return f"<{sha256(idem.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"


def hand_over(settings: EmailSection, made: EmailMessage) -> None:
    """Returns when the server has taken it. Raises ``BackendFault``, in words without the address."""
    try:
        with _connected(settings) as server:
            if settings.user:
                server.login(settings.user, settings.password.get_secret_value())
            server.send_message(made)
    except smtplib.SMTPAuthenticationError as error:
        raise BackendFault("refused", f"It does not take email.user and email.password ({error.smtp_code}).", retryable=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _fault(*next(iter(error.recipients.values()))) from None
    except smtplib.SMTPResponseException as error:
        raise _fault(error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError:
        raise BackendFault(
            "refused", "It cannot do what this needs (STARTTLS, AUTH, or letters of this address).", retryable=True
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise BackendFault("unreachable", f"Its certificate is not trusted: {error.verify_message}.") from None
    except TimeoutError:
        raise BackendFault("slow", "It took too long to answer.") from None
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise BackendFault("unreachable", f"The connection broke: {type(error).__name__}.") from None


def _connected(settings: EmailSection) -> smtplib.SMTP:
    """A server that may be told more. Not before its certificate was believed."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.tls == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.within_s, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=settings.within_s)
    if settings.tls == "starttls":
        _or_closed(server, lambda: server.starttls(context=context))
    return server


def _or_closed(server: smtplib.SMTP, act: Callable[[], T]) -> T:
    try:
        return act()
    except BaseException:
        server.close()
        raise


def _fault(code: int, said: bytes | str) -> BackendFault:
    """RFC 5321 section 4.2.1: 4yz may go well later, 5yz never will. Of its words only the enhanced code (RFC 3463) is kept."""
    words = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    detail = words.split(" ", 1)[0]
    enhanced = f" {detail}" if detail.count(".") == 2 and detail.replace(".", "").isdigit() else ""
    return BackendFault("refused", f"It answered {code}{enhanced}.", retryable=not 500 <= code < 600)
