"""The settings tree: a TOML file, the environment, a folder of secrets and the command line, each over the one before it.

Sections are frozen and are handed down to the parts they are about. Unknown keys are refused. Every fault is reported at once, with its
path, where it came from and what to do. Read with pydantic's models but a loader of our own, because that knows of each value where
it came from.
"""

import difflib
import ipaddress
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator

from api.after.settings import AfterCallSection
from api.backends.settings import BackendsSection
from api.first_start.answers import HOUSE_FILE
from api.identity.settings import IdentitySettings, OidcSettings
from api.notify.settings import EmailSection, SmsSection
from api.privacy.settings import RetentionSection
from api.reports.settings import ReportsSection
from api.rest_limits import PER_HOUR, Rates, RestLimitSettings, rates_of_roles
from api.section import Names
from api.section import Section as _Section
from api.section import split_text as _split
from api.surveys.settings import SurveysSection
from api.threecx_settings import ThreeCxWork
from api.tickets.settings import TicketsSection
from api.visits.settings import VisitSettings
from api.webhook_settings import WebhookSettings
from media.prompt_settings import VOICES, find_sound
from media.reach import announced
from pbx.fraud import EUROPE_AND_NORTH_AMERICA, DialRules
from pbx.numbers import NumberKind
from pbx.pjsua2_trunk import check_fit
from pbx.resolver import split_server
from pbx.routing import DialPlan, NumberStyle
from pbx.threecx.agent_step import Words
from pbx.threecx.settings import ThreeCxSettings
from pbx.toll import Bound, TollBounds
from pbx.trunk_health import FailoverSettings
from rooms.monitor import Announce, SupervisionPolicy
from rooms.policy import CallPolicy, ConsultationRecordingPolicy, RecordingMode, RecordingPolicy, RingOrder
from signaling.addresses import networks
from signaling.grants import Role
from signaling.guard import ClientLimits
from signaling.hub import HubSettings
from signaling.limits import AddressLimits
from signaling.redis_bus import RedisBusSettings
from signaling.tokens import LONGEST_LIFE_S, SHORTEST_SECRET_BYTES

PREFIX = "CENTRALITA_"
DEFAULT_FILE = Path("centralita.toml")
_NOT_SECTIONS = {"SECRETS_DIR"}
"""Names in the environment that are about the settings and not settings: where the folder of secrets is."""


class ConfigError(Exception):
    """Everything that is wrong with the configuration, for the person who wrote it. ``faults``: one line each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        head = "The configuration has a fault:" if len(faults) == 1 else f"The configuration has {len(faults)} faults:"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in faults), "Nothing was started. Correct this and start again."]))


_LEAST_BEEP_S = 5.0
_KEY = re.compile(r"[0-9a-fA-F]{64}")
_TURN_URL = re.compile(r"turns?:[^?\s]+(\?transport=(udp|tcp))?")
_CODECS = ("opus", "g722", "pcma", "pcmu")
_Bitrate = Annotated[int, Field(ge=6_000, le=128_000)]


def _codecs(value: object) -> object:
    """``auto``, or codecs in the order they are wanted."""
    if value == "auto":
        return value
    names = _split(value)
    if not isinstance(names, list | tuple) or not names or any(name not in _CODECS for name in names):
        raise ValueError(f'give "auto", or a list of {", ".join(_CODECS)} in the order they are wanted')
    return tuple(names)


def _networks(value: object) -> object:
    names = _split(value)
    for name in names if isinstance(names, list | tuple) else ():
        ipaddress.ip_network(str(name))
    return names


def _addresses(value: object) -> object:
    """Addresses that can be bound and announced: numbers, and of one machine."""
    hosts = _split(value)
    for host in hosts if isinstance(hosts, list | tuple) else ():
        try:
            address = ipaddress.ip_address(str(host))
        except ValueError:
            raise ValueError("give IP addresses, not names: browsers and phones are told them as they stand") from None
        if address.is_multicast:
            raise ValueError("a multicast address is that of no machine: name those that browsers reach, as in 192.0.2.10,2001:db8::10")
    return hosts


def _origins(value: object) -> object:
    """Names of sites: nothing else may come into a page's policy."""
    names = _split(value)
    for name in names if isinstance(names, tuple | list) else ():
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", str(name)):
            raise ValueError(f"{name!r} is no site: give https://host or https://host:port, in small letters and without a path")
    return names


Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Quota = Annotated[int, Field(ge=1, le=10_000_000)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]
CodecPolicy = Annotated[str | tuple[str, ...], BeforeValidator(_codecs)]
Port = Annotated[int, Field(ge=0, le=65_535)]


def _workers(value: object) -> object:
    """``auto``, or a number, also where there is only text."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number != "auto" and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST_WORKERS):
        raise ValueError(f'give "auto", or a number of processes from 0 to {_MOST_WORKERS}')
    return number


_MOST_WORKERS = 256
Workers = Annotated[int | Literal["auto"], BeforeValidator(_workers)]
Language = Annotated[str, Field(pattern=r"^(en|es)$")]
SoundName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class ServerSection(_Section):
    """Where pages are served. Browsers allow microphones on https and on localhost only, hence the certificate."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_url: str = ""
    """How people reach us, where a proxy stands in front: ``https://phone.example``."""
    trusted_proxies: Networks = ()
    """Addresses or networks whose ``X-Forwarded-For`` is believed."""
    metrics_from: Networks = ("127.0.0.0/8", "::1/128")
    """Networks that may read ``/metrics``."""
    drain_s: Seconds = 0.0
    """How long live calls may go on after SIGTERM."""
    data_dir: Path = Path("var")

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        _check_pem(self.tls_certificate, self.tls_key)
        return self


def _check_pem(certificate: Path | None, key: Path | None, *others: Path | None) -> None:
    """Raises ``ValueError`` for a pair that is none, and for files that are not there."""
    if (certificate is None) != (key is None):
        raise ValueError("tls_certificate and tls_key belong together: give both, or neither")
    for path in (certificate, key, *others):
        if path is not None and not path.is_file():
            raise ValueError(f"{path} does not exist or is no file: give the path of the PEM file")


class StoreSection(_Section):
    url: SecretStr = SecretStr("")
    """SQLAlchemy URL (``postgresql+asyncpg://...``); empty: an SQLite file in the data folder."""


class VoiceSection(_Section):
    """What is done to voices. ``auto``: to those of phones that are decoded anyway, and to others where something is left to do; ``on``: to
    all, so that no call is forwarded."""

    echo: Literal["auto", "on", "off"] = "auto"
    """Take out the echo of what the leg heard."""
    noise: Literal["auto", "on", "off"] = "auto"
    """Lower what is no voice. ``auto`` leaves clean voices alone."""
    suppressor: Literal["learned", "classical"] = "learned"
    """What tells voices from noise and echo: the trained network, or an estimator alone, which takes less of both and of the processor."""
    gain: Literal["auto", "on", "off"] = "auto"
    """Bring quiet and loud voices to one level."""
    sample_every_s: Annotated[float, Field(ge=0, le=3_600)] = 5.0
    """How often 200 ms of a voice that is only forwarded are looked at: with a clear echo, noise or wrong level it is decoded. 0: never."""


class OpusSection(_Section):
    """What is sent in Opus where something is encoded, in bit/s; FEC adds a quarter. No more than the far end asks for."""

    bitrate: _Bitrate = 40_000
    narrow_bitrate: _Bitrate = 24_000
    """For what has nothing above 4 kHz."""
    sparing_bitrate: _Bitrate = 64_000
    """While the processor is spared: a coder that takes two thirds of it for more bits."""
    sparing_narrow_bitrate: _Bitrate = 32_000
    sparing_from: Annotated[float, Field(ge=0, le=1)] = 0.35
    """The share of the mixing clock's time from which on the processor is spared."""
    complexity: Annotated[int, Field(ge=0, le=10)] = 0
    """0 is within 0.1 PESQ of the highest, which takes three times as long."""
    dtx: bool = True
    """Send nothing in silence to those who asked for that."""
    fec_from_loss: Annotated[float, Field(ge=0.01, le=1)] = 0.01
    """From this loss at the far end on packets carry a copy of the one before."""
    browser_bitrate: _Bitrate | None = None
    """The most that browsers are asked to send; None leaves it to them."""
    browser_dtx: bool = False
    """Ask browsers to send nothing in silence."""


