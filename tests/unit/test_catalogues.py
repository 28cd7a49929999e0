"""Both languages say everything, and nothing is said outside them."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from api.after.outbox_routes import STATES
from api.appointments.states import State as AppointmentState
from api.audit.asked import KINDS as WHAT_PAGES_ASK
from api.audit.audit import OF_ACCOUNT
from api.audit.looks import KINDS as WHAT_ROUTES_SHOW
from api.centre.plan_documents import SINGLE
from api.line_trial import TrialState
from api.outbound.campaigns import Why
from api.privacy.data_class import DataClass
from api.quality_alerts import AlertKind, Thresholds
from api.store.retention import KINDS
from rooms.agent import AgentState
from rooms.causes import EndReason
from rooms.entries import What
from rooms.flows import flow
from rooms.flows.flow import Step
from rooms.legs import Came
from rooms.membership import Exit, RoomKind
from rooms.membership import Role as MemberRole
from rooms.monitor import MonitorMode
from rooms.presence import Presence
from rooms.queues.queue_plan import Strategy
from rooms.record import CallState
from rooms.rules.deciding import Outcome
from signaling.grants import Role
from signaling.messages import ReportSound

PAGES = Path(__file__).parents[2] / "api" / "pages"
CATALOGUES = {path.stem: json.loads(path.read_text()) for path in sorted((PAGES / "text").glob("*.json"))}
CALL_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((PAGES / "calls").glob("*.json"))}
"""Of what is done with answered calls; loaded with the views that need it."""
KIT = {path.stem: json.loads(path.read_text()) for path in sorted((PAGES / "kit" / "text").glob("*.json"))}
"""What all pages say: frame, door, common refusals."""
KIT_SCRIPTS = [path.read_text() for path in sorted((PAGES / "kit").glob("*.js"))]
THEMES = ("system", "light", "dark", "contrast")
OF_THE_FRAME = {"title", "door.lead"}
"""Texts of a page that the kit asks for."""
SCRIPTS = {path.relative_to(PAGES).as_posix(): path.read_text() for path in sorted((PAGES / "js").rglob("*.js"))}
SPOKEN_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt", "label")


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_there_are_english_and_spanish() -> None:
    assert set(CATALOGUES) == {"en", "es"}


def test_both_languages_have_the_same_ids_and_places() -> None:
    english, spanish = CATALOGUES["en"], CATALOGUES["es"]
    assert set(english) == set(spanish)
    assert {key: placeholders(english[key]) for key in english} == {key: placeholders(spanish[key]) for key in english}


@pytest.mark.parametrize("language", CATALOGUES)
def test_no_text_is_empty_and_no_id_twice(language: str) -> None:
    pairs = json.loads((PAGES / "text" / f"{language}.json").read_text(), object_pairs_hook=list)
    assert len(pairs) == len(CATALOGUES[language])
    assert all(text.strip() for text in CATALOGUES[language].values())


FAMILIAR = re.compile(r"\b(tú|tu|tus|tuyo|vos|puedes|tienes|haz|prueba de nuevo|inténtalo|cuelga|revisa)\b", re.IGNORECASE)


def test_spanish_says_usted() -> None:
    assert {key: text for key, text in CATALOGUES["es"].items() if FAMILIAR.search(text)} == {}


def whole_ids() -> set[str]:
    return {key for text in SCRIPTS.values() for key in re.findall(r"\bt\('([^']+)'", text)}


def test_every_text_asked_for_by_its_whole_id_exists() -> None:
    known = set(CATALOGUES["en"] | CALL_TEXTS["en"] | KIT["en"])
    assert {key for key in whole_ids() if key not in known and f"{key}.other" not in known} == set()


def test_what_is_done_with_calls_is_said_in_both_languages() -> None:
    english, spanish = CALL_TEXTS["en"], CALL_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert not set(english) & set(CATALOGUES["en"]) and {key for key, text in spanish.items() if FAMILIAR.search(text)} == set()


def test_every_text_is_asked_for_somewhere() -> None:
    """By its whole id in quotes, or by an id put together in a template, whose fixed beginning is looked for."""
    source = "\n".join([*SCRIPTS.values(), *KIT_SCRIPTS])
    quoted = set(re.findall(r"'([\w.]+)'", source))
    beginnings = tuple(re.findall(r"`([a-z_]+\.[\w.]*|[a-z_]+_?)\$\{", source))
    unused = [
        key
        for key in CATALOGUES["en"] | CALL_TEXTS["en"]
        if key not in quoted
        and re.sub(r"\.(one|other)$", "", key) not in quoted
        and not key.startswith(tuple(b for b in beginnings if "." in b))
    ]
    assert unused == []


def templates(source: str) -> list[str]:
    """The literal parts of each ``html`` template, with what is put in between as ``\\0``. Templates within templates come apart."""
    found: list[str] = []

    def template(start: int) -> int:
        parts, at = "", start
        while source[at] != "`":
            if source.startswith("${", at):
                parts, at = parts + "\0", code(at + 2)
            else:
                parts, at = parts + source[at], at + 1
        found.append(parts)
        return at + 1

    def code(start: int) -> int:
        """To the brace that closes; templates on the way are read."""
        at, depth = start, 0
        while depth or source[at] != "}":
            if source.startswith("html`", at):
                at = template(at + 5)
            elif source[at] == "`":
                at = plain(at + 1)
            elif source[at] in "'\"":
                at = source.index(source[at], at + 1) + 1
            else:
                depth += {"{": 1, "}": -1}.get(source[at], 0)
                at += 1
        return at + 1

    def plain(start: int) -> int:
        at = start
        while source[at] != "`":
            at = code(at + 2) if source.startswith("${", at) else at + 1
        return at + 1

    at = 0
    while (at := source.find("html`", at)) >= 0:
        at = template(at + 5)
    return found


class Spoken(HTMLParser):
    """Collects what a template would say by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        if re.search(r"\w", data.replace("\0", "")):
            self.said.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.said += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value and re.search(r"\w", value.replace("\0", ""))]

    handle_startendtag = handle_starttag


