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


@dataclass(frozen=True, slots=True)
class Bundle:
    """Packages of many files, of which pages use a little: ``entry`` is put together with what it needs into one ``file``, readable.

    ``packages``: name, version, licence and the name of its licence's file; the first one's exports are used. ``small``: without its
    spaces and long names, where the package itself brings no module that is.
    """

    file: str
    entry: str
    packages: tuple[tuple[str, str, str, str], ...]
    small: bool = False


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
    Library("uplot", "1.6.32", "MIT", {"dist/uPlot.min.css": "uplot.css"}),
    Library(
        "@fontsource-variable/roboto",
        "5.3.0",
        "OFL-1.1",
        {
            "files/roboto-latin-wght-normal.woff2": "roboto-latin.woff2",
            "files/roboto-latin-ext-wght-normal.woff2": "roboto-latin-ext.woff2",
            "LICENSE": "roboto.LICENSE",
        },
    ),
    Library(
        "@fontsource/playfair-display",
        "5.3.0",
        "OFL-1.1",
        {
            "files/playfair-display-latin-700-normal.woff2": "playfair-latin.woff2",
            "files/playfair-display-latin-ext-700-normal.woff2": "playfair-latin-ext.woff2",
            "LICENSE": "playfair.LICENSE",
        },
    ),
)


BUNDLER = "esbuild@0.28.2"
BUNDLES = (
    Bundle(
        "hpke.mjs",
        "export { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';",
        (("@hpke/core", "1.9.0", "MIT", "hpke-core.LICENSE"), ("@hpke/common", "1.10.1", "MIT", "hpke-common.LICENSE")),
    ),
    Bundle("uplot.mjs", "export { default } from 'uplot';", (("uplot", "1.6.32", "MIT", "uplot.LICENSE"),), small=True),
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
            body = member.read() if path.endswith(".woff2") else without_source_map(member.read())
            (FOLDER / name).write_bytes(body)
            entries.append(lock_entry(body, name, library.name, library.version, path, library.licence))
    return entries


def lock_entry(body: bytes, file: str, name: str, version: str, path: str, licence: str) -> dict[str, str]:
    return {"file": file, "name": name, "version": version, "path": path, "licence": licence, "sha256": hashlib.sha256(body).hexdigest()}


def bundle(wanted: Bundle, scratch: Path) -> list[dict[str, str]]:
    """Install the packages without running anything of theirs, put them together, and return the lock entries."""
    named = [f"{name}@{version}" for name, version, _, _ in wanted.packages]
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *named, BUNDLER], cwd=scratch, check=True)
    (scratch / "entry.mjs").write_text(wanted.entry)
    made = scratch / wanted.file
    bundler = ["node_modules/.bin/esbuild", "entry.mjs", "--bundle", "--format=esm", "--charset=utf8", "--legal-comments=inline"]
    bundler += ["--minify"] if wanted.small else []
    subprocess.run([*bundler, f"--outfile={made}", "--log-level=error"], cwd=scratch, check=True)
    first = wanted.packages[0]
    (FOLDER / wanted.file).write_bytes(made.read_bytes())
    entries = [lock_entry(made.read_bytes(), wanted.file, first[0], first[1], f"{BUNDLER}: {wanted.entry}", first[2])]
    for name, version, licence, file in wanted.packages:
        body = (scratch / "node_modules" / name / "LICENSE").read_bytes()
        (FOLDER / file).write_bytes(body)
        entries.append(lock_entry(body, file, name, version, "LICENSE", licence))
    return entries


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        entries = [entry for library in LIBRARIES for entry in copy(library, Path(scratch))]
        entries += [entry for each in BUNDLES for entry in bundle(each, Path(scratch))]
    lock = FOLDER / "vendor.lock.json"
    lock.write_text(json.dumps(entries, indent=2) + "\n")
    sys.stdout.write(f"{len(entries)} files locked in {lock}\n")


if __name__ == "__main__":
    main()