class RecordingSection(_Section):
    """Calls are recorded only where this is enabled and the call's consent is known."""

    enabled: bool = False
    incoming: RecordingMode = RecordingMode.ON_DEMAND
    """Which calls that arrive are recorded: ``never``, ``on_demand`` (the agent or a supervisor begins) or ``always``."""
    outgoing: RecordingMode = RecordingMode.ON_DEMAND
    consent: Literal["asked", "announced", "given", "not needed"] = "announced"
    """How the other side agreed. ``asked``: by key 1 to ``question``; key 2, or no key within ``answer_s``, is a no, and no file is made.
    ``announced``: nothing is kept before ``announcement`` was said to them whole."""
    announcement: SoundName = "recording-notice"
    """The text of ``media.prompts`` that is said."""
    question: SoundName = "recording-question"
    """The same where they are asked."""
    answer_s: Annotated[float, Field(ge=2, le=60)] = 10.0
    """So long after the question they may think."""
    consultations: Literal["never", "on_demand"] = "on_demand"
    """May a host record a consultation? Everybody in it sees that it is recorded."""
    consultation_consent: Literal["asked", "told"] = "asked"
    """``asked``: of each person nothing is kept before they agreed on their page. ``told``: they see it there and may refuse."""
    picture_height: Annotated[int, Field(ge=90, le=2_160)] = 480
    """Of a consultation's cameras the smallest layer that is so high is kept; screens are kept as they come."""
    key_frame_every_s: Annotated[float, Field(ge=1, le=600)] = 10.0
    """A kept picture is asked for a key frame so often, where none came for another reason: what a loss costs at most."""
    beep: bool = True
    """A tone for both sides when recording begins and goes on."""
    beep_every_s: Annotated[float, Field(ge=0, le=3_600)] = 0.0
    """The same tone so often in between; 0: not."""
    folder: Path | None = None
    """Folder of recordings; None: ``recordings`` in the data folder."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Recordings are erased so long after their end; None keeps them."""
    key: SecretStr = SecretStr("")
    """Wraps the key of each recording and signs: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still open older recordings, never used for new ones."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        for key in (self.key, *self.previous_keys):
            if key.get_secret_value() and not _KEY.fullmatch(key.get_secret_value()):
                raise ValueError("a key of recordings is 64 hexadecimal digits: make one with `openssl rand -hex 32`")
        return self

    @model_validator(mode="after")
    def _spaced_beeps(self) -> Self:
        if 0 < self.beep_every_s < _LEAST_BEEP_S:
            raise ValueError(f"beep_every_s is 0 (no tone in between) or at least {_LEAST_BEEP_S:g}")
        return self


class VoicemailSection(_Section):
    """Messages that callers leave in the boxes of the contact centre's plan. They are kept as recordings are, and no longer than these."""

    enabled: bool = True
    """Where not, a flow's step ``voicemail`` fails, and nothing is recorded."""
    least_s: Annotated[float, Field(ge=0, le=30)] = 1.0
    """Who speaks for less has left no message."""
    quiet_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    """So long a silence ends a message."""


class PrivacySection(_Section):
    """Names, numbers and words of customers are sealed under a key per person. The keys lie in a folder of their own, which copies of the
    database are never to hold: so who is erased is gone from them too."""

    key: SecretStr = SecretStr("")
    """Wraps the keys of people: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still open older keys of people, until `centralita privacy rotate` was run."""
    folder: Path | None = None
    """Folder of the keys of people, which all nodes share; None: ``keys`` in the data folder."""
    mirror: Path | None = None
    """A second folder that is written the same way, best on another disk; None: there is none."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        for key in (self.key, *self.previous_keys):
            if key.get_secret_value() and not _KEY.fullmatch(key.get_secret_value()):
                raise ValueError("a key of personal data is 64 hexadecimal digits: make one with `openssl rand -hex 32`")
        if self.previous_keys and not self.key.get_secret_value():
            raise ValueError("previous_keys are those before privacy.key, which is not set")
        return self


class PromptsSection(_Section):
    """What the server says and plays by itself."""

    language: Literal["en", "es"] = "es"
    """In which callers are spoken to."""
    folder: Path | None = None
    """Recorded sentences (``LANGUAGE/NAME.wav``) and music (``music/NAME.ogg``): WAV or Ogg/Opus of any rate."""
    hold_music: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,64}$")] = ""
    """The piece of ``folder`` that callers hear on hold; empty: our own melody."""
    speech: bool = True
    """Let espeak-ng speak what nobody recorded."""
    voices: dict[Language, Annotated[str, Field(pattern=r"^[A-Za-z0-9+_-]{1,64}$")]] = Field(default_factory=lambda: VOICES)
    """espeak-ng's name of the voice for each language: ``espeak-ng --voices``."""
    texts: dict[SoundName, dict[Language, Annotated[str, Field(max_length=2_000)]]] = Field(default_factory=dict)
    """Further sentences, or other words for known ones: ``texts.recording-notice.es = "..."``."""

    @model_validator(mode="after")
    def _music_is_there(self) -> Self:
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: give the path of the recorded sentences and music")
        if self.hold_music and (self.folder is None or find_sound(self.folder / "music", self.hold_music) is None):
            raise ValueError(f"there is no music/{self.hold_music}.ogg, .opus or .wav in media.prompts.folder")
        return self


