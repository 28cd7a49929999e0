"""The documents ``boxes`` (of voicemail), ``webhooks`` (that flows ask) and ``breaks`` (why agents take some)."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from api.centre.plan_documents import NAME, SUCH_A_NAME
from api.centre.queue_document import titles_in
from api.notify.message import is_address
from rooms.centre_plan import FlowWebhook, VoicemailBox
from rooms.document import Document, Table

_IDENTITY = r"[A-Za-z0-9._@-]{1,64}"
_TEAM = r"[^\s,]{1,64}"


def read_boxes(document: Document) -> Mapping[str, VoicemailBox]:
    """What is wrong is complained of at ``document``; so below."""
    return {name: _box(name, table) for name, table in document.root.named(NAME, SUCH_A_NAME)}


def _box(name: str, table: Table) -> VoicemailBox:
    box = VoicemailBox(
        name,
        titles_in(table),
        agents=table.texts("agents", like=_IDENTITY, such_as="'ana'"),
        teams=table.texts("teams", like=_TEAM, such_as="'madrid'"),
        email=table.texts("email", most=254),
        keep_days=table.whole("keep_days", VoicemailBox(name).keep_days, least=1, most=3_650),
    )
    for address in box.email:
        if not is_address(address):
            table.complain("email", f"{address!r} is no e-mail address: write it like ana@example.com.")
    if not box.agents and not box.teams:
        table.complain("", "Nobody may hear what is left in this box: name 'agents' or 'teams'.")
    table.close()
    return box


def read_webhooks(document: Document, secrets: Collection[str], *, allow_private: bool) -> Mapping[str, FlowWebhook]:
    """``secrets``: names of those that the settings hold. ``allow_private``: may an address be http too?"""
    return {name: _webhook(name, table, secrets, allow_private) for name, table in document.root.named(NAME, SUCH_A_NAME)}


def _webhook(name: str, table: Table, secrets: Collection[str], allow_private: bool) -> FlowWebhook:
    url, secret = table.text("url", most=2_000), table.text("secret", "", like=NAME, such_as=SUCH_A_NAME)
    if url and not _is_address(url, allow_private):
        table.complain("url", "'url' is an https address without a user name in it; http only where webhooks.allow_private is true.")
    if secret and secret not in secrets:
        table.complain("secret", f"The settings have no secret {secret!r}: set centre.secrets.{secret}.")
    table.close()
    return FlowWebhook(name, url, secret)


def _is_address(url: str, allow_private: bool) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in (("https", "http") if allow_private else ("https",)) and bool(parts.hostname) and not parts.username
    except ValueError:
        return False


def read_breaks(document: Document) -> tuple[str, ...]:
    reasons = document.root.texts("reasons", most=64)
    document.root.close()
    return reasons
