"""A phone that is not ours registers at us, is called, and calls: baresip."""

import wave
from pathlib import Path

from api.demo_call.baresip import PhoneSettings, phone
from pbx.sip_settings import RegistrarSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, Confirmed, HungUp
from rooms.causes import Cause, EndReason
from tests.kit.trunk_bench import sip_bench


async def test_baresip_registers_is_called_and_calls(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(48_000)
        wav.writeframes(bytes(2 * 48_000))
    async with sip_bench("", 0, extension="400", password="pw400", domain="pbx.test", registrar=RegistrarSettings()) as us:
        assert isinstance(us.trunk, SipTrunk)
        settings = PhoneSettings("400", "pw400", us.trunk.local_address, ("g722", "pcma"), tmp_path / "silence.wav")
        async with phone(tmp_path / "phone", settings) as ben:
            assert us.trunk.status.ready and "registered here as 400" in us.trunk.status.detail
            us.trunk.dial("out", "600", "Ana", us.endpoint())
            await us.event(Answered)
            us.trunk.hang_up("out", Cause(EndReason.COMPLETED))
            await ben.event("CALL_CLOSED")
            await ben.dial("100")
            arrived = await us.event(Arrived)
            assert arrived.called == "100"
            us.trunk.answer(arrived.leg_id, us.endpoint())
            await us.event(Confirmed)
            await ben.hang_up()
            assert (await us.event(HungUp)).leg_id == arrived.leg_id