class MediaSection(_Section):
    hosts: Annotated[Addresses, Field(min_length=1)] = ("127.0.0.1",)
    """Addresses that media is bound to."""
    workers: Workers = "auto"
    """Processes that carry media, each with its rooms: ``auto`` is one per core, 0 means in the server's own process."""
    port: Port = 0
    """The one port of all browsers, UDP and TCP; 0: a free one. Of several workers the first has it, the second the next, and so on."""
    public_hosts: Addresses = ()
    """What is told to browsers and phones in place of ``hosts`` of the same family (NAT 1:1)."""
    wire: Literal["auto", "c", "python"] = "auto"
    """The packet path: ``c`` is the compiled one, ``auto`` that one where it was built. ``centralita config`` says which runs and why."""
    tcp: bool = True
    """Take browsers whose network lets no UDP through by TCP, on the same addresses and port numbers."""
    capture_dir: Path | None = None
    """Folder in which every decrypted packet is logged. For measuring only: calls can be heard from it."""
    browser_codecs: CodecPolicy = "auto"
    phone_codecs: CodecPolicy = "auto"
    opus_over_g711: Literal["loss", "room", "never"] = "loss"
    """When browsers speak Opus with phones that speak only G.711: once more than 1 % is lost (``loss``), also while there is ``room``, or
    ``never``."""
    opus: OpusSection = OpusSection()
    concealment: bool = True
    mend_from_loss: Annotated[float, Field(gt=0, le=1)] = 0.005
    """From this loss on (0-1) a call that would be forwarded to a phone is decoded and its holes are concealed."""
    fullest_tick: Annotated[float, Field(gt=0, le=1)] = 0.7
    """From this share of the mixing clock's time on a worker takes no new call: those it has would be heard late."""
    voice: VoiceSection = VoiceSection()
    recording: RecordingSection = RecordingSection()
    prompts: PromptsSection = PromptsSection()
    learn_phone_addresses: bool = False
    """Believe audio of a phone behind a NAT from an address that neither the agreement nor its signalling names. Only where needed."""
    rtp_port_min: Port = 0
    """Lowest port of phone legs; 0: any free ones."""
    rtp_port_max: Port = 0

    @property
    def worker_count(self) -> int:
        """Processes beside the server's own."""
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else self.workers

    @property
    def browser_ports(self) -> list[int]:
        """The UDP port of each worker's browsers; empty where they are any free ones."""
        return [self.port + number for number in range(max(1, self.worker_count))] if self.port else []

    @model_validator(mode="after")
    def _announced(self) -> Self:
        if any(ipaddress.ip_address(host).is_unspecified for host in self.public_hosts):
            raise ValueError("public_hosts must name addresses that browsers and phones can send to")
        wild = [ipaddress.ip_address(host) for host in self.hosts if ipaddress.ip_address(host).is_unspecified]
        told = {ipaddress.ip_address(host).version for host in self.public_hosts}
        if any(address.version not in told for address in wild):
            raise ValueError(
                f"hosts has {wild[0]}, which nobody can be told: name addresses instead, or add to public_hosts what stands for it"
            )
        return self

    @property
    def phone_host(self) -> str:
        """The address phones are told to send to: the public one for the first of ``hosts``, else that one itself."""
        version = ipaddress.ip_address(self.hosts[0]).version
        return next((host for host in self.public_hosts if ipaddress.ip_address(host).version == version), self.hosts[0])

    @property
    def own_host(self) -> str:
        """An address of this machine by which the media plane is reached from here."""
        first = self.hosts[0]
        return self.phone_host if ipaddress.ip_address(first).is_unspecified else first

    @model_validator(mode="after")
    def _workers_ports(self) -> Self:
        ports = self.browser_ports
        if ports and ports[-1] > 65_535:
            raise ValueError(f"port must leave room for {len(ports)} workers, each with the next port: at most {65_536 - len(ports)}")
        shared = [port for port in ports if self.rtp_port_min <= port <= self.rtp_port_max]
        if shared:
            raise ValueError(f"port {shared[0]} of a worker's browsers lies between rtp_port_min and rtp_port_max: move one of them")
        return self

    @model_validator(mode="after")
    def _port_range(self) -> Self:
        if (self.rtp_port_min == 0) != (self.rtp_port_max == 0):
            raise ValueError("rtp_port_min and rtp_port_max belong together: give both, or neither")
        if self.rtp_port_min and self.rtp_port_max - self.rtp_port_min < 3:
            raise ValueError("rtp_port_max must be at least 3 above rtp_port_min: a call takes two ports, an even and the next")
        return self


class TurnSection(_Section):
    """A TURN server (coturn with ``use-auth-secret``) for browsers whose network lets no UDP through."""

    urls: Annotated[Names, Field(max_length=4)] = ()
    """What browsers are told: ``turn:turn.example:3478?transport=udp``, ``turns:turn.example:5349?transport=tcp``."""
    secret: SecretStr = SecretStr("")
    """Its ``static-auth-secret``."""
    ttl_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = 12 * 3600.0
    """How long what a page is given is good for: at least as long as a call lasts, for it may need the relay anew."""

    @model_validator(mode="after")
    def _whole_relay(self) -> Self:
        wrong = [url for url in self.urls if not _TURN_URL.fullmatch(url)]
        if wrong:
            raise ValueError(f"{wrong[0][:64]} is no TURN address: write turn:host:port?transport=udp, or turns: for TLS (RFC 7065)")
        if self.urls and not self.secret.get_secret_value():
            raise ValueError("urls need the secret that the TURN server has as static-auth-secret")
        return self


class LineSection(_Section):
    """The line to one PBX."""

    server: str = ""
    port: Port = 0
    """0: what the name's SRV records say, else the usual one, 5060, or 5061 with TLS."""
    transport: Literal["udp", "tcp", "tls", "auto"] = "udp"
    """``auto``: what the name's NAPTR or SRV records prefer; UDP where there are none."""
    large_by_tcp: bool = False
    """Over UDP, send requests beyond 1300 bytes by TCP, as RFC 3261 wants it; many a PBX does not listen there."""
    name_servers: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Ask these for the PBX's name (``10.0.0.1`` or ``10.0.0.1:5353``) in place of the system's."""
    tls_ca_file: Path | None = None
    """Certificates of the authorities that the PBX's must be signed by, or itself (PEM); none: those that the system trusts."""
    tls_certificate: Path | None = None
    """What we show the PBX, with ``tls_key``; none: one signed by itself, kept in the data folder."""
    tls_key: Path | None = None
    tls_demand_certificate: bool = False
    """Who connects to us must show a certificate for ``server`` or ``domain``."""
    tls_accept_any_certificate: bool = False
    """Check nothing: then anybody on the way to the PBX can listen, dial and read the password's digest."""
    codecs: CodecPolicy = "auto"
    """Codecs that are spoken on this line, the one wanted most first (a 3CX takes the first); ``auto``: as ``media.phone_codecs`` says."""
    comfort_noise: bool = False
    """Ask phones to tell how their room hums in pauses instead of sending it (RFC 3389). Those that do so unasked are understood anyway."""
    srtp: Literal["off", "offered", "required"] = "off"
    """Encrypt audio with keys in the session descriptions (SDES); ``offered``: in clear with who cannot. TLS keeps the keys secret."""
    domain: str = ""
    extension: str = ""
    auth_id: str = ""
    """The name in digest answers where it is not the extension (3CX: always)."""
    password: SecretStr = SecretStr("")
    display_name: str = ""
    mode: Literal["register", "registrar", "address"] = "register"
    """``register``: we register at the PBX. ``registrar``: the PBX registers here, as ``extension`` (what 3CX prefers of a provider), from
    ``server`` or ``trusted`` where those are given, else from anywhere. ``address``: nobody registers, each knows the other's address."""
    digests: Annotated[tuple[Literal["sha-256", "md5"], ...], BeforeValidator(_split), Field(min_length=1)] = ("md5",)
    """What a PBX that registers here may prove the password with, the preferred one first. 3CX speaks MD5."""
    challenge_calls: bool = False
    """A PBX that registers here has to prove the password with each call too."""
    expires_s: Annotated[int, Field(ge=30, le=86_400)] = 300
    keepalive_s: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    """How often the PBX is asked whether it is there (OPTIONS); 0: never."""
    max_calls: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Calls at once, both ways. At a 3CX: what its licence leaves for this line, so that it need not refuse."""
    calls_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    """New calls taken each second; who brings more is told to come back in a moment."""
    listen_host: str = "::"
    """An address of this machine; ``::``: all of them, IPv4 too."""
    listen_port: Port = 0
    public_host: str = ""
    trusted: Networks = ()
    """Further addresses or networks whose calls are taken, beside the server's own."""
    refer: bool = True
    """Ask the PBX to transfer calls (REFER) where it knows how; off: every transfer is bridged here."""
    follow_redirects: Annotated[int, Field(ge=0, le=5)] = 0
    """How often a call is dialled anew that the PBX redirects (301, 302), at this PBX and by the rules for who dialled it."""
    identity_header: Literal["auto", "p-asserted", "p-preferred", "remote-party-id", "none"] = "auto"
    """How the PBX is told who calls, beside From; ``auto``: preferred where we register, else asserted (RFC 3325)."""
    trusted_caller: Literal["asserted", "always", "never"] = "asserted"
    """When a caller's number counts as verified: where the PBX asserts it, always (it checks From itself), or never."""

    @field_validator("name_servers")
    @classmethod
    def _are_servers(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            split_server(server)
        return servers

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        _check_pem(self.tls_certificate, self.tls_key, self.tls_ca_file)
        if self.tls_demand_certificate and self.tls_accept_any_certificate:
            raise ValueError("tls_demand_certificate and tls_accept_any_certificate contradict each other: set one of them")
        return self

    @property
    def missing(self) -> list[str]:
        """What a line cannot be opened without."""
        needed = ("extension", "password", "listen_port") if self.mode == "registrar" else ("server", "extension")
        return [name for name in needed if not (self.password.get_secret_value() if name == "password" else getattr(self, name))]


LineName = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_-]+$")]


