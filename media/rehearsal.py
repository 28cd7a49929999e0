"""What a worker does once before its first call, so that the first real ones find everything warm.

Without it the first answer of a process takes two to four times as long as the others, and the first sound waits for compiled code to be
loaded; on a machine's very first start it would wait half a minute for the compiler.
"""

import threading
import time
from collections.abc import Callable

import structlog

from dsp.suppress import Suppressor
from media.digits import ToneHearing
from media.ears import rehearse as rehearse_ears
from media.icelite import IcePort
from media.intake import rehearse as rehearse_intake
from media.playout import rehearse as rehearse_playout
from media.voice_care import VoiceSettings
from media.voices import Voices
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
_LONG_S = 3.0

log = structlog.get_logger()


def rehearse(port: IcePort, voices: Voices) -> None:
    """Answer the offer with a peer that nobody can reach any more when this returns, and pass some sound on. Nothing is sent."""
    peer = port.open_peer(lambda packet, now_s: None, lambda packet, now_s: None, lambda state, detail: None)
    peer.answer(_OFFER, tuple(KNOWN_CODECS))
    peer.close()
    _pass_sound(voices)


def load_kernels(make_suppressor: Callable[[int], Suppressor] | None) -> None:
    """The part of it that needs no worker yet: what is compiled is loaded, and compiled where this machine has not done it."""
    _pass_sound(Voices(VoiceSettings(), 1, make_suppressor))


def _pass_sound(voices: Voices) -> None:
    """Bring every compiled kernel of a leg to memory, and to disk where this machine has not compiled it yet."""
    hint = "only a first start compiles; the next one loads what was compiled"
    long = threading.Timer(_LONG_S, lambda: log.info("voices.compiling", hint=hint))
    long.daemon = True
    begun_s = time.monotonic()
    long.start()
    try:
        rehearse_playout()
        rehearse_intake(voices.rate_hz)
        rehearse_ears()
        voices.rehearse()
        ToneHearing(PCMA).packet(bytes(160))
    finally:
        long.cancel()
    if (took_s := time.monotonic() - begun_s) > _LONG_S:
        log.info("voices.compiled", seconds=round(took_s, 1))
