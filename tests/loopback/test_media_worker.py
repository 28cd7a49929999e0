"""Calls through a whole media worker over real sockets: phones of plain RTP, browsers played by aiortc; tones are found by FFT."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media import messages as msg
from media import rtcp, rtp
from media.recorder import read_capture
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from rooms.audio import G722, OPUS, PCMA, PCMU, AudioCodec, DemoEndpoint, Direction, RtpEndpoint
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ROOM, ToneTrack, hears, hears_here, hears_no_more, listen, media_desk, patient
from tests.kit.rtp_phone import RtpPhone

pytestmark = pytest.mark.usefixtures("loopback_ice")
PLACES = pytest.mark.parametrize("workers", [0, 1], ids=["embedded", "process"])


async def test_phones_of_one_codec_are_forwarded_byte_for_byte(tmp_path: Path) -> None:
    async with RtpPhone(G722, frequency_hz=440) as a, RtpPhone(G722, frequency_hz=900) as b:
        async with media_desk(patient(capture=tmp_path)) as desk:
            await desk.phone("a", a)
            await desk.phone("b", b)
            await b.hear(60)
            assert desk.worker.counters["packets_forwarded"] >= 60
            assert desk.worker.counters["packets_mixed"] == 0 or desk.worker.gauges["rooms_mixing"] == 0
        await hears(b, 440, rel=0.06)
        await hears(a, 900, rel=0.06)
    came, went = (read_capture(tmp_path / name) for name in ("a-in.rtpdump", "b-out.rtpdump"))
    payloads_in = [payload_of(packet) for _, packet in came]
    payloads_out = [payload_of(packet) for _, packet in went]
    assert payloads_out[-50:] == payloads_in[-50:]
    assert set(b.payloads[-50:]) <= set(a.sent)


def payload_of(packet: bytes) -> bytes:
    header = rtp.parse(packet)
    assert header is not None
    return packet[header.payload_start : header.payload_end]


@pytest.mark.parametrize(("browser", "phone"), [("opus", PCMA), ("opus", G722), ("g722", PCMU), ("pcma", PCMA), ("opus", OPUS)])
async def test_a_browser_and_a_phone_hear_one_another(browser: str, phone: AudioCodec) -> None:
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(phone, frequency_hz=600) as far, media_desk() as desk:
        await desk.browser("agent", peer, browser)
        await desk.phone("phone", far)
        await far.hear(80)
        await hears_here(peer, 600, rel=0.12)
        await hears(far, 1_000, rel=0.11)
        assert bool(desk.worker.gauges["rooms_mixing"]) == (browser != phone.name)
        assert desk.worker.counters["room_faults"] == 0


async def test_mute_and_hold_switch_without_gap_or_jump() -> None:
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk() as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await b.hear(40)
        for muted in (0.0, 1.0, 0.0, 1.0):
            await desk.gain(("b", "a", muted))
            await b.hear(25)
        assert desk.worker.gauges["rooms_mixing"] == 0
        await b.hear(10)
        for phone in (a, b):
            headers = phone.headers
            assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(headers)} == {1}
            assert {h.ssrc for h in headers} == {headers[0].ssrc}
            steps = {rtp.timestamp_difference(y.timestamp, x.timestamp) for x, y in pairwise(headers)}
            assert all(step > 0 and step % 160 == 0 for step in steps), "their length on an even clock is tested in virtual time"
        assert level_at(a.heard()[16_000:], 900) == pytest.approx(0.25, rel=0.1), "this direction was never muted"
        muted = np.abs(b.heard()[16_000:].reshape(-1, 160)).max(axis=1) < 0.001
        assert 60 <= muted.sum() <= 140, "two mutes of half a second each"


@PLACES
async def test_a_reload_re_attaches_and_the_phone_never_stops_hearing_the_same_stream(workers: int) -> None:
    async with RtpPhone(PCMA, frequency_hz=600) as far, media_desk(workers=workers) as desk:
        async with BrowserPeer(ToneTrack(1_000)) as before:
            await desk.browser("agent", before, "pcma")
            await desk.phone("phone", far)
            await far.hear(30)
        await desk.hear_of(msg.PeerLost, lambda event: event.peer_id == "tab1")
        async with BrowserPeer(ToneTrack(1_500)) as after:
            await desk.browser("agent", after, "pcma", peer_id="tab2", opened=True)
            await far.hear(50)
            await hears_here(after, 600, rel=0.12)
            await hears(far, 1_500, rel=0.1, last=30)
            assert [e for e in desk.events if isinstance(e, msg.PeerLost) and e.peer_id == "tab2"] == []
        headers = far.headers
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(headers)} == {1}
        assert len({header.ssrc for header in headers}) == 1


@PLACES
async def test_digits_go_both_ways_once_each(workers: int) -> None:
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(PCMA) as far, media_desk(workers=workers) as desk:
        await desk.browser("agent", peer, "opus")
        await desk.phone("phone", far)
        await far.hear(10)
        await desk.worker.perform(msg.SendDigits(leg_id="phone", digits="42#"))
        await far.hear(60)
        events = {
            h.timestamp: e for h, p in zip(far.headers, far.payloads, strict=True) if h.payload_type == 101 and (e := rtp.parse_event(p))
        }
        assert "".join(event.digit for event in events.values()) == "42#"
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(far.headers)} == {1}
        far.press("9")
        heard = await desk.hear_of(msg.DigitHeard)
        assert (heard.leg_id, heard.digit) == ("phone", "9")
        await far.hear(10)
        assert [e.digit for e in desk.events if isinstance(e, msg.DigitHeard)] == ["9"]


async def test_one_lost_packet_is_counted_once_told_to_the_phone_and_leaves_no_hole() -> None:
    """What it costs, 20 ms, is tested in virtual time: here the machine's load would have its say."""
    async with RtpPhone(PCMA) as a, RtpPhone(PCMU, frequency_hz=900) as b, media_desk(patient(rtcp_interval_s=0.5)) as desk:
        a.lose = {60}
        await desk.phone("a", a)
        await desk.phone("b", b)
        sample = await desk.hear_of(msg.QualitySampled, lambda event: any(leg.leg_id == "a" and leg.loss for leg in event.legs))
        lossy = next(leg for leg in sample.legs if leg.leg_id == "a")
        assert lossy.loss is not None and round(lossy.loss * (lossy.packets + 1)) == 1
        await desk.hear_of(msg.QualitySampled, lambda event: any(leg.leg_id == "a" and leg.concealed_ms >= 20.0 for leg in event.legs))
        told = await a.hear_report(lambda block: block.cumulative_lost > 0)
        assert told.cumulative_lost == 1
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(b.headers)} == {1}
        await hears(b, 440, rel=0.1, last=50)
        assert [leg.loss for event in desk.events if isinstance(event, msg.QualitySampled) for leg in event.legs if leg.loss] == [
            lossy.loss
        ]


