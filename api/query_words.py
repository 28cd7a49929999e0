"""Parameters of addresses, read within bounds."""

from collections.abc import Mapping, Sequence

from signaling.refusal import Refusal


def known_word(query: Mapping[str, str], name: str, words: Sequence[str], otherwise: str) -> str:
    """One of these words; ``otherwise`` where nothing is said. Raises ``Refusal`` (``bad_message``)."""
    word = query.get(name, otherwise)
    if word not in words:
        raise Refusal("bad_message", f"{name} is one of {', '.join(word for word in words if word)}.")
    return word


def whole_number(query: Mapping[str, str], name: str, most: int, otherwise: int) -> int:
    """A number from 1 to ``most``. Raises ``Refusal`` (``bad_message``)."""
    text = query.get(name, str(otherwise))
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise Refusal("bad_message", f"{name} is a number from 1 to {most}.")
    return int(text)


def digits(text: str, name: str, most: int) -> int:
    """A number of at most so many digits. Raises ``Refusal`` (``bad_message``)."""
    if not (text.isascii() and text.isdecimal() and len(text) <= most):
        raise Refusal("bad_message", f"{name} must be a whole number.")
    return int(text)
