"""The compiled packet path under the address and undefined-behaviour sanitizers, by hand (`make soak`): its own tests, run once more."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/loopback/test_wire_forwarding.py",
    "tests/loopback/test_rtp_socket.py",
    "tests/loopback/test_peer.py",
    "tests/loopback/test_call_recording.py",
    "tests/unit/test_recordings.py",
    "tests/unit/test_sender.py",
)
INSTEAD = """
import importlib.abc, importlib.machinery, importlib.util, sys


class Instead(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "media.wire._wire":
            return importlib.util.spec_from_loader(name, importlib.machinery.ExtensionFileLoader(name, {built!r}))


sys.meta_path.insert(0, Instead())
"""


def test_its_tests_pass_under_the_sanitizers(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    assert compiler is not None, "the tests' set-up installs a C compiler"
    built = str(tmp_path / "_wire.so")
    flags = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-shared", "-fPIC")
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([compiler, *flags, include, str(ROOT / "media/wire/_wire.c"), "-o", built, "-lpthread"], check=True)
    (tmp_path / "sitecustomize.py").write_text(INSTEAD.format(built=built))
    libraries = [
        subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip() for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-4_000:] + ended.stderr[-4_000:]
