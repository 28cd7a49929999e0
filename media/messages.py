"""Commands to a media worker and events from it. Plain structs, so that a worker may be this process or another one.

Every command that fails raises ``MediaRefusal`` (whose fault, what to do); none blocks on the network.
"""

from msgspec import Struct

from rooms.audio import DemoEndpoint, RtpEndpoint


class MediaRefusal(Exception):
    """A command could not be done. ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Command(Struct, frozen=True, tag_field="type", tag=str):
    pass


class OpenRoom(Command, frozen=True):
    room_id: str


class CloseRoom(Command, frozen=True):
    """Closes its legs too."""

    room_id: str


class OpenPeerLeg(Command, frozen=True):
    """Anchor a browser leg. It lives without a peer until an offer comes, and outlives every peer."""

    leg_id: str
    room_id: str


class OfferPeer(Command, frozen=True):
    """A browser's offer for an anchored leg; the worker returns ``PeerAnswered``. ``codecs``: our order of preference by name.

    ``video``: None in a telephone call, whose video lines are refused; else which picture (``camera``, ``screen``) each line sends, by mid.
    """

    leg_id: str
    peer_id: str
    sdp: str
    codecs: tuple[str, ...]
    video: dict[str, str] | None = None


class OpenRtpLeg(Command, frozen=True):
    """Anchor a phone leg. Its bound UDP socket is handed over beside the command; returns ``RtpOpened``.

    ``remote``: what is agreed with the phone already (``ConnectRtpLeg``); where that cannot be carried out, nothing is opened.
    """

    leg_id: str
    room_id: str
    remote: RtpEndpoint | None = None


class ConnectRtpLeg(Command, frozen=True):
    """The agreement with the phone, first or changed: send there, in ``remote.codecs[0]``, receive these payload types."""

    leg_id: str
    remote: RtpEndpoint


class OpenDemoLeg(Command, frozen=True):
    leg_id: str
    room_id: str
    programme: DemoEndpoint


class JoinBridge(Command, frozen=True):
    room_id: str
    leg_id: str


class CloseLeg(Command, frozen=True):
    leg_id: str


class SetGains(Command, frozen=True):
    """Entries (listener, speaker, gain 0-2) of the room's matrix; others stay, 1 at first. A leg never hears itself."""

    room_id: str
    gains: tuple[tuple[str, str, float], ...]


class Play(Command, frozen=True):
    """``ringback``, ``busy``, ``hold`` or None, heard by this leg alone."""

    leg_id: str
    sound: str | None


class PlayOnce(Command, frozen=True):
    """A sound heard once by this leg alone, beside the mix; ``SoundEnded`` follows when it was heard whole."""

    leg_id: str
    sound: str


class Hush(Command, frozen=True):
    """What ``PlayOnce`` began is heard no further, without ``SoundEnded``; what stands behind it goes on."""

    leg_id: str


class PrepareSounds(Command, frozen=True):
    """Make these sounds now, so that no caller waits for them. Of the whole plane: it is about no room.

    ``texts``: words by the name of their sound (``prompt/LANGUAGE/NAME``), known from now on; ``ready``: further names. At most
    ``MOST_TEXTS`` in all. ``renewed``: sounds whose file is another one now, or none: who asks for them next hears it.
    """

    texts: dict[str, str] = {}
    ready: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()


MOST_TEXTS = 64


class SendDigits(Command, frozen=True):
    """RFC 4733 digits to the far end of this leg, queued one after another."""

    leg_id: str
    digits: str


class VideoTile(Struct, frozen=True):
    """A picture of another leg as a page shows it. ``height_px``: 0 where it cannot be seen now."""

    leg_id: str
    track: str
    height_px: int


class WatchVideo(Command, frozen=True):
    """All the pictures that this leg's page shows from now on, the most important first; of others nothing is sent."""

    leg_id: str
    tiles: tuple[VideoTile, ...]


class HearVoice(Command, frozen=True):
    """Tell from now on, by ``VoiceChanged``, when this leg's far end speaks and when it is quiet; not ``on``: no more."""

    leg_id: str
    on: bool = True


