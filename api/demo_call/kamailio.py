"""The PBX of the demo call: kamailio as a registrar with digest, on free loopback ports, without a database."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from api.demo_call.process import ChildProcess, PeerFailure, free_port

DOMAIN = "pbx.test"
_MODULES = (
    *("kex", "tm", "sl", "rr", "pv", "maxfwd", "textops", "siputils", "xlog"),
    *("usrloc", "registrar", "auth", "htable", "ctl", "jsonrpcs"),
)


@dataclass(frozen=True, slots=True)
class Hop:
    """The impairment relay's doors, told to each side in place of the other's ports: added to the port in every SDP that passes."""

    server_shift: int
    phone_shift: int
    phone_port: int
    """SIP port of the phone: tells its messages from the server's."""


@dataclass(slots=True)
class Kamailio:
    """A running registrar: SIP over UDP and TCP at ``host:port``, over TLS at ``tls_port``; ``users``: passwords by authentication name."""

    host: str
    port: int
    process: ChildProcess
    users: dict[str, str] = field(repr=False)
    tls_port: int = 0


@asynccontextmanager
async def kamailio(
    directory: Path, users: dict[str, str], *, hop: Hop | None = None, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[Kamailio]:
    """Starts kamailio with its files in ``directory``. Raises PeerFailure when it does not answer OPTIONS within 30 s.

    With a ``certificate`` (and its key) it speaks TLS too.
    """
    host, port = "127.0.0.1", free_port()
    tls = _Tls(free_port(), *certificate) if certificate is not None else None
    configuration = _write(directory, _configuration(directory, host, port, users, hop, tls))
    command = ["/usr/sbin/kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-f", str(configuration)]
    command += ["-P", str(directory / "kamailio.pid"), "-Y", str(directory)]
    async with ChildProcess("kamailio", command, log=directory / "kamailio.log", directory=directory) as process:
        await _answers(host, port, process)
        yield Kamailio(host, port, process, users, tls.port if tls is not None else 0)


async def _answers(host: str, port: int, process: ChildProcess) -> None:
    """Returns once an OPTIONS request was answered."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.bind((host, 0))
        own = probe.getsockname()[1]
        for attempt in range(300):
            request = (
                f"OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{own};branch=z9hG4bKready{attempt}\r\n"
                f"Max-Forwards: 5\r\nFrom: <sip:ready@{host}>;tag=ready\r\nTo: <sip:{host}>\r\n"
                f"Call-ID: ready-{own}\r\nCSeq: {attempt + 1} OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            try:
                await loop.sock_sendto(probe, request.encode(), (host, port))
                answer = await asyncio.wait_for(loop.sock_recv(probe, 4096), 0.1)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if answer.startswith(b"SIP/2.0 200"):
                return
    raise PeerFailure(f"kamailio does not answer. {process.last_words()}")


@dataclass(frozen=True, slots=True)
class _Tls:
    port: int
    certificate: Path
    key: Path

    def lines(self, host: str) -> str:
        return f"""enable_tls=yes
listen=tls:{host}:{self.port}
loadmodule "tls.so"
modparam("tls", "certificate", "{self.certificate}")
modparam("tls", "private_key", "{self.key}")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "verify_certificate", 0)"""


def _write(directory: Path, configuration: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "kamailio.cfg"
    path.write_text(configuration)
    return path


def _configuration(directory: Path, host: str, port: int, users: dict[str, str], hop: Hop | None, tls: _Tls | None) -> str:
    found = sorted(Path("/usr/lib").glob("*/kamailio/modules"))
    if not found:
        raise PeerFailure("kamailio's modules are not installed: apt-get install kamailio")
    modules = "\n".join(f'loadmodule "{name}.so"' for name in _MODULES)
    accounts = "\n".join(f'  $sht(users=>{name})="{password}";' for name, password in users.items())
    return f"""#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
alias="{DOMAIN}"
mpath="{found[0]}/"
{tls.lines(host) if tls is not None else ""}
{modules}
modparam("ctl", "binrpc", "unix:{directory}/ctl.sock")
modparam("jsonrpcs", "transport", 0)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "gruu_enabled", 0)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "min_expires", 10)
modparam("rr", "enable_full_lr", 1)
modparam("htable", "htable", "users=>size=4;")
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", 60000)

event_route[htable:mod-init] {{
{accounts}
}}
{_request_route(hop)}"""


def _request_route(hop: Hop | None) -> str:
    """Registrar and proxy with digest; with a hop, the ports in every SDP that passes are the relay's."""
    rewrite, watch = "", ""
    if hop is not None:
        watch = 't_on_reply("HOP"); route(HOP);'
        rewrite = f"""
route[HOP] {{
  if (!has_body("application/sdp")) return;
  $var(media) = $(rb{{line.sw,m=audio}});
  $var(port) = $(var(media){{s.select,1, }}{{s.int}});
  if ($var(port) == 0) return;
  if ($sp == {hop.phone_port}) {{ $var(port) = $var(port) + {hop.phone_shift}; }}
  else {{ $var(port) = $var(port) + {hop.server_shift}; }}
  subst_body('/^m=audio [0-9]+/m=audio $var(port)/');
}}
onreply_route[HOP] {{ route(HOP); }}
"""
    return f"""
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("OPTIONS") && uri==myself && $rU==$null) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
  {watch}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    sl_send_reply("404", "Not here"); exit;
  }}
  t_check_trans();
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("{DOMAIN}", "$sht(users=>$au)", "0", "0")) {{ auth_challenge("{DOMAIN}", "0"); exit; }}
    if (!save("location")) {{ sl_reply_error(); }}
    exit;
  }}
  if (is_method("INVITE") && from_uri==myself) {{
    if (!pv_auth_check("{DOMAIN}", "$sht(users=>$au)", "0", "0")) {{ auth_challenge("{DOMAIN}", "0"); exit; }}
    consume_credentials();
  }}
  if (is_method("INVITE|SUBSCRIBE|REFER")) {{ record_route(); }}
  if (uri==myself && !lookup("location")) {{ sl_send_reply("404", "Not registered"); exit; }}
  t_relay();
}}
{rewrite}"""
