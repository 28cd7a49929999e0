"""Invitations to surveys as messages, in the customer's language."""

from datetime import UTC, datetime

from api.notify.message import Message
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from api.surveys.surveys import Invitation


class SurveyPost:
    def __init__(self, notifier: Notifier, templates: Templates) -> None:
        self._notifier, self._templates = notifier, templates

    def can(self, channel: str) -> bool:
        return self._notifier.can(channel)

    def send(self, invitation: Invitation) -> None:
        """Put into the outbox; the same invitation once."""
        facts = {"url": invitation.url, "until": datetime.fromtimestamp(invitation.expires_at, UTC).date().isoformat()}
        subject, text = self._templates.message("survey", invitation.language, facts)
        message = Message(
            invitation.channel, invitation.to, subject, text, invitation.idem, invitation.person, language=invitation.language
        )
        self._notifier.send(message)
