"""What messages to people say, and that nothing in a name or note becomes more than words."""

from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from api.backends.protocols import BackendFault
from api.notify.message import Attachment, Message, as_html, filled, is_address
from api.notify.smtp import letter
from api.notify.templates import BadTemplate, Templates
from api.settings.email import EmailSection

SETTINGS = EmailSection(host="mail.example.com", sender="calls@example.com", sender_name="Viajes Ñandú")


def message(**more: object) -> Message:
    return Message(**{"channel": "email", "to": "ana@example.org", "subject": "Hola", "text": "Texto", "idem": "c1-1"} | more)  # type: ignore[arg-type]


def test_a_fact_is_words_and_never_a_name_to_be_filled_in_again() -> None:
    assert filled("Dear {name}, {missing}{count}.", {"name": "{count} {secret}", "count": 2.0}) == "Dear {count} {secret}, 2."
    assert filled("{a}", {"a": "one\r\nBcc: x@y.z\x00\u2028two\u202e"}) == "one Bcc: x@y.z two "


def test_html_of_names_is_shown_as_it_stands_and_links_can_be_pressed() -> None:
    made = as_html("<b>Ana</b> & co\n\nhttps://example.com/a?b=1&c=2", "es")
    assert "<p>&lt;b&gt;Ana&lt;/b&gt; &amp; co</p>" in made and 'lang="es"' in made
    assert '<a href="https://example.com/a?b=1&amp;c=2">' in made


def test_a_letter_has_words_markup_and_a_calendar_and_one_id_however_often_it_is_made() -> None:
    calendar = Attachment("visit.ics", "text/calendar", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "REQUEST")
    wire = letter(message(attachments=(calendar,), language="es", text="Buenos días"), SETTINGS, 0.0).as_bytes(policy=policy.SMTP)
    found = BytesParser(policy=policy.default).parsebytes(wire)
    assert [part.get_content_type() for part in found.walk() if not part.is_multipart()] == ["text/plain", "text/html", "text/calendar"]
    assert str(found["From"]) == "Viajes Ñandú <calls@example.com>" and found["Auto-Submitted"] == "auto-generated"
    assert [part.get_filename() for part in found.iter_attachments()] == ["visit.ics"]
    assert found["Message-ID"] == letter(message(text="other"), SETTINGS, 9.0)["Message-ID"]
    assert found["Message-ID"] != letter(message(idem="c1-2"), SETTINGS, 0.0)["Message-ID"]


def test_a_subject_cannot_add_headers() -> None:
    made = letter(message(subject="Hola\r\nBcc: all@example.com"), SETTINGS, 0.0)
    assert made["Bcc"] is None and made["Subject"] == "Hola Bcc: all@example.com"


@pytest.mark.parametrize(
    "address",
    ["ana", "ana@host", "a b@c.de", "ana@exa\nmple.com", "ana@b.c,eva@b.c", "<a@b.c>", "a@b..c", "@b.c", "a@b.c\r\nRCPT TO:<x@y.z>"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert not is_address(address)
    with pytest.raises(BackendFault) as refused:
        letter(message(to=address), SETTINGS, 0.0)
    assert not refused.value.retryable and address not in str(refused.value)


def test_an_address_of_another_script_leaves_as_its_domain_is_written_on_the_wire() -> None:
    assert letter(message(to="ana@ñandú.es"), SETTINGS, 0.0)["To"] == "ana@xn--and-6ma2c.es"


def test_texts_are_there_in_both_languages_and_a_folder_may_have_others(tmp_path: Path) -> None:
    facts = {"box": "Ventas", "caller": "+34600111222", "duration_s": 7.0, "at": "x", "url": "https://c.example/voicemail"}
    subject, text = Templates().message("voicemail", "es", facts)
    assert subject == "Nuevo mensaje de voz en Ventas" and "de 7 segundos" in text
    assert Templates().message("voicemail", "de", facts)[0] == "New voicemail in Ventas"
    (tmp_path / "voicemail.en.txt").write_text("Ring {box}\n\nWords")
    assert Templates(tmp_path).message("voicemail", "en", facts) == ("Ring Ventas", "Words")
    (tmp_path / "voicemail.en.txt").write_text("Ring {box}\nWords")
    with pytest.raises(BadTemplate, match="first line is the subject"):
        Templates(tmp_path)
    (tmp_path / "voicemail.en.txt").rename(tmp_path / "other.en.txt")
    with pytest.raises(BadTemplate, match="no such text"):
        Templates(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sender": ""}, "needs email.sender"),
        ({"tls": "none"}, "this machine"),
        ({"user": "me"}, "go together"),
        ({"password": SecretStr("x")}, "go together"),
    ],
)
def test_settings_that_would_send_nothing_or_in_the_clear_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EmailSection(**{"host": "mail.example.com", "sender": "calls@example.com"} | given)  # type: ignore[arg-type]
