"""Who is told by e-mail that somebody left a message in a box."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from api.happenings import Happening, Kind
from api.notify.message import Message
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from rooms.centre_plan import VoicemailBox


class VoicemailNotices:
    """``boxes``: those of the plan in force. ``url``: where the messages are heard."""

    def __init__(self, notifier: Notifier, templates: Templates, boxes: Callable[[], Mapping[str, VoicemailBox]], url: str) -> None:
        self._notifier, self._templates, self._boxes, self._url = notifier, templates, boxes, url

    def hear(self, happening: Happening) -> None:
        if happening.kind != Kind.VOICEMAIL_LEFT:
            return
        box = self._boxes().get(str(happening.facts.get("box", "")))
        for address in box.email if box is not None else ():
            language = str(happening.facts.get("language", ""))
            facts = {
                **happening.facts,
                "box": box.titles.get(language, box.name) if box is not None else "",
                "caller": happening.facts.get("caller") or "?",
                "at": datetime.fromtimestamp(happening.at, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z"),
                "duration_s": float(round(float(happening.facts.get("duration_s", 0)))),
                "url": self._url,
            }
            subject, text = self._templates.message("voicemail", language, facts)
            idem = f"{happening.happening_id}-{address}"
            self._notifier.send(
                Message("email", address, subject, text, idem, happening.person, language=language, call_id=happening.call_id)
            )
