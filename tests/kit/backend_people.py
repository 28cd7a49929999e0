"""Whom the real backends of the tests know, with their numbers written as people write them."""

from dataclasses import dataclass

REGION = "ES"
FORMS = (
    "+34{0}",
    "0034{0}",
    "{0}",
    "34{0}",
    "{1} {2} {3}",
    "+34 {1} {2} {3}",
    "00 34 {1}-{2}-{3}",
    "({1}) {2}-{3}",
    "{1}.{2}.{3}",
    "{1}/{2}/{3}",
    "tel:+34-{1}-{2}-{3}",
    "+34 (0) {1} {2} {3}",
    "móvil: {1} {2} {3} (tardes)",
    "91 123 45 67 / {1} {2} {3}",
    "6 0 0 {2}{3}",
)


@dataclass(frozen=True, slots=True)
class Person:
    """``phone``: as it is written there."""

    name: str
    real_name: str
    phone: str
    email: str = ""
    company: str = ""


def number_of(form: int) -> str:
    """E.164 of the person whose number is written in this form."""
    return f"+34600111{form:03d}"


def people() -> list[Person]:
    """One for each form; two with one number; some whose numbers only look like others'."""
    found = []
    for index, form in enumerate(FORMS):
        digits = number_of(index).removeprefix("+34")
        found.append(Person(f"form{index}", f"Person {index}", form.format(digits, digits[:3], digits[3:6], digits[6:])))
    found.append(Person("ana", "Ana Ruiz", "607 222 333", "ruiz@example.com", "Viajes Sol"))
    found.append(Person("rtl", "אבי כהן \u202e<b>محمد</b>", "607 333 444"))
    found += [Person("twin1", "Twin One", "607 444 555"), Person("twin2", "Twin Two", "+34-607-444-555")]
    found += [Person("french", "Same digits in France", "+33 6 07 55 56 66"), Person("longer", "Longer", "+44 7607 555 666")]
    return [*found, Person("nobody0", "No telephone", ""), Person("nobody1", "No number", "ask at the desk")]
