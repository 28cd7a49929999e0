"""The checks of tests/conftest.py catch what they are there for: each test here runs a leaking test and looks at its verdict."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

LEAKS = {
    "socket": ("def test_it(): kept.append(socket.socket())", "*leaked: open socket*"),
    "thread": (
        "def test_it(): threading.Thread(target=threading.Event().wait, name='idler', daemon=True).start()",
        "*leaked: thread idler*",
    ),
    "process": ("def test_it(): kept.append(subprocess.Popen(['sleep', '30']))", "*leaked: process * (sleep 30)*"),
    "task": ("async def test_it(): kept.append(asyncio.create_task(asyncio.sleep(30)))", "*left running tasks:*"),
    "the network": (
        "def test_it():\n    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.sendto(b'x', ('192.0.2.77', 9))",
        "*tried to reach 192.0.2.77*",
    ),
}
HEAD = "import asyncio, socket, subprocess, threading\nkept = []\n"
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_fails(pytester: pytest.Pytester, leak: str) -> None:
    source, verdict = LEAKS[leak]
    result = _run(pytester, HEAD + source)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([verdict])


def test_what_is_given_back_and_what_belongs_to_a_wider_fixture_passes(pytester: pytest.Pytester) -> None:
    source = """
import pytest

@pytest.fixture(scope="module")
def shared():
    with socket.socket() as opened:
        yield opened

def test_uses_it(shared): pass
def test_uses_it_again(shared): pass
def test_gives_back():
    with socket.socket(): pass
async def test_threads_of_the_loop(): await asyncio.to_thread(sum, (1, 2))
"""
    _run(pytester, HEAD + source).assert_outcomes(passed=4)


def _run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    patient = (Path(__file__).parents[1] / "conftest.py").read_text()
    assert patient.count("\n_GRACE_S = ") == 1
    pytester.makeconftest(re.sub(r"\n_GRACE_S = .*", "\n_GRACE_S = 0.5", patient))  # what leaks here goes on for longer
    pytester.makefile(".ini", pytest=INI)
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")
