"""The libraries the pages serve are exactly the ones that were locked."""

import hashlib
import json
import re
import zlib
from pathlib import Path

from api.page_files import PageFiles
from api.page_list import PHONE

PAGES = Path(__file__).parents[2] / "api" / "pages"
VENDOR = PAGES / "vendor"
LOCK = json.loads((VENDOR / "vendor.lock.json").read_text())


def test_every_vendored_file_has_its_locked_hash() -> None:
    assert {entry["file"]: entry["sha256"] for entry in LOCK} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "vendor.lock.json"
    }


def test_every_library_comes_with_a_free_licence_and_its_text() -> None:
    names = {entry["name"] for entry in LOCK}
    assert {entry["licence"] for entry in LOCK} <= {"MIT", "Apache-2.0", "OFL-1.1"}
    assert {entry["name"] for entry in LOCK if entry["file"].endswith(".LICENSE")} == names
    assert all(entry["version"][0].isdigit() for entry in LOCK)


NAMED = re.compile(r"""(?:^import|^export|^\}) [^;]*?from '([^']+)'|^import '([^']+)'|new URL\('([^']+)', import""", re.MULTILINE)
"""What a module needs before it runs. What it fetches when it is wanted, ``import('./x.js')``, is no part of a first visit."""


def first_visit() -> set[Path]:
    """The files that the softphone's page names, and those that they name; but for its catalogue."""
    page = PageFiles().page(PHONE, "nonce")
    names = dict(re.findall(r'"([^"]+)": "/static/\w+/([^"]+)"', page))
    waiting = [PAGES / "page.html", *(PAGES / path for path in re.findall(r'(?:href|src)="/static/\w+/([^"]+)"', page))]
    loaded: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in loaded:
            continue
        loaded.add(path)
        for named in (next(filter(None, groups)) for groups in NAMED.findall(path.read_text()) if path.suffix == ".js"):
            waiting.append(PAGES / names[named] if named in names else (path.parent / named).resolve())
        if path.suffix == ".mjs":
            waiting += [PAGES / names[name] for name in names if re.search(rf"""from ?["']{name}["']""", path.read_text())]
    return loaded


def transferred(path: Path) -> int:
    """Bytes on the wire: files are compressed as they are served, which the tests of the routes see to."""
    return len(zlib.compress(path.read_bytes()))


def test_a_first_visit_transfers_less_than_100_kb() -> None:
    """Half of what a page may have; of the catalogues a visitor gets one."""
    loaded = {path.relative_to(PAGES).as_posix(): transferred(path) for path in first_visit()}
    assert {"js/main.js", "js/views/sign_in.js", "js/level_worklet.js", "vendor/preact-hooks.mjs", "vendor/socket.io.mjs"} <= set(loaded)
    assert {"js/views/settings.js", "js/views/shortcuts.js", "js/views/dialog.js", "js/views/details.js"}.isdisjoint(loaded)
    catalogues = [transferred(path) for path in (PAGES / "text").iterdir()]
    assert sum(loaded.values()) + max(catalogues) < 100_000