@PLACES
async def test_the_demo_line_echoes_a_browser(workers: int) -> None:
    async with BrowserPeer(ToneTrack(700)) as peer, media_desk(workers=workers) as desk:
        await desk.browser("agent", peer, "opus")
        await desk.demo("far", "echo")
        await listen(peer, 1)
        await hears_here(peer, 700, rel=0.12)
        assert (await desk.numbers())["rooms_mixing"] == 0
        await desk.gain(("far", "agent", 0.0), ("agent", "far", 0.0))
        await hears_no_more(peer, 700)


async def test_the_demo_line_speaks_and_presses_keys() -> None:
    async with RtpPhone(PCMA) as phone, media_desk() as desk:
        await desk.phone("agent", phone)
        await desk.demo("far", "dtmf")
        await phone.hear(150)
        assert np.sqrt(np.mean(phone.heard(last=100) ** 2)) > 0.02
        await desk.hear_of(msg.DigitHeard, lambda event: (event.leg_id, event.digit) == ("far", "1"))


async def test_both_sides_get_reports_and_the_round_trip_is_learnt() -> None:
    settings = patient(rtcp_interval_s=0.5)
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(PCMA) as far, media_desk(settings) as desk:
        await desk.browser("agent", peer, "pcma")
        await desk.phone("phone", far)
        sample = await desk.hear_of(
            msg.QualitySampled, lambda event: any(leg.leg_id == "agent" and leg.round_trip_ms is not None for leg in event.legs)
        )
        agent = next(leg for leg in sample.legs if leg.leg_id == "agent")
        assert agent.round_trip_ms is not None and 0 <= agent.round_trip_ms < 5_000
        stats = [s for s in (await peer.connection.getStats()).values() if s.type == "remote-inbound-rtp"]
        assert stats and stats[0].packetsLost == 0
        told = await far.hear_report(lambda block: True)
        assert told.ssrc == 0x1234 and told.jitter < 8_000, "in units of the phone's clock, 8 kHz"
        await desk.worker.perform(msg.CloseLeg(leg_id="phone"))
        await far.hear_bye()


