"""Sentences with numbers: which words a name with a number has, one and many, in both languages."""

import pytest

from media.prompt_texts import LANGUAGES, TEXTS, text_of


@pytest.mark.parametrize(
    ("name", "english", "spanish"),
    [
        ("queue-position-1", "next", "siguiente"),
        ("queue-position-2", "number 2 in", "puesto 2 de"),
        ("queue-position-30", "number 30 in", "puesto 30 de"),
        ("queue-position-more", "many calls", "muchas llamadas"),
        ("queue-wait-0", "less than a minute", "menos de un minuto"),
        ("queue-wait-1", "1 minute.", "1 minuto,"),
        ("queue-wait-2", "2 minutes.", "2 minutos,"),
        ("queue-wait-30", "30 minutes.", "30 minutos,"),
        ("queue-wait-more", "more than half an hour", "más de media hora"),
        ("call-back-offer-1", "press 1 and", "pulse 1 y"),
        ("call-back-offer-9", "press 9 and", "pulse 9 y"),
    ],
)
def test_a_number_is_said_in_its_own_form(name: str, english: str, spanish: str) -> None:
    assert english in text_of(TEXTS, name, "en") and spanish in text_of(TEXTS, name, "es")


def test_what_has_no_words_is_empty_and_the_very_name_comes_first() -> None:
    assert text_of(TEXTS, "queue-wait-3", "fr") == text_of(TEXTS, "welcome-3", "en") == text_of(TEXTS, "none", "en") == ""
    own = {**TEXTS, "queue-wait-3": {"en": "Three minutes, more or less."}}
    assert text_of(own, "queue-wait-3", "en") == "Three minutes, more or less."
    assert text_of(own, "queue-wait-3", "es") == text_of(TEXTS, "queue-wait-3", "es") != ""


def test_every_sentence_has_words_in_every_language_and_only_numbered_ones_a_number() -> None:
    for name, words in TEXTS.items():
        assert set(words) == set(LANGUAGES), name
        assert all(("{n}" in text) == name.endswith("-n") for text in words.values()), name
        assert not {"tú", "tu", "te", "tus"} & set(words["es"].lower().split()), f"{name} says usted"
