"""The conformance flows run: for each a trunk of the kind under test with a scripted application behind it, and SIPp on the other side."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from api.demo_call.kamailio import Kamailio, kamailio
from api.demo_call.process import ChildProcess, free_port
from pbx.sip_settings import RegistrarSettings, SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.tls import TlsContexts
from pbx.trunk import OnTrunkEvent, Trunk
from tests.kit.certificate import Authority
from tests.kit.datagram_door import lossy_door, once_door
from tests.kit.flows.flow import Flow
from tests.kit.scripted_app import ScriptedApp
from tests.kit.sipp import listens
from tests.kit.sipp_steps import Called, Caller, Registrant, Registrar, Way
from tests.kit.stream_door import StreamDoor

LONGEST_S = 60
AT_ONCE = 8
_TRANSPORTS = {"tcp": SipTransport.TCP, "cut": SipTransport.TCP, "tls": SipTransport.TLS}
MakeTrunk = Callable[[SipTrunkSettings, OnTrunkEvent], Trunk]


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of trunk under test. ``at_once``: how many of them one process may have."""

    name: str
    make: MakeTrunk
    at_once: int = AT_ONCE


OURS = Subject("asyncio", SipTrunk)


@dataclass(frozen=True, slots=True)
class Run:
    """One flow over one transport: ``udp``, ``tcp``, ``tls``, ``udp6``, ``cut`` for TCP in small pieces, ``lossy`` for UDP that loses each
    message once, ``proxy`` for UDP through kamailio.
    """

    flow: Flow
    over: str

    def __str__(self) -> str:
        return f"{self.flow.name} [{self.over}]"


def runs(flows: Iterable[Flow]) -> list[Run]:
    found = []
    for flow in flows:
        found += [Run(flow, over) for over in flow.over]
        found += [Run(flow, "udp6")] * flow.six
        found += [Run(flow, "cut")] * flow.cut
        found += [Run(flow, "proxy")] * flow.proxied
    return found


@dataclass(slots=True)
class Bench:
    """What all runs share. ``take_port`` never gives a port twice."""

    subject: Subject
    directory: Path
    authority: Authority
    certificate: tuple[Path, Path]
    proxy: Kamailio | None
    _taken: set[int] = field(default_factory=set)

    def take_port(self) -> int:
        while (port := free_port()) in self._taken:
            pass
        self._taken.add(port)
        return port

    @property
    def tls(self) -> SipTlsSettings:
        return SipTlsSettings(self.authority.file, *self.certificate)


async def run_all(chosen: list[Run], subject: Subject, directory: Path) -> dict[Run, str]:
    """Every run, some at once. For each what went wrong; empty where nothing did."""
    authority = Authority(directory)
    door = asyncio.Semaphore(subject.at_once)
    async with AsyncExitStack() as stack:
        proxy = None
        proxied = [number for number, run in enumerate(chosen) if run.over == "proxy"]
        if proxied:
            users = {"300": "pw300"} | {str(first + number): "pw" for number in proxied for first in (1000, 5000)}
            proxy = await stack.enter_async_context(kamailio(directory / "kamailio", users))
        bench = Bench(subject, directory, authority, authority.sign("127.0.0.1", "::1"), proxy)

        async def one(number: int, run: Run) -> None:
            async with door:
                await _play(bench, run, number)

        ended = await asyncio.gather(*(one(number, run) for number, run in enumerate(chosen)), return_exceptions=True)
    return {run: "" if error is None else f"{type(error).__name__}: {error}" for run, error in zip(chosen, ended, strict=True)}


async def _play(bench: Bench, run: Run, number: int) -> None:
    directory = bench.directory / str(number)
    directory.mkdir()
    flow = run.flow
    host = "::1" if run.over == "udp6" else "127.0.0.1"
    app = ScriptedApp(host)
    told = asyncio.Event()
    app.on_told = told.set
    async with AsyncExitStack() as stack:
        stack.callback(app.close)
        calls = isinstance(flow.phone, Caller)
        sipp_port, our_port = bench.take_port(), bench.take_port()
        towards_us, towards_sipp, contact_port = await _open_doors(stack, bench, run, number, sipp_port, our_port)
        settings = _settings(bench, run, host, our_port, towards_sipp)
        if bench.proxy is not None and run.over == "proxy":
            account = str(1000 + number)
            at_proxy = {"port": bench.proxy.port, "domain": "pbx.test", "register": True, "extension": account, "password": "pw"}
            settings = replace(settings, **at_proxy)
        app.trunk = bench.subject.make(settings, app.on_event)
        if calls:
            await stack.enter_async_context(app.trunk)
            if not isinstance(flow.phone, Registrant):
                await app.ready()
        target = f"{_bracketed(host)}:{towards_us}" if calls else ""
        keys = {"tp": str(settings.transport).upper(), "cport": str(contact_port), "extension": settings.extension, "fold": "  "}
        sipp = await stack.enter_async_context(_sipp(directory, run, host, sipp_port, target, keys))
        leaving = AsyncExitStack()
        if not calls:
            await stack.enter_async_context(leaving)
            await leaving.enter_async_context(app.trunk)
        if isinstance(flow.phone, Called):
            await app.ready()
            called = "200"
            if run.over == "proxy":
                called = str(5000 + number)
                await stack.enter_async_context(_registered(settings, called, contact_port))
            app.dial(called, flow.phone.does)
        elif flow.phone.does == "leaves":
            await app.ready()
            await leaving.aclose()
        status = await sipp.ended(LONGEST_S + 5)
        errors = "\n".join(path.read_text()[-3000:] for path in directory.glob("*_errors.log"))
        assert status == 0, f"SIPp ended with {status}; the application was told {app.told}:\n{errors or sipp.last_words()}"
        if isinstance(flow.phone, Registrar | Registrant):
            if flow.phone.does != "leaves" and flow.told == "ready":
                await app.ready()  # SIPp ends with its last word, which may be on its way yet
            assert flow.told != "refused" or not app.trunk.status.ready, app.trunk.status
            return
        wanted = flow.told.split()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while wanted and app.told != wanted and len(app.told) <= len(wanted):
                    told.clear()
                    await told.wait()
        assert not wanted or app.told == wanted, f"the application was told {app.told}, not {wanted}"