async def test_loss_of_a_phone_that_is_forwarded_to_a_browser_is_laid_to_the_phones_hop() -> None:
    """The browser reports the loss too, but it did not happen on the way to it."""
    settings = patient(rtcp_interval_s=0.5)
    async with RtpPhone(PCMA) as phone, BrowserPeer(ToneTrack(1_000)) as peer, media_desk(settings) as desk:
        phone.lose = set(range(3, 10_000, 5))
        await desk.browser("agent", peer, "pcma")
        await desk.phone("phone", phone)

        def judged(event: msg.QualitySampled) -> bool:
            """A report that crossed some packets on its way may be off by them: of 25 each is 4 %."""
            if len(event.legs) != 2:
                return False
            agent, far = sorted(event.legs, key=lambda leg: leg.leg_id)
            if agent.hop_loss is None or agent.far_loss is None or far.loss is None:
                return False
            of_hop = agent.hop_loss < 0.05 < 0.1 < agent.far_loss and agent.far_cause == "upstream"
            return of_hop and far.loss > 0.05 and far.cause == "loss"

        told = await desk.hear_of(msg.QualitySampled, judged, within_s=60.0)
        assert desk.worker.gauges["rooms_mixing"] == 0
        blamed = [(fault.leg_id, fault.hop, fault.cause) for fault in told.faults]
        assert ("phone", "phone_to_us", "loss") in blamed and ("agent", "us_to_browser", "loss") not in blamed


async def test_a_phone_that_asks_is_told_how_it_sounds() -> None:
    async with RtpPhone(PCMA) as asking, RtpPhone(PCMA) as silent, media_desk(patient(rtcp_interval_s=0.5)) as desk:
        await desk.phone("a", asking)
        await desk.phone("b", silent)
        wanted = replace(asking.endpoint(), reports=frozenset(("voip-metrics", "rcvr-rtt")))
        await desk.worker.perform(msg.ConnectRtpLeg(leg_id="a", remote=wanted))
        metrics = await asking.hear_metrics()
        assert (metrics.ssrc, metrics.loss, metrics.round_trip_ms) == (0x1234, 0.0, 0)
        assert metrics.r is not None and metrics.r > 85 and metrics.mos_lq is not None and metrics.mos_lq > 4
        await silent.hear_report(lambda block: True)
        assert not any(isinstance(r, rtcp.ExtendedReport) for compound in silent.rtcp for r in rtcp.parse(compound) or [])


async def test_a_phone_by_ipv6_talks_with_one_by_ipv4() -> None:
    async with RtpPhone(PCMA, host="::1") as six, RtpPhone(PCMA, frequency_hz=900) as four, media_desk() as desk:
        opened = await desk.phone("six", six)
        assert opened.host == "::1"
        await desk.phone("four", four)
        await six.hear(30)
        await four.hear(30)
        await hears(six, 900, rel=0.1, last=10)
        await hears(four, 440, rel=0.1, last=10)