def spoken_by(markup: str) -> list[str]:
    reader = Spoken()
    # Components are written <\0 ... />, which is no tag name: any will do.
    reader.feed(markup.replace("<\0", "<x-component").replace("<//>", "</x-component>"))
    reader.close()
    return reader.said


def test_a_literal_text_would_be_found() -> None:
    source = 'html`<p title="Hello">${on ? html`<b>Bye</b>` : t(`x.${y}`)}</p><${Part} label=${t("a")} /> ${"z"}`'
    assert sorted(word for each in templates(source) for word in spoken_by(each)) == ["Bye", "Hello"]


@pytest.mark.parametrize("name", [name for name, text in SCRIPTS.items() if "html`" in text])
def test_views_say_nothing_by_themselves(name: str) -> None:
    assert [word for each in templates(SCRIPTS[name]) for word in spoken_by(each)] == []


def test_the_page_itself_says_only_its_name_and_what_needs_no_script() -> None:
    page = re.sub(r"<(noscript|script)\b.*?</\1>", "", (PAGES / "page.html").read_text(), flags=re.DOTALL)
    assert spoken_by(re.sub(r"{{\w+}}", "", page)) == ["Centralita"]
    noscript = re.search(r"<noscript>(.*)</noscript>", (PAGES / "page.html").read_text(), re.DOTALL)
    assert noscript
    assert re.findall(r'lang="(\w+)"', noscript.group(1)) == ["en", "es"]


@pytest.mark.parametrize("name", [*SCRIPTS, "page.html"])
def test_nothing_needs_a_looser_content_security_policy(name: str) -> None:
    text = SCRIPTS.get(name) or (PAGES / name).read_text()
    assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", text)


# --- what the server says by code ----------------------------------------------------------------------------------------------------

