"""The files of the pages, read once, served under an address that changes with their content."""

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
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

    def __init__(self, root: Traversable | None = None, *, issuer: bool = False, demo: bool = False, hosts: Iterable[str] = ()) -> None:
        self._issuer = "true" if issuer else "false"
        self._demo = "true" if demo else "false"
        self._hosts = tuple(hosts)
        self._files = dict(_walk(files("api") / "pages" if root is None else root))
        self._bare = dict(_BARE.findall(self._files["page.html"].body.decode())) if "page.html" in self._files else {}
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
            "modules": "".join(f'<link rel="modulepreload" href="{{{{static}}}}/{path}">' for path in self._imported(page.main)),
            "texts": page.texts,
            "pages": " ".join(each.address for each in PAGES),
            "issuer": self._issuer,
            "demo": self._demo,
            "hosts": " ".join(self._hosts) if page.embeddable else "",
            "static": self.prefix,
            "nonce": nonce,
        }
        html = self._files["page.html"].body.decode()
        for name, text in filled.items():
            html = html.replace(f"{{{{{name}}}}}", text)
        return html

    def _imported(self, module: str) -> list[str]:
        """What a module imports, and what that imports, in the order in which it is met: fetched at once, not one depth after another."""
        met = {module: None}
        waiting = [module]
        while waiting:
            path = waiting.pop(0)
            for name in _IMPORT.findall(self._files[path].body.decode()):
                found = self._bare.get(name) or posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                if found in self._files and found not in met:
                    met[found] = None
                    waiting.append(found)
        return list(met)[1:]


_IMPORT = re.compile(r"^(?:import|export)\b[^;\"']*?(?:from\s*)?[\"']([^\"']+)[\"'];?", re.MULTILINE)
"""What a module of ours imports before it runs; vendored ones import little, and that by bare names."""
_BARE = re.compile(r'"([^"]+)": "{{static}}/([^"]+)"')
_NO_BODY = '<div id="page"></div>'
"""Of pages that are drawn by their scripts."""


def _walk(folder: Traversable, path: str = "") -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        name = path + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/")
        elif (suffix := "." + entry.name.rpartition(".")[2]) in _TYPES:
            yield name, PageFile(entry.read_bytes(), _TYPES[suffix])
