"""Words of articles and of queries: folded alike, and nothing in them that a database could take for its own language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.knowledge.words import MOST_LETTERS, MOST_SOUGHT, marked, plain, snippet, sought, words_of


def test_accents_and_case_do_not_count() -> None:
    assert words_of("Cancelación del VUELO: niño, Straße, ﬁn") == ["cancelacion", "del", "vuelo", "nino", "strasse", "fin"]
    assert words_of("cancelacio\u0301n") == words_of("cancelación")


@pytest.mark.parametrize(
    "query",
    ['" OR title:*', "a' & !b | (c", "NEAR(x y, 5)", "vuelo* AND NOT hotel", "'; DROP TABLE articles; --", "col:word ^start {a b}", "\0\\"],
)
def test_a_query_is_words_and_nothing_else(query: str) -> None:
    assert all(word.isalnum() and word.isascii() for word in sought(query))


@given(st.text())
def test_whatever_is_asked_for_is_letters_and_digits_and_bounded(query: str) -> None:
    found = sought(query)
    assert len(found) <= MOST_SOUGHT and len(set(found)) == len(found)
    assert all(word.isalnum() and 0 < len(word) <= MOST_LETTERS for word in found)


def test_single_letters_count_where_there_is_nothing_else() -> None:
    assert sought("a la playa y 2") == ["la", "playa", "2"]
    assert sought("ñ") == ["n"]


def test_the_marks_of_markdown_are_not_shown() -> None:
    text = "# Refunds\n\n- **Within** 14 days, see [our terms](https://example.com/x_y)\n> `code`"
    assert plain(text) == "Refunds Within 14 days, see our terms code"


LONG = "Word " * 60 + "the cancelación fee is " + "more " * 80


def test_a_snippet_shows_the_first_hit_and_marks_each() -> None:
    parts = snippet(LONG + "cancelacion again", ["cancel"])
    shown = "".join(part.text for part in parts)
    assert [part.text for part in parts if part.hit] == ["cancelación"]
    assert shown.startswith("… ") and shown.endswith(" …") and len(shown) < 210
    assert [part.text for part in snippet("Cancel it: CÁNCEL", ["cancel"]) if part.hit] == ["Cancel", "CÁNCEL"]


@given(st.text(max_size=600), st.lists(st.text("abcñé", min_size=1, max_size=3), max_size=3))
def test_pieces_are_the_whole_text(text: str, wanted: list[str]) -> None:
    assert "".join(part.text for part in marked(text, wanted)) == text
    assert len("".join(part.text for part in snippet(text, wanted))) <= 210