@pytest.mark.parametrize("host", ["169.254.169.254", "239.1.1.1", "fe80::1"])
async def test_a_phone_cannot_have_us_send_to_just_any_address(host: str) -> None:
    async with RtpPhone(PCMA) as phone, media_desk() as desk:
        await desk.phone("a", phone)
        with pytest.raises(msg.MediaRefusal, match="network settings") as refusal:
            await desk.worker.perform(msg.ConnectRtpLeg(leg_id="a", remote=replace(phone.endpoint(), host=host)))
        assert refusal.value.code == "forbidden_address"


async def test_a_phone_that_falls_silent_is_told_once_and_the_other_side_hears_silence() -> None:
    settings = MediaSettings(silent_after_s=1.0)
    async with RtpPhone(PCMA) as a, RtpPhone(PCMA) as b, media_desk(settings) as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await b.hear(10)
        a.speaking = False
        silent = await desk.hear_of(msg.LegSilent)
        assert silent.leg_id == "a"
        await b.hear(20)
        assert np.abs(b.heard(last=10)).max() < 0.01
        a.speaking = True
        await b.hear(40)
        assert desk.worker.gauges["rooms_mixing"] == 0
        await hears(b, 440, rel=0.1, last=20)
        assert len([e for e in desk.events if isinstance(e, msg.LegSilent)]) == 1


async def test_a_phone_on_hold_is_sent_nothing_and_the_browser_hears_silence() -> None:
    async with RtpPhone(PCMA) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk() as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await a.hear(20)
        b.speaking = False
        await desk.worker.perform(msg.ConnectRtpLeg(leg_id="b", remote=b.endpoint(direction=Direction.INACTIVE)))
        sent_to_b = desk.worker._legs["b"][0].sender
        before = sent_to_b.packets
        await a.hear(20)
        assert np.abs(a.heard(last=10)).max() < 0.01
        assert sent_to_b.packets == before
        b.speaking = True
        await desk.worker.perform(msg.ConnectRtpLeg(leg_id="b", remote=b.endpoint()))
        await a.hear(40)
        await hears(a, 900, rel=0.1, last=20)
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(a.headers)} == {1}


async def test_phones_hear_packets_of_the_length_that_they_want() -> None:
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(OPUS, frequency_hz=900) as b, media_desk() as desk:
        a.wanted_ms, b.wanted_ms = 30, 40
        await desk.phone("a", a)
        await desk.phone("b", b)
        await a.hear(50)
        await b.hear(40)
    for phone, frequency_hz, step in ((a, 900, 240), (b, 440, 1_920)):
        lately = phone.headers[-30:]
        assert {(y.timestamp - x.timestamp) & 0xFFFFFFFF for x, y in pairwise(lately)} == {step}
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(lately)} == {1}
        await hears(phone, frequency_hz, rel=0.1, last=25)


async def test_a_voice_that_is_much_too_quiet_is_not_just_forwarded() -> None:
    """Glimpses of it come from the packet path's own memory."""
    voice = VoiceSettings(sample_every_s=0.1)
    async with RtpPhone(PCMA, amplitude=0.004) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(voice=voice) as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await b.hear(20)
        while not desk.worker.gauges["legs_cared"]:
            await b.hear(10)
        assert desk.worker.gauges["rooms_mixing"] == 1
        forwarded = desk.worker.counters["packets_forwarded"]
        await b.hear(20)
        assert desk.worker.counters["packets_forwarded"] - forwarded <= 2


