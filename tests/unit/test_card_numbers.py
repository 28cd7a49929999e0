"""Numbers of cards in what somebody wrote: found with and without blanks, and whatever stands beside them; other numbers stay."""

import time

import pytest

from api.card_numbers import has_card_number, without_card_numbers

VISA, AMEX, MASTER, MAESTRO = "4111 1111 1111 1111", "3782-822463-10005", "5555555555554444", "6304000000000000"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"my card {VISA}.", "my card •••• 1111."),
        (f"{AMEX} and {MASTER}", "•••• 0005 and •••• 4444"),
        (f"{VISA} 12/27 123", "•••• 1111 12/27 123"),
        (f"{VISA} 1227 123", "•••• 1111 1227 123"),
        (f"until 12 27 {VISA}", "until 12 27 •••• 1111"),
        (f"{VISA} {MASTER}", "•••• 1111 •••• 4444"),
        (MAESTRO, "•••• 0000"),
    ],
)
def test_of_each_card_four_digits_are_left(text: str, shown: str) -> None:
    assert without_card_numbers(text) == shown and has_card_number(text)
    assert without_card_numbers(shown) == shown and not has_card_number(shown)


@pytest.mark.parametrize(
    "text", ["+34 600 111 222", "4111 1111 1111 1112", "2026-11-22 17:50", "T-4111", "0000 0000 0000 0000", "41111111111111111111111", ""]
)
def test_other_numbers_stay_as_they_are(text: str) -> None:
    assert without_card_numbers(text) == text and not has_card_number(text)


def test_a_long_text_of_digits_takes_no_long_time() -> None:
    begin = time.process_time()
    without_card_numbers("1 " * 25_000)
    without_card_numbers("1" * 50_000)
    assert time.process_time() - begin < 1.0
