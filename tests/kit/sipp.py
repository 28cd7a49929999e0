"""SIPp running one of the scenarios in tests/data/sipp."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api.demo_call.process import ChildProcess, free_port, free_port_range
from tests.kit.datagram_door import once_door

_HOST = "127.0.0.1"
_LONGEST_S = 60
SCENARIOS = Path(__file__).parents[1] / "data" / "sipp"


@dataclass(frozen=True, slots=True)
class Sipp:
    """``port``: where it is found. ``passed`` waits for the end of the scenario and fails with its errors."""

    port: int
    process: ChildProcess
    directory: Path

    async def passed(self, within_s: float = _LONGEST_S + 30.0) -> None:
        status = await self.process.ended(within_s)
        errors = "\n".join(path.read_text()[-3000:] for path in self.directory.glob("*_errors.log"))
        assert status == 0, f"SIPp ended with {status}:\n{errors or self.process.last_words()}"


@asynccontextmanager
async def sipp(
    directory: Path, scenario: str, *, target: str = "", called: str = "100", transport: str = "u1", calls: int = 1
) -> AsyncIterator[Sipp]:
    """Start a scenario. With ``target`` (host:port, here) SIPp calls, without it SIPp waits for calls; it is listening on entry."""
    port = found_at = free_port()
    async with AsyncExitStack() as stack:
        if transport == "u1":
            near, found_at = free_port(), free_port()
            agent = (_HOST, int(target.rpartition(":")[2])) if target else None
            await stack.enter_async_context(once_door((_HOST, near), (_HOST, port), (_HOST, found_at), agent))
            target = f"{_HOST}:{near}" if target else ""
        command = ["sipp", *([target] if target else []), "-sf", str(SCENARIOS / scenario), "-s", called, "-i", _HOST, "-p", str(port)]
        command += ["-t", transport, "-m", str(calls), "-nostdin", "-timeout", str(_LONGEST_S), "-timeout_error", "-trace_err"]
        command += ["-mi", _HOST, "-mp", str(free_port_range(8, start=24_000)), "-key", "cport", str(found_at)]
        program = ChildProcess("sipp", command, log=_make(directory) / "sipp.log", directory=directory, environment={"TERM": "xterm"})
        process = await stack.enter_async_context(program)
        if not target:
            await listens(port, transport)
        yield Sipp(found_at, process, directory)


async def listens(port: int, transport: str, host: str = _HOST) -> None:
    """Wait until the kernel shows the port as bound: SIPp itself says nothing when it is ready."""
    for _ in range(1_500):
        if _is_bound(port, transport, host):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"SIPp did not open port {port} in 30 s")


def _is_bound(port: int, transport: str, host: str) -> bool:
    six = ":" in host
    table = Path(f"/proc/net/{'tcp' if transport.startswith('t') else 'udp'}{'6' if six else ''}")
    address = "0" * 24 + "01000000" if six else "0100007F"
    return f"{address}:{port:04X}" in table.read_text()


def _make(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