async def test_a_codec_that_both_could_speak_is_asked_for_once() -> None:
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(G722) as far, media_desk() as desk:
        await desk.browser("agent", peer, "opus")
        await desk.phone("phone", far)
        wanted = await desk.hear_of(msg.ReofferWanted)
        assert (wanted.leg_id, wanted.codecs[0]) == ("agent", "g722")
        async with BrowserPeer(ToneTrack(1_000)) as again:  # aiortc cannot change the codec of a running sender
            await desk.browser("agent", again, "g722", peer_id="tab2", opened=True)
            await far.hear(50)
            assert desk.worker.gauges["rooms_mixing"] == 0
        await hears(far, 1_000, rel=0.1, last=30)
        assert len([e for e in desk.events if isinstance(e, msg.ReofferWanted)]) == 1


async def test_an_offer_again_on_the_same_peer_keeps_the_call_and_what_still_comes_in_the_former_codec() -> None:
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(G722) as far, media_desk() as desk:
        await desk.browser("agent", peer, "opus")
        await desk.phone("phone", far)
        await far.hear(20)
        await desk.browser("agent", peer, "g722", opened=True)
        await far.hear(60)
        await hears(far, 1_000, rel=0.1, last=20)
        assert not any(isinstance(event, msg.PeerLost) for event in desk.events)


async def test_rtp_bleed_strangers_neither_hear_a_call_nor_speak_into_it() -> None:
    """They spray both ports from another host, before and while the phones speak, with the right payload type."""
    async with RtpPhone(PCMA) as a, RtpPhone(PCMA, frequency_hz=900) as b, RtpPhone(PCMA, frequency_hz=2_500, host="127.0.0.2") as stranger:
        async with media_desk() as desk:
            ports = []
            for leg_id, phone in (("a", a), ("b", b)):
                ports.append(await desk.open_phone(leg_id, phone, signalled_from="127.0.0.1"))
            for opened in ports:
                stranger.spray(opened.host, opened.port, 50)
            for phone, opened in ((a, ports[0]), (b, ports[1])):
                phone.call(opened.host, opened.port)
            stranger.call(ports[0].host, ports[0].port)
            await a.hear(60)
            await b.hear(60)
            assert desk.worker.counters["packets_mixed"] == 0 or desk.worker.gauges["rooms_mixing"] == 0
        for phone, tone in ((a, 900), (b, 440)):
            await hears(phone, tone, rel=0.06, last=40)
            assert level_at(phone.heard(), 2_500) < 0.001
        assert not stranger.arrivals and not stranger.rtcp


@pytest.mark.parametrize("peer_id", ["tab1", "tab2"])
async def test_a_handshake_that_fails_is_told_in_words_and_the_next_offer_works(peer_id: str) -> None:
    async with media_desk() as desk, RtpPhone(PCMA, frequency_hz=600) as far:
        await desk.phone("phone", far)
        await desk.worker.perform(msg.OpenPeerLeg(leg_id="agent", room_id=ROOM))
        await desk.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id="agent"))
        async with BrowserPeer(ToneTrack(1_000)) as victim:
            sdp = with_another_fingerprint(await victim.offer())
            answered = await desk.worker.perform(msg.OfferPeer(leg_id="agent", peer_id="tab1", sdp=sdp, codecs=("pcma",)))
            assert isinstance(answered, msg.PeerAnswered)
            await victim.accept(answered.sdp)
            lost = await desk.hear_of(msg.PeerLost)
            assert (lost.leg_id, lost.peer_id) == ("agent", "tab1") and "fingerprint" in lost.detail
        async with BrowserPeer(ToneTrack(1_000)) as again:
            await desk.browser("agent", again, "pcma", peer_id=peer_id, opened=True)
            await hears_here(again, 600, rel=0.12)
        assert desk.worker.counters["room_faults"] == 0


def with_another_fingerprint(sdp: str) -> str:
    lines = sdp.split("\r\n")
    changed = [line[:-2] + ("00" if line[-2:] != "00" else "01") if line.startswith("a=fingerprint:") else line for line in lines]
    assert changed != lines
    return "\r\n".join(changed)


