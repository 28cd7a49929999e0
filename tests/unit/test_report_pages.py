"""The board's views of reports: both languages, no text by themselves, no looser policy."""

import json
import re
from pathlib import Path

from api.reports.period import PeriodName
from tests.unit.test_catalogues import FAMILIAR, placeholders, spoken_by, templates

FOLDER = Path(__file__).parents[2] / "api/pages/board/reports"
SOURCES = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.js"))}
TEXTS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "text").glob("*.json"))}
OF_THE_BOARD = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER.parent / "text").glob("*.json"))}


def test_both_languages_say_the_same() -> None:
    english, spanish = TEXTS["en"], TEXTS["es"]
    assert {key: placeholders(text) for key, text in english.items()} == {key: placeholders(text) for key, text in spanish.items()}
    assert all(text.strip() for texts in TEXTS.values() for text in texts.values())
    assert {key: text for key, text in spanish.items() if FAMILIAR.search(text)} == {}
    assert not set(english) & set(OF_THE_BOARD["en"]), "a text of the board's would be another here"


def test_every_text_is_asked_for_and_every_one_asked_for_is_there() -> None:
    source = "".join(SOURCES.values())
    whole = set(re.findall(r"\bt\('([^']+)'", source))
    known = set(TEXTS["en"] | OF_THE_BOARD["en"])
    assert {key for key in whole if key not in known and f"{key}.other" not in known} == set()
    quoted, begun = set(re.findall(r"'([\w.]+)'", source)), tuple(re.findall(r"\bt\(`([a-z_]+\.[\w.]*)\$\{", source))
    unused = [key for key in TEXTS["en"] if re.sub(r"\.(one|other)$", "", key) not in quoted and not key.startswith((*begun, "error."))]
    assert unused == []
    assert {f"period.{name}" for name in PeriodName.__args__} <= set(TEXTS["en"])


def test_views_say_nothing_by_themselves_and_need_no_looser_policy() -> None:
    for name, source in SOURCES.items():
        assert [word for each in templates(source) for word in spoken_by(each)] == [], name
        assert not re.search(r"\s(style|on[a-z]+)=[\"']|\beval\(|new Function\(|<style|innerHTML", source), name