class StartRecording(Command, frozen=True):
    """Record what this leg (the caller's) says, left, and what it hears, right. Refused without consent: ``given``, ``announced`` or
    ``not needed``. ``RecordingStarted`` or ``RecordingFailed`` follows.

    ``who`` stands in the manifest in clear: names of legs and people, never telephone numbers; those belong into ``details``, which are
    encrypted with the sound. ``heard``: keep what the leg hears too. ``picture_height_px``: so high its camera is kept, its screen as it
    comes; 0: no pictures. ``person_half``: 32 bytes in hexadecimal digits, without which the file does not open; ``person_sealed``: the
    same under that person's key, which stands in the file. Empty: it is nobody's.
    """

    room_id: str
    recording_id: str
    leg_id: str
    consent: str
    who: tuple[str, ...] = ()
    details: dict[str, str] = {}
    heard: bool = True
    picture_height_px: int = 0
    person_half: str = ""
    person_sealed: str = ""


class PauseRecording(Command, frozen=True):
    """From now on nothing is kept of what is said, until ``ResumeRecording``: the recording has silence there."""

    room_id: str
    recording_id: str


class ResumeRecording(Command, frozen=True):
    room_id: str
    recording_id: str


class StopRecording(Command, frozen=True):
    room_id: str
    recording_id: str
    reason: str = ""


class Result(Struct, frozen=True, tag_field="type", tag=str):
    pass


class PeerAnswered(Result, frozen=True):
    sdp: str
    codec: str


class RtpOpened(Result, frozen=True):
    host: str
    port: int


class MediaEvent(Struct, frozen=True, tag_field="type", tag=str):
    pass


class PeerConnected(MediaEvent, frozen=True):
    """ICE and DTLS are up for this leg's peer."""

    leg_id: str
    peer_id: str


class PeerLost(MediaEvent, frozen=True):
    """The leg's current peer is gone (no packet and no consent for a while, or DTLS closed). The leg is still anchored."""

    leg_id: str
    peer_id: str
    detail: str


class ReofferWanted(MediaEvent, frozen=True):
    """The peer speaks a codec that forces transcoding though it could speak the other leg's: ask for a new offer."""

    leg_id: str
    codecs: tuple[str, ...]


class VideoPlace(Struct, frozen=True):
    """The line ``mid`` of a page shows this picture."""

    mid: str
    leg_id: str
    track: str


class VideoShown(MediaEvent, frozen=True):
    """Which pictures the lines of this leg's page show, complete each time; a line that is not named shows none."""

    leg_id: str
    places: tuple[VideoPlace, ...]


class VideoLinesWanted(MediaEvent, frozen=True):
    """The page looks at more pictures than its offer has receiving lines: ask it for a new offer with ``lines`` of them."""

    leg_id: str
    lines: int


class VideoWatched(MediaEvent, frozen=True):
    """How high this leg's picture is shown where it is largest: layers beyond that need not be sent. 0: nobody looks at it."""

    leg_id: str
    track: str
    height_px: int


class SpeakerChanged(MediaEvent, frozen=True):
    """Who speaks now in a room of three or more; "" while nobody does."""

    room_id: str
    leg_id: str


class LegSilent(MediaEvent, frozen=True):
    """No RTP from this leg for some seconds although its side agreed to send."""

    leg_id: str
    silent_s: float


class DigitHeard(MediaEvent, frozen=True):
    """An RFC 4733 digit arrived from this leg: once per press, with or without marker bit."""

    leg_id: str
    digit: str


class VoiceChanged(MediaEvent, frozen=True):
    """A leg's far end begins to speak, or is quiet again. ``spoken_s``: how long it spoke until now, since ``HearVoice``."""

    leg_id: str
    speaks: bool
    spoken_s: float