SOURCES = [path for package in ("api", "signaling", "rooms", "media", "pbx") for path in sorted((PAGES.parents[1] / package).rglob("*.py"))]
REFUSALS = {"Refusal", "NotPossible", "MediaRefusal", "TollRefused", "_refused"}
NOT_FOR_PAGES = {
    # What the exchange might ask wrongly of the media plane: its failure ends a call, and the page hears an end reason.
    *("bad_gain", "bad_socket", "digits_full", "leg_exists", "no_events", "no_socket", "room_exists", "room_full"),
    *("unknown_leg", "unknown_programme", "unknown_room", "unknown_sound", "wrong_leg", "duplicate_call", "forbidden_address"),
    *("sound_unusable", "sounds_full", "sound_late", "bad_text"),
    *("bad_recording", "no_consent", "not_recording", "recording_exists", "unknown_recording"),
    # Said to the consultation page, which has a catalogue of its own.
    *("link_invalid", "link_expired", "no_bridge", "no_telephone", "too_many_calls", "not_shared"),
    # Answered to what no page asks yet.
    *(
        "not_recorded",
        "forbidden",
        "not_opus",
        "not_a_film",
        "recording_damaged",
        "recording_erased",
        "recording_running",
        "recording_too_long",
    ),
    # Said to who looks after the outbox, and to other programs.
    *("unknown_entry", "unknown_rule", "cursor_gone", "key_in_use", "outcome_unknown", "answer_gone"),
    # Said to who answers for personal data: REST alone.
    "held",
    # Answered to an If-Match that no page sends.
    "thresholds_changed",
    # Said to the page of voicemail, which has a catalogue of its own.
    *("unknown_voicemail", "voicemail_erased", "unknown_box"),
    # Said to the pages of appointments, which have catalogues of their own.
    *("slot_gone", "unknown_service", "unknown_appointment", "appointment_over", "appointment_changed", "idem_reused"),
    *("too_many_appointments", "consent_needed", "bad_contact", "bad_calendar"),
    # Said to who may not even have the page.
    "address_denied",
    # Said to the live board, which has a catalogue of its own.
    "too_many_supervisors",
    # Said to the page of rooms, which has a catalogue of its own.
    *("duplicate_room", "fixed_room", "last_host", "members_full", "nobody_waits", "not_host", "not_member", "removed", "room_cancelled"),
    *("room_locked", "room_over", "room_unreachable", "rooms_full", "too_early", "too_late", "waiting_full"),
    *("deleted", "duplicate_message", "empty_message", "encrypted", "not_encrypted", "too_late_to_change", "too_long"),
    *("too_many_attachments", "too_many_reactions", "unknown_message", "bad_invitation"),
    *("keys_outdated", "devices_full", "unknown_device", "bad_device"),
    *("bad_type", "too_large", "unknown_attachment", "upload_refused", "files_full", "link_revoked", "links_full", "unknown_link"),
    # Answered by HTTP to what is no page of ours.
    *("bad_origin", "bad_transport"),
    # Said to the page of accounts and to programs; the softphone shows the English message.
    *("second_factor_on", "second_factor_off", "key_invalid"),
    *("weak_password", "common_password", "password_names"),
    *("issuer_away", "sign_in_failed", "not_a_user", "issuer_factor_missing"),
    *("unknown_user", "unknown_session", "unknown_key", "unknown_receiver", "not_suspended"),
    *("no_pbx", "pbx_away", "unknown_pbx_call", "unknown_extension"),
    # Said to the page of campaigns, which has a catalogue of its own.
    *("unknown_campaign", "campaign_rests", "nobody_left", "outside_hours", "nobody_due", "not_reserved"),
    # Said to the page of bookings, which has a catalogue of its own.
    *("unknown_tour", "unknown_departure", "unknown_booking", "unknown_contact", "booking_state", "hold_over", "sold_out", "departed"),
    *("not_on_sale", "same_departure", "seats_taken", "wrong_currency", "overpaid", "not_owed", "key_reused", "booking_changed"),
    *("card_number", "reference_taken"),
    # Said to the pages of tickets, of surveys and of articles, which have catalogues of their own.
    *("ticket_not_so", "ticket_too_old", "unknown_ticket", "unknown_contact"),
    *("unknown_survey", "survey_expired", "unknown_article", "article_overtaken"),
    # Of the contact centre's plan, by REST and the command line.
    *("plan_overtaken", "plan_changed", "unknown_version"),
    # Said to the page of administration, and to the board, which have catalogues of their own.
    *(
        "unknown_line",
        "unknown_alert",
        "bad_sound",
        "no_speech",
        "sound_used",
        "unknown_form",
        "unknown_card",
        "form_overtaken",
        "own_call",
        "unknown_schedule",
        "schedules_full",
    ),
    # Said when the server starts, and to who never signed in.
    *("port_unavailable", "handshake_timeout", "no_worker", "no_wire"),
}


def refusal_codes() -> set[str]:
    """The first argument of each refusal that is made anywhere in the server."""
    calls = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in REFUSALS]
    return {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}


def test_the_codes_are_found() -> None:
    found = refusal_codes()
    assert {"wrong_password", "on_call", "no_audio", "store_unavailable"} <= found
    assert found >= NOT_FOR_PAGES


def test_every_refusal_that_reaches_a_page_is_worded() -> None:
    assert {
        code for code in refusal_codes() - NOT_FOR_PAGES if f"error.{code}" not in CATALOGUES["en"] | CALL_TEXTS["en"] | KIT["en"]
    } == set()


