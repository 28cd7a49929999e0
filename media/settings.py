"""What a media worker is told once, at its start."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from media.answer import OpusPreferences
from media.opus_choice import OpusPolicy
from media.prompt_settings import PromptSettings
from media.recording.recordings import RecordingSettings
from media.voice_care import VoiceSettings

RATE_HZ = 16_000
"""Rate of the bridge: every decoded leg is a row of float32 at this rate."""
NARROW_HZ = 8_000
"""Rate of a room where nobody would hear more."""
TICK_S = 0.02
"""One frame; every codec we speak is used with 20 ms packets."""
FRAME_SAMPLES = RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Defaults suit ``make run``. Times in seconds; ``port`` 0 takes a free one.

    ``hosts`` are bound, ``public_hosts`` are told in place of those of their family (NAT 1:1); empty: the bound ones.
    ``codec_policy``: ``auto``, or codec names in the order they are wanted.
    ``capture``: folder in which every decrypted packet of every leg is logged, or None. ``recording``: None when calls are not recorded.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 0
    wire: str = "auto"
    """The packet path: ``auto``, ``c`` or ``python`` (``media.wire``)."""
    public_hosts: tuple[str, ...] = ()
    tcp: bool = True
    """Take browsers that cannot use UDP by TCP, on the same addresses and port number."""
    codec_policy: str | tuple[str, ...] = "auto"
    opus_over_g711: Literal["loss", "room", "never"] = "loss"
    """When a browser speaks Opus with a phone that speaks only G.711: once its path ``loss``es more than 1 %, also while there is ``room``,
    or ``never``."""
    concealment: bool = True
    mend_from_loss: float = 0.005
    """From this loss on (a fraction 0-1) what a leg says is decoded and concealed for a phone, instead of forwarded as it is."""
    opus: OpusPolicy = field(default_factory=OpusPolicy)
    browser_opus: OpusPreferences = field(default_factory=OpusPreferences)
    """What we send in Opus, and what we ask the browser's encoder to send."""
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    most_legs: int = 1_024
    capture: Path | None = None
    recording: RecordingSettings | None = None
    prompts: PromptSettings = field(default_factory=PromptSettings)
    rtcp_interval_s: float = 2.5
    quality_interval_s: float = 1.0
    silent_after_s: float = 3.0
    """Without RTP for so long, a leg whose far end agreed to send counts as silent."""
    lost_after_s: float = 15.0
    """A browser without RTP and without a connectivity check (RFC 7675 consent) for so long is lost."""
    checks_within_s: float = 30.0
    """The first connectivity check of a new peer must come within this time, DTLS end within half of it more."""
    key_frame_interval_s: float = 0.5
    """Between two key frame requests to one picture, however many receivers want one."""
    most_peers: int = 1_000
    most_rooms: int = 1_000
    fullest_tick: float = 0.7
    """From this share of a tick's time on (95 % of the ticks stay below it) no room is opened: those that are there would be heard late.
    Legs of rooms that are open are taken up to halfway from there to the whole tick."""
    most_legs_per_room: int = 50
    most_heard: int = 4
    """So many are heard at once in rooms of more than twice as many legs: the loudest."""
    digits_queued: int = 64
    learn_phone_addresses: bool = False
    """A phone that announced a private address, and of which nobody knows where its signalling comes from, is believed to be whoever sends
    five packets in sequence first. For networks without strangers: elsewhere it may be anybody (RTP bleed)."""
