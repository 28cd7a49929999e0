"""The files of the pages, read once, served under an address that changes with their content."""

import gzip
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


_MAPPED = re.compile(r'"([^"]+)": "\{\{static\}\}/([^"]+)"')
"""The shell's import map."""
_IMPORTED = re.compile(
    r"""(?:^|;|\})\s*(?:import|export)\b[^;'"()]*?\bfrom\s*["']([^"']+)["']|(?:^|;)\s*import\s*["']([^"']+)["']""", re.MULTILINE
)
"""What a module names before it runs. What it fetches when it is wanted, ``import('./x.js')``, is no part of a first visit."""


_REMARK = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/[ \t]*$|//[^\n]*$)", re.DOTALL | re.MULTILINE)
"""A comment that has its lines to itself. Our scripts have no text of many lines in which such a thing could stand."""


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
        digest = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            digest.update(f"{path}\0{len(file.body)}\0".encode() + file.body)
        self.hash = digest.hexdigest()[:16]
        self.prefix = f"/static/{self.hash}"
        self._packed: dict[str, bytes] = {}
        self._needed: dict[str, tuple[str, ...]] = {}

    def get(self, path: str) -> PageFile | None:
        return self._files.get(path)

    def packed(self, path: str) -> bytes | None:
        """The file's body by gzip, made once; None where it would gain nothing. The comments of our scripts and styles, a tenth of what a
        page weighs, are left out, and their lines left empty, so that faults are still told with the lines of the files."""
        file = self._files[path]
        if not file.content_type.startswith(("text/", "application/json", "image/svg")):
            return None
        if path not in self._packed:
            ours = path.endswith((".js", ".css")) and not path.startswith("vendor/")
            body = _REMARK.sub(lambda found: "\n" * found[0].count("\n"), file.body.decode()).encode() if ours else file.body
            self._packed[path] = gzip.compress(body, 9, mtime=0)
        return self._packed[path]

    def needs(self, main: str) -> tuple[str, ...]:
        """The modules that this one cannot begin without, itself first: asked for together, they come in one round trip and not in five."""
        if main not in self._needed:
            bare = dict(_MAPPED.findall(self._files["page.html"].body.decode()))
            found = [main]
            for path in found:
                for groups in _IMPORTED.findall(self._files[path].body.decode()):
                    name = next(filter(None, groups))
                    needed = bare.get(name) or posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                    if needed in self._files and needed not in found:
                        found.append(needed)
            self._needed[main] = tuple(found)
        return self._needed[main]

    def page(self, page: Page, nonce: str) -> str:
        """A page's HTML: the shell of all pages with what is this one's. ``nonce`` allows its import map, and nothing else inline."""
        own = self._files.get(f"{page.folder}/index.html")
        filled = {
            "body": _body(own),
            "styles": "".join(f'<link rel="stylesheet" href="{{{{static}}}}/{path}">' for path in page.styles),
            "module": page.main,
            "modules": "".join(f'<link rel="modulepreload" href="{{{{static}}}}/{path}">' for path in self.needs(page.main)[1:]),
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


_DRAWN = '<div id="page"></div>'
"""The body of pages that are drawn by their scripts."""
_STILL = """<div id="top"></div>
    <main id="main" class="kit-main" tabindex="-1">
      <h1 class="kit-title" data-t="title"></h1>
      <p id="said" role="status" aria-live="polite"></p>
      <div id="entrance"></div>
      {{own}}
    </main>"""
"""That of pages which are markup: ``kit/still.js`` draws the top and the door."""


def _body(own: PageFile | None) -> str:
    return _DRAWN if own is None else _STILL.replace("{{own}}", own.body.decode())


def _walk(folder: Traversable, path: str = "") -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        name = path + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/")
        elif (suffix := "." + entry.name.rpartition(".")[2]) in _TYPES:
            yield name, PageFile(entry.read_bytes(), _TYPES[suffix])