# --- the consultation page, which loads nothing of the softphone's ------------------------------------------------------------------

CONSULTATION = PAGES / "consultation"
CONSULTATION_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((CONSULTATION / "text").glob("*.json"))}


def test_the_consultation_speaks_both_languages() -> None:
    assert set(CONSULTATION_TEXTS) == {"en", "es"}
    english, spanish = CONSULTATION_TEXTS["en"], CONSULTATION_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in CONSULTATION_TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}


def test_the_consultation_asks_for_every_text_and_for_no_other() -> None:
    source = (CONSULTATION / "index.html").read_text() + "".join(path.read_text() for path in CONSULTATION.glob("*.js"))
    asked = {one or other for one, other in re.findall(r"'([a-z_]+(?:\.[a-z_]+)*)'|data-t(?:-label)?=\"([^\"]+)\"", source)}
    texts = CONSULTATION_TEXTS["en"]
    plurals = {re.sub(r"\.(one|other)$", "", key) for key in texts}
    put_together = ("error.", *re.findall(r"t\(`([a-z_]+\.)\$\{", source))
    singles = {key: re.sub(r"\.(one|other)$", "", key) for key in texts if not key.startswith(put_together)}
    assert {key for key, single in singles.items() if not {key, single} & (asked | OF_THE_FRAME)} == set()
    families = tuple({f"{key.partition('.')[0]}." for key in texts if "." in key} - {"room.", "chat."})
    whole = set(re.findall(r"\bt\('([^']+)'|data-t(?:-label)?=\"([^\"]+)\"", source))
    assert {one or other for one, other in whole} | {key for key in asked if key.startswith(families)} <= set(texts | KIT["en"]) | plurals


def test_the_consultation_words_every_way_out_and_every_refusal_of_coming_in() -> None:
    """Those of the room's rules, of links, and of what its page asks."""
    source = (CONSULTATION / "main.js").read_text()
    ways = set(re.findall(r"^  (\w+): 'over\.", source, re.MULTILINE))
    refusals = set(re.findall(r"NotPossible\(\s*\"(\w+)\"", (PAGES.parents[1] / "rooms" / "membership.py").read_text()))
    assert {exit.value for exit in Exit} | refusals - {"too_early"} | {"link_invalid", "link_expired", "link_revoked"} <= ways
    assert {
        f"error.{code}"
        for code in ("not_host", "nobody_waits", "links_full", "unknown_link", "stopping", "worker_full", "busy", "not_recorded")
    } <= set(CONSULTATION_TEXTS["en"] | KIT["en"])


def test_the_consultation_says_nothing_by_itself_and_needs_no_looser_policy() -> None:
    page = re.sub(r"<(noscript|script)\b.*?</\1>", "", (CONSULTATION / "index.html").read_text(), flags=re.DOTALL)
    assert spoken_by(page) == []
    for path in [CONSULTATION / "index.html", *CONSULTATION.glob("*.js")]:
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


# --- the live board, likewise ---------------------------------------------------------------------------------------------------------

BOARD = PAGES / "board"
BOARD_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((BOARD / "text").glob("*.json"))}


def test_the_board_speaks_both_languages() -> None:
    assert set(BOARD_TEXTS) == {"en", "es"}
    english, spanish = BOARD_TEXTS["en"], BOARD_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in BOARD_TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}


