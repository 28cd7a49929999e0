"""The document ``numbers``: which numbers lead into which flow, and lists of callers. Numbers are compared as E.164, however written."""

import re
from collections.abc import Collection
from typing import NamedTuple

from phonenumbers import SUPPORTED_REGIONS

from api.centre.plan_documents import NAME, SUCH_A_NAME
from media.prompt_texts import LANGUAGES
from pbx.numbers import number_of_caller
from rooms.centre_plan import ANY, WITHHELD, CallerRules, NumberEntry
from rooms.document import Document, Table

_BEGINNING = re.compile(r"\+?[0-9]*\*")
_BLANKS = re.compile(r"[\s()./-]")


class Numbers(NamedTuple):
    entries: tuple[NumberEntry, ...]
    callers: CallerRules


def read_numbers(document: Document, region: str, flows: Collection[str], calendars: Collection[str] | None) -> Numbers:
    """``region``: ISO country whose national forms are understood. ``calendars`` None: which there are is not known.

    What is wrong is complained of at ``document``.
    """
    root = document.root
    entries: list[NumberEntry] = []
    seen: set[tuple[object, ...]] = set()
    for table in root.tables("entries"):
        for entry in _entries(table, region, flows, calendars):
            whom = (entry.pattern, frozenset(entry.callers), entry.calendar, entry.during)
            if whom in seen:
                table.complain("", f"These calls to {entry.pattern!r} have an entry already: keep one of the two.")
            seen.add(whom)
            entries.append(entry)
    rules = _rules(root.table("callers"), region)
    root.close()
    return Numbers(tuple(entries), rules)


def _entries(table: Table, region: str, flows: Collection[str], calendars: Collection[str] | None) -> list[NumberEntry]:
    patterns = [(table.take("number"), "number")] if "number" in table else []
    patterns += [(each, "numbers") for each in table.texts("numbers", required="number" not in table)]
    flow = table.text("flow", like=NAME, such_as=SUCH_A_NAME)
    if flow and flow not in flows:
        table.complain("flow", f"There is no flow {flow!r}: make the document 'flows/{flow}', or name one of {_listed(flows)}.")
    calendar = table.text("calendar", "", like=NAME, such_as=SUCH_A_NAME)
    if calendar and calendars is not None and calendar not in calendars:
        table.complain("calendar", f"There is no calendar {calendar!r}: name one of {_listed(calendars)}.")
    during = table.one_of("during", ("open", "closed", "holiday"), "open")
    if "during" in table and not calendar:
        table.complain("during", "'during' needs a 'calendar'.")
    language = table.one_of("language", ("", *LANGUAGES), "")
    label = table.text("label", "", most=100)
    callers = _callers(table, "callers", region)
    table.close()
    return [NumberEntry(_pattern(table, key, each, region), flow, language, label, callers, calendar, during) for each, key in patterns]


def _pattern(table: Table, key: str, written: object, region: str) -> str:
    text = _BLANKS.sub("", written) if isinstance(written, str) else ""
    if text == ANY or _BEGINNING.fullmatch(text):
        return text
    number = number_of_caller(text, region)
    found = number.e164 or number.extension
    if found is None:
        table.complain(key, f"{written!r} is no number: write it like '+34 911 234 567', '600', the beginning of some ('+3491*') or '*'.")
    return found or ANY


def _rules(table: Table, region: str) -> CallerRules:
    languages = table.table("languages")
    by_country = {}
    for country in languages.values:
        language = languages.one_of(country, LANGUAGES)
        if country in SUPPORTED_REGIONS:
            by_country[country] = language
        else:
            languages.complain(country, f"{country!r} is no country: write its ISO code, as in 'DE'.")
    rules = CallerRules(_callers(table, "blocked", region), _callers(table, "vip", region), by_country)
    table.close()
    return rules


def _callers(table: Table, key: str, region: str) -> tuple[str, ...]:
    return tuple(_caller(table, key, each, region) for each in table.texts(key))


def _caller(table: Table, key: str, written: str, region: str) -> str:
    text = _BLANKS.sub("", written)
    if text == WITHHELD or text in SUPPORTED_REGIONS or (_BEGINNING.fullmatch(text) and text != ANY):
        return text
    number = number_of_caller(text, region)
    if number.e164 is None and number.extension is None:
        table.complain(key, f"{written!r} is no caller: write a number, the beginning of some ('+44*'), a country ('GB') or '{WITHHELD}'.")
    return number.e164 or number.extension or WITHHELD


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none (there is none yet)"
