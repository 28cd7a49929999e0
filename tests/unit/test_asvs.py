"""The checklist in ``docs/asvs.md`` is whole, and every test that it names exists."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\| (\d+\.\d+\.\d+|\d+) \| [^|]+ \| (.+) \|$", re.MULTILINE)
LINES = LINE.findall((ROOT / "docs" / "asvs.md").read_text())
SECTIONS = {
    "4.4": 4,
    **{"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4},
    **{"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2},
    **{"8.1": 4, "8.2": 4, "8.3": 3, "8.4": 2},
    **{"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4},
    **{"17.1": 2, "17.2": 8, "17.3": 2},
}
"""How many requirements each section of the standard has."""
ATTACKS = range(23, 37)
"""Those on pages, hub and REST."""


def test_every_requirement_has_its_line_once() -> None:
    expected = [f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
    assert Counter(number for number, _ in LINES) == Counter([*expected, *map(str, ATTACKS)])


def test_every_line_names_tests_that_exist_or_says_why_not() -> None:
    wrong = []
    for number, shown in LINES:
        if re.match(r"not yet(: .+)?$|does not apply: .+$", shown):
            continue
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
        if not tests or re.sub(r"`[^`]+`|, ", "", shown):
            wrong.append((number, shown))
        for file, name in tests:
            path = ROOT / file
            if not path.is_file() or not re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE):
                wrong.append((number, f"{file}::{name}"))
    assert wrong == []


def test_what_must_not_be_guessed_is_drawn_by_the_operating_system() -> None:
    """ASVS 5.0, 6.5.3: no module of ours that makes codes, keys, tokens or ids makes another generator than the operating system's."""
    others = re.compile(r"^\s*(import random|import numpy\.random|from numpy\.random)|\bnp\.random\b|(?<!System)\bRandom\(", re.MULTILINE)
    found = [path for part in ("api", "signaling", "rooms") for path in (ROOT / part).rglob("*.py") if others.search(path.read_text())]
    made_up = {"demo_call", "load"}
    elsewhere = [str(path.relative_to(ROOT)) for path in found if not made_up & set(path.parts)]
    assert elsewhere == ["api/travel/demo.py"], "the demo's customers, the same from each seed"
    drawn = [path.name for path in (ROOT / "api" / "identity").glob("*.py") if "secrets." in path.read_text()]
    assert {"second_factor.py", "api_keys.py", "oidc.py"} <= set(drawn)


def test_no_address_of_ours_dials() -> None:
    """What a link to a page can say: microphone, codec, the service to book; whose consultation, booking or survey; which call, room,
    contact, ticket, article or operation of REST; what a site's button is for; how a sign-in ended; in a demo, a language of nobody's."""
    scripts = {path: path.read_text() for path in (ROOT / "api" / "pages").rglob("*.js")}
    asked = {name for text in scripts.values() for name in re.findall(r"URLSearchParams\(location\.search\)\.get\('(\w+)'\)", text)}
    assert asked == {"processing", "codec", "service", "lang"}
    # ``/dial?number=`` fills the phone's field, in a module that knows nothing of dialling.
    given = (ROOT / "api" / "pages" / "js" / "given.js").read_text()
    assert "searchParams.get('number')" in given and re.findall(r"from '([^']+)'", given) == ["@preact/signals", "./tab.js"]
    assert [path.name for path, text in scripts.items() if "searchParams.get(" in text] == ["given.js"]
    reads = {path.parent.name for path, text in scripts.items() if re.search(r"location\.(hash|href|search)", text)}
    in_house = {"account", "admin", "articles", "board", "book", "bookings", "contacts", "rest", "rooms", "tickets"}
    with_parts = in_house | {"consultation", "start", "survey", "widget"}
    assert reads <= {"js", "kit", *with_parts}
    assert [path.name for path, text in scripts.items() if "location.hash" in text and path.parent.name == "js"] == []


def test_password_fields_mask_and_let_managers_in() -> None:
    """ASVS 5.0, 6.2.6 and 6.2.7: ``type=password``, an ``autocomplete`` that password managers know, and nothing that stops a paste."""
    pages = ROOT / "api" / "pages"
    sources = {path: path.read_text() for path in (*pages.rglob("*.html"), *pages.rglob("*.js")) if "vendor" not in path.parts}
    fields = [field for text in sources.values() for field in re.findall(r"<input[^>]*password[^>]*>", text)]
    assert len(fields) >= 5
    for field in fields:
        assert re.search(r"type=\"?password", field) and re.search(r"autocomplete=\"?(current|new)-password", field), field
    assert [path.name for path, text in sources.items() if re.search(r"['\"]paste['\"]|onpaste", text)] == []
