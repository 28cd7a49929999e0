"""The files of the pages, read once, served under an address that changes with their content."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".ogg": "audio/ogg",
    ".LICENSE": "text/plain",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    body: bytes
    content_type: str


class PageFiles:
    """``prefix`` is ``/static/HASH`` of all files together: whoever has a file of this address has it right, for ever.

    ``issuer``: does another one sign people in too? The pages say so without asking.
    """

    def __init__(self, root: Traversable | None = None, *, issuer: bool = False) -> None:
        self._issuer = "true" if issuer else "false"
        self._files = dict(_walk(files("api") / "pages" if root is None else root))
        digest = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            digest.update(f"{path}\0{len(file.body)}\0".encode() + file.body)
        self.hash = digest.hexdigest()[:16]
        self.prefix = f"/static/{self.hash}"

    def get(self, path: str) -> PageFile | None:
        return self._files.get(path)

    def page(self, path: str, nonce: str) -> str:
        """A page's HTML. ``nonce`` allows its import map, and nothing else inline."""
        page = self._files[path].body.decode()
        return page.replace("{{static}}", self.prefix).replace("{{nonce}}", nonce).replace("{{issuer}}", self._issuer)


def _walk(folder: Traversable, path: str = "") -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        name = path + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/")
        elif (suffix := "." + entry.name.rpartition(".")[2]) in _TYPES:
            yield name, PageFile(entry.read_bytes(), _TYPES[suffix])
