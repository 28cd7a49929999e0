"""Whole calls with phones of two other makes, baresip and linphonec, behind kamailio: what each end says is heard at the other one.

Each call goes through our media plane. Held from either side and taken back, keys pressed by both, in every codec, in clear and encrypted;
handed over by REFER to the other phone, with and without talking to it first.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.demo_call.baresip import Phone, PhoneSettings, phone
from api.demo_call.kamailio import Kamailio, kamailio
from media import messages as msg
from pbx.sdes import SrtpMode
from pbx.trunk import DigitArrived, HungUp, Reagreed, TransferAsked, TransferProgressed
from rooms.audio import RtpEndpoint, SrtpSuite
from rooms.causes import Cause, EndReason
from tests.kit.linphone import Linphone, LinphoneSettings, linphone
from tests.kit.talk import AGENT_HZ, PHONE_HZ, Talk, heard_tone, talking, write_tone

BYE = Cause(EndReason.COMPLETED)
CODECS = ("opus", "g722", "pcma")
PASSWORDS = {"auth-100": "pw100", "400": "pw400", "401": "pw401"}


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Kamailio]:
    async with kamailio(tmp_path / "kamailio", PASSWORDS) as running:
        yield running


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tone(tmp_path_factory.mktemp("tone") / "tone.wav")


@asynccontextmanager
async def baresip(pbx: Kamailio, folder: Path, tone: Path, encryption: str, number: str = "400") -> AsyncIterator[Phone]:
    settings = PhoneSettings(number, f"pw{number}", (pbx.host, pbx.port), CODECS, tone, encryption=encryption)
    async with phone(folder / "baresip", settings) as ben:
        yield ben


@asynccontextmanager
async def linphonec(
    pbx: Kamailio, folder: Path, tone: Path, encryption: str, *, digits_by_info: bool = False, number: str = "400"
) -> AsyncIterator[Linphone]:
    settings = LinphoneSettings(number, f"pw{number}", (pbx.host, pbx.port), CODECS, tone, encryption, digits_by_info)
    async with linphone(folder / f"linphone-{number}", settings) as lin:
        yield lin


def agreed_as(remote: RtpEndpoint, codec: str, suite: SrtpSuite | None) -> bool:
    return remote.codecs[0].name == codec and (remote.srtp.sent.suite if remote.srtp is not None else None) == suite


async def we_hold(talk: Talk) -> None:
    for held in (True, False):
        talk.trunk.hold("line", held)
        await talk.event(Reagreed, 30.0)
        await talk.agent_hears(silence=held)
    await talk.agent.hear(30)  # for so long the phone records too


@pytest.mark.parametrize(
    ("codec", "srtp", "encryption", "suite"),
    [
        ("g722", "off", "", None),
        ("opus", "required", "srtp-mand", SrtpSuite.AEAD_AES_256_GCM),
        ("pcma", "offered", "srtp", SrtpSuite.AEAD_AES_256_GCM),
        ("pcma", "offered", "", None),
    ],
)
async def test_baresip(pbx: Kamailio, tmp_path: Path, tone: Path, codec: str, srtp: str, encryption: str, suite: SrtpSuite | None) -> None:
    async with talking(pbx, codec, srtp=SrtpMode(srtp)) as talk, baresip(pbx, tmp_path, tone, encryption) as ben:
        assert agreed_as(await talk.dial("400"), codec, suite)
        await talk.agent_hears()
        (recording,) = ben.recordings()
        await heard_tone(recording, AGENT_HZ)
        for held in (True, False):
            await ben.hold(held)
            await talk.agreed(not held)
        await talk.agent_hears()
        await we_hold(talk)
        await ben.press("5")
        await talk.digits("5")
        talk.trunk.send_digit("line", "4")
        assert (await ben.event("CALL_DTMF_START"))["param"] == "4"
        talk.trunk.hang_up("line", BYE)
        await ben.event("CALL_CLOSED")
        await ben.dial("100")
        _, offered = await talk.take()
        assert (offered.srtp is not None) is (suite is not None)
        await talk.agent_hears()
        await ben.hang_up()
        assert (await talk.event(HungUp, 30.0)).cause.reason is EndReason.COMPLETED


@pytest.mark.parametrize(
    ("codec", "srtp", "encryption", "suite", "by_info"),
    [
        ("pcma", "off", "none", None, False),
        ("opus", "offered", "srtp", SrtpSuite.AES_256_CM_HMAC_SHA1_80, False),
        ("g722", "required", "srtp", SrtpSuite.AES_256_CM_HMAC_SHA1_80, True),
    ],
)
async def test_linphonec(
    pbx: Kamailio, tmp_path: Path, tone: Path, codec: str, srtp: str, encryption: str, suite: SrtpSuite | None, by_info: bool
) -> None:
    async with (
        talking(pbx, codec, srtp=SrtpMode(srtp)) as talk,
        linphonec(pbx, tmp_path, tone, encryption, digits_by_info=by_info) as lin,
    ):
        assert agreed_as(await talk.dial("400"), codec, suite)
        await talk.agent_hears()
        lin.tell("pause")
        await talk.agreed(False)
        await lin.says("is now paused")
        lin.tell("resume")
        await talk.agreed(True)
        await talk.agent_hears()
        await we_hold(talk)
        lin.tell("5")
        if by_info:
            assert (await talk.event(DigitArrived, 30.0)).digit == "5"
        else:
            await talk.digits("5")
            await talk.desk.worker.perform(msg.SendDigits(leg_id="line", digits="9"))
            await lin.says("Receiving tone 9")
        talk.trunk.send_digit("line", "4")
        await lin.says("Receiving tone 4")
        talk.trunk.hang_up("line", BYE)
        await lin.says("ended")
        await heard_tone(lin.recording, AGENT_HZ)
        lin.tell("call sip:100@pbx.test")
        _, offered = await talk.take()
        assert (offered.srtp is not None) is (suite is not None)
        await talk.agent_hears()
        lin.tell("terminate all")
        assert (await talk.event(HungUp, 30.0)).cause.reason is EndReason.COMPLETED


async def transferred(talk: Talk, leg_id: str) -> None:
    while (progress := await talk.event(TransferProgressed, 30.0)).status < 200:
        assert progress.leg_id == leg_id
    assert progress == TransferProgressed(leg_id, 200)


async def test_baresip_is_handed_over_to_linphonec(pbx: Kamailio, tmp_path: Path, tone: Path) -> None:
    async with (
        talking(pbx, "pcma") as talk,
        baresip(pbx, tmp_path, tone, "") as ben,
        linphonec(pbx, tmp_path, tone, "none", number="401") as lin,
    ):
        await talk.dial("400")
        await talk.agent_hears()
        assert talk.trunk.can_refer("line")
        talk.trunk.refer("line", "401")
        await transferred(talk, "line")
        talk.trunk.hang_up("line", BYE)
        await heard_tone(lin.recording, PHONE_HZ, rate_hz=48_000)
        await ben.hang_up()
        await lin.says("ended")


async def test_linphonec_takes_our_place_in_a_call_that_we_asked_about_first(pbx: Kamailio, tmp_path: Path, tone: Path) -> None:
    async with (
        talking(pbx, "pcma") as talk,
        linphonec(pbx, tmp_path, tone, "none") as first,
        linphonec(pbx, tmp_path, tone, "none", number="401") as second,
    ):
        await talk.dial("400")
        await talk.dial("401", "other")
        talk.trunk.refer("line", "401", replaces="other")
        assert (await talk.event(HungUp, 30.0)).leg_id == "other"
        await transferred(talk, "line")
        talk.trunk.hang_up("line", BYE)
        for lin in (first, second):
            await heard_tone(lin.recording, PHONE_HZ, rate_hz=48_000)  # Opus, which both like best
        first.tell("terminate all")
        await second.says("ended")


async def test_linphonec_asks_us_to_call_somebody_else(pbx: Kamailio, tmp_path: Path, tone: Path) -> None:
    async with (
        talking(pbx, "pcma") as talk,
        linphonec(pbx, tmp_path, tone, "none") as lin,
        baresip(pbx, tmp_path, tone, "", number="401") as ben,
    ):
        await talk.dial("400")
        lin.tell("transfer 401")
        asked = await talk.event(TransferAsked, 30.0)
        assert (asked.leg_id, asked.target, asked.replaces) == ("line", "401", "")
        await talk.dial("401", "other")
        talk.trunk.transfer_progress("line", 200)
        assert (await talk.event(HungUp, 30.0)).leg_id == "line"
        await talk.agent_hears()
        talk.trunk.hang_up("other", BYE)
        await ben.event("CALL_CLOSED")
