"""The emulated 3CX with real sockets on both sides: our trunk as its extension, sound and digits through, in clear and encrypted."""

import asyncio
import struct
from dataclasses import replace
from random import Random

import aiohttp
import numpy as np

from api.srtp_guard import SrtpGuard
from pbx.sip_settings import RegistrarSettings, SipTransport
from pbx.sip_trunk import SipTrunk
from pbx.threecx.double import Double, demo_directory
from pbx.threecx.double.audio import Pcm, tone
from pbx.threecx.double.talk import RtpTalk
from pbx.trunk import Answered, Arrived, Confirmed, HungUp
from rooms.audio import PCMA, RtpEndpoint, SrtpKey, SrtpKeys, SrtpSuite
from tests.kit.double_client import Client
from tests.kit.rtp_phone import RtpPhone
from tests.kit.trunk_bench import sip_bench

WITHIN_S = 30.0


def loudest_hz(pcm: bytes) -> float:
    """The strongest frequency of PCM at 8 kHz."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 8000 / len(samples)


async def test_a_phone_registers_calls_the_route_point_and_both_hear_one_another() -> None:
    async with (
        Double(demo_directory(), sip_port=0, random=Random(1)) as pbx,
        aiohttp.ClientSession() as http,
        RtpPhone(PCMA, frequency_hz=600.0) as phone,
        sip_bench("127.0.0.1", pbx.sip.port, extension="203", auth_id="demo203", password="secret203", transport=SipTransport.UDP) as bench,
    ):
        await bench.ready()
        bench.trunk.dial("a", "870", "", phone.endpoint())
        answered = await bench.event(Answered)
        assert isinstance(answered.remote, RtpEndpoint) and [codec.name for codec in answered.remote.codecs] == ["pcma"]
        (leg,) = pbx.calls.of("870")
        audio = pbx.sounds.of(leg)
        hum = tone(1000.0)
        audio.post(b"".join(hum() for _ in range(100)), 0.0)
        phone.call(answered.remote.host, answered.remote.port)
        await phone.hear(90, within_s=WITHIN_S)
        assert abs(loudest_hz((phone.heard(last=40)[::2] * 32767).astype("<i2").tobytes()) - 1000) < 30
        said = b""
        async with asyncio.timeout(WITHIN_S):
            while len(said) < 8000:
                said += audio.voice()
                await phone.hear(1)
        assert abs(loudest_hz(said[-6400:]) - 600) < 30
        client = Client(pbx, http)
        await client.sign_in()
        async with client.events() as socket, asyncio.timeout(WITHIN_S):
            phone.press("7")
            assert (await socket.receive_json())["event"]["attached_data"] == {"dtmf_input": "7"}


async def test_two_ends_hear_one_another_encrypted_and_digits_have_no_marker() -> None:
    keys = [SrtpKey(SrtpSuite.AES_CM_128_HMAC_SHA1_80, bytes([n]) * 30) for n in (1, 2)]
    pressed: asyncio.Queue[str] = asyncio.Queue()
    packets: list[bytes] = []

    heard = asyncio.Event()

    class Listening(SrtpGuard):
        def unprotect(self, packet: bytes) -> bytes:
            packets.append(super().unprotect(packet))
            if len(packets) == 90:
                heard.set()
            return packets[-1]

    talks = [
        RtpTalk("127.0.0.1", hum, pressed.put_nowait, lambda: None, random=Random(n), guard=Listening)
        for n, hum in enumerate([tone(500.0), tone(700.0)])
    ]
    try:
        for talk, other, (sent, received) in zip(talks, reversed(talks), [keys, keys[::-1]], strict=True):
            talk.begin(replace(RtpEndpoint(*other.address, (PCMA,), 101), srtp=SrtpKeys(sent, received)))
        talks[0].press("#")
        async with asyncio.timeout(WITHIN_S):
            assert await pressed.get() == "#"
            await heard.wait()
        assert [abs(loudest_hz(drained(talk.voice)) - hz) < 40 for talk, hz in zip(talks, (700, 500), strict=True)] == [True, True]
        events = [packet for packet in packets if packet[1] & 0x7F == 101]
        assert events and not any(packet[1] & 0x80 for packet in events)
        assert len({struct.unpack_from("!I", packet, 4) for packet in events}) == 1
    finally:
        for talk in talks:
            talk.end()


def drained(voice: Pcm) -> bytes:
    return b"".join(voice.pull() for _ in range(20))


async def test_the_pbx_registers_with_our_trunk_and_calls_go_both_ways() -> None:
    async with (
        sip_bench("127.0.0.1", 0, extension="centralita", password="trunk-secret", register=False, registrar=RegistrarSettings()) as bench,
        Double(demo_directory(), sip_port=0, random=Random(2)) as pbx,
        aiohttp.ClientSession() as http,
    ):
        assert isinstance(bench.trunk, SipTrunk)
        client = Client(pbx, http)
        await client.sign_in()
        xapi = f"{pbx.url}/xapi/v1"
        async with http.get(f"{xapi}/Trunks/Pbx.InitTrunk(template='generic.pv.xml')", headers=client.headers) as response:
            trunk = await response.json()
        trunk["Gateway"] |= {"Host": "127.0.0.1", "Port": bench.trunk.local_address[1]}
        trunk |= {"AuthID": "centralita", "AuthPassword": {"Value": "trunk-secret"}}
        async with http.post(f"{xapi}/Trunks", headers=client.headers, json=trunk) as response:
            number, trunk_id = (await response.json())["Number"], (await response.json())["Id"]
        rule = {"Name": "to us", "Prefix": "77", "Routes": [{"TrunkId": trunk_id, "StripDigits": 2}]}
        async with http.post(f"{xapi}/OutboundRules", headers=client.headers, json=rule) as response:
            assert response.status == 201
        await bench.ready()
        async with http.get(f"{xapi}/Trunks(Number='{number}')", headers=client.headers) as response:
            assert (await response.json())["IsOnline"]
        await client.post("/200/makecall", {"destination": "77600"})
        arrived = await bench.event(Arrived)
        assert (arrived.caller, arrived.called) == ("200", "600")
        bench.trunk.answer(arrived.leg_id, bench.endpoint())
        await bench.event(Confirmed)
        bench.trunk.dial("b", "870", "", bench.endpoint())
        await bench.event(Answered)
        (leg,) = pbx.calls.of("870")
        with pbx.acting() as calls:
            calls.drop(leg)
        assert (await bench.event(HungUp)).leg_id == "b"
