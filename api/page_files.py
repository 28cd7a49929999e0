"""The files of the pages, read once, served under an address that changes with their content."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from api.page_list import PAGES, Page

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

    ``issuer``: does another one sign people in too? ``demo``: may an address ask for a language that nobody speaks? The pages know both
    without asking.
    """

    def __init__(self, root: Traversable | None = None, *, issuer: bool = False, demo: bool = False) -> None:
        self._issuer = "true" if issuer else "false"
        self._demo = "true" if demo else "false"
        self._files = dict(_walk(files("api") / "pages" if root is None else root))
        digest = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            digest.update(f"{path}\0{len(file.body)}\0".encode() + file.body)
        self.hash = digest.hexdigest()[:16]
        self.prefix = f"/static/{self.hash}"

    def get(self, path: str) -> PageFile | None:
        return self._files.get(path)

    def page(self, page: Page, nonce: str) -> str:
        """A page's HTML: the shell of all pages with what is this one's. ``nonce`` allows its import map, and nothing else inline."""
        own = self._files.get(f"{page.folder}/index.html")
        filled = {
            "body": _NO_BODY if own is None else own.body.decode(),
            "styles": "".join(f'<link rel="stylesheet" href="{{{{static}}}}/{path}">' for path in page.styles),
            "module": page.main,
            "modules": "",
            "texts": page.texts,
            "pages": " ".join(each.address for each in PAGES),
            "issuer": self._issuer,
            "demo": self._demo,
            "static": self.prefix,
            "nonce": nonce,
        }
        html = self._files["page.html"].body.decode()
        for name, text in filled.items():
            html = html.replace(f"{{{{{name}}}}}", text)
        return html


_NO_BODY = '<div id="page"></div>'
"""Of pages that are drawn by their scripts."""


def _walk(folder: Traversable, path: str = "") -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        name = path + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/")
        elif (suffix := "." + entry.name.rpartition(".")[2]) in _TYPES:
            yield name, PageFile(entry.read_bytes(), _TYPES[suffix])