def test_the_board_words_every_hop_and_cause_and_asks_for_no_text_that_is_not_there() -> None:
    source = "".join(path.read_text() for path in BOARD.glob("*.js"))
    kits = json.loads((PAGES / "kit" / "text" / "en.json").read_text())
    asked = set(re.findall(r"\bt\('([^']+)'", source)) | set(re.findall(r"'(state\.\w+)'", source))
    asked |= set(re.findall(r"'((?:fresh|alert|thresholds|now|consent|cause)\.\w+)'", source))
    plural = {key.rpartition(".")[0]: key for key in BOARD_TEXTS["en"] if key.endswith(".other")}
    texts = {key.removesuffix(".one").removesuffix(".other") if key.rpartition(".")[0] in plural else key for key in BOARD_TEXTS["en"]}
    assert asked <= texts | set(kits)
    families = {
        "hop": {"browser_to_us", "us_to_browser", "phone_to_us", "us_to_phone"},
        "cause": {"loss", "jitter", "delay", "silent", "echo", "good", "upstream", "unclassified"},
        "state": {state.value for state in CallState if state is not CallState.ENDED},
        "side": {"agent", "phone"},
        "scale": {"nb", "wb", "fb"},
        "direction": {"in", "out"},
        "mode": set(MonitorMode),
        "other": set(MonitorMode),
        "mine": {*MonitorMode, "owned", "elsewhere", "no_sound", "no_microphone", "lost"},
        "event": set(What),
        "reason": set(EndReason),
        "came": set(Came),
        "alert": set(AlertKind),
        "thresholds": set(Thresholds.__struct_fields__),
        "agent": set(AgentState),
        "agents": set(AgentState),
        "grade": {"good", "fair", "bad", "none"},
        "view": {"live", "history", "alerts", "team", "reports", "differences", "staffing", "scorecards", "call", "wall"},
        "show": {"all", "bad", "waiting", "held", "mine"},
        "column": set(re.findall(r"^  (\w+): \(call\)", (BOARD / "rows.js").read_text(), re.MULTILINE)),
        "chart": set(re.findall(r"^  \['(\w+)',", (BOARD / "call.js").read_text(), re.MULTILINE)),
        "line": {"from", "to"},
        "consent": {"given", "announced", "known"},
        "candidate": {"host", "srflx", "prflx", "relay"},
        "network": {"wifi", "cellular", "ethernet", "vpn"},
        "report": {str(word) for word in get_args(get_type_hints(ReportSound)["what"])},
    }
    asked |= set(re.findall(r"'(hang_up|leave|door\.lead)'", source)) | {"title", "door.lead"}
    named = {f"{family}.{word}" for family, words in families.items() for word in words}
    assert named <= texts
    assert {key for key in texts if key not in asked | named and not key.startswith("error.")} == set()


def test_the_board_says_nothing_by_itself_and_needs_no_looser_policy() -> None:
    for path in BOARD.glob("*.js"):
        assert re.findall(r">\s*[A-Z]?[a-z]{3,}[^<>$`={}()]*</", path.read_text()) == []
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("reason", EndReason)
def test_every_end_reason_is_worded(reason: EndReason, direction: str) -> None:
    for text in (f"ended.{direction}.{reason.value}", f"reason.{direction}.{reason.value}"):
        assert text in CATALOGUES["en"]


# --- contacts and campaigns, likewise -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["contacts", "campaigns", "bookings", "tickets", "articles", "survey"])
def test_a_page_of_cards_speaks_both_languages_and_asks_for_no_text_that_is_not_there(name: str) -> None:
    texts = {path.stem: json.loads(path.read_text()) for path in sorted((PAGES / name / "text").glob("*.json"))}
    assert set(texts) == {"en", "es"}
    english, spanish = texts["en"], texts["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for each in texts.values() for text in each.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    source = "".join(path.read_text() for path in [PAGES / name / "index.html", *sorted((PAGES / name).glob("*.js"))])
    asked = {one or other for one, other in re.findall(r"\bt\('([^']+)'|data-t(?:-label)?=\"([^\"]+)\"", source)}
    asked |= {text for text in re.findall(r"'([a-z_.]+)'", source) if text in english}
    assert asked <= set(english)
    assert {key for key in english if key not in asked | OF_THE_FRAME and not key.startswith(("error.", "why."))} == set()
    whys = get_args(Why) if name == "campaigns" else ()
    assert {key for key in english if key.startswith("why.")} == {f"why.{why}" for why in whys}


@pytest.mark.parametrize("name", ["contacts", "campaigns", "bookings", "tickets", "articles", "survey"])
def test_a_page_of_cards_says_nothing_by_itself_and_needs_no_looser_policy(name: str) -> None:
    page = re.sub(r"<(noscript|script)\b.*?</\1>", "", (PAGES / name / "index.html").read_text(), flags=re.DOTALL)
    assert spoken_by(page) == []
    for path in [PAGES / name / "index.html", *(PAGES / name).glob("*.js")]:
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


def test_bookings_word_what_they_may_be_refused() -> None:
    texts = json.loads((PAGES / "bookings" / "text" / "en.json").read_text())
    sources = [*(PAGES.parent / "travel").glob("*.py"), PAGES.parent / "store" / "travel_bookings.py"]
    said = {code for path in sources for code in re.findall(r"Refusal\(\s*\"(\w+)\"", path.read_text())}
    assert {"sold_out", "hold_over", "booking_changed"} <= said
    assert {code for code in said if f"error.{code}" not in texts | KIT["en"]} == set()


# --- voicemail, likewise --------------------------------------------------------------------------------------------------------------

VOICEMAIL = PAGES / "voicemail"
VOICEMAIL_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((VOICEMAIL / "text").glob("*.json"))}


