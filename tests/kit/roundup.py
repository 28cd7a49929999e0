"""A real Roundup tracker, of its ``classic`` template, in a temporary folder on a free port of this machine.

It is served by its own WSGI door, in a process of its own: the server that comes with it refuses to run as root.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.kit.backend_people import Person

USER, PASSWORD = "admin", "only for this test"
_READY = "serves at "
_ROUNDS = 1_000
"""Of PBKDF2: a quarter of a million for each request would be the test's whole time."""


class RoundupServer:
    """``with``: a tracker that knows ``people``, gone without trace afterwards. ``base``: its address. It dies with this process."""

    def __init__(self, people: list[Person]) -> None:
        self._people = people
        self.base = ""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="centralita-roundup-"))
        people = [[each.name, each.real_name, each.phone, each.email, each.company] for each in self._people]
        command = [
            "setpriv",
            "--pdeathsig=KILL",
            sys.executable,
            "-m",
            "tests.kit.roundup",
            str(self._folder / "tracker"),
            json.dumps(people),
        ]
        self._errors = (self._folder / "errors").open("wb+")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors, cwd=self._folder, env=environment)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.decode().startswith(_READY):
                self.base = line.decode().removeprefix(_READY).strip()
                return self
        self.__exit__()
        raise AssertionError("Roundup did not start")

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.seek(0)
        sys.stderr.write(self._errors.read().decode(errors="replace")[-2_000:])
        self._errors.close()
        shutil.rmtree(self._folder)


def serve(home: str, people: list[list[str]]) -> None:
    """Make the tracker, say where it is, and serve until killed."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    from roundup import configuration, init, instance, password
    from roundup.cgi.wsgi_handler import RequestDispatcher

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Quiet)
    config = configuration.CoreConfig()
    settings = {"TRACKER_HOME": home, "MAIL_DOMAIN": "localhost", "DATABASE": "db", "RDBMS_BACKEND": "sqlite"}
    settings |= {"TRACKER_WEB": f"http://127.0.0.1:{server.server_port}/", "PASSWORD_PBKDF2_DEFAULT_ROUNDS": str(_ROUNDS)}
    for name, value in settings.items():
        config[name] = value
    init.install(home, str(Path(sys.prefix, "share", "roundup", "templates", "classic")))
    Path(home, "detectors", "nosyreaction.py").unlink()  # it would send mail
    config.save(str(Path(home, config.INI_FILE)))
    tracker = instance.open(home)
    tracker.init(password.Password(PASSWORD, config=config))
    database = tracker.open("admin")
    for name, real_name, phone, email, company in people:
        told = {"phone": phone, "address": email, "organisation": company}
        database.user.create(username=name, realname=real_name, roles="User", **{name: value for name, value in told.items() if value})
    database.commit()
    database.close()
    server.set_app(RequestDispatcher(home))
    print(f"{_READY}http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
