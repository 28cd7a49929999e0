"""What no new password may be."""

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from api.identity.password_rules import SHORTEST, PasswordRules
from signaling.refusal import Refusal

RULES = PasswordRules(["Viajes Ñandú"])
COMMON = FREQUENCY_LISTS["passwords"]


def refusal(password: str, identity: str = "ana.garcia", name: str = "Ana María García", rules: PasswordRules = RULES) -> str:
    """The code; "" where it may be used."""
    try:
        rules.check(password, identity, name)
    except Refusal as refused:
        return refused.code
    return ""


def test_the_commonest_that_are_long_enough_are_refused() -> None:
    long_enough = [password for password in COMMON if len(password) >= SHORTEST]
    assert len(COMMON) == 30_000 and len(long_enough) > 200
    assert [password for password in long_enough if refusal(password) != "common_password"] == []


@pytest.mark.parametrize("longer", ["{0}{0}{0}{0}", "{0}123456789", "{0}!!!!!!!!!"])
def test_the_3000_commonest_are_refused_when_made_long_enough(longer: str) -> None:
    """Each way for one in twenty of them. What guessers do to reach a length, people did before."""
    made = [longer.format(password) for password in COMMON[:3_000:20]]
    tried = [password for password in made if len(password) >= SHORTEST]
    assert len(tried) > 140
    assert [password for password in tried if refusal(password) != "common_password"] == []


@pytest.mark.parametrize(
    "password", ["123456789012", "qwertyuiop12", "P@ssw0rd1234", "aaaaaaaaaaaaaaaa", "abcabcabcabcabc", "drowssapdrowssap"]
)
def test_rows_repetitions_and_disguises_are_refused(password: str) -> None:
    assert refusal(password) == "common_password"


@pytest.mark.parametrize(
    "password",
    ["garcia y sus nueve gatos", "nueve gatos de GARCÍA", "maria loves nine cats", "viajes nandu nueve gatos", "Centralita del norte 9"],
)
def test_names_are_refused_in_any_case_and_without_accents(password: str) -> None:
    assert refusal(password) == "password_names"


def test_a_short_part_of_a_name_is_in_too_many_words_to_be_refused() -> None:
    assert refusal("nine bananas by chance") == ""
    assert refusal("nine bananas by chance", identity="ana") == "password_names"
    assert refusal("nine bananas by chance", identity="b", name="B") == ""


@pytest.mark.parametrize(
    "password", ["caballo pila grapa nube", "x8#kQ!z0p2Lm", "四五个词四五个词胜过一切好", "w" + "-4 words by chance" * 14]
)
def test_what_nobody_tries_first_may_be_used(password: str) -> None:
    assert refusal(password) == ""


def test_what_is_too_short_is_refused() -> None:
    assert refusal("x8#kQ!z0p2L") == "weak_password"