def test_voicemail_speaks_both_languages_and_asks_for_every_text() -> None:
    assert set(VOICEMAIL_TEXTS) == {"en", "es"}
    english, spanish = VOICEMAIL_TEXTS["en"], VOICEMAIL_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in VOICEMAIL_TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    source = (VOICEMAIL / "index.html").read_text() + (VOICEMAIL / "main.js").read_text()
    asked = {one or other for one, other in re.findall(r"\bt\('([^']+)'|data-t(?:-label)?=\"([^\"]+)\"", source)}
    assert asked | OF_THE_FRAME == {key for key in english if not key.startswith("error.")}
    refusals = set(re.findall(r"Refusal\(\s*\"(\w+)\"", (PAGES.parent / "voicemail" / "boxes.py").read_text()))
    assert {f"error.{code}" for code in refusals} <= set(english | KIT["en"])


def test_voicemail_says_nothing_by_itself_and_needs_no_looser_policy() -> None:
    page = re.sub(r"<(noscript|script)\b.*?</\1>", "", (VOICEMAIL / "index.html").read_text(), flags=re.DOTALL)
    assert spoken_by(page) == []
    for path in [VOICEMAIL / "index.html", *VOICEMAIL.glob("*.js")]:
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


# --- appointments: the customers' page and the house's ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "scripts"), [("book", ("book/*.js",)), ("appointments", ("appointments/*.js", "book/chooser.js"))])
def test_a_page_of_appointments_speaks_both_languages_and_asks_for_every_text(name: str, scripts: tuple[str, ...]) -> None:
    texts = {path.stem: json.loads(path.read_text()) for path in sorted((PAGES / name / "text").glob("*.json"))}
    assert set(texts) == {"en", "es"}
    english, spanish = texts["en"], texts["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for each in texts.values() for text in each.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    source = "".join(path.read_text() for pattern in scripts for path in PAGES.glob(pattern))
    assert {f"state.{state}" for state in AppointmentState} <= set(english) or name == "book"
    asked = set(re.findall(r"\bt\('([^']+)'", source))
    assert asked <= set(english | KIT["en"])
    named = {text for text in re.findall(r"'([a-z_.]+)'", source) if text in english}
    families = ("error.", "state.", "own.")
    assert {key for key in english if key not in asked | named | OF_THE_FRAME and not key.startswith(families)} == set()
    if name == "book":
        stages = set(
            re.findall(r"return '(\w+)'|\? '(\w+)' : '(\w+)'", source[source.index("export function stage") : source.index("const send")])
        )
        assert {f"own.{stage}" for each in stages for stage in each if stage} <= set(english)
        desk = (PAGES.parent / "appointments" / "desk.py").read_text()
        refusals = set(re.findall(r"Refusal\(\s*\"(\w+)\"", desk)) - {"bad_calendar", "too_early"}
    else:
        refusals = {"slot_gone", "appointment_over", "appointment_changed", "too_early", "bad_calendar", "unknown_appointment"}
    assert {f"error.{code}" for code in refusals} <= set(english | KIT["en"])


@pytest.mark.parametrize("name", ["book", "appointments"])
def test_a_page_of_appointments_says_nothing_by_itself_and_needs_no_looser_policy(name: str) -> None:
    for path in (PAGES / name).glob("*.js"):
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


# --- the page of accounts, likewise ---------------------------------------------------------------------------------------------------

ACCOUNT = PAGES / "account"
IDENTITY = PAGES.parent / "identity"
ACCOUNT_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((ACCOUNT / "text").glob("*.json"))}


def test_the_page_of_accounts_speaks_both_languages_and_asks_for_every_text() -> None:
    assert set(ACCOUNT_TEXTS) == {"en", "es"}
    english, spanish = ACCOUNT_TEXTS["en"], ACCOUNT_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in ACCOUNT_TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    source = (ACCOUNT / "index.html").read_text() + (ACCOUNT / "main.js").read_text()
    asked = {one or other for one, other in re.findall(r"'([a-z_]+(?:\.[a-z_]+)*)'|data-t(?:-label)?=\"([^\"]+)\"", source)}
    roles = {f"role.{role}" for role in Role if role is not Role.CUSTOMER} | {f"event.{kind}" for kind in OF_ACCOUNT}
    assert {key for key in english if key not in asked | roles | OF_THE_FRAME and not key.startswith("error.")} == set()
    dotted = {key for key in asked if "." in key and not key.endswith((".js", ".manage", ".own"))}
    assert dotted | roles <= set(english)


