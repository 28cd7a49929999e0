"""Offers read and answered; Chromium's own offer is the sample."""

import time
from dataclasses import replace

import pytest
from aiortc.sdp import SessionDescription

from media.answer import LocalSide, OpusPreferences, choose_codecs, read_offer, write_answer
from media.messages import MediaRefusal
from media.video.lines import SlotSources, VideoFormat
from rooms.audio import AudioCodec, Direction

TRANSPORT = (
    "a=ice-ufrag:Xk2+\r\na=ice-pwd:1f8vbAp0/DKFvkhkBoBKkWEl\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\n"
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    + TRANSPORT
    + "a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:- 7e7e\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "a=ssrc:2866 cname:4TOk\r\na=ssrc:2866 msid:- 7e7e\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
    + TRANSPORT
    + "a=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
)
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" + TRANSPORT + "a=mid:2\r\na=sctp-port:5000\r\n"
SESSION = "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS\r\n"
LOCAL = LocalSide("ourfragment", "ourpassword", "sha-256 CD:EF", (("192.0.2.7", 40_000), ("2001:db8::7", 40_000)), 1_234, "leg")


def test_an_offer_is_read() -> None:
    offer = read_offer(SESSION + AUDIO + VIDEO + DATA)
    assert [line.kind for line in offer.lines] == ["audio", "video", "application"] and offer.audio == 0 and offer.bundled
    assert offer.codecs == (
        AudioCodec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1"),
        AudioCodec("g722", 9, 8_000),
        AudioCodec("pcmu", 0, 8_000),
        AudioCodec("pcma", 8, 8_000),
    )
    assert offer.events == ((48_000, 110), (8_000, 126)) and offer.setup == "actpass" and offer.direction is Direction.SENDRECV
    assert (offer.fragment, offer.password) == ("Xk2+", "1f8vbAp0/DKFvkhkBoBKkWEl")
    assert offer.fingerprints == (("sha-256", ":".join(["AB"] * 32)),)
    assert (offer.event_payload_type(8_000), offer.event_payload_type(48_000), offer.event_payload_type(16_000)) == (126, 110, 110)


def test_the_answer_is_in_our_order_under_the_browsers_numbers() -> None:
    offer = read_offer(SESSION + AUDIO.replace("opus/48000", "OPUS/48000") + VIDEO + DATA)
    codecs = choose_codecs(offer, ("g722", "opus", "pcma", "g722"))
    text = write_answer(offer, codecs, LOCAL)
    assert "m=audio 40000 UDP/TLS/RTP/SAVPF 9 111 8 110 126\r\n" in text
    assert "a=ice-lite\r\n" in text and "a=group:BUNDLE 0\r\n" in text and "a=end-of-candidates\r\n" in text
    assert "a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host" in text
    assert "a=candidate:2 1 udp 2130706175 2001:db8::7 40000 typ host" in text
    assert "extmap" not in text and "transport-cc" not in text
    audio, video, data = SessionDescription.parse(text).media
    assert [codec.mimeType for codec in audio.rtp.codecs] == [
        "audio/G722", "audio/opus", "audio/PCMA", "audio/telephone-event", "audio/telephone-event",
    ]  # fmt: skip
    assert audio.direction == "sendrecv" and audio.rtp.muxId == "0" and audio.rtcp_mux and audio.ssrc[0].ssrc == 1_234
    assert audio.dtls is not None and audio.dtls.role == "client" and audio.ice is not None and audio.ice.iceLite
    assert (video.port, video.rtp.muxId, video.direction) == (0, "1", "inactive") and (data.port, data.rtp.muxId) == (0, "2")


CAMERA = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 39 103 104 105\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    + TRANSPORT
    + "a=mid:1\r\na=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\na=extmap:13 urn:3gpp:video-orientation\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
    "a=sendonly\r\na=msid:- f00d\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\n"
    "a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:39 AV1/90000\r\n"
    "a=rtpmap:103 H264/90000\r\na=fmtp:103 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n"
    "a=rtpmap:104 H264/90000\r\na=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    "a=rtpmap:105 rtx/90000\r\na=fmtp:105 apt=104\r\n"
    "a=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n"
)
PLACE = (
    CAMERA.replace("a=mid:1", "a=mid:2").replace("a=sendonly", "a=recvonly").partition("a=rid")[0]
    + "a=ssrc-group:FID 77 78\r\na=ssrc:77 cname:x\r\na=ssrc:78 cname:x\r\n"
)


