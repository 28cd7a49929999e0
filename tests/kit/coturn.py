"""Debian's coturn on a free loopback port, with time-limited credentials."""

import asyncio
import shutil
from pathlib import Path
from typing import Literal, Self

from api.demo_call.process import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "turnserver.conf"
"""What is proposed to who runs one."""
PROGRAM = shutil.which("turnserver") or "/usr/bin/turnserver"


class Coturn:
    """``async with``. ``secret`` is what it shares with who hands out credentials. ``as_proposed``: by our file alone, which lets
    nobody reach this machine; else this machine may be reached."""

    def __init__(self, folder: Path, secret: str, *, as_proposed: bool = False) -> None:
        self.port = free_port()
        self.secret = secret
        self._folder = folder
        self._as_proposed = as_proposed
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self.url_by("udp")

    def url_by(self, transport: Literal["udp", "tcp"]) -> str:
        return f"turn:127.0.0.1:{self.port}?transport={transport}"

    async def __aenter__(self) -> Self:
        options = {
            "listening-ip": "127.0.0.1", "listening-port": self.port, "relay-ip": "127.0.0.1", "realm": "centralita.test",
            "static-auth-secret": self.secret, "pidfile": self._folder / "turn.pid", "userdb": self._folder / "turn.db",
            "log-file": "stdout",
        }  # fmt: skip
        ours = ("-c", str(CONFIGURATION)) if self._as_proposed else ("-n", "--use-auth-secret", "--no-cli", "--allow-loopback-peers")
        flags = (*ours, "--no-tls", "--no-dtls", "--simple-log", "--verbose")
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *flags,
            *(f"--{name}={value}" for name, value in options.items()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        await self._said("UDP listener opened on")
        return self

    async def _said(self, wanted: str, within_s: float = 30.0) -> None:
        """Until it says a line with this in it."""
        assert self._process is not None and self._process.stdout is not None
        lines: list[str] = []
        async with asyncio.timeout(within_s):
            while True:
                line = (await self._process.stdout.readline()).decode("utf-8", "replace")
                assert line, f"coturn ended: {''.join(lines[-10:])}"
                lines.append(line)
                if wanted in line:
                    return

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.communicate()
