"""A customer's telephone: our own SIP line with a tone to say, and an ear that tells when it heard which other tone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from media import rtp
from media.codec import make_decoder
from pbx.trunk import Answered, HungUp
from rooms.audio import PCMA, RtpEndpoint
from tests.kit.leg_bench import level_at
from tests.kit.rtp_phone import RtpPhone
from tests.kit.trunk_bench import TrunkBench, sip_bench

HEARD, GONE = 0.05, 0.01
"""Amplitudes (full scale 1) from which a tone counts as heard, and below which as not; the tones of tests are five times as loud."""
WINDOW = 10
"""Packets: 200 ms."""
WITHIN_S = 30.0
_RATE_HZ = 8_000
_LEG = "customer"


class Caller:
    """The line, and the phone on it."""

    def __init__(self, line: TrunkBench, phone: RtpPhone) -> None:
        self._line, self._phone = line, phone

    async def calls(self, number: str, name: str) -> None:
        """Returns once somebody answers, be it a machine."""
        self._line.trunk.dial(_LEG, number, name, self._phone.endpoint())
        remote = (await self._line.event(Answered)).remote
        assert isinstance(remote, RtpEndpoint)
        self._phone.call(remote.host, remote.port)

    async def hears(self, hz: float) -> None:
        await self._listen(hz, lambda level: level > HEARD)

    async def hears_not(self, hz: float) -> None:
        await self._listen(hz, lambda level: level < GONE)

    async def _listen(self, hz: float, wanted: Callable[[float], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while True:
                await self._phone.hear(WINDOW)
                frames = [samples for _, samples in self._frames(len(self._phone.arrivals) - WINDOW)]
                if frames and wanted(level_at(np.concatenate(frames), hz, _RATE_HZ)):
                    return

    @property
    def moment(self) -> int:
        """For :meth:`longest_without`."""
        return len(self._phone.arrivals)

    def longest_without(self, hz: float, since: int) -> float:
        """Seconds of the longest time without this tone since a moment at which it was heard."""
        heard_at = [at for at, samples in self._frames(since - 1) if _amplitude(samples, hz) > HEARD]
        assert len(heard_at) > 1, f"{hz} Hz was not heard"
        return max(later - earlier for earlier, later in itertools.pairwise(heard_at))

    def _frames(self, since: int) -> list[tuple[float, NDArray[np.float32]]]:
        """Each packet of speech with the moment it came, 20 ms at 8 kHz."""
        decoder = make_decoder(PCMA, rate_hz=_RATE_HZ)
        parsed = [(at, packet, rtp.parse(packet)) for at, packet in self._phone.arrivals[since:]]
        return [
            (at, decoder.decode(packet[header.payload_start : header.payload_end]))
            for at, packet, header in parsed
            if header is not None and header.payload_type == PCMA.payload_type
        ]

    @property
    def was_hung_up_on(self) -> bool:
        return any(isinstance(event, HungUp) for event in self._line.seen)

    async def is_hung_up_on(self) -> None:
        if not self.was_hung_up_on:
            await self._line.event(HungUp)


def _amplitude(samples: NDArray[np.float32], hz: float) -> float:
    """Of one frequency in 20 ms, full scale 1."""
    window = np.hanning(len(samples))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / _RATE_HZ) * window
    return float(2 * np.abs(samples @ wave) / window.sum())


@asynccontextmanager
async def caller(server: tuple[str, int], number: str, hz: float, *, domain: str, password: str) -> AsyncIterator[Caller]:
    """A telephone of this number that sounds ``hz``. It hangs up on leaving."""
    async with (
        RtpPhone(PCMA, frequency_hz=hz) as phone,
        sip_bench(server[0], server[1], extension=number, domain=domain, password=password, register=False, keepalive_s=0.0) as line,
    ):
        yield Caller(line, phone)
