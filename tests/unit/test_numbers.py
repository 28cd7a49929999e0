"""Numbers as people type them and as PBXes send them."""

import pytest

from pbx.numbers import NotANumber, NumberKind, national_part, number_of_caller, numbers_in, parse_number, spellings


@pytest.mark.parametrize(
    ("text", "e164", "kind"),
    [
        ("600/111/222", "+34600111222", NumberKind.MOBILE),
        ("0034 600 111 222", "+34600111222", NumberKind.MOBILE),
        ("+34 910 000 000", "+34910000000", NumberKind.FIXED),
        ("<sip:+34600111222@pbx.test;user=phone>", "+34600111222", NumberKind.MOBILE),
        ("tel:+49-30-123456", "+4930123456", NumberKind.FIXED),
        ("sip:%2B34600111222@pbx.test", "+34600111222", NumberKind.MOBILE),
        ("+52 1 55 1234 5678", "+525512345678", NumberKind.FIXED_OR_MOBILE),
        ("+881612345678", "+881612345678", NumberKind.SATELLITE),
        ("+88216123456", "+88216123456", NumberKind.SATELLITE),
        ("806123456", "+34806123456", NumberKind.PREMIUM),
    ],
)
def test_public_numbers_become_e164(text: str, e164: str, kind: NumberKind) -> None:
    number = parse_number(text, "ES")
    assert (number.e164, number.kind, number.raw) == (e164, kind, text)


@pytest.mark.parametrize("text", ["112", " 1 1 2 ", "sip:112@pbx.test"])
def test_emergency_comes_before_extensions(text: str) -> None:
    assert parse_number(text, "ES").kind is NumberKind.EMERGENCY


@pytest.mark.parametrize(("text", "extension"), [("200", "200"), ("sip:1002@pbx.test", "1002"), ("*62", "*62"), ("10 02", "1002")])
def test_short_numbers_are_extensions(text: str, extension: str) -> None:
    number = parse_number(text, "ES")
    assert (number.extension, number.e164, number.kind) == (extension, None, NumberKind.EXTENSION)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no number"),
        ("call me", "use digits"),
        ("+", "use digits"),
        ("1", "too short"),
        ("9" * 40, "too short or too long"),
        ("1" * 500, "500"),
        ("600\r\nX: y", "control"),
        ("sip:pbx.test", "no number"),
        ("٦٠٠١١١٢٢٢x", "use digits"),
    ],
)
def test_what_is_no_number_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(NotANumber, match=says):
        parse_number(text, "ES")


def test_a_caller_is_never_refused() -> None:
    assert number_of_caller("anonymous@anonymous.invalid", "ES").kind is NumberKind.WITHHELD
    assert number_of_caller("sip:anonymous@anonymous.invalid", "ES").kind is NumberKind.WITHHELD
    assert number_of_caller("reception\x00", "ES").display == "reception"
    assert number_of_caller("600111222", "ES").e164 == "+34600111222"


def test_own_country_is_shown_nationally_others_internationally() -> None:
    assert parse_number("+34910000000", "ES").display == "910 00 00 00"
    assert parse_number("+4930123456", "ES").display == "+49 30 123456"


def test_a_caller_is_known_in_every_spelling_that_their_pbx_may_use() -> None:
    for e164, region in (("+34600111222", "ES"), ("+447700900123", "GB"), ("+390612345678", "IT"), ("+447700900123", "ES")):
        written = spellings(e164, region)
        assert written[0] == e164
        assert {number_of_caller(text, region).e164 for text in written if text.startswith(("+", "00")) or text[0] in "067"} == {e164}
    assert spellings("+447700900123", "GB") == ("+447700900123", "447700900123", "00447700900123", "7700900123", "07700900123")
    assert spellings("+447700900123", "ES") == ("+447700900123", "447700900123", "00447700900123")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((form, ("+34600111222",)) for form in ("600 11 12 22", "(600) 111.222", "600/111/222", "tel:+34-600-111-222", "0034600111222")),
        *((form, ("+34600111222",)) for form in ("+34 (0) 600 111 222", "6 0 0 1 1 1 2 2 2", "+34 600\n111\t222", "600111222 ext. 5")),
        ("móvil: 600 111 222, casa 911234567", ("+34600111222", "+34911234567")),
        ("600 111 222 / +44 20 7946 0958", ("+34600111222", "+442079460958")),
        ("ask at the desk", ()),
        ("", ()),
        ("9" * 10_000, ()),
    ],
)
def test_numbers_that_people_wrote_into_an_address_book(text: str, found: tuple[str, ...]) -> None:
    assert numbers_in(text, "ES") == found


def test_the_part_of_a_number_that_every_form_of_it_has() -> None:
    assert [national_part(number) for number in ("+34600111222", "+442079460958", "+390612345678")] == [
        "600111222",
        "2079460958",
        "0612345678",
    ]
