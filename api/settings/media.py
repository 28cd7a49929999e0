"""`[media]`: addresses, ports and processes of the media plane, and what it speaks."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from api.settings.opus import OpusSection
from api.settings.prompts import PromptsSection
from api.settings.recording import RecordingSection
from api.settings.section import Section
from api.settings.values import Addresses, CodecPolicy, Port, Workers
from api.settings.voice import VoiceSection
from rooms.policy import RecordingPolicy


class MediaSection(Section):
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

    @property
    def announcement(self) -> str:
        """The sound that tells callers that they are recorded, or asks them; empty where none does."""
        recording = self.recording
        name = {"announced": recording.announcement, "asked": recording.question}.get(recording.consent, "")
        return f"prompt/{self.prompts.language}/{name}" if recording.enabled and name else ""

    def recording_policy(self) -> RecordingPolicy:
        """Which calls call control records, and how the other side is told."""
        recording = self.recording
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
