"""A real Request Tracker 5 (Debian's ``request-tracker5``), with a database of its own in a temporary folder, on a free port.

It needs neither Apache nor root: it is told by its environment where its settings are, and serves itself. It sends no mail.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Self
from urllib.error import URLError

from api.demo_call.process import free_port
from tests.kit.backend_people import Person

_SERVER = "/usr/share/request-tracker5/libexec/rt-server"
_SETUP = "/usr/sbin/rt-setup-database-5"
_MEMORY = "/dev/shm"
"""A ticket is dozens of transactions, and each waits for the disk elsewhere."""
_START_S = 60.0
_STOP_S = 60.0
_SETTINGS = """use utf8;
Set($rtname, 'centralita.test');
Set($Organization, 'centralita.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($SendmailPath, '/bin/true');
Set($LogToSyslog, undef);
Set($LogToFile, undef);
Set($LogToSTDERR, 'error');
$RT::VarPath = '{folder}/var';
$RT::MasonDataDir = '{folder}/var/mason';
$RT::MasonSessionDir = '{folder}/var/session';
1;
"""
_FINAL = """use JSON;
@Final = (sub {
    my $root = RT::User->new(RT->SystemUser);
    $root->Load('root');
    my ($ok, $said, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $root->Id, Description => 'tests');
    die $said unless $ok;
    my $scrips = RT::Scrips->new(RT->SystemUser);
    $scrips->UnLimit;
    while (my $scrip = $scrips->Next) { $scrip->SetDisabled(1) }
    open my $people, '<', 'people.json' or die $!;
    my @people = @{decode_json(join '', <$people>)};
    for my $person (@people) {
        ($ok, $said) = RT::User->new(RT->SystemUser)->Create(%$person);
        die $said unless $ok;
    }
    ($ok, undef, $said) = RT::Ticket->new(RT::CurrentUser->new($root))->Create(
        Queue => 'General', Subject => 'Before', Status => 'resolved', Requestor => [map { $_->{Name} } @people],
    );
    die $said unless $ok || !@people;
    open my $file, '>', 'token' or die $!;
    print $file $token;
    close $file;
});
1;
"""


class RequestTrackerServer:
    """``with``: it knows ``people`` by a ticket that is done, and is gone without trace afterwards; it dies with this process.

    ``base``: its address; ``token``: of its ``root``.
    """

    def __init__(self, people: list[Person]) -> None:
        self._people = people
        self.base = ""
        self.token = ""

    def __enter__(self) -> Self:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="centralita-rt-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
        port = free_port()
        for name in ("conf.d", "var/mason", "var/session"):
            (folder / name).mkdir(parents=True)
        (folder / "site.pm").write_text(_SETTINGS.format(port=port, folder=folder))
        (folder / "final.pl").write_text(_FINAL)
        (folder / "people.json").write_text(json.dumps([_user(person) for person in self._people]))
        self._environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "RT_SITE_CONFIG": str(folder / "site.pm"),
            "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
        }
        self._set_up("--action=init")
        self._set_up("--action=insert", f"--datafile={folder / 'final.pl'}")
        self.token, self.base = (folder / "token").read_text(), f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        command = ["setpriv", "--pdeathsig=TERM", _SERVER, "--host=127.0.0.1", f"--port={port}", "--max-workers=2"]
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, cwd=folder, env=self._environment, start_new_session=True
        )
        try:
            self._wait()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        # As root it would make files of the system's own RT its own on an interrupt; killed it does not.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STOP_S)
        self._log.close()
        shutil.rmtree(self._folder)

    def _set_up(self, *arguments: str) -> None:
        command = [_SETUP, "--force", "--skip-create", *arguments]
        done = subprocess.run(command, capture_output=True, cwd=self._folder, env=self._environment, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()[-2_000:]

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        request = urllib.request.Request(f"{self.base}/REST/2.0/rt", headers={"Authorization": f"token {self.token}"})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=_START_S) as answer:
                    answer.read()
                    return
            except (URLError, ConnectionError):
                said = (self._folder / "log").read_text(errors="replace")[-2_000:]
                assert self._process.poll() is None and time.monotonic() < until, f"RT did not start: {said}"
                time.sleep(0.05)


def _user(person: Person) -> dict[str, str]:
    """As RT has it."""
    told = {"Name": person.name, "RealName": person.real_name, "WorkPhone": person.phone, "Organization": person.company}
    return told | ({"EmailAddress": person.email} if person.email else {})