class LegSample(Struct, frozen=True):
    """One leg's last second, both hops of it. Fractions 0-1, times in ms; None where not measured.

    Names are webrtc-stats' in snake case with their unit, shortened. From the far end to us (``inbound-rtp``): ``packets`` received,
    ``loss`` (packetsLost over those expected), ``jitter_ms``, ``discarded`` and ``concealed_ms`` (packetsDiscarded, concealedSamples).
    From us to the far end, as its RTCP tells (``remote-inbound-rtp``): ``far_loss`` (fractionLost), ``far_jitter_ms``,
    ``round_trip_ms``; with RFC 3611 also ``far_discarded`` and ``far_buffer_ms``. ``hop_loss`` is ``far_loss`` without what was missing
    already when we forwarded it.

    ``r``, ``mos``, ``scale`` rate what came, ``far_r``, ``far_mos``, ``far_scale`` what the far end hears of us. ``cause`` and
    ``far_cause`` name what costs most on that hop, ``r_lost`` and ``far_r_lost`` how many points of R the hop costs:
    ``good``, ``loss``, ``jitter`` (lost in the jitter buffer), ``delay``, ``silent`` (nothing arrived), ``upstream`` (it came so from the
    other leg), or ``unclassified``.

    ``echo_return_loss_db`` and ``..._enhancement_db`` are webrtc-stats' names: how much softer than what the leg heard its echo comes
    back, and how much of that echo is taken away here. They, ``speech`` (fraction of the second in which somebody spoke) and
    ``noise_dbfs`` (before suppression) need a decoded leg.
    """

    leg_id: str
    packets: int
    loss: float | None
    jitter_ms: float | None
    round_trip_ms: float | None
    discarded: int
    concealed_ms: float
    level_dbfs: float | None
    r: float | None
    mos: float | None
    scale: str
    cause: str
    codec: str
    speech: float | None = None
    noise_dbfs: float | None = None
    echo_return_loss_db: float | None = None
    echo_return_loss_enhancement_db: float | None = None
    kind: str = ""
    r_lost: float | None = None
    packets_sent: int = 0
    far_loss: float | None = None
    hop_loss: float | None = None
    far_jitter_ms: float | None = None
    far_discarded: float | None = None
    far_buffer_ms: float | None = None
    far_r: float | None = None
    far_mos: float | None = None
    far_scale: str = ""
    far_cause: str = "unclassified"
    far_r_lost: float | None = None


class Fault(Struct, frozen=True):
    """A hop of a call that costs it quality. ``hop``: ``browser_to_us``, ``us_to_browser``, ``phone_to_us``, ``us_to_phone``.

    ``cause``: as in ``LegSample``, and ``echo``. ``r_lost``: points of R that it costs.
    """

    leg_id: str
    hop: str
    cause: str
    r_lost: float


class QualitySampled(MediaEvent, frozen=True):
    """The last second of a room's legs. ``faults``: the hops that are bad, the worst first; none where all is well."""

    room_id: str
    legs: tuple[LegSample, ...]
    faults: tuple[Fault, ...] = ()


class SoundEnded(MediaEvent, frozen=True):
    """A sound of ``PlayOnce`` was played to its end."""

    leg_id: str
    sound: str


class RoomLost(MediaEvent, frozen=True):
    """The worker of this room died and nobody could take the room over: everything in it is gone."""

    room_id: str
    detail: str


class RecordingStarted(MediaEvent, frozen=True):
    """Its file is there. ``file``: the file's name in the folder of recordings."""

    room_id: str
    recording_id: str
    file: str


class RecordingStopped(MediaEvent, frozen=True):
    """The recording is over and signed. ``lost``: packets that a slow disk cost.

    ``entries`` and ``digest`` are the manifest's checkpoint: kept elsewhere, they show when its end was cut off later.
    """

    room_id: str
    recording_id: str
    file: str
    packets: int
    lost: int
    entries: int
    digest: str


class RecordingFailed(MediaEvent, frozen=True):
    """The disk refused, or the worker died (``worker_died``). The call goes on unrecorded; the file holds what was written before, and is
    empty where nothing was.

    ``entries`` and ``digest`` are the manifest's checkpoint where one could be written, else 0 and empty.
    """

    room_id: str
    recording_id: str
    file: str
    detail: str
    worker_died: bool = False
    entries: int = 0
    digest: str = ""


WAITING = (OpenRtpLeg, Play, PlayOnce)
"""Commands that wait, for a socket or for a sound to be prepared; all others are done at once."""

AnyCommand = (
    OpenRoom
    | CloseRoom
    | OpenPeerLeg
    | OfferPeer
    | OpenRtpLeg
    | ConnectRtpLeg
    | OpenDemoLeg
    | JoinBridge
    | CloseLeg
    | SetGains
    | Play
    | PlayOnce
    | Hush
    | PrepareSounds
    | SendDigits
    | WatchVideo
    | HearVoice
    | StartRecording
    | PauseRecording
    | ResumeRecording
    | StopRecording
)
AnyResult = PeerAnswered | RtpOpened | None
AnyMediaEvent = (
    PeerConnected
    | PeerLost
    | ReofferWanted
    | VideoShown
    | VideoLinesWanted
    | VideoWatched
    | SpeakerChanged
    | LegSilent
    | DigitHeard
    | VoiceChanged
    | QualitySampled
    | SoundEnded
    | RoomLost
    | RecordingStarted
    | RecordingStopped
    | RecordingFailed
)