class TrunkSection(LineSection):
    """One PBX of several. What is not said here is as in ``sip`` itself."""

    priority: Annotated[int, Field(ge=1, le=100)] = 1
    """A lower one is called first, the next where it is down."""
    weight: Annotated[int, Field(ge=1, le=1_000)] = 1
    """Which part of the calls it takes among those of its priority."""


class FailoverSection(_Section):
    """When calls leave one PBX of several, and how it gets them back: ``pbx/trunk_health.py``."""

    silent_s: Annotated[float, Field(ge=0.5, le=30)] = 2.0
    """A call without any answer from a PBX for so long goes to the next one."""
    rest_s: Annotated[float, Field(ge=1, le=3_600)] = 10.0
    """How long a PBX that failed must be healthy before it takes calls; doubled each time that it fails again."""
    longest_rest_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    step_s: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    """How long it must be healthy at 5, 20 and 50 % of its new calls before it takes more."""
    steady_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0
    """After so long with all of its calls, earlier failures are forgotten."""


class SipSection(LineSection):
    """The line to one PBX; or, in ``trunks``, to several by their names: what stands here then holds for each that does not say else."""

    enabled: bool = False
    agent: Literal["built-in", "pjsua2"] = "built-in"
    """What speaks SIP. pjsua2 needs ``pip install centralita[pjsua2]``, and carries one line without TLS and encrypted audio."""
    name: LineName = "pbx"
    ring_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    trunks: dict[LineName, TrunkSection] = Field(default_factory=dict)
    failover: FailoverSection = FailoverSection()

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, values: Any) -> Any:
        """Give each trunk what is said for all."""
        trunks = values.get("trunks") if isinstance(values, Mapping) else None
        if not isinstance(trunks, Mapping):
            return values
        shared = {name: value for name, value in values.items() if name in LineSection.model_fields}
        return {**values, "trunks": {name: {**shared, **own} if isinstance(own, Mapping) else own for name, own in trunks.items()}}

    @model_validator(mode="after")
    def _whole_lines(self) -> Self:
        for name, line in self.lines.items() if self.enabled else ():
            if missing := line.missing:
                whose = f"the line {name}" if self.trunks else "the line"
                raise ValueError(f"{whose} is enabled but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
        if {self.name, "demo"} & set(self.trunks):
            raise ValueError(f"a trunk is named like the whole ({self.name}) or like the demo line: give it another name")
        return self

    @model_validator(mode="after")
    def _fits_agent(self) -> Self:
        if self.agent == "pjsua2":
            if self.trunks:
                raise ValueError("pjsua2 carries one line: take out trunks, or choose the built-in agent")
            check_fit(self.transport, self.srtp, registrar=self.mode == "registrar")
        return self

    @model_validator(mode="after")
    def _sockets_apart(self) -> Self:
        sockets = [(line.transport, line.listen_port) for line in self.lines.values() if line.listen_port]
        if len(set(sockets)) < len(sockets):
            raise ValueError("several trunks have one listen_port: give each its own, or 0")
        return self

    @property
    def lines(self) -> Mapping[str, LineSection]:
        """Every PBX by its name, each whole."""
        return self.trunks or {self.name: self}

    def failover_settings(self) -> FailoverSettings:
        failover = self.failover
        return FailoverSettings(failover.silent_s, failover.rest_s, failover.longest_rest_s, failover.step_s, failover.steady_s)


class DialingSection(_Section):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "ES"
    """Country of numbers written without one (ISO 3166)."""
    style: Literal["plus", "zeros", "bare", "national"] = "plus"
    """How public numbers are written towards the PBX."""
    line_prefix: Annotated[str, Field(pattern=r"^[0-9*#]*$", max_length=8)] = ""
    countries: Names = EUROPE_AND_NORTH_AMERICA
    """Which may be called (ISO 3166); ``*``: all."""
    blocked_countries: Names = ()
    dear_numbers: Annotated[tuple[Literal["premium", "shared_cost", "satellite", "unclassified"], ...], BeforeValidator(_split)] = ()
    """Kinds that may be called although each minute may be dear: only when confirmed, few in an hour, never off-hours."""
    working_hours: Annotated[str, Field(pattern=r"^$|^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")] = ""
    """Such as ``07:00-22:00``, by the machine's clock: at other times calls abroad are confirmed. Empty: all hours are alike."""
    rates_file: Path | None = None
    """What calls cost: CSV with ``prefix,per_minute`` and, where wanted, ``connection,first_s,step_s``."""
    person_calls: Annotated[int, Field(ge=1, le=100)] = 3
    """Calls to public numbers that one person has at once."""
    person_minutes: Annotated[float, Field(gt=0, le=100_000)] | None = 600.0
    """To public numbers in 24 hours; beyond it the person is stopped, and a supervisor may lift that. None: no bound; so below."""
    person_cost: Annotated[float, Field(gt=0)] | None = None
    """In the currency of ``rates_file``."""
    all_calls: Annotated[int, Field(ge=1)] | None = None
    all_minutes: Annotated[float, Field(gt=0)] | None = None
    all_cost: Annotated[float, Field(gt=0)] | None = None
    caller_numbers: dict[str, str] = Field(default_factory=dict)
    """The number that calls of a team show, by team, and under ``*`` that of everybody else; none: the line's own. The PBX must let us."""

    @field_validator("countries", "blocked_countries")
    @classmethod
    def _are_countries(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        strange = [name for name in names if name not in SUPPORTED_REGIONS and name != "*"]
        if strange:
            raise ValueError(f"no such country: {', '.join(strange)}; write ISO codes such as ES or GB")
        return names

    @field_validator("caller_numbers")
    @classmethod
    def _are_whole_numbers(cls, numbers: dict[str, str]) -> dict[str, str]:
        for number in numbers.values():
            if not re.fullmatch(r"\+[1-9][0-9]{4,14}", number):
                raise ValueError("write numbers in full, such as +34911234567")
        return numbers

    @field_validator("working_hours")
    @classmethod
    def _are_hours(cls, text: str) -> str:
        if any(part[:2] > "23" for part in text.split("-")):
            raise ValueError("hours end at 23:59")
        return text


class CallsSection(_Section):
    """What becomes of calls that ring, are transferred or parked."""

    ring_order: Literal["all", "one_by_one"] = "all"
    """A call for nobody in particular rings at everybody's who is free, or at one after the other's, who has been free longest first."""
    ring_s: Annotated[float, Field(ge=5, le=600)] = 45.0
    """For so long altogether."""
    ring_step_s: Annotated[float, Field(ge=3, le=120)] = 15.0
    """One by one: for so long at each."""
    refer_blind: bool = False
    """Ask the telephone system for blind transfers too (REFER), where it says that it can; where it refuses, we do it, after that pause.
    The other ones are joined here first and handed over then, where ``sip.refer`` lets that; recorded calls never are."""
    transfer_ring_s: Annotated[float, Field(ge=5, le=180)] = 30.0
    """Where the target does not answer for so long, the call comes back."""
    park_s: Annotated[float, Field(ge=10, le=3_600)] = 120.0
    """A parked call that nobody picked up goes back to who parked it."""
    park_places: Annotated[int, Field(ge=1, le=999)] = 20


class SupervisionSection(_Section):
    """Supervisors who listen to calls, whisper to agents, barge in and take over."""

    announce: Announce = Announce.AGENT
    """Who is told of a supervisor in the call: ``never`` anybody, ``agent`` (it is on their page), or ``everyone``: each hears it said, and
    is not listened to before."""
    notice: SoundName = "supervision-notice"
    """The text of ``media.prompts`` that is said."""
    most_per_call: Annotated[int, Field(ge=1, le=20)] = 4
    """Supervisors in one call."""


class DemoSection(_Section):
    enabled: bool = False
    """The demo line (600 echo, 601 speech, ...) and the demo agent."""
    plan: bool = True
    """Begin with a small plan of the contact centre where there is none yet."""
    travel: bool = True
    """Begin with tours, customers, their bookings, tickets and answers, and articles, where there are none yet."""


class SecuritySection(_Section):
    secret: SecretStr = SecretStr("")
    """Signs session tokens, 32 bytes or more; empty: drawn at the first start and kept in the data folder."""
    previous_secrets: tuple[SecretStr, ...] = ()
    """Still believed while their last tokens live, never used."""
    token_lifetime_s: Annotated[float, Field(ge=30, le=LONGEST_LIFE_S)] = LONGEST_LIFE_S
    session_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 12 * 3600.0
    """After that the password is asked for again."""
    idle_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 1_800.0
    """So long without doing anything, and without a call, a session lasts."""
    second_factor: Literal["new device", "always"] = "new device"
    """When who has a second factor is asked for it: on a new device or from a new place, or at each sign-in."""
    second_factor_key: SecretStr = SecretStr("")
    """Seals the secrets of second factors: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    allowed_origins: Names = ()
    """Other sites whose pages may connect: ``https://host[:port]``."""
    embedded_in: Origins = ()
    """Other sites whose pages may hold the softphone in a frame and talk with it (``docs/embedding.md``): ``https://host[:port]``."""
    requests_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    requests_at_once: Annotated[float, Field(ge=1, le=10_000)] = 60.0
    sockets: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    sockets_per_person: Annotated[int, Field(ge=1, le=100)] = 8
    sockets_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    connections_per_s: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    connections_at_once: Annotated[float, Field(ge=1, le=10_000)] = 50.0
    sign_ins_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords checked at the same time; each takes a core and 64 MB for some 50 ms."""
    refused_words: Names = ()
    """Names of the house (company, brands) that no new password may contain, beside the product's and the person's own."""

    @model_validator(mode="after")
    def _long_secrets(self) -> Self:
        for secret in (self.secret, *self.previous_secrets):
            text = secret.get_secret_value()
            if text and len(text.encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"a secret needs at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return self

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        key = self.second_factor_key.get_secret_value()
        if key and not _KEY.fullmatch(key):
            raise ValueError("second_factor_key is 64 hexadecimal digits: make one with `openssl rand -hex 32`")
        return self


class AuditSection(_Section):
    """The chain of who did what (``centralita audit``). All nodes have the same key."""

    key: SecretStr = SecretStr("")
    """Chains entries and signs checkpoints: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still verify older entries and checkpoints, never used for new ones."""
    checkpoints: Path | None = None
    """Folder of signed checkpoints, better of another machine, where who could change the database changes nothing; None: ``audit`` in the
    data folder. They are in the program's log too."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        for key in (self.key, *self.previous_keys):
            if key.get_secret_value() and not _KEY.fullmatch(key.get_secret_value()):
                raise ValueError("a key of the audit is 64 hexadecimal digits: make one with `openssl rand -hex 32`")
        return self


class OidcSection(_Section):
    """Signing in by another issuer (OpenID Connect). Who comes from it must be a user here: ``centralita user add``."""

    issuer: str = ""
    """Its address as it writes it in its tokens: ``https://login.example``; empty: nobody comes from elsewhere."""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    identity_claim: Literal["preferred_username", "email", "sub"] = "preferred_username"
    """The claim that is a user's name here. The issuer must never give one's value to another person."""
    second_factor: bool = False
    """Let in only whom the issuer asked for a second factor, as it says in ``amr``."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.issuer:
            return self
        if not (self.client_id and self.client_secret.get_secret_value()):
            raise ValueError("issuer needs client_id and client_secret, as the issuer gave them for this server")
        address = urlsplit(self.issuer)
        if not address.hostname or (address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1", "::1")):
            raise ValueError("issuer is an https address: what it says is believed")
        return self


class LimitsSection(_Section):
    """How much REST one caller may use."""

    deny_from: Networks = ()
    """Networks from which nobody may come."""
    allow_from: Networks = ("127.0.0.0/8", "::1/128")
    """Networks that may come all the same, and whose requests are not counted by address."""
    public_per_hour: Quota = 100
    """Of one address, for what needs no sign-in."""
    customer_per_hour: Quota = PER_HOUR[Role.CUSTOMER]
    agent_per_hour: Quota = PER_HOUR[Role.AGENT]
    professional_per_hour: Quota = PER_HOUR[Role.PROFESSIONAL]
    supervisor_per_hour: Quota = PER_HOUR[Role.SUPERVISOR]
    service_per_hour: Quota = PER_HOUR[Role.SERVICE]
    admin_per_hour: Quota = PER_HOUR[Role.ADMIN]
    person_per_minute: Quota = 60
    person_at_once: Quota = 30
    service_per_minute: Quota = 600
    """Of one program, such as a PBX that asks who calls. Its network counts too: name that in ``allow_from`` where many call at once."""
    service_at_once: Quota = 100
    address_per_hour: Quota = 2_000
    address_per_minute: Quota = 100
    address_at_once: Quota = 20


class ConsultationsSection(_Section):
    """Video consultations, joined by a link."""

    link_lifetime_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = 7_200.0
    """How long a link lets people in that is to no appointment; who is in may stay."""
    most_people: Annotated[int, Field(ge=2, le=50)] = 8
    """In one consultation."""
    rings_people: bool = True
    """Who cannot be heard by their page may have their telephone rung, within the bounds of dialling."""


class AppointmentsSection(_Section):
    """Consultations that customers book, at ``/book`` or with somebody of the house."""

    enabled: bool = True
    """Where not, nothing can be booked: nothing of their API is there."""
    company: Annotated[str, Field(min_length=1, max_length=80)] = "Centralita"
    """Who writes to customers."""
    reminders_min: Annotated[tuple[Annotated[int, Field(ge=5, le=43_200)], ...], BeforeValidator(_split), Field(max_length=5)] = (1_440, 60)
    """So many minutes before an appointment its customer is reminded of it."""
    no_show_min: Annotated[int, Field(ge=1, le=240)] = 15
    """Who has not come so many minutes after the beginning has missed it."""
    most_per_customer: Annotated[int, Field(ge=1, le=100)] = 3
    """Appointments to come that one customer may book by the page."""


class WidgetSection(_Section):
    """The button on other people's sites, by which visitors call, write or ask to be called back (``api/pages/widget``)."""

    sites: Origins = ()
    """Whose pages may show it: ``https://host[:port]``; none: nothing of it is there."""
    queues: Names = ()
    """Which queues of the plan visitors may reach; empty: all."""
    hours: Annotated[str, Field(max_length=64)] = ""
    """The calendar of the plan by which it is open; empty: always."""
    most_at_once: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Visitors in calls, and as many in chats."""
    begun_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 30
    """Visits of one network address."""
    call_backs_per_hour: Annotated[int, Field(ge=1, le=100)] = 3
    """... and call-backs that it may ask for."""
    call_backs_in_all: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Call-backs an hour that all visitors together may ask for."""
    chat_answer_s: Annotated[float, Field(ge=5, le=600)] = 30.0
    """A chat that nobody took for so long is offered to somebody else as well."""


class ChatSection(_Section):
    """What people write to one another in rooms."""

    largest_file: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = 25_000_000
    """Bytes of a file that is sent with a message."""
    all_files: Annotated[int, Field(ge=1_000)] = 20_000_000_000
    """Bytes of all such files together; more are refused."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = 365
    """So long those who were in a room may read it when it is over; then it is erased, as are older messages where the room goes on."""


class WebhooksSection(_Section):
    """What happens in rooms and calls, posted to other programs."""

    urls: Annotated[Names, Field(max_length=8)] = ()
    """Their addresses: ``https://host/path``."""
    key: Annotated[str, Field(min_length=1, max_length=64)] = "centralita"
    """The name of the secret, as receivers know it (``iss``)."""
    secret: SecretStr = SecretStr("")
    """Signs what is posted, 32 bytes or more; receivers have it too."""
    allow_private: bool = False
    """May an address be of this machine or of a private network?"""
    give_up_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 86_400.0
    """So long an event is tried; a receiver that took nothing for so long is cut off until an administrator resumes it."""
    keep_hours: Annotated[float, Field(ge=0, le=8_760)] = 72.0
    """So long events can be had again (``GET /api/v1/events``, ``POST /api/v1/webhooks/replay``); 0: none is kept."""
    mode: Literal["binary", "structured"] = "binary"
    """Where the attributes of CloudEvents stand: in headers, or in the body."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.urls and len(self.secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
            raise ValueError(f"urls need a secret of at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in (("http", "https") if self.allow_private else ("https",)) or not parts.hostname or parts.username:
                raise ValueError("each of urls is an https address without user name; http only where allow_private is true")
        return self


class HappeningsSection(_Section):
    """What is told of calls while they go on, to rules and to other programs."""

    waits_s: Annotated[tuple[Annotated[float, Field(ge=1, le=7_200)], ...], BeforeValidator(_split), Field(max_length=8)] = (120.0,)
    """A caller who has waited so long in a queue is told of (``call.waited``), each of these times."""


class CentreSection(_Section):
    """The contact centre. Its plan stands in the database; see ``docs/contact_centre.md``."""

    folder: Path | None = None
    """Files of the plan that are watched: what changes there is put in force."""
    secrets: dict[SoundName, SecretStr] = Field(default_factory=dict)
    """What signs the questions of flows to other programs, by the name that the document ``webhooks`` uses: 32 bytes or more."""
    lookup_s: Annotated[float, Field(ge=0.05, le=3)] = 0.8
    """So long who calls is looked up beside the call, which never waits for it."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: make it, or write one with `centralita plan export`")
        for name, secret in self.secrets.items():
            if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
                raise ValueError(f"secrets.{name} has at least {SHORTEST_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return self


class ClusterSection(_Section):
    """Several nodes as one, by a Redis (7 or later) and one PostgreSQL. All have the same ``security.secret``."""

    redis_url: SecretStr = SecretStr("")
    """``redis://host:6379/0``, or ``rediss:`` for TLS; empty: this node is the only one."""
    node: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")] = "node-1"
    """This node's name, another one on each: it stands in the ids of its calls."""
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "centralita"
    """Of every key and channel in Redis, the same on all nodes."""

    @model_validator(mode="after")
    def _is_redis(self) -> Self:
        if not self.redis_url.get_secret_value().startswith(("redis://", "rediss://", "unix://")) and self.redis_url.get_secret_value():
            raise ValueError("redis_url begins with redis:// (or rediss:// for TLS, unix:// for a socket)")
        return self


class ThreeCxSection(_Section):
    """The 3CX behind the line to the PBX: its Call Control and Configuration APIs (3CX: Admin, Integrations, API)."""

    enabled: bool = False
    bases: Annotated[Names, Field(max_length=4)] = ()
    """Its addresses, the preferred one first: ``https://pbx.example:5001``."""
    client_id: Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """Of the API client; also the number of its route point. No other program and no other node may use it."""
    secret: SecretStr = SecretStr("")
    verify: bool = True
    """Check its certificate. Leave it so, except for an address inside that its certificate does not name."""
    ca_file: Path | None = None
    """Certificates to believe beside the system's own."""
    extensions: dict[str, Annotated[str, Field(pattern=r"^[0-9*#]{2,16}$")]] = Field(default_factory=dict)
    """The 3CX extension of a user here, where it follows from neither e-mail nor number: ``extensions.ana = "205"``."""
    sound: bool = False
    """The client's route point as a line of its own, without SIP: calls to it ring here, and what is dialled goes this way while the SIP
    line is down, or where there is none. G.711's quality."""
    import_people: bool = False
    """Whoever has an extension and is no user here becomes an agent, without a password."""
    import_every_s: Annotated[float, Field(ge=60, le=86_400)] = 3_600.0
    in_step: bool = True
    """Whether agents take calls is kept the same here and in 3CX, both ways."""
    queues: bool = True
    """Their queue log-in too."""
    look_every_s: Annotated[float, Field(ge=2, le=60)] = 15.0
    available_profile: Annotated[str, Field(min_length=1, max_length=64)] = "Available"
    away_profile: Annotated[str, Field(min_length=1, max_length=64)] = "Away"
    """What is chosen in 3CX for who takes a break here."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not (self.bases and self.client_id and self.secret.get_secret_value()):
            raise ValueError("it is enabled but bases, client_id or secret is not set: `centralita threecx attach` finds them")
        for base in self.bases:
            parts = urlsplit(base)
            local = parts.hostname in ("localhost", "127.0.0.1", "::1")
            safe = parts.scheme == "https" or (local and parts.scheme == "http")
            if not safe or not parts.hostname or parts.path not in ("", "/") or parts.username:
                raise ValueError("each of bases is https://HOST[:PORT] and nothing more; http only to this machine itself")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"{self.ca_file} does not exist or is no file: give the path of a PEM file")
        return self


class LogSection(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: coloured lines in a terminal, JSON elsewhere."""


class Settings(_Section):
    server: ServerSection = ServerSection()
    store: StoreSection = StoreSection()
    media: MediaSection = MediaSection()
    turn: TurnSection = TurnSection()
    sip: SipSection = SipSection()
    dialing: DialingSection = DialingSection()
    calls: CallsSection = CallsSection()
    supervision: SupervisionSection = SupervisionSection()
    demo: DemoSection = DemoSection()
    security: SecuritySection = SecuritySection()
    audit: AuditSection = AuditSection()
    oidc: OidcSection = OidcSection()
    limits: LimitsSection = LimitsSection()
    consultations: ConsultationsSection = ConsultationsSection()
    appointments: AppointmentsSection = AppointmentsSection()
    widget: WidgetSection = WidgetSection()
    chat: ChatSection = ChatSection()
    webhooks: WebhooksSection = WebhooksSection()
    happenings: HappeningsSection = HappeningsSection()
    centre: CentreSection = CentreSection()
    backends: BackendsSection = BackendsSection()
    after_call: AfterCallSection = AfterCallSection()
    email: EmailSection = EmailSection()
    sms: SmsSection = SmsSection()
    voicemail: VoicemailSection = VoicemailSection()
    tickets: TicketsSection = TicketsSection()
    surveys: SurveysSection = SurveysSection()
    reports: ReportsSection = ReportsSection()
    privacy: PrivacySection = PrivacySection()
    retention: RetentionSection = RetentionSection()
    cluster: ClusterSection = ClusterSection()
    threecx: ThreeCxSection = ThreeCxSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        """By TCP a port has one owner: pages, or a worker's browsers, or the line to the PBX."""
        taken = {"server.port": self.server.port}
        for name, line in self.sip.lines.items() if self.sip.enabled else ():
            if line.transport != "udp":
                taken[f"sip.trunks.{name}.listen_port" if self.sip.trunks else "sip.listen_port"] = line.listen_port
        shared = [name for name, port in taken.items() if self.media.tcp and port in self.media.browser_ports]
        if shared:
            raise ValueError(
                f"{shared[0]} is also a port of media.port, where browsers come by TCP: move one of them, or set media.tcp to false"
            )
        return self

    @model_validator(mode="after")
    def _way_back(self) -> Self:
        if self.oidc.issuer and not self.server.public_url:
            raise ValueError("oidc.issuer needs server.public_url: the issuer sends people back to its /api/v1/oidc/callback")
        return self

    @model_validator(mode="after")
    def _survey_links(self) -> Self:
        if self.surveys.rules and not self.server.public_url:
            raise ValueError("surveys.rules needs server.public_url: customers are sent links to its /survey")
        return self

    @classmethod
    def load(cls, path: Path | None = None, env: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> "Settings":
        """Read all sources. ``path`` None: ``centralita.toml`` where it exists. ``overrides`` (``{"server": {"port": 1}}`` or
        ``{"server.port": 1}``, from the command line) win; those that are None do not count. Raises ``ConfigError``.
        """
        environment = os.environ if env is None else env

        def collect(into: _Sources) -> _Sources:
            into.file(path)
            into.environment(environment)
            if folder := environment.get(PREFIX + "SECRETS_DIR"):
                into.secrets(Path(folder))
            into.command_line(overrides or {})
            return into

        sources = collect(_Sources())
        house = sources.data_dir / HOUSE_FILE
        if house.is_file():  # what was answered at the first start counts where nothing else says anything
            beneath = _Sources()
            beneath.file(house)
            sources = collect(beneath)
        return sources.settings()

    @property
    def store_url(self) -> str:
        """The database's URL, the default one included."""
        return self.store.url.get_secret_value() or f"sqlite+aiosqlite:///{self.server.data_dir / 'centralita.sqlite3'}"

    @property
    def prompt_folder(self) -> Path:
        """Where recorded sentences and music are: in the data folder where none is set. It need not be there."""
        return self.media.prompts.folder or self.server.data_dir / "sounds"

    def token_secret(self) -> str:
        """The secret that signs tokens. Where none is set it is drawn and kept in the data folder, readable by us alone."""
        given = self.security.secret.get_secret_value()
        if given:
            return given
        return _kept_secret(self.server.data_dir / "token.secret")

    def identity(self) -> IdentitySettings:
        """What signing in needs to know. The key of second factors is kept in the data folder like the token secret where none is set."""
        security = self.security
        return IdentitySettings(
            security.second_factor_key.get_secret_value() or _kept_secret(self.server.data_dir / "second_factor.key"),
            idle_s=security.idle_s,
            longest_s=security.session_s,
            ask_code=security.second_factor,
            sign_ins_at_once=security.sign_ins_at_once,
            refused_words=security.refused_words,
        )

    def issuer(self) -> OidcSettings | None:
        """Who else says who somebody is; None where nobody does."""
        oidc = self.oidc
        if not oidc.issuer:
            return None
        return OidcSettings(
            oidc.issuer, oidc.client_id, oidc.client_secret.get_secret_value(), oidc.identity_claim, second_factor=oidc.second_factor
        )

    def recording_keys(self) -> tuple[bytes, ...]:
        """The keys of recordings, the newest first; kept in the data folder like the token secret where none is set."""
        recording = self.media.recording
        given = recording.key.get_secret_value() or _kept_secret(self.server.data_dir / "recording.key")
        return tuple(bytes.fromhex(key) for key in (given, *(key.get_secret_value() for key in recording.previous_keys)))

    def audit_keys(self) -> tuple[bytes, ...]:
        """The keys of the audit, the newest first; kept in the data folder like the token secret where none is set."""
        given = self.audit.key.get_secret_value() or _kept_secret(self.server.data_dir / "audit.key")
        return tuple(bytes.fromhex(key) for key in (given, *(key.get_secret_value() for key in self.audit.previous_keys)))

    @property
    def audit_checkpoints(self) -> Path:
        return self.audit.checkpoints or self.server.data_dir / "audit"

    def privacy_keys(self) -> tuple[bytes, ...]:
        """The master keys of personal data, the newest first; kept in the data folder where none is set."""
        privacy = self.privacy
        given = [key.get_secret_value() for key in (privacy.key, *privacy.previous_keys) if key.get_secret_value()]
        return tuple(bytes.fromhex(key) for key in given or _kept_secret(self.kept_privacy_key).split())

    @property
    def kept_privacy_key(self) -> Path:
        """Where the master keys are kept when none is set, a line each, the newest first."""
        return self.server.data_dir / "privacy.key"

    @property
    def keys_folder(self) -> Path:
        return self.privacy.folder or self.server.data_dir / "keys"

    @property
    def keeps_recordings(self) -> bool:
        """Is anything that somebody says kept here, of calls or in voicemail?"""
        return self.media.recording.enabled or self.voicemail.enabled

    @property
    def recordings_folder(self) -> Path:
        return self.media.recording.folder or self.server.data_dir / "recordings"

    @property
    def announcement(self) -> str:
        """The sound that tells callers that they are recorded, or asks them; empty where none does."""
        recording = self.media.recording
        name = {"announced": recording.announcement, "asked": recording.question}.get(recording.consent, "")
        return f"prompt/{self.media.prompts.language}/{name}" if recording.enabled and name else ""

    @property
    def supervision_notice(self) -> str:
        """The sound that tells everybody of a supervisor in their call; empty where they are not told."""
        told = self.supervision.announce is Announce.EVERYONE
        return f"prompt/{self.media.prompts.language}/{self.supervision.notice}" if told else ""

    def recording_policy(self) -> RecordingPolicy:
        """Which calls call control records, and how the other side is told."""
        recording = self.media.recording
        if not recording.enabled:
            return RecordingPolicy()
        return RecordingPolicy(
            incoming=recording.incoming,
            outgoing=recording.outgoing,
            announcement=self.announcement,
            consent="given" if recording.consent == "asked" else recording.consent,
            asks=recording.consent == "asked",
            answer_s=recording.answer_s,
            beep=recording.beep,
            beep_every_s=recording.beep_every_s,
        )

    def consultation_recording_policy(self) -> ConsultationRecordingPolicy:
        """How consultations are recorded."""
        recording = self.media.recording
        return ConsultationRecordingPolicy(
            possible=recording.enabled and recording.consultations != "never",
            asks=recording.consultation_consent == "asked",
            picture_height_px=recording.picture_height,
        )

    @property
    def node(self) -> str:
        """By what name this node's runs are told apart in the database."""
        return self.cluster.node if self.cluster.redis_url.get_secret_value() else "main"

    def bus(self) -> RedisBusSettings:
        """What several nodes share."""
        hub, cluster = self.hub(), self.cluster
        url = cluster.redis_url.get_secret_value()
        return RedisBusSettings(url=url, node=cluster.node, prefix=cluster.prefix, topics=hub.topics, kept=hub.replay_kept)

    def hub(self) -> HubSettings:
        """What the hub needs to know."""
        security = self.security
        own = (self.server.public_url.rstrip("/"),) if self.server.public_url else ()
        return HubSettings(
            allowed_origins=(*own, *security.allowed_origins),
            client=ClientLimits(rate_per_s=security.requests_per_s, burst=security.requests_at_once),
            address=AddressLimits(
                rate_per_s=security.connections_per_s,
                burst=security.connections_at_once,
                open_at_once=security.sockets_per_address,
            ),
            sockets=security.sockets,
            sockets_per_person=security.sockets_per_person,
        )

    def call_policy(self) -> CallPolicy:
        """How long call control waits for what, and which calls it records."""
        calls = self.calls
        return CallPolicy(
            no_answer_s=self.sip.ring_s,
            ring_s=calls.ring_s,
            ring_order=RingOrder(calls.ring_order),
            ring_step_s=calls.ring_step_s,
            transfer_ring_s=calls.transfer_ring_s,
            park_s=calls.park_s,
            park_slots=calls.park_places,
            recording=self.recording_policy(),
            supervision=SupervisionPolicy(self.supervision.announce, self.supervision_notice, self.supervision.most_per_call),
        )

    def dial_plan(self) -> DialPlan:
        """Which numbers may be dialled, and how they are written towards the PBX."""
        dialing = self.dialing
        regions = None if "*" in dialing.countries else frozenset((*dialing.countries, dialing.region))
        kinds = DialRules().kinds | {NumberKind(kind) for kind in dialing.dear_numbers}
        rules = DialRules(kinds, regions, frozenset(dialing.blocked_countries), dialing.region)
        return DialPlan(dialing.region, NumberStyle(dialing.style), dialing.line_prefix, rules)

    def toll_bounds(self) -> TollBounds:
        """What one person and all together may spend on calls."""
        dialing = self.dialing
        return TollBounds(
            person=Bound(dialing.person_calls, dialing.person_minutes, dialing.person_cost),
            everybody=Bound(dialing.all_calls, dialing.all_minutes, dialing.all_cost),
        )

    def threecx_work(self) -> ThreeCxWork | None:
        """How to work with a 3CX; None where none is attached."""
        threecx = self.threecx
        if not threecx.enabled:
            return None
        pbx = ThreeCxSettings(
            threecx.bases, threecx.client_id, threecx.secret.get_secret_value(), verify=threecx.verify, ca_file=threecx.ca_file
        )
        return ThreeCxWork(
            pbx,
            own_numbers=frozenset(filter(None, (threecx.client_id, self.sip.extension))),
            extensions=dict(threecx.extensions),
            import_people=threecx.import_people,
            import_every_s=threecx.import_every_s,
            look_every_s=threecx.look_every_s,
            in_step=threecx.in_step,
            words=Words(threecx.available_profile, threecx.away_profile, threecx.queues),
        )

    @property
    def working_hours(self) -> tuple[time, time] | None:
        """From when to when; None: all hours are alike."""
        begin, _, end = self.dialing.working_hours.partition("-")
        return (time.fromisoformat(begin), time.fromisoformat(end)) if begin else None

    def visits(self) -> VisitSettings:
        widget = self.widget
        return VisitSettings(
            sites=widget.sites,
            queues=widget.queues,
            hours=widget.hours,
            region=self.dialing.region,
            most_at_once=widget.most_at_once,
            begun_per_hour=widget.begun_per_hour,
            call_backs_per_hour=widget.call_backs_per_hour,
            call_backs_in_all=widget.call_backs_in_all,
            chat_answer_s=widget.chat_answer_s,
        )

    def rest_limits(self) -> RestLimitSettings:
        """How much REST a caller may use."""
        limits = self.limits
        by_role = {role: getattr(limits, f"{role}_per_hour") for role in PER_HOUR}
        return RestLimitSettings(
            public=Rates(limits.public_per_hour),
            address=Rates(limits.address_per_hour, limits.address_per_minute, limits.address_at_once),
            person=rates_of_roles(
                by_role,
                Rates(0, limits.person_per_minute, limits.person_at_once),
                Rates(0, limits.service_per_minute, limits.service_at_once),
            ),
            allow=networks(limits.allow_from),
            deny=networks(limits.deny_from),
        )

    def webhook_settings(self) -> WebhookSettings:
        """Where events go, and how they are signed."""
        webhooks = self.webhooks
        return WebhookSettings(
            urls=webhooks.urls,
            key=webhooks.key,
            secret=webhooks.secret.get_secret_value(),
            source=self.server.public_url or "/centralita",
            allow_private=webhooks.allow_private,
            give_up_s=webhooks.give_up_s,
            keep_s=webhooks.keep_hours * 3_600.0,
            structured=webhooks.mode == "structured",
        )

    def masked(self) -> dict[str, Any]:
        """The effective settings for people to read: what is secret shows only whether it is set."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        shown["media"]["workers"] = self.media.worker_count
        shown["media"]["browser_ports"] = self.media.browser_ports or "any free ones"
        shown["media"]["browsers_are_told"] = [
            f"{host} by UDP" + (" and TCP" if self.media.tcp else "") for host in announced(self.media.hosts, self.media.public_hosts)
        ]
        shown["media"]["phones_are_told"] = self.media.phone_host
        shown["store"]["url"] = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:********@", self.store_url)
        return shown


def _kept_secret(path: Path) -> str:
    """64 hexadecimal digits: those in the file, or new ones, which are then in the file, readable by us alone."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = secrets.token_hex(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(drawn + "\n")
    return drawn


class _Sources:
    """Collects values by their path, with where each came from, and every fault on the way."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origin: dict[tuple[str, ...], str] = {}
        self._faults: list[str] = []

    def file(self, path: Path | None) -> None:
        if path is None and not DEFAULT_FILE.is_file():
            return
        chosen = path or DEFAULT_FILE
        try:
            self._merge((), tomllib.loads(chosen.read_text(encoding="utf-8")), str(chosen))
        except OSError as error:
            self._faults.append(f"{chosen}: cannot be read ({error.strerror}): check the path given with --config.")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self._faults.append(f"{chosen}: is not TOML: {error}.")

    def environment(self, environment: Mapping[str, str]) -> None:
        for name in sorted(environment):
            if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _NOT_SECTIONS:
                path = name.removeprefix(PREFIX).lower().split("__")
                self._put(tuple(path), environment[name], f"environment variable {name}")

    def secrets(self, folder: Path) -> None:
        """Each file holds one value; ``sip__password`` is named like the environment variable, in lower case, without its prefix."""
        if not folder.is_dir():
            self._faults.append(f"{folder}: is no folder: {PREFIX}SECRETS_DIR must name the folder of secrets.")
            return
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                self._put(tuple(file.name.lower().split("__")), file.read_text(encoding="utf-8").strip(), f"secret file {file}")

    def command_line(self, overrides: Mapping[str, Any]) -> None:
        for name, value in overrides.items():
            if value is not None:
                self._put(tuple(name.split(".")), value, "command line")

    @property
    def data_dir(self) -> Path:
        """As far as it is known by now."""
        server = self._values.get("server")
        folder = server.get("data_dir") if isinstance(server, dict) else None
        return Path(str(folder)) if folder else Path("var")

    def settings(self) -> Settings:
        try:
            settings = Settings.model_validate(self._values)
        except ValidationError as error:
            self._faults += [self._told(dict(fault)) for fault in error.errors(include_url=False, include_input=False)]
        if self._faults:
            raise ConfigError(self._faults)
        return settings

    def _put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        nested = value
        for part in reversed(path):
            nested = {part: nested}
        self._merge((), nested, origin)

    def _merge(self, path: tuple[str, ...], values: Mapping[str, Any], origin: str) -> None:
        into = self._values
        for part in path:
            into = into[part]
        for name, value in values.items():
            here = (*path, name)
            if isinstance(value, Mapping):
                if not isinstance(into.get(name), dict):
                    into[name] = {}
                self._origin.setdefault(here, origin)
                self._merge(here, {key: part for key, part in value.items() if part is not None}, origin)
            else:
                into[name] = value
                self._origin[here] = origin

    def _told(self, fault: dict[str, Any]) -> str:
        """One fault as a line: path, where from, what is wrong. Values are not quoted: they may be secrets."""
        path = tuple(str(part) for part in fault["loc"])
        shown_path = path if any(isinstance(part, int) for part in fault["loc"][:-1]) else ()
        named = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in self._origin), ())
        shown = ".".join(shown_path or named or path[:2])
        origin = self._origin.get(named, "default")
        if fault["type"] == "extra_forbidden":
            known = _known(path[:-1])
            close = difflib.get_close_matches(path[-1], known, 1)
            what = f"unknown key: did you mean {close[0]}?" if close else f"unknown key. Known here: {', '.join(known)}."
            return f"{shown} ({origin}): {what}"
        message = fault["msg"].removeprefix("Value error, ")
        return f"{shown} ({origin}): {message[:1].lower()}{message[1:]}."


def _known(section: tuple[str, ...]) -> list[str]:
    """Names of the keys of a section."""
    model: type[BaseModel] = Settings
    parts = iter(section)
    for part in parts:
        annotation = model.model_fields[part].annotation
        wanted = ""
        if get_origin(annotation) in (dict, tuple):
            # The next part is a name that somebody chose, or a place in a list, with the type of what is there.
            wanted = next(parts) if get_origin(annotation) is dict else (next(parts), next(parts))[1]
        models = _models(annotation)
        model = next((each for each in models if _type_of(each) == wanted), models[0])
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that stand somewhere in this annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _type_of(model: type[BaseModel]) -> str:
    """What tells it from others of its list."""
    field = model.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field is not None and get_args(field.annotation) else ""