def test_video_lines_are_read_and_answered_in_a_consultation() -> None:
    offer = read_offer(SESSION + AUDIO + CAMERA + PLACE)
    camera, place = offer.video[1], offer.video[2]
    assert camera.formats[0] == VideoFormat("vp8", 96, 97, "", ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"))
    assert [(each.name, each.payload_type, each.repair) for each in camera.formats] == [("vp8", 96, 97), ("h264", 104, 105)]
    assert camera.layers == ("q", "h") and camera.direction is Direction.SENDONLY and camera.reduced_size
    assert sorted(camera.extensions.values()) == [2, 3, 4, 10, 11] and place.ssrcs == (77,)
    sources = {"1": SlotSources(21, 22), "2": SlotSources(31, 32)}
    text = write_answer(offer, choose_codecs(offer, ("opus",)), replace(LOCAL, video=sources))
    assert "a=group:BUNDLE 0 1 2\r\n" in text
    _, _, sent, seen = text.split("m=")
    assert sent.startswith("video 40000 UDP/TLS/RTP/SAVPF 96 97 104 105\r\n") and "a=recvonly\r\n" in sent and "a=ssrc" not in sent
    assert "a=rid:q recv\r\na=rid:h recv\r\na=simulcast:recv q;h\r\n" in sent and "a=fmtp:97 apt=96\r\n" in sent
    assert "a=sendonly\r\n" in seen and "a=ssrc-group:FID 31 32\r\n" in seen and "a=msid:leg 2\r\n" in seen and "simulcast" not in seen
    read = SessionDescription.parse(text).media[1]
    assert [codec.mimeType for codec in read.rtp.codecs] == ["video/VP8", "video/rtx", "video/H264", "video/rtx"]
    assert [feedback.type for feedback in read.rtp.codecs[0].rtcpFeedback] == ["nack", "nack", "ccm", "goog-remb", "transport-cc"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a=rtpmap:96", "a=rtpmap:"), ("a=rtpmap:96 VP8/90000", "a=rtpmap:96"), ("a=mid:1", "a=mid:9"), ("a=rid:q send", "a=rid:q recv"),
        ("a=simulcast:send q;h", "a=simulcast:send " + ";".join("abcdefgh")), ("a=extmap:2 ", "a=extmap:x "), ("apt=96", "apt="),
        ("a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:\r\n" * 100),
    ],
)  # fmt: skip
def test_a_video_line_that_makes_no_sense_costs_nobody_the_audio(before: str, after: str) -> None:
    assert before in CAMERA
    offer = read_offer(SESSION + AUDIO + CAMERA.replace(before, after))
    text = write_answer(offer, choose_codecs(offer, ("opus",)), replace(LOCAL, video={"1": SlotSources(21, 22)}))
    assert "opus" in text and all(len(line.layers) <= 3 for line in offer.video.values())


