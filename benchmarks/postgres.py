"""A PostgreSQL server of Debian's, in a temporary folder on a free port of this machine, for benchmarks and tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import asyncpg

from api.demo_call.process import free_port
from benchmarks.report import CannotRun

PASSWORD = "only for this test"
_READY = b"database system is ready to accept connections"
_STOP_S = 20.0


class Postgres:
    """``with``: a running server, empty, gone without trace afterwards. ``stop``, ``kill`` and ``start`` are for what happens without it.

    The server refuses to run as root, so as root it becomes the user ``postgres`` that Debian's package made. It dies with this process.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="centralita-postgres-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()  # none that the kernel gives to a connection while the server is away

    def __enter__(self) -> "Postgres":
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self._folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        options = [
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        done = subprocess.run(
            self._command("initdb", f"--pgdata={self._data}", *options), capture_output=True, cwd=self._folder, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Returns when the server takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "log_min_messages": "log",
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._data), *arguments)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self._folder)
        assert self._process.stderr is not None
        said = b""
        for line in self._process.stderr:
            said += line
            if _READY in line:
                return
        raise AssertionError(f"PostgreSQL did not start: {said.decode()}")

    def stop(self) -> None:
        """A fast stop: connections are closed from the server's side."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(2)
            process.communicate(timeout=_STOP_S)

    def kill(self) -> None:
        """As when its machine dies: SIGKILL to the server and to every process of its own, at once."""
        pids = self.pids
        process, self._process = self._process, None
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if process is not None:
            process.communicate(timeout=_STOP_S)

    @property
    def pids(self) -> list[int]:
        """The server, and every process of its own: one for each connection, and those that clean and write."""
        if self._process is None:
            return []
        own = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [self._process.pid, *map(int, own.split())]

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        return f"postgresql://postgres:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    async def create(self, database: str, template: str = "") -> str:
        """Make an empty database, or one like ``template``, to which nobody is connected, and return its URL."""
        connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, database="postgres")
        try:
            await connection.execute(f'CREATE DATABASE "{database}"' + (f' TEMPLATE "{template}"' if template else ""))
        finally:
            await connection.close()
        return self.url(database)

    def _command(self, program: str, *arguments: str) -> list[str]:
        path = max(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]), default=None)
        if path is None:
            raise CannotRun("PostgreSQL is missing: apt-get install postgresql")
        as_whom = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else ["setpriv"]
        return [*as_whom, "--pdeathsig=INT", str(path), *arguments]
