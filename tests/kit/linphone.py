"""A headless linphonec: a second phone of another make, driven by the lines that it reads, that plays a file and records what it hears."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api.demo_call.kamailio import DOMAIN
from api.demo_call.process import ChildProcess, free_port

_CODECS = {"opus": ("opus", 48_000, 2), "g722": ("G722", 8_000, 1), "pcma": ("PCMA", 8_000, 1), "pcmu": ("PCMU", 8_000, 1)}
_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class LinphoneSettings:
    """``speech``: a WAV that it plays in every call. ``encryption``: ``none``, or ``srtp`` (which it then insists on)."""

    extension: str
    password: str
    proxy: tuple[str, int]
    codecs: tuple[str, ...]
    speech: Path
    encryption: str = "none"
    digits_by_info: bool = False
    host: str = "127.0.0.1"


class Linphone:
    """A registered linphonec, which answers every call."""

    def __init__(self, settings: LinphoneSettings, directory: Path, process: ChildProcess) -> None:
        self.settings, self.process = settings, process
        self.recording = directory / "heard.wav"

    async def says(self, pattern: str) -> None:
        """Wait for a line of its that was not waited for yet."""
        await self.process.says(pattern, _WITHIN_S)

    async def registered(self) -> None:
        """It says so only when it is asked."""
        while "identity" not in (await self._status()).string:  # noqa: ASYNC110 there is no other way to learn it
            await asyncio.sleep(0.05)

    async def _status(self) -> re.Match[str]:
        self.tell("status register")
        return await self.process.says("registered(, identity|=)", _WITHIN_S)

    def tell(self, command: str) -> None:
        self.process.tell(command)


@asynccontextmanager
async def linphone(directory: Path, settings: LinphoneSettings) -> AsyncIterator[Linphone]:
    """Starts linphonec and waits until it is registered."""
    _write(directory, settings)
    command = ["stdbuf", "-oL", "linphonec", "-c", str(directory / "linphonerc"), "-b", str(directory / "factory"), "-a"]
    environment = {"HOME": str(directory), "TERM": "dumb"}
    async with ChildProcess(
        "linphonec", command, log=directory / "linphonec.log", directory=directory, environment=environment, told=True
    ) as process:
        phone = Linphone(settings, directory, process)
        phone.tell("soundcard use files")
        await phone.says("Using wav files")
        phone.tell(f"play {settings.speech}")
        phone.tell(f"record {phone.recording}")
        await phone.registered()
        yield phone
        phone.tell("quit")
        await process.ended(_WITHIN_S)


def _write(directory: Path, settings: LinphoneSettings) -> None:
    (directory / ".local" / "share" / "linphone").mkdir(parents=True, exist_ok=True)
    (directory / "factory").touch()
    (directory / "linphonerc").write_text(_configuration(settings))


def _configuration(settings: LinphoneSettings) -> str:
    proxy = f"{settings.proxy[0]}:{settings.proxy[1]}"
    port, audio = free_port(settings.host), free_port(settings.host, count=4)
    sections = {
        "sip": {
            "default_proxy": 0,
            "sip_port": port,
            "sip_tcp_port": -2,  # 0, or an address to bind, would take the UDP listener away
            "sip_tls_port": -2,
            "register_only_when_network_is_up": 0,
            "auto_net_state_mon": 0,
            "guess_hostname": 1,
            "media_encryption": settings.encryption,
            "media_encryption_mandatory": int(settings.encryption != "none"),
            "use_info": int(settings.digits_by_info),
            "use_rfc2833": int(not settings.digits_by_info),
            "auto_send_ringing": 1,
        },
        "net": {"mtu": 1300, "firewall_policy": 0},
        "rtp": {"audio_rtp_port": audio, "audio_jitt_comp": 60, "nortp_timeout": 60},
        "proxy_0": {
            "reg_proxy": f"<sip:{proxy};transport=udp>",
            "reg_route": f"<sip:{proxy};lr>",
            "reg_identity": f"sip:{settings.extension}@{DOMAIN}",
            "reg_expires": 300,
            "reg_sendregister": 1,
            "publish": 0,
        },
        "auth_info_0": {
            "username": settings.extension,
            "userid": settings.extension,
            "passwd": settings.password,
            "realm": DOMAIN,
            "domain": DOMAIN,
        },
        "video": {"enabled": 0, "capture": 0, "display": 0},
        "misc": {"prefer_basic_chat_room": 1},
    }
    names = [*settings.codecs, *(name for name in _CODECS if name not in settings.codecs)]
    for number, name in enumerate(names):
        mime, rate_hz, channels = _CODECS[name]
        sections[f"audio_codec_{number}"] = {"mime": mime, "rate": rate_hz, "channels": channels, "enabled": int(name in settings.codecs)}
    for number, (mime, rate_hz) in enumerate((("speex", 16_000), ("speex", 8_000), ("speex", 32_000), ("GSM", 8_000), ("G729", 8_000))):
        sections[f"audio_codec_{len(names) + number}"] = {"mime": mime, "rate": rate_hz, "channels": 1, "enabled": 0}
    return "\n".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in entries.items()) for name, entries in sections.items())