def test_the_page_of_accounts_words_what_it_may_be_refused_and_needs_no_looser_policy() -> None:
    files = ("accounts", "api_keys", "oidc", "password_rules", "passwords", "second_factor", "users", "routes", "sessions")
    said = {code for name in files for code in re.findall(r"Refusal\(\s*\"(\w+)\"", (IDENTITY / f"{name}.py").read_text())}
    assert {"wrong_code", "sign_in_failed", "weak_password"} <= said
    not_here = {"key_invalid", "busy"}
    assert {code for code in said - not_here if f"error.{code}" not in ACCOUNT_TEXTS["en"] | KIT["en"]} == set()
    page = re.sub(r"<(noscript|script)\b.*?</\1>", "", (ACCOUNT / "index.html").read_text(), flags=re.DOTALL)
    assert spoken_by(page) == []
    for path in (ACCOUNT / "index.html", ACCOUNT / "main.js"):
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", path.read_text())


# --- rooms, likewise ------------------------------------------------------------------------------------------------------------------

ROOMS = PAGES / "rooms"
ROOM_TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOMS / "text").glob("*.json"))}
ROOM_SCRIPTS = {path.name: path.read_text() for path in sorted(ROOMS.glob("*.js"))}


def test_rooms_speak_both_languages() -> None:
    assert set(ROOM_TEXTS) == {"en", "es"}
    english, spanish = ROOM_TEXTS["en"], ROOM_TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in ROOM_TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}


def test_rooms_ask_for_every_text_and_for_no_other() -> None:
    source, texts = "\n".join([*ROOM_SCRIPTS.values(), *KIT_SCRIPTS]), ROOM_TEXTS["en"]
    whole = set(re.findall(r"\bt\('([^']+)'", "\n".join(ROOM_SCRIPTS.values())))
    assert {key for key in whole if key not in texts and f"{key}.other" not in texts} == set()
    families = {
        "presence": Presence,
        "state": [state for state in AgentState if state is not AgentState.OFFLINE],
        "gone": Exit,
        "kind": RoomKind,
        "role": MemberRole,
    }
    assert {f"{family}.{word.value}" for family, words in families.items() for word in words} <= set(texts)
    quoted = set(re.findall(r"'([\w.]+)'", source))
    beginnings = tuple(re.findall(r"`([a-z_]+\.)\$\{", source))
    assert {
        key
        for key in texts
        if key not in OF_THE_FRAME and not quoted & {key, re.sub(r"\.(one|other)$", "", key)} and not key.startswith(beginnings)
    } == set()


def test_rooms_word_what_they_may_be_refused() -> None:
    files = (
        "rooms/house.py",
        "rooms/membership.py",
        "rooms/chat.py",
        "api/chat.py",
        "api/attachments.py",
        "api/room_requests.py",
        "api/room_keys.py",
    )
    said = {code for name in files for code in re.findall(r"(?:NotPossible|Refusal)\(\s*\"(\w+)\"", (PAGES.parents[1] / name).read_text())}
    assert {"room_locked", "too_late_to_change", "upload_refused"} <= said
    assert {code for code in said if f"error.{code}" not in ROOM_TEXTS["en"] | KIT["en"]} == set()


def test_rooms_say_nothing_by_themselves_and_need_no_looser_policy() -> None:
    for name, text in ROOM_SCRIPTS.items():
        assert [word for each in templates(text) for word in spoken_by(each) if word not in ("Centralita", "!")] == [], name
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", text), name


# --- the page of administration -------------------------------------------------------------------------------------------------------

ADMIN = PAGES / "admin"


