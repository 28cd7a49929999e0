"""Fetch the browser libraries of the pages, copy the few files we serve, and write their lock.

Run by a maintainer who wants another version, with node's package tool at hand; nobody else needs it, because the files are part of the
repository: ``python deploy/vendor_pages.py``. ``tests/unit/test_vendor.py`` proves that what is served is what was locked.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "api" / "pages" / "vendor"


@dataclass(frozen=True, slots=True)
class Library:
    """One package: ``files`` maps the path inside it to the name we serve it under."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


LIBRARIES = (
    Library(
        "preact",
        "11.2.0",
        "MIT",
        {"dist/preact.mjs": "preact.mjs", "hooks/dist/hooks.mjs": "preact-hooks.mjs", "LICENSE": "preact.LICENSE"},
    ),
    Library("htm", "3.1.1", "Apache-2.0", {"dist/htm.mjs": "htm.mjs", "LICENSE": "htm.LICENSE"}),
    Library("@preact/signals-core", "1.14.5", "MIT", {"dist/signals-core.mjs": "signals-core.mjs", "LICENSE": "signals-core.LICENSE"}),
    Library("@preact/signals", "2.11.4", "MIT", {"dist/signals.mjs": "signals.mjs", "LICENSE": "signals.LICENSE"}),
    Library("socket.io-client", "4.8.4", "MIT", {"dist/socket.io.esm.min.js": "socket.io.mjs", "LICENSE": "socket.io.LICENSE"}),
)


def without_source_map(text: bytes) -> bytes:
    """The file less its pointer to a source map that we do not serve: browsers' tools would ask for it and log a 404."""
    lines = text.rstrip().split(b"\n")
    if lines[-1].startswith(b"//# sourceMappingURL="):
        lines.pop()
    return b"\n".join(lines) + b"\n"


def copy(library: Library, scratch: Path) -> list[dict[str, str]]:
    """Pack one package, copy its files, and return their lock entries."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{library.name}@{library.version}"], cwd=scratch, check=True, capture_output=True, text=True
    )
    entries = []
    with tarfile.open(scratch / packed.stdout.split()[-1]) as archive:
        for path, name in library.files.items():
            member = archive.extractfile(f"package/{path}")
            if member is None:
                sys.exit(f"{library.name} {library.version} has no file {path}: look where it moved to and correct LIBRARIES")
            body = without_source_map(member.read())
            (FOLDER / name).write_bytes(body)
            entries.append(
                {
                    "file": name,
                    "name": library.name,
                    "version": library.version,
                    "path": path,
                    "licence": library.licence,
                    "sha256": hashlib.sha256(body).hexdigest(),
                }
            )
    return entries


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        entries = [entry for library in LIBRARIES for entry in copy(library, Path(scratch))]
    lock = FOLDER / "vendor.lock.json"
    lock.write_text(json.dumps(entries, indent=2) + "\n")
    sys.stdout.write(f"{len(entries)} files locked in {lock}\n")


if __name__ == "__main__":
    main()
