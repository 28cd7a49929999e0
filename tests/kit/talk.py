"""A trunk with a media plane behind it: who is on the line talks with an agent's phone, which whistles and hears."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.demo_call.kamailio import Kamailio
from api.phone_legs import PhoneLegs
from api.rtp_ports import RtpPorts
from media import messages as msg
from media.settings import MediaSettings
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, Confirmed, Reagreed, TrunkEvent
from rooms.audio import G722, DemoEndpoint, RtpEndpoint
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ROOM, MediaDesk, media_desk
from tests.kit.rtp_phone import RtpPhone
from tests.kit.trunk_bench import TrunkBench

AGENT_HZ, PHONE_HZ = 440, 1_000


class Talk(TrunkBench):
    """``legs`` carries out what the trunk agrees; ``agent`` is the phone in the room."""

    legs: PhoneLegs
    desk: MediaDesk
    agent: RtpPhone

    def __init__(self) -> None:
        super().__init__()
        self._agreed: asyncio.Queue[tuple[str, RtpEndpoint | DemoEndpoint]] = asyncio.Queue()

    def on_event(self, event: TrunkEvent) -> None:
        if isinstance(event, Answered | Confirmed | Reagreed) and event.remote is not None:
            self._agreed.put_nowait((event.leg_id, event.remote))
        super().on_event(event)

    async def carry_out(self) -> None:
        while True:
            leg_id, remote = await self._agreed.get()
            await self.legs.connect(leg_id, remote)

    async def dial(self, number: str, leg_id: str = "line") -> RtpEndpoint:
        """Call until it was answered; what the phone agreed to."""
        self.legs.expect(leg_id, ROOM, "pbx")
        await self.legs.place(leg_id, number)
        await self._join(leg_id)
        remote = (await self.event(Answered, 30.0)).remote
        assert isinstance(remote, RtpEndpoint)
        return remote

    async def take(self) -> tuple[str, RtpEndpoint]:
        """Answer the next call; its leg and what the phone offered."""
        arrived = await self.event(Arrived, 30.0)
        self.legs.expect(arrived.leg_id, ROOM, "pbx", arrived.remote)
        await self.legs.answer(arrived.leg_id, None)
        await self._join(arrived.leg_id)
        await self.event(Confirmed, 30.0)
        assert isinstance(arrived.remote, RtpEndpoint)
        return arrived.leg_id, arrived.remote

    async def _join(self, leg_id: str) -> None:
        await self.desk.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id=leg_id))

    async def agreed(self, wanted: bool) -> RtpEndpoint:
        """The next later agreement in which the phone wants to hear us, or does not."""
        while True:
            remote = (await self.event(Reagreed, 30.0)).remote
            if isinstance(remote, RtpEndpoint) and remote.direction.receives is wanted:
                return remote

    async def agent_hears(self, frequency_hz: int = PHONE_HZ, *, silence: bool = False) -> None:
        """Wait until the agent hears this tone, or none, for a fifth of a second."""
        async with asyncio.timeout(30):
            while True:
                await self.agent.hear(10)
                level = level_at(self.agent.heard(last=10), frequency_hz)
                if (level < 0.01) if silence else (level > 0.1):
                    return

    async def digits(self, wanted: str) -> None:
        """Wait until these keys were heard, each once and in this order."""

        def heard() -> str:
            return "".join(event.digit for event in self.desk.events if isinstance(event, msg.DigitHeard) and event.leg_id != "agent")

        await self.desk.hear_of(msg.DigitHeard, lambda event: len(heard()) >= len(wanted), within_s=30.0)
        assert heard() == wanted


@asynccontextmanager
async def talking(pbx: Kamailio, *codecs: str, **settings: object) -> AsyncIterator[Talk]:
    """Registered as extension 100, its agent in the room. ``codecs``: what phones are offered, in this order."""
    talk = Talk()
    chosen = {"bind_host": "127.0.0.1", "transport": SipTransport.UDP, "auth_id": "auth-100", "password": "pw100", **settings}
    line = SipTrunkSettings(server=pbx.host, port=pbx.port, domain="pbx.test", extension="100", **chosen)  # type: ignore[arg-type]
    talk.trunk = trunk = SipTrunk(line, talk.on_event)
    async with media_desk(MediaSettings(rtcp_interval_s=0.5)) as desk, RtpPhone(G722, frequency_hz=AGENT_HZ) as agent, trunk:
        talk.desk, talk.agent = desk, agent
        ports = RtpPorts("127.0.0.1", 0, 0)
        talk.legs = PhoneLegs(desk.worker, {"pbx": trunk}, ports, public_host="127.0.0.1", phone_policy=codecs)
        await desk.phone("agent", agent)
        carrying = asyncio.create_task(talk.carry_out(), name="carry out what is agreed")
        try:
            await talk.ready()
            yield talk
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)


def write_tone(path: Path, frequency_hz: int = PHONE_HZ, *, rate_hz: int = 48_000, seconds: float = 60.0) -> Path:
    """A WAV longer than any test: no phone begins it anew."""
    wave_form = 0.25 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        wav.writeframes((32_767 * wave_form).astype("<i2").tobytes())
    return path


def read_sound(path: Path, rate_hz: int = 0) -> tuple[NDArray[np.float32], int]:
    """What a phone recorded (one channel), and its rate, which the file tells rightly only once it is complete: ``rate_hz`` until then."""
    data = path.read_bytes()
    complete = data[:4] == b"RIFF"
    channels = int.from_bytes(data[22:24], "little") if complete else 1
    rate_hz = rate_hz or (int.from_bytes(data[24:28], "little") if complete else 0)
    begin = data.find(b"data") + 8 if complete else 44
    frames = (len(data) - begin) // (2 * channels)
    samples = np.frombuffer(data[begin:][: frames * 2 * channels], "<i2").astype(np.float32) / 32_768
    return samples.reshape(-1, channels)[:, 0], rate_hz


async def heard_tone(recording: Path, frequency_hz: int, *, rate_hz: int = 0) -> None:
    """Wait until a phone has recorded this tone for a fifth of a second somewhere. ``rate_hz``: of a recording that goes on."""
    async with asyncio.timeout(30):
        while not _holds_tone(recording, frequency_hz, rate_hz):  # noqa: ASYNC110 a file has no event to wait for
            await asyncio.sleep(0.05)


def _holds_tone(recording: Path, frequency_hz: int, rate_hz: int) -> bool:
    if not recording.exists():
        return False
    sound, found_hz = read_sound(recording, rate_hz)
    size = max(1, found_hz // 5)
    return any(level_at(sound[at : at + size], frequency_hz, found_hz) > 0.1 for at in range(0, len(sound) - size, size // 2 + 1))
