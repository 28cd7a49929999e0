"""Customers who call the contact centre: SIPp with a stream of its own, which presses keys, sounds a tone, and hangs up or stays."""

import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from api.demo_call.process import ChildProcess, free_port, free_port_range
from dsp.tones import sine
from media import rtp
from media.codec import make_encoder
from rooms.audio import PCMA

_EVENT_TYPE = 101
_FRAME = 160
_KEY_FRAMES = 6
_END_OF_KEY = 3
"""The end of a key is said three times (RFC 4733, section 2.5.1.4)."""

_SCENARIO = """<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="customer">
<send retrans="500"><![CDATA[

INVITE sip:{called}@{domain} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: "{name}" <sip:{caller}@public.test>;tag=[call_number]c
To: <sip:{called}@{domain}>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{caller}@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=customer 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[

ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
[routes]
From: "{name}" <sip:{caller}@public.test>;tag=[call_number]c
To: <sip:{called}@{domain}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop><action><exec play_pcap_audio="{sound}"/></action></nop>
{end}
</scenario>
"""
_STAYS = """<recv request="BYE"/>
<send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""
_LEAVES = """<pause milliseconds="{after_ms}"/>
<send retrans="500"><![CDATA[

BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
[routes]
From: "{name}" <sip:{caller}@public.test>;tag=[call_number]c
To: <sip:{called}@{domain}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
"""


class Customer:
    """One who called, with SIPp's process."""

    def __init__(self, process: ChildProcess, directory: Path) -> None:
        self._process = process
        self._directory = directory

    async def has_gone(self, within_s: float = 90.0) -> None:
        """The call is over, as this customer's part wants it. Raises AssertionError with SIPp's words."""
        status = await self._process.ended(within_s)
        errors = "\n".join(path.read_text()[-2_000:] for path in self._directory.glob("*_errors.log"))
        assert status == 0, f"SIPp ended with {status}: {errors or self._process.last_words()}"


@asynccontextmanager
async def customer(
    directory: Path,
    number: str,
    target: str,
    *,
    called: str,
    domain: str,
    keys: str = "",
    tone_hz: float = 0.0,
    sounds_s: float = 590.0,
    leaves_after_s: float | None = None,
) -> AsyncIterator[Customer]:
    """``number`` calls ``called`` at ``target`` (host:port), presses ``keys`` a second apart, then sounds; stays until the other side ends
    the call unless ``leaves_after_s``: it sounds for nearly as long as SIPp may run, however long somebody waits in a queue. A process that
    still runs on leaving is killed."""
    names = {"called": called, "caller": number, "domain": domain, "name": f"Customer {number}"}
    end = _STAYS if leaves_after_s is None else _LEAVES.format(after_ms=round(leaves_after_s * 1_000), **names)
    scenario = _written(directory, stream(keys, tone_hz, sounds_s), names | {"end": end})
    command = ["sipp", target, "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(free_port()), "-m", "1", "-nostdin", "-trace_err"]
    command += ["-timeout", "600", "-timeout_error", "-mi", "127.0.0.1", "-mp", str(free_port_range(8, start=25_000))]
    log = directory / "sipp.log"
    async with ChildProcess("sipp", command, log=log, directory=directory, environment={"TERM": "xterm"}) as process:
        yield Customer(process, directory)


def _written(directory: Path, capture: bytes, names: Mapping[str, str]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    sound, scenario = directory / "says.pcap", directory / "customer.xml"
    sound.write_bytes(capture)
    scenario.write_text(_SCENARIO.format(sound=sound, **names))
    return scenario


def stream(keys: str, tone_hz: float, sounds_s: float) -> bytes:
    """A capture (pcap) of RTP: a second of silence before each of ``keys`` (RFC 4733), then a tone of whole Hz, or silence."""
    encoder = make_encoder(PCMA, rate_hz=8_000)
    silent = encoder.encode(np.zeros(_FRAME, np.float32))
    packets: list[tuple[bool, int, bytes]] = []
    for key in keys:
        packets += [(False, PCMA.payload_type, silent)] * 50
        event = "0123456789*#ABCD".index(key)
        lengths = [_FRAME * (number + 1) for number in range(_KEY_FRAMES)]
        ends = [False] * _KEY_FRAMES + [True] * _END_OF_KEY
        for number, (length, over) in enumerate(zip([*lengths, *lengths[-1:] * _END_OF_KEY], ends, strict=True)):
            packets.append((number > 0, _EVENT_TYPE, struct.pack("!BBH", event, 0x8A if over else 0x0A, length)))
    second = sine(tone_hz, 1.0, 8_000, level_dbfs=-14.0) if tone_hz else np.zeros(50 * _FRAME)
    said = [encoder.encode(frame.astype(np.float32)) for frame in second.reshape(-1, _FRAME)]  # every second is the same
    packets += [(False, PCMA.payload_type, said[number % 50]) for number in range(round(sounds_s * 50))]
    return _capture(packets)


def _capture(packets: list[tuple[bool, int, bytes]]) -> bytes:
    """``packets``: does it go on with the key before, payload type, payload; one each 20 ms."""
    parts = [struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)]
    began = 0
    for number, (goes_on, payload_type, payload) in enumerate(packets):
        began = began if goes_on else _FRAME * number
        marker = payload_type == _EVENT_TYPE and not goes_on
        datagram = rtp.build(payload_type, number & 0xFFFF, began, 0x5EED, payload, marker=marker)
        udp = struct.pack("!HHHH", 6_000, 6_000, 8 + len(datagram), 0) + datagram
        address = bytes((127, 0, 0, 1))
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0, address, address) + udp
        frame = bytes(12) + b"\x08\x00" + ip
        at_us = 20_000 * number
        parts.append(struct.pack("!IIII", at_us // 1_000_000, at_us % 1_000_000, len(frame), len(frame)) + frame)
    return b"".join(parts)
