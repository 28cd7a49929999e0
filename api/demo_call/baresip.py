"""The SIP phone of the demo call: a headless baresip, driven over its control port, that speaks a file and records what it hears."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.demo_call.kamailio import DOMAIN
from api.demo_call.process import ChildProcess, PeerFailure, free_port, free_port_range

CODEC_NAMES = {"opus": "opus/48000/2", "g722": "G722/16000/1", "pcma": "PCMA/8000/1", "pcmu": "PCMU/8000/1"}
RTP_PORTS = 20
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """``speech``: a 48 kHz mono WAV, the only rate its file source plays whatever the codec. ``proxy``: host and port of the registrar."""

    extension: str
    password: str
    proxy: tuple[str, int]
    codecs: tuple[str, ...]
    speech: Path
    host: str = "127.0.0.1"
    answers: bool = True
    encryption: str = ""
    """Its ``mediaenc``: ``srtp-mand`` wants RTP/SAVP, ``srtp`` offers keys on RTP/AVP."""
    sip_port: int | None = None
    rtp_ports: int | None = None


class Phone:
    """A registered phone. Events come as dictionaries as its control port words them (``type``: CALL_RINGING, CALL_CLOSED, ...)."""

    def __init__(self, settings: PhoneSettings, directory: Path, process: ChildProcess, sip_port: int) -> None:
        self.settings = settings
        self.process = process
        self.sip_port = sip_port
        self._directory = directory
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1000)
        self._responses: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tokens = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self.seen: list[dict[str, Any]] = []
        """Every event so far, for the report and for "never saw a BYE"."""

    async def dial(self, target: str) -> None:
        await self._command("dial", f"sip:{target}@{DOMAIN}")

    async def accept(self) -> None:
        await self._command("accept", "")

    async def hang_up(self) -> None:
        await self._command("hangup", "")

    async def hold(self, held: bool) -> None:
        await self._command("hold" if held else "resume", "")

    async def press(self, digits: str) -> None:
        await self._command("sndcode", digits)

    async def event(self, *types: str, within_s: float = _WAIT_S) -> dict[str, Any]:
        """The next event of one of these types, from those not taken yet. Raises PeerFailure when none comes."""
        try:
            async with asyncio.timeout(within_s):
                while (event := await self._events.get()).get("type") not in types:
                    pass
                return event
        except TimeoutError:
            seen = ", ".join(str(event.get("type")) for event in self.seen) or "none"
            raise PeerFailure(f"the phone reported no {' or '.join(types)} within {within_s:g} s (it reported: {seen})") from None

    def forget_events(self) -> None:
        """What happened so far is of no interest to those who wait from now on."""
        while not self._events.empty():
            self._events.get_nowait()
        self.seen.clear()

    def recordings(self) -> set[Path]:
        """WAV files of what it decoded so far, one per call, each ending with the call's first re-INVITE."""
        return set(self._directory.glob("rec/*-dec.wav"))

    async def _command(self, command: str, parameters: str) -> None:
        if self._writer is None:
            raise RuntimeError("the control port is not connected")
        token = str(next(self._tokens))
        answer = self._responses[token] = asyncio.get_running_loop().create_future()
        body = json.dumps({"command": command, "params": parameters, "token": token}).encode()
        self._writer.write(b"%d:%b," % (len(body), body))
        try:
            response = await asyncio.wait_for(answer, _WAIT_S)
        except TimeoutError:
            raise PeerFailure(f"baresip did not answer the command {command}. {self.process.last_words()}") from None
        finally:
            del self._responses[token]
        if not response.get("ok"):
            raise PeerFailure(f"baresip refused the command {command}: {response.get('data')}")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Netstrings: length in decimal, a colon, that many bytes of JSON, a comma."""
        try:
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                if message.get("event"):
                    self.seen.append(message)
                    self._events.put_nowait(message)
                elif (waiting := self._responses.get(str(message.get("token")))) is not None and not waiting.done():
                    waiting.set_result(message)
        except asyncio.IncompleteReadError:
            return  # the phone closed the connection: it is going down


@asynccontextmanager
async def phone(directory: Path, settings: PhoneSettings) -> AsyncIterator[Phone]:
    """Starts baresip and waits until it is registered. Raises PeerFailure with its output when it is not."""
    sip_port = settings.sip_port or free_port(settings.host, count=2)  # on the next one it listens for TLS, whether wanted or not
    control_port = free_port()
    _write(directory, settings, sip_port, control_port)
    command = ["baresip", "-4", "-f", str(directory)]
    async with ChildProcess("baresip", command, log=directory / "baresip.log", directory=directory) as process:
        await process.said(r"registered successfully|200 OK", _WAIT_S)
        started = Phone(settings, directory, process, sip_port)
        reader, writer = await asyncio.wait_for(asyncio.open_connection(settings.host, control_port), _WAIT_S)
        started._writer = writer
        listening = asyncio.create_task(started._listen(reader), name="baresip control port")
        try:
            yield started
        finally:
            writer.close()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _write(directory: Path, settings: PhoneSettings, sip_port: int, control_port: int) -> None:
    (directory / "rec").mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(_configuration(directory, settings, sip_port, control_port))
    (directory / "accounts").write_text(_account(settings))


def _account(settings: PhoneSettings) -> str:
    host, port = settings.proxy
    codecs = ",".join(CODEC_NAMES[name] for name in settings.codecs)
    answer = ";answermode=auto" if settings.answers else ""
    answer += f";mediaenc={settings.encryption}" if settings.encryption else ""
    return (
        f"<sip:{settings.extension}@{DOMAIN}>;auth_user={settings.extension};auth_pass={settings.password};"
        f'outbound="sip:{host}:{port};transport=udp";regint=120{answer};audio_codecs={codecs}\n'
    )


def _configuration(directory: Path, settings: PhoneSettings, sip_port: int, control_port: int) -> str:
    """48 kHz at source and player: its file source refuses any other rate, and resamples from it to every codec. No player module:
    decoding is then paced by the packets and ``sndfile`` records every decoded frame."""
    first = settings.rtp_ports or free_port_range(RTP_PORTS, start=21_000)
    modules = Path("/usr/lib/baresip/modules")
    names = ["g711", "g722", "opus", "aufile", "sndfile", "srtp", "plc"]  # in this order it records what its concealment made
    return "\n".join(
        [
            "poll_method epoll",
            f"sip_listen {settings.host}:{sip_port}",
            f"net_interface {settings.host}",
            "call_local_timeout 120",
            "call_max_calls 4",
            f"audio_source aufile,{settings.speech}",
            f"audio_player aufile,{directory / 'nowhere.wav'}",
            f"audio_alert aufile,{directory / 'nowhere.wav'}",
            "ausrc_srate 48000",
            "auplay_srate 48000",
            "ausrc_channels 1",
            "auplay_channels 1",
            "audio_buffer 20-160",
            f"rtp_ports {first}-{first + RTP_PORTS - 1}",
            "rtcp_mux no",
            "jitter_buffer_type fixed",
            "jitter_buffer_delay 2-10",
            f"module_path {modules}",
            *(f"module {name}.so" for name in names),
            "module_tmp uuid.so",
            "module_tmp account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
            f"ctrl_tcp_listen {settings.host}:{control_port}",
            f"snd_path {directory / 'rec'}",
            "opus_bitrate 32000",
            "opus_inbandfec yes",
            "",
        ]
    )
