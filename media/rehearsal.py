"""One canned offer answered and one packet searched for tones at the start, so that the first real ones find everything warm.

Without it the first answer of a process takes two to four times as long as the others, and the first packet that is searched for
tones waits for compiled code to be loaded.
"""

from media.digits import ToneHearing
from media.icelite import IcePort
from rooms.audio import KNOWN_CODECS, PCMA

_OFFER = "\r\n".join(
    (
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 126",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:warm",
        "a=ice-pwd:rehearsalrehearsalrehearsal",
        "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:126 telephone-event/8000",
        "",
    )
)


def rehearse(port: IcePort) -> None:
    """Answer the offer with a peer that nobody can reach any more when this returns. Nothing is sent."""
    peer = port.open_peer(lambda packet, now_s: None, lambda packet, now_s: None, lambda state, detail: None)
    peer.answer(_OFFER, tuple(KNOWN_CODECS))
    peer.close()
    ToneHearing(PCMA).packet(bytes(160))
