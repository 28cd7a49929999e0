"""What each page weighs on the wire, and that the way to a page is shown to those who may use it."""

import gzip
import re
from pathlib import Path

import pytest

from api.page_files import PageFiles
from api.page_list import PAGES, Page
from signaling.grants import PERMISSIONS, Permission, Role

ROOT = Path(__file__).parents[2] / "api" / "pages"
FILES = PageFiles(ROOT)
HEAVIEST_B = 200_000
FONTS = ("vendor/roboto-latin.woff2", "vendor/playfair-latin.woff2")
"""Of English and Spanish; further letters come where a text has them."""


def weight(path: str) -> int:
    file = FILES.get(path)
    assert file is not None, path
    return len(FILES.packed(path) or file.body)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.address)
def test_a_first_visit_to_a_page_transfers_less_than_200_kb(page: Page) -> None:
    """Its own HTML, styles, modules, one language of the catalogues, and the fonts."""
    texts = [f"{folder}/es.json" for folder in ("kit/text", page.texts)]
    named = ["kit/early.js", *page.styles, *FILES.needs(page.main), *texts, *FONTS]
    assert len(FILES.needs(page.main)) > 3
    assert sum(map(weight, named)) + len(FILES.page(page, "nonce")) <= HEAVIEST_B


def test_the_pages_that_are_offered_are_those_a_role_may_use() -> None:
    text = (ROOT / "kit" / "places.js").read_text()
    groups = {name: set(re.findall(r"'(\w+)'", roles)) for name, roles in re.findall(r"const (\w+) = \[('[^\]]+)\];", text)}
    offered = {
        address: groups.get(who) or set(re.findall(r"'(\w+)'", who)) for address, who in re.findall(r"\['(/\w*)', ([^\n]+)\],", text)
    }
    needed = {
        "/": Permission.CALL_TAKE,
        "/board": Permission.BOARD_WATCH,
        "/rooms": Permission.ROOM_LIST,
        "/contacts": Permission.CONTACTS_READ,
        "/bookings": Permission.BOOKINGS_READ,
        "/appointments": Permission.APPOINTMENTS_OWN,
        "/tickets": Permission.TICKETS_READ,
        "/articles": Permission.ARTICLES_READ,
        "/voicemail": Permission.VOICEMAIL_HEAR,
        "/campaigns": Permission.CALL_DIAL,
        "/account": Permission.SESSION_OWN,
        "/admin": Permission.USERS_MANAGE,
        "/rest": Permission.KEYS_MANAGE,
    }
    people = set(Role) - {Role.SERVICE, Role.CUSTOMER}
    assert offered == {address: {role.value for role in people if right in PERMISSIONS[role]} for address, right in needed.items()}


def test_what_is_packed_is_the_file_without_the_comments_that_have_lines_to_themselves() -> None:
    for path in ("kit/page.js", "css/page.css", "js/main.js"):
        whole, packed = FILES.get(path), FILES.packed(path)
        assert whole is not None and packed is not None
        written, sent = whole.body.decode().split("\n"), gzip.decompress(packed).decode().split("\n")
        assert len(written) == len(sent) and {one for one, other in zip(written, sent, strict=True) if one != other and other} == set()
        left_out = [one.strip() for one, other in zip(written, sent, strict=True) if one != other]
        assert left_out and all(line.startswith(("/*", "*", "//")) or path.endswith(".css") for line in left_out)
    for path in ("vendor/preact.mjs", "text/en.json"):
        whole, packed = FILES.get(path), FILES.packed(path)
        assert whole is not None and packed is not None and gzip.decompress(packed) == whole.body
