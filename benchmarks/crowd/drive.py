"""Starts a server and a crowd of clients, and asks both what they see."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from benchmarks.report import CannotRun

NODE = "Node Socket.IO"
_HERE = Path(__file__).parent


class _Told(AbstractContextManager["_Told"]):
    """A process that answers each line of its input by one line of JSON."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        environment = os.environ | (environment or {})
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun(f"{self._process.args!r} ended: its own words are above")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, word: str, *numbers: int) -> dict[str, Any]:
        self.write(" ".join([word, *map(str, numbers)]) + "\n")
        return self.answer()

    @property
    def rss(self) -> int:
        """Bytes of its memory, now."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Scene(ExitStack):
    """``clients`` of a server, in ``rooms``. ``server`` publishes, ``crowd`` hears."""

    def __init__(self, peer: str | None, *, clients: int, rooms: int, replay_kept: int = 128) -> None:
        super().__init__()
        self.clients = clients
        command = [sys.executable, "-m", "benchmarks.crowd.hub_server", str(rooms)] if peer is None else [*_node(), str(rooms)]
        with ExitStack() as begun:
            self.server = begun.enter_context(_Told(command, {"REPLAY_KEPT": str(replay_kept), "NODE_PATH": _modules() if peer else ""}))
            begun_with = self.server.answer()
            self.port, self.bare_rss = begun_with["port"], begun_with["rss"]
            """``bare_rss``: bytes of the server's memory before it knows of anybody."""
            hellos = self.server.ask("tokens", clients)["hellos"] if peer is None else ["40"] * clients
            self.crowd = begun.enter_context(_Told([str(_crowd()), str(self.port), '42["notice"' if peer is None else "40"]))
            self.crowd.write("".join(f"{hello}\n" for hello in hellos) + "\n")
            self.enter_context(begun.pop_all())

    def __enter__(self) -> Self:
        return self

    def arrive(self, spread_ms: int, word: str = "arrive") -> dict[str, Any]:
        came = self.crowd.ask(word, spread_ms)
        if came["ready"] != came["expected"]:
            raise CannotRun(f"only {came['ready']} of {came['expected']} clients could connect")
        return came


@lru_cache
def _crowd() -> Path:
    compiler, source = shutil.which("cc"), _HERE / "crowd.c"
    if compiler is None:
        raise CannotRun("the load needs a C compiler: install gcc")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "centralita"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / f"crowd-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not built.exists():
        fresh = built.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O2", "-Wall", "-o", fresh, source], check=True)
        fresh.replace(built)
    return built


def _node() -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise CannotRun("the peer needs Node.js: install nodejs and npm, or leave it out")
    return [node, str(_HERE / "server.js")]


@lru_cache
def _modules() -> str:
    """socket.io, installed by npm into a folder that goes with this process."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotRun("the peer needs npm to be installed")
    folder = tempfile.TemporaryDirectory(prefix="crowd-node-")
    _installed.append(folder)
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder.name, "socket.io@4"]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise CannotRun("npm could not install socket.io")
    return str(Path(folder.name) / "node_modules")


_installed: list[tempfile.TemporaryDirectory[str]] = []
