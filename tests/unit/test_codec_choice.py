"""Who speaks what with whom: the media policy as a table."""

import pytest

from media.codec_choice import Conditions, answer_phone, browser_order, offer_phone, reoffer
from rooms.audio import G722, OPUS, PCMA, PCMU, AudioCodec

LOSSY = Conditions(browser_loss=0.02)
ALL = ("opus", "g722", "pcma", "pcmu")


@pytest.mark.parametrize(
    ("phone", "conditions", "first"),
    [
        (None, Conditions(), "opus"),
        (("g722", "pcma"), Conditions(), "g722"),
        (("pcma", "g722"), LOSSY, "g722"),
        (("opus", "pcma"), Conditions(), "opus"),
        (("pcma", "pcmu"), Conditions(), "pcma"),
        (("pcmu",), Conditions(), "pcmu"),
        (("pcma",), LOSSY, "opus"),
        (("pcma",), Conditions(headroom=True), "opus"),
    ],
)
def test_the_browser_speaks_what_needs_no_transcoding_unless_that_pays(
    phone: tuple[str, ...] | None, conditions: Conditions, first: str
) -> None:
    order = browser_order(phone, "auto", conditions)
    assert order[0] == first
    assert set(order) == set(ALL)


def test_a_fixed_order_overrules_everything() -> None:
    assert browser_order(("g722",), ("pcmu", "opus"), LOSSY)[:2] == ("pcmu", "opus")
    assert reoffer(ALL, "opus", "g722", ("opus",)) is None


def test_a_phone_is_offered_what_we_speak_in_our_order() -> None:
    assert offer_phone() == (G722, OPUS, PCMA, PCMU)
    assert offer_phone(("pcmu", "g729", "pcmu", "opus")) == (PCMU, OPUS)


def test_a_calling_phone_is_answered_in_its_own_numbering() -> None:
    opus = AudioCodec("opus", 107, 48_000, 2)
    assert answer_phone((PCMU, opus)) == (opus, PCMU)
    assert answer_phone((PCMU, PCMA, G722)) == (G722, PCMA, PCMU)
    assert answer_phone((PCMU, G722), ("pcma", "pcmu")) == (PCMU,)
    assert answer_phone((AudioCodec("g729", 18, 8_000),)) == ()


def test_a_calling_phone_is_answered_in_what_the_browser_speaks() -> None:
    assert answer_phone((G722, PCMA), browser_codec="pcma") == (PCMA, G722)
    assert answer_phone((G722, PCMA), browser_codec="opus") == (G722, PCMA)


@pytest.mark.parametrize(
    ("can", "speaks", "phone", "conditions", "first"),
    [
        (ALL, "opus", "g722", Conditions(), "g722"),
        (ALL, "opus", "pcma", Conditions(), "pcma"),
        (ALL, "opus", "pcma", LOSSY, None),
        (ALL, "pcma", "pcma", LOSSY, "opus"),
        (ALL, "pcma", "pcma", Conditions(headroom=True), "opus"),
        (("pcma",), "pcma", "pcma", LOSSY, None),
        (ALL, "g722", "g722", LOSSY, None),
        (ALL, "g722", "g722", Conditions(), None),
        (("opus",), "opus", "g722", Conditions(), None),
    ],
)
def test_a_new_offer_is_wanted_only_when_it_saves_transcoding_or_losses(
    can: tuple[str, ...], speaks: str, phone: str, conditions: Conditions, first: str | None
) -> None:
    order = reoffer(can, speaks, phone, "auto", conditions)
    assert (order[0] if order else None) == first