@pytest.mark.parametrize(
    ("theirs", "ours"), [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
)
def test_the_direction_is_mirrored(theirs: str, ours: str) -> None:
    offer = read_offer(SESSION + AUDIO.replace("a=sendrecv", f"a={theirs}"))
    text = write_answer(offer, choose_codecs(offer, ("opus",)), LOCAL)
    assert f"a={ours}\r\n" in text and ("a=ssrc:" in text) == (ours in ("sendrecv", "sendonly"))


def test_opus_is_asked_for_what_we_want() -> None:
    offer = read_offer(SESSION + AUDIO)
    plain = write_answer(offer, choose_codecs(offer, ("opus",)), LOCAL)
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in plain
    asked = LocalSide("f", "p", "sha-256 00", (("192.0.2.7", 1),), 1, "c", opus=OpusPreferences(dtx=True, max_average_bitrate=24_000))
    text = write_answer(offer, choose_codecs(offer, ("opus",)), asked)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=24000\r\n" in text


def test_static_payload_types_need_no_rtpmap() -> None:
    bare = AUDIO.replace("a=rtpmap:8 PCMA/8000\r\n", "").replace("a=rtpmap:0 PCMU/8000\r\n", "")
    assert {codec.name: codec.payload_type for codec in read_offer(SESSION + bare).codecs} == {"opus": 111, "g722": 9, "pcmu": 0, "pcma": 8}


def test_audio_inherits_the_transport_of_its_bundle() -> None:
    bundle_only = AUDIO.replace(TRANSPORT, "a=bundle-only\r\n").replace("m=audio 9", "m=audio 0")
    offer = read_offer(SESSION + VIDEO + bundle_only)
    assert offer.audio == 1 and offer.fragment == "Xk2+"
    with pytest.raises(MediaRefusal, match="ice-ufrag"):
        read_offer(SESSION.replace("BUNDLE 0 1 2", "BUNDLE 1") + VIDEO + bundle_only.replace("m=audio 0", "m=audio 9"))


def test_a_second_audio_line_is_refused_and_the_first_answered() -> None:
    offer = read_offer(SESSION + AUDIO + AUDIO.replace("a=mid:0", "a=mid:1"))
    assert "m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n" in write_answer(offer, choose_codecs(offer, ("opus",)), LOCAL)


@pytest.mark.parametrize(
    ("sdp", "code"),
    [
        (SESSION + VIDEO, "no_audio"),
        ("", "no_audio"),
        (SESSION + AUDIO.replace("m=audio 9", "m=audio 0").replace("a=mid:0", "a=mid:9"), "no_audio"),
        (SESSION + AUDIO.replace("a=rtcp-mux", "a=x"), "no_rtcp_mux"),
        (SESSION + AUDIO.replace("a=ice-ufrag:Xk2+\r\n", ""), "no_ice"),
        (SESSION + AUDIO.replace("BoBKkWEl", ""), "no_ice"),
        (SESSION + AUDIO.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), "no_dtls"),
        (SESSION + AUDIO.replace("a=fingerprint:", "a=x:"), "no_dtls"),
        (SESSION + AUDIO.replace("a=setup:actpass\r\n", ""), "no_dtls"),
        (SESSION + AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no_dtls"),
        (SESSION + AUDIO.replace("111 63 9 0 8 13 110 126", "63 13"), "no_shared_codec"),
        (SESSION + AUDIO.replace("a=setup:actpass", "a=setup:holdconn"), "sdp_malformed"),
        (SESSION + AUDIO.replace("a=mid:0", "a=mid:a b"), "sdp_malformed"),
        (SESSION + AUDIO.replace("111 63", "xyz"), "sdp_malformed"),
        (SESSION + AUDIO + "a=fmtp:77 x=1\r\n", "sdp_malformed"),
        (SESSION + AUDIO + "a=rtpmap:77\r\n", "sdp_malformed"),
        (SESSION + AUDIO + "a=fingerprint:sha-256\r\n", "sdp_malformed"),
        (SESSION + AUDIO + "m=nonsense\r\n", "sdp_malformed"),
        (SESSION + AUDIO + "m=<script> 9 UDP x\r\n", "sdp_malformed"),
        (SESSION + AUDIO * 200, "sdp_too_large"),
        (SESSION + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 200, "too_many_media_lines"),
        (SESSION + AUDIO + "a=fmtp:111 x=1\r\n" * 500, "sdp_too_large"),
        ("x" * 61_441, "sdp_too_large"),
    ],
)
def test_bad_offers_are_refused_by_name_and_in_time(sdp: str, code: str) -> None:
    costs_s = []
    for _ in range(3):
        started = time.process_time()
        with pytest.raises(MediaRefusal) as refusal:
            read_offer(sdp)
        costs_s.append(time.process_time() - started)
    assert refusal.value.code == code
    assert len(str(refusal.value)) > 40 and ":" in str(refusal.value)
    assert min(costs_s) < 0.02, "of three: the collector of garbage may come into one"


def test_a_thousand_candidates_are_counted_and_change_nothing() -> None:
    hosts = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "9a7b.local")
    lines = "".join(f"a=candidate:{n % 9} 1 udp 2113937151 {hosts[n % 4]} {50_000 + n} typ host\r\n" for n in range(1_000))
    plain, laden = read_offer(SESSION + AUDIO), read_offer(SESSION + AUDIO + lines)
    assert (plain.candidates, laden.candidates) == (0, 1_000) and replace(laden, candidates=0) == plain
    with pytest.raises(MediaRefusal) as refusal:
        read_offer(SESSION + AUDIO + 2 * lines)
    assert refusal.value.code == "sdp_too_large"


def test_a_costly_offer_within_the_limits_is_cheap() -> None:
    """What the parser would take quadratic time for does not reach it."""
    bomb = SESSION + AUDIO + "".join(f"a=ssrc:{n} a:b\r\n" for n in range(1_700))
    assert len(bomb) < 32_768
    costs_s = []
    for _ in range(3):
        started = time.process_time()
        read_offer(bomb)
        costs_s.append(time.process_time() - started)
    assert min(costs_s) < 0.02, "of three: the collector of garbage may come into one"


def test_no_shared_codec_in_our_order_is_refused() -> None:
    with pytest.raises(MediaRefusal, match="We wanted g729"):
        choose_codecs(read_offer(SESSION + AUDIO), ("g729",))


@pytest.mark.parametrize(
    ("lines", "wanted_ms"),
    [
        ("", 20),
        ("a=ptime:40\r\n", 40),
        ("a=ptime:60\r\na=maxptime:30\r\n", 30),
        ("a=maxptime:10\r\n", 10),
        ("a=ptime:x\r\na=maxptime:0\r\n", 20),
    ],
)
def test_how_long_packets_are_wanted(lines: str, wanted_ms: int) -> None:
    other = VIDEO.replace("a=mid:", "a=ptime:100\r\na=mid:")
    assert read_offer(SESSION + AUDIO + lines + other).packet_ms == wanted_ms