def test_the_page_of_administration_speaks_both_languages_and_asks_for_every_text() -> None:
    texts = {path.stem: json.loads(path.read_text()) for path in sorted((ADMIN / "text").glob("*.json"))}
    english, spanish = texts["en"], texts["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for each in texts.values() for text in each.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    kit = set(json.loads((PAGES / "kit" / "text" / "en.json").read_text()))
    source = "".join(path.read_text() for path in sorted(ADMIN.glob("*.js")))
    whole = set(re.findall(r"\bt\('([^']+)'", source))
    assert {key for key in whole if not {key, f"{key}.other"} & (set(english) | kit)} == set()
    quoted = set(re.findall(r"'([\w.]+)'", source))
    families = {*re.findall(r"`([a-z_]+(?:\.[a-z_]+)*\.)\$\{", source), *(f"{each}." for each in re.findall(r"worded\('([\w.]+)'", source))}
    asked = {key for key in english if re.sub(r"\.(one|other)$", "", key) in quoted or key in quoted}
    named = {key for key in english if key.startswith((*families, "error.", "door."))}
    assert set(english) - asked - named == set()


def test_the_page_of_administration_words_what_comes_as_codes() -> None:
    texts = json.loads((ADMIN / "text" / "en.json").read_text())
    families = {
        "step": {step.kind for step in vars(flow).values() if isinstance(step, type) and issubclass(step, Step) and hasattr(step, "kind")},
        "strategy": set(Strategy),
        "trial": set(TrialState),
        "kept": {kind.name for kind in KINDS},
        "class": set(DataClass),
        "outcome": set(Outcome),
        "role": set(Role),
        "outbox": set(STATES),
        "document": set(SINGLE),
        "audit": {*WHAT_PAGES_ASK.values(), *WHAT_ROUTES_SHOW.values()},
    }
    assert {f"{family}.{word}" for family, words in families.items() for word in words} <= set(texts)


def test_the_page_of_administration_says_nothing_by_itself_and_needs_no_looser_policy() -> None:
    for path in sorted(ADMIN.glob("*.js")):
        source = path.read_text()
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", source)
        assert [said for template in templates(source) for said in spoken_by(template)] == [], path.name


# --- the kit --------------------------------------------------------------------------------------------------------------------------


def test_the_kit_speaks_both_languages_and_asks_for_every_text() -> None:
    assert set(KIT) == {"en", "es"}
    english, spanish = KIT["en"], KIT["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    scripts = [*(PAGES / "kit").glob("*.js"), *(PAGES / "js").rglob("*.js")]
    source = "".join(path.read_text() for path in scripts)
    asked = set(re.findall(r"\bt\(.*?'(kit\.[a-z_.]+)'", source)) | set(re.findall(r"'(kit\.[a-z_.]+)'", source))
    places = set(re.findall(r"\['/([a-z]*)', ", (PAGES / "kit" / "places.js").read_text()))
    named = {f"kit.place.{place or 'phone'}" for place in places} | {
        f"kit.theme.{theme}" for theme in ("system", "light", "dark", "contrast")
    }
    assert asked | named <= set(english)
    assert {key for key in english if key not in asked | named and not key.startswith(("error.", "kit.ended."))} == set()


@pytest.mark.parametrize("path", sorted([*(PAGES / "kit").glob("*.js"), *(PAGES / "styleguide").glob("*.js")]), ids=lambda path: path.name)
def test_the_kit_says_nothing_by_itself_and_needs_no_looser_policy(path: Path) -> None:
    text = path.read_text()
    assert [word for each in templates(text) for word in spoken_by(each)] == []
    assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", text)


def test_the_style_guide_speaks_both_languages() -> None:
    texts = {path.stem: json.loads(path.read_text()) for path in (PAGES / "styleguide" / "text").glob("*.json")}
    assert set(texts["en"]) == set(texts["es"])
    assert {key: text for key, text in texts["es"].items() if FAMILIAR.search(text)} == {}
    asked = set(re.findall(r"\bt\('([^']+)'", (PAGES / "styleguide" / "main.js").read_text())) - set(KIT["en"])
    assert {key for key in asked if key not in texts["en"]} == set()


def test_the_page_of_rest_says_nothing_by_itself_and_speaks_both_languages() -> None:
    texts = {path.stem: json.loads(path.read_text()) for path in (PAGES / "rest" / "text").glob("*.json")}
    assert {key: placeholders(text) for key, text in texts["en"].items()} == {key: placeholders(text) for key, text in texts["es"].items()}
    assert {key: text for key, text in texts["es"].items() if FAMILIAR.search(text)} == {}
    source = "".join(path.read_text() for path in (PAGES / "rest").glob("*.js"))
    asked = set(re.findall(r"\bt\('([^']+)'", source))
    assert asked == {re.sub(r"\.(one|other)$", "", key) for key in texts["en"]}
    assert [word for each in templates(source) for word in spoken_by(each)] == []
