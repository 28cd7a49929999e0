"""A real Redis on a free port, that can be killed, frozen and begun again at the same one. It keeps nothing on disk."""

import subprocess
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, Self

from redis import Redis

from api.demo_call.process import free_port

_READY = b"Ready to accept connections"


class RedisServer:
    """``with``: running."""

    def __init__(self) -> None:
        self.port = free_port()  # none that the kernel gives to a connection while the server is away
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it takes connections."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "enable-protected-configs": "yes",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "redis-server", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout is not None
        said = b""
        for line in self._process.stdout:
            said += line
            if _READY in line:
                return
        raise AssertionError(f"Redis did not start: {said.decode()}")

    def kill(self) -> None:
        """With -9: what it had is lost."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(SIGCONT)
            process.send_signal(SIGKILL)
            process.communicate()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(SIGCONT)

    def do(self, *command: Any) -> Any:
        """One command, answered."""
        with Redis(port=self.port) as client:
            return client.execute_command(*command)