async def _open_doors(stack: AsyncExitStack, bench: Bench, run: Run, number: int, sipp_port: int, our_port: int) -> tuple[int, int, int]:
    """What lies between SIPp and the trunk. The port where SIPp finds the trunk, where the trunk finds SIPp, and that of SIPp's Contact."""
    host = "::1" if run.over == "udp6" else "127.0.0.1"
    calls = isinstance(run.flow.phone, Caller)
    if run.over in ("udp", "udp6", "proxy", "lossy"):
        near, far = bench.take_port(), bench.take_port()
        agent = (host, bench.proxy.port) if run.over == "proxy" and bench.proxy is not None else (host, our_port)
        door = lossy_door if run.over == "lossy" else once_door
        await stack.enter_async_context(door((host, near), (host, sipp_port), (host, far), agent))
        return near, far, far
    tls = TlsContexts(bench.tls, Counter()) if run.over == "tls" else None
    stream = StreamDoor(host, tls, cut=Random(number) if run.over == "cut" else None, repeats=run.flow.repeats)
    if calls:
        near, far = bench.take_port(), bench.take_port()
        await stack.enter_async_context(stream.into(near, our_port, source_port=far))
        return near, sipp_port, far
    far = bench.take_port()
    await stack.enter_async_context(stream.out_of(far, sipp_port))
    return our_port, far, far


def _settings(bench: Bench, run: Run, host: str, our_port: int, towards_sipp: int) -> SipTrunkSettings:
    chosen: dict[str, Any] = {
        "server": host,
        "port": towards_sipp,
        "extension": "100",
        "transport": _TRANSPORTS.get(run.over, SipTransport.UDP),
        "bind_host": host,
        "bind_port": our_port,
        "register": False,
        "keepalive_s": 0.0,
        "tls": bench.tls,
        "invites_per_s": 1000.0,
    }
    if isinstance(run.flow.phone, Registrar):
        chosen |= {"register": True, "password": "secret", "domain": "pbx.test"}
    if isinstance(run.flow.phone, Registrant):
        chosen |= {"server": "", "port": 0, "password": "secret", "registrar": RegistrarSettings()}
    return SipTrunkSettings(**(chosen | run.flow.settings))


@asynccontextmanager
async def _sipp(directory: Path, run: Run, host: str, port: int, target: str, keys: dict[str, str]) -> AsyncIterator[ChildProcess]:
    scenario = directory / "scenario.xml"
    scenario.write_text(run.flow.phone.scenario(Way.PROXIED if run.over == "proxy" else Way.STRAIGHT))
    transport = "t1" if run.over in _TRANSPORTS else "u1"
    command = ["sipp", *([target] if target else []), "-sf", str(scenario), "-s", run.flow.phone.does, "-i", host, "-p", str(port)]
    command += ["-t", transport, "-m", "1", "-nostdin", "-timeout", str(LONGEST_S), "-timeout_error", "-trace_err"]
    command += ["-mi", host]
    for name, value in keys.items():
        command += ["-key", name, value]
    async with ChildProcess("sipp", command, log=directory / "sipp.log", directory=directory, environment={"TERM": "xterm"}) as process:
        if not target:
            await listens(port, transport, host)
        yield process


@asynccontextmanager
async def _registered(ours: SipTrunkSettings, account: str, port: int) -> AsyncIterator[None]:
    """SIPp as a phone that the proxy knows, at this port."""
    phone = ScriptedApp()
    there = {"extension": account, "bind_port": 0, "public_host": "127.0.0.1", "public_port": port}
    phone.trunk = SipTrunk(replace(ours, **there), phone.on_event)
    async with phone.trunk:
        await phone.ready()
        yield


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
