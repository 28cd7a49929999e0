"""What holds for every test: nothing leaks, nothing leaves this machine, random input is the same each time.

Warnings are errors (``pyproject.toml``). After each test the process must own what it owned before: no task, thread, socket or child
process more. What a fixture of wider scope opens belongs to that fixture.
"""

import asyncio
import gc
import inspect
import ipaddress
import os
import select
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import ifaddr
import pytest
from hypothesis import settings

_GRACE_S = 30.0
"""A thread or process that was told to end may take this long; it is waited for, never slept for."""

settings.register_profile("test", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("soak", max_examples=20_000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="also the long runs of tests/soak, and deep fuzzing")
    parser.addoption("--torture", type=Path, help="folder with RFC 4475's and 5118's messages, to use in place of ours")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("soak" if config.getoption("--soak") else "test")
    sys.addaudithook(_stay_on_this_machine)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    soaking: bool = config.getoption("--soak")
    return True if "soak" in collection_path.parts and not soaking else None


# --- nothing leaves this machine ---------------------------------------------------------------------------------------------------

_OWN_ADDRESSES = {str(ip.ip if isinstance(ip.ip, str) else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips}


def _stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: a Python socket may speak to this machine only. Raises ConnectionRefusedError elsewhere."""
    if event not in ("socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket's path, or an already connected socket
    host = str(address[0]).removeprefix("::ffff:")  # IPv4 through a socket of both families
    try:
        outside = not ipaddress.ip_address(host.split("%")[0]).is_loopback and host not in _OWN_ADDRESSES and host != "0.0.0.0"
    except ValueError:
        outside = host not in ("", "localhost")
    if outside:
        raise ConnectionRefusedError(f"a test tried to reach {host}: tests speak to this machine only")


# --- nothing leaks -----------------------------------------------------------------------------------------------------------------


class _Belongings:
    """What this process owns at one moment."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.sockets = _sockets()
        self.children = _children()

    def add(self, later: "_Belongings", earlier: "_Belongings") -> None:
        self.threads |= later.threads - earlier.threads
        self.sockets |= later.sockets - earlier.sockets
        self.children |= later.children - earlier.children


_owned_before = pytest.StashKey[_Belongings]()
_allowed: list[_Belongings] = []
"""The running test's allowance (one entry while a test runs), so that fixtures of wider scope can add to it."""


def _sockets() -> set[str]:
    """Inodes of the open sockets, from /proc."""
    found = set()
    for entry in os.scandir("/proc/self/fd"):
        try:
            target = str(Path(entry.path).readlink())
        except FileNotFoundError:
            continue  # the descriptor of this very listing
        if target.startswith("socket:"):
            found.add(target)
    return found


def _children() -> set[int]:
    """Process ids of our living children. multiprocessing's own resource tracker stays for the whole run by design."""
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            command = Path(entry.path, "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and b"resource_tracker" not in command:
            found.add(int(entry.name))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    if fixturedef.scope == "function" or not _allowed:
        return (yield)
    earlier = _Belongings()
    try:
        return (yield)
    finally:
        _allowed[0].add(_Belongings(), earlier)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    _allowed[:] = [_Belongings()]
    item.stash[_owned_before] = _allowed[0]
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    result = yield
    left = _left_over(item.stash[_owned_before])
    if left:
        pytest.fail("this test leaked: " + "; ".join(left), pytrace=False)
    return result


def _left_over(before: _Belongings) -> list[str]:
    """In words, what is owned now and was not before."""
    left = []
    for thread in set(threading.enumerate()) - before.threads:
        thread.join(_GRACE_S)
        if thread.is_alive():
            left.append(f"thread {thread.name}")
    for pid in _children() - before.children:
        if not _ends(pid):
            left.append(f"process {pid} ({Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode().strip()})")
    if _sockets() - before.sockets:
        gc.collect()  # one in a reference cycle is closed, with a ResourceWarning, by this
        left.extend(f"open {name}" for name in sorted(_sockets() - before.sockets))
    return left


def _ends(pid: int) -> bool:
    """Waits for a child to end, without reaping it: its owner may still want the status."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], _GRACE_S)[0])
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def _leaves_no_task(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_task_left")


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    yield
    for _ in range(3):  # a task that was just cancelled needs a turn of the loop to end
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        names = "; ".join(f"{task.get_name()} in {task.get_coro()}" for task in left)
        pytest.fail(f"this test left running tasks: {names}", pytrace=False)