async def test_the_first_offer_finds_everything_warm_and_nothing_open() -> None:
    async with media_desk() as desk:
        port = desk.worker._port
        assert port.certificate._context is not None, "the first handshake would have to make the TLS context"
        assert desk.worker.gauges["peers"] == 0 and not port._links, "nobody can reach the peer of the rehearsal"


@PLACES
async def test_refusals_say_why_and_cost_nothing(workers: int) -> None:
    async with RtpPhone(PCMA) as a, RtpPhone(PCMA) as b, media_desk(workers=workers) as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        nothing = RtpEndpoint("127.0.0.1", 9, (AudioCodec("g729", 18, 8_000),))
        cases: list[tuple[str, msg.AnyCommand]] = [
            ("room_exists", msg.OpenRoom(room_id=ROOM)),
            ("unknown_room", msg.OpenPeerLeg(leg_id="x", room_id="elsewhere")),
            ("leg_exists", msg.OpenPeerLeg(leg_id="a", room_id=ROOM)),
            ("no_socket", msg.OpenRtpLeg(leg_id="x", room_id=ROOM)),
            ("wrong_leg", msg.OfferPeer(leg_id="a", peer_id="p", sdp="v=0", codecs=("opus",))),
            ("unknown_leg", msg.OfferPeer(leg_id="x", peer_id="p", sdp="v=0", codecs=("opus",))),
            ("no_shared_codec", msg.ConnectRtpLeg(leg_id="a", remote=nothing)),
            ("unknown_sound", msg.Play(leg_id="a", sound="polka")),
            ("bad_digits", msg.SendDigits(leg_id="a", digits="hello")),
        ]
        for code, command in cases:
            with pytest.raises(msg.MediaRefusal) as refusal:
                await desk.worker.perform(command)
            assert refusal.value.code == code
        await desk.worker.perform(msg.CloseLeg(leg_id="never"))
        await b.hear(20)
        await hears(b, 440, rel=0.1, last=10)
        if not workers:  # a pool refuses some of them by itself
            assert desk.worker.counters["refusals"] == len(cases)


async def test_what_fails_in_one_room_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RtpPhone(PCMA) as a, RtpPhone(PCMU) as b, media_desk() as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await desk.worker.perform(msg.OpenRoom(room_id="broken"))
        await desk.worker.perform(msg.OpenPeerLeg(leg_id="c", room_id="broken"))
        await desk.worker.perform(msg.Play(leg_id="c", sound="hold"))

        def fail(now_s: float) -> None:
            raise ValueError("this room is broken")

        monkeypatch.setattr(desk.worker._rooms["broken"].bridge, "collect", fail)
        await b.hear(60)
        assert desk.worker.counters["room_faults"] > 0
        await hears(b, 440, rel=0.1, last=20)


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_full_worker_refuses_rooms_and_goes_on_with_those_it_has(workers: int) -> None:
    """Full is, for this test, whoever works at all: a worker without legs takes the first room all the same."""
    settings = patient(fullest_tick=1e-9)
    async with RtpPhone(PCMA) as a, RtpPhone(PCMU) as b, media_desk(settings, workers=workers) as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        rooms: list[str] = []
        refusal: msg.MediaRefusal | None = None
        while refusal is None:
            room_id = f"room {len(rooms)}"
            try:
                await desk.worker.perform(msg.OpenRoom(room_id=room_id))
            except msg.MediaRefusal as refused:
                refusal = refused
            else:
                rooms.append(room_id)
                await desk.worker.perform(msg.OpenDemoLeg(leg_id=room_id, room_id=room_id, programme=DemoEndpoint("echo")))
                await a.hear(30)
        assert refusal.code == "worker_full" and "try again" in str(refusal)
        assert (await desk.numbers())["tick_share_p95"] > 0
        assert len(rooms) < 10
        await b.hear(50)
        assert level_at(b.heard(last=30), 440) > 0.1
