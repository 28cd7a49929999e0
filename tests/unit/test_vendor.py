"""The libraries the pages serve are exactly the ones that were locked."""

import hashlib
import json
from pathlib import Path

PAGES = Path(__file__).parents[2] / "api" / "pages"
VENDOR = PAGES / "vendor"
LOCK = json.loads((VENDOR / "vendor.lock.json").read_text())


def test_every_vendored_file_has_its_locked_hash() -> None:
    assert {entry["file"]: entry["sha256"] for entry in LOCK} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "vendor.lock.json"
    }


def test_every_library_comes_with_a_free_licence_and_its_text() -> None:
    names = {entry["name"] for entry in LOCK}
    assert {entry["licence"] for entry in LOCK} <= {"MIT", "Apache-2.0"}
    assert {entry["name"] for entry in LOCK if entry["file"].endswith(".LICENSE")} == names
    assert all(entry["version"][0].isdigit() for entry in LOCK)


def test_a_first_visit_transfers_less_than_200_kb() -> None:
    """Uncompressed; of the catalogues a visitor gets one. Other pages have folders of their own, which the softphone does not load."""
    others = {path.parent for path in PAGES.rglob("index.html")} - {PAGES}
    catalogues = [path.stat().st_size for path in (PAGES / "text").iterdir()]
    loaded = [path for path in PAGES.rglob("*") if path.parent not in others]
    shipped = [path for path in loaded if path.suffix in {".html", ".css", ".js", ".mjs", ".svg"}]
    assert sum(path.stat().st_size for path in shipped) + max(catalogues) < 200_000
