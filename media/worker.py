"""A media worker: all rooms and legs of one process, one port for its browsers, one clock. Driven by commands, tells events.

Commands and events are plain structs (``media/messages.py``), so that a worker may be this process or another one. Nothing here waits for
the network. Each room stands alone: what fails in one is counted and logged there, the others go on.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self, TypeVar

import structlog

from dsp.suppress import Suppressor
from media import messages as msg
from media.bridge import Bridge
from media.browser_leg import BrowserLeg
from media.call_recordings import CallRecordings
from media.demo_leg import make_programme
from media.faults import faults
from media.glimpses import Glimpses
from media.icelite import IcePort, IceSettings
from media.leg import COUNTERS, Leg
from media.messages import MediaRefusal
from media.opus_choice import OpusChoice
from media.peer import PeerTimes
from media.phone_leg import PhoneLeg
from media.quality import LegQuality
from media.recorder import Recorder
from media.rehearsal import rehearse
from media.reports import Reports
from media.resting import Resting
from media.settings import NARROW_HZ, MediaSettings
from media.sound_library import SoundLibrary
from media.sounds import Sound
from media.speaker import ActiveSpeaker
from media.ticker import Ticker
from media.transport import Sockets
from media.video.leg import COUNTERS as VIDEO_COUNTERS
from media.video.room import VideoRoom
from media.voice_care import VoiceSettings
from media.voice_hearing import VoiceHearing
from media.voices import Voices
from media.wire import WireUnavailable, make_wire
from rooms.audio import DemoEndpoint, RtpEndpoint

__all__ = ["MediaSettings", "MediaWorker"]

log = structlog.get_logger()

_Result = TypeVar("_Result")
_LOOK_EVERY_TICKS, _LISTEN_EVERY_TICKS = 25, 5
_CARE_EVERY_TICKS = 50
_SOUNDS_WAITING = 256
# What a codec, an array or a closed socket may raise inside one room. Anything else is a fault of the worker itself.
_ROOM_FAULTS = (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, OSError)


@dataclass(slots=True)
class _Room:
    bridge: Bridge
    videos: VideoRoom
    look_s: float
    faults: int = 0
    speaker: ActiveSpeaker = field(default_factory=ActiveSpeaker)
    browsers: dict[str, BrowserLeg] = field(default_factory=dict)
    phones: dict[str, PhoneLeg] = field(default_factory=dict)
    qualities: dict[str, LegQuality] = field(default_factory=dict)


class MediaWorker:
    """Used as ``async with``; leaving closes every leg. ``on_event`` is called on the event loop and must not block.

    ``make_suppressor(rows)`` makes what tells voices from noise; None: the classical one.
    """

    def __init__(
        self,
        settings: MediaSettings,
        on_event: Callable[[msg.AnyMediaEvent], None],
        *,
        make_suppressor: Callable[[int], Suppressor] | None = None,
    ) -> None:
        self.settings = settings
        self._on_event = on_event
        times = PeerTimes(settings.checks_within_s, settings.checks_within_s / 2, settings.lost_after_s, settings.silent_after_s)
        try:
            self._wire = make_wire(settings.wire)
        except WireUnavailable as missing:
            raise MediaRefusal("no_wire", str(missing)) from None
        ice = IceSettings(settings.hosts, settings.port, settings.public_hosts, settings.tcp, settings.most_peers, times)
        self._port = IcePort(ice, wire=self._wire)
        self._ticker = Ticker(self._tick)
        self._opus = OpusChoice(settings.opus)
        self._recorder = Recorder(settings.capture) if settings.capture is not None else None
        self._recordings = None
        if settings.recording is not None:
            self._recordings = CallRecordings(settings.recording, on_event, self._wire.records)
        self._voices = Voices(settings.voice, settings.most_legs, make_suppressor, most_heard=settings.most_heard)
        untouched = settings.voice == VoiceSettings.untouched()  # what cleans voices works at one rate
        self._glimpses = Glimpses(settings.voice) if settings.voice.looks else None
        self._narrow = None
        if untouched:
            self._narrow = Voices(settings.voice, settings.most_legs, rate_hz=NARROW_HZ, most_heard=settings.most_heard)
        self._all_voices = [voices for voices in (self._voices, self._narrow) if voices is not None]
        self._rooms: dict[str, _Room] = {}
        self._ticking: dict[Bridge, None] = {}
        self._legs: dict[str, tuple[Leg, str]] = {}
        self._library = SoundLibrary(settings.prompts)
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._counts = dict.fromkeys((*COUNTERS, *VIDEO_COUNTERS, "room_faults", "voice_faults", "commands", "refusals"), 0)
        self._resting = Resting(self._counts)
        self._unix_offset_s = time.time() - time.monotonic()
        self._parting: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises MediaRefusal when the port is taken, OSError when the folder of captures or recordings cannot be made."""
        async with AsyncExitStack() as stack:
            if self._recorder is not None:
                stack.enter_context(self._recorder)
            if self._recordings is not None:
                await stack.enter_async_context(self._recordings)
            await stack.enter_async_context(self._wire)
            await stack.enter_async_context(self._library)
            await stack.enter_async_context(self._port)
            rehearse(self._port, self._voices)
            stack.push_async_callback(self._close_all)
            await stack.enter_async_context(self._ticker)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @property
    def port(self) -> int:
        """The UDP port of all browsers."""
        return self._port.port

    @property
    def counters(self) -> dict[str, float]:
        """Everything counted since the start, by name: packets in, out, forwarded, dropped by reason; ticks; refusals."""
        found: dict[str, float] = dict(self._counts)
        found |= {f"ice_{name}": getattr(self._port.counters, name) for name in self._port.counters.__slots__}
        found["sounds_failed"] = self._library.failed
        found |= {"ticks": self._ticker.ticks, "ticks_skipped": self._ticker.skipped}
        for name, count in self._wire.counters.items():
            found[name] = found.get(name, 0) + count
        found |= {"playout_faults": sum(voices.intake.faults for voices in self._all_voices)}
        found["glimpses"] = self._glimpses.taken if self._glimpses is not None else 0
        found |= {"frames_encoded": sum(voices.ears.encoded for voices in self._all_voices)}
        if self._recorder is not None:
            found |= {"capture_dropped": self._recorder.dropped, "capture_failed": self._recorder.failed}
        if self._recordings is not None:
            found |= self._recordings.counters
        return found

    @property
    def gauges(self) -> dict[str, float]:
        """How things are now, by name: rooms, legs, peers; the jitter buffers' target and lateness of the latest ticks in ms."""
        found: dict[str, float] = {"rooms": len(self._rooms), "legs": len(self._legs), "peers": self._port.peer_count}
        found["ice_tcp"] = self._port.tcp_count
        found |= {"voices": sum(map(len, self._all_voices)), "recordings": self._recordings.running if self._recordings is not None else 0}
        found |= {"rooms_mixing": sum(room.bridge.mixing for room in self._rooms.values())}
        targets_ms = sorted(leg.playout.target_ms for leg, _ in self._legs.values() if leg.playout is not None)
        found |= {"jitter_target_ms_p95": targets_ms[int(0.95 * (len(targets_ms) - 1))] if targets_ms else 0.0}
        found["tick_share_p95"] = self._ticker.share
        found["legs_cared"] = sum(leg.cared for leg, _ in self._legs.values())
        found["opus_sparing"] = float(self._opus.sparing)
        found |= {f"tick_late_ms_p{percent}": self._ticker.late_ms(percent / 100) for percent in (50, 95, 99)}
        return found

    async def perform(self, command: msg.AnyCommand, sock: Sockets | None = None) -> msg.AnyResult:
        """Carry out one command. Raises MediaRefusal: whose fault, what to do.

        ``sock``: for ``OpenRtpLeg`` its bound UDP socket, or a pair of them: RTP and RTCP.
        """
        if not isinstance(command, msg.WAITING):
            return self.act(command)
        self._counts["commands"] += 1
        try:
            return await self._wait_for(command, sock)
        except MediaRefusal:
            self._counts["refusals"] += 1
            raise

    def act(self, command: msg.AnyCommand) -> msg.AnyResult:
        """As ``perform``, of a command that is not among ``msg.WAITING``."""
        self._counts["commands"] += 1
        try:
            return self._do(command)
        except MediaRefusal:
            self._counts["refusals"] += 1
            raise

    async def _wait_for(self, command: msg.OpenRtpLeg | msg.Play | msg.PlayOnce, sock: Sockets | None) -> msg.AnyResult:
        match command:
            case msg.OpenRtpLeg():
                return await self._open_phone(command, self._room(command.room_id), sock)
            case msg.Play(leg_id=leg_id, sound=sound):
                await self._play(leg_id, sound)
            case msg.PlayOnce(leg_id=leg_id, sound=once):
                await self._play_once(leg_id, once)
        return None

    def _do(self, command: msg.AnyCommand) -> msg.AnyResult:
        match command:
            case msg.OpenRoom(room_id=room_id):
                self._open_room(room_id)
            case msg.CloseRoom(room_id=room_id):
                self._close_room(room_id)
            case msg.OpenPeerLeg(leg_id=leg_id, room_id=room_id):
                self._open_browser(leg_id, self._room(room_id))
            case msg.OfferPeer():
                return self._answer(command)
            case msg.ConnectRtpLeg(leg_id=leg_id, remote=remote):
                self._connect(leg_id, remote)
            case msg.OpenDemoLeg(leg_id=leg_id, room_id=room_id, programme=programme):
                self._open_demo(leg_id, self._room(room_id), programme)
            case msg.JoinBridge(room_id=room_id, leg_id=leg_id):
                self._room(room_id).bridge.join(leg_id)
            case msg.CloseLeg(leg_id=leg_id):
                self._close_leg(leg_id)
            case msg.SetGains(room_id=room_id, gains=gains):
                self._room(room_id).bridge.set_gains(gains)
            case msg.Hush(leg_id=leg_id):
                self._room_of(leg_id).bridge.hush(leg_id)
            case msg.PrepareSounds():
                self._library.prepare(command)
            case msg.SendDigits(leg_id=leg_id, digits=digits):
                self._room_of(leg_id).bridge.send_digits(leg_id, digits)
            case msg.WatchVideo(leg_id=leg_id, tiles=tiles):
                self._room_of(leg_id).videos.watch(leg_id, tiles)
            case msg.HearVoice(leg_id=leg_id, on=on):
                self._hear_voice(leg_id, on)
            case msg.StartRecording(room_id=room_id, leg_id=leg_id):
                self._call_recordings().start(command, self._leg_in(room_id, leg_id), self._rooms[room_id].videos)
            case msg.PauseRecording() | msg.ResumeRecording() | msg.StopRecording():
                self._call_recordings().change(command)
        return None

    # -- rooms

    def _open_room(self, room_id: str) -> None:
        if room_id in self._rooms:
            raise MediaRefusal("room_exists", "A room of this name is open already.")
        self._admit(self.settings.fullest_tick)
        if len(self._rooms) >= self.settings.most_rooms:
            raise MediaRefusal("worker_full", f"This worker has its {self.settings.most_rooms} rooms already: try again later.")
        bridge = Bridge(
            room_id,
            self._voices,
            narrow=self._narrow,
            concealment=self.settings.concealment,
            most_legs=self.settings.most_legs_per_room,
            all_ticking=self._ticking,
            resting=self._resting,
        )
        videos = VideoRoom(
            self._counts,
            self._on_event,
            unix_offset_s=self._unix_offset_s,
            key_frame_interval_s=self.settings.key_frame_interval_s,
        )
        self._rooms[room_id] = _Room(bridge, videos, time.monotonic() + self.settings.quality_interval_s)

    def _admit(self, most: float) -> None:
        """Raises MediaRefusal where the work of the ticks leaves too little of their time."""
        share = self._ticker.share
        if self._legs and share > most:
            raise MediaRefusal(
                "worker_full", f"This worker's ticks take {share:.0%} of their time, {most:.0%} is the most: try again in 5 seconds."
            )

    def _close_room(self, room_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:  # closing twice is no fault: both sides may hang up at once
            for leg_id in list(room.bridge.legs):
                self._close_leg(leg_id)
            room.bridge.ticking = False
            del self._rooms[room_id]

    async def _close_all(self) -> None:
        for room_id in list(self._rooms):
            self._close_room(room_id)
        while self._parting:
            await asyncio.wait(self._parting)

    def _room(self, room_id: str) -> _Room:
        room = self._rooms.get(room_id)
        if room is None:
            raise MediaRefusal("unknown_room", "This room is not open: its call may just have ended.")
        return room

    def _room_of(self, leg_id: str) -> _Room:
        if leg_id not in self._legs:
            raise MediaRefusal("unknown_leg", "This leg is not open: it may just have been closed.")
        return self._rooms[self._legs[leg_id][1]]

    def _leg_in(self, room_id: str, leg_id: str) -> Leg:
        legs = self._room(room_id).bridge.legs
        if leg_id not in legs:
            raise MediaRefusal("unknown_leg", "This leg is not in this room: it may just have been closed.")
        return legs[leg_id]

    def _call_recordings(self) -> CallRecordings:
        if self._recordings is None:
            raise MediaRefusal("not_recording", "Nothing is recorded here: set media.recording.enabled.")
        return self._recordings

    # -- legs

    def _open_leg(self, leg_id: str, room: _Room, kind: str) -> Leg:
        if leg_id in self._legs:
            raise MediaRefusal("leg_exists", "A leg of this name is open already.")
        self._admit((1.0 + self.settings.fullest_tick) / 2)
        if len(self._legs) >= self.settings.most_legs:
            raise MediaRefusal("worker_full", f"This worker has its {self.settings.most_legs} legs already: try again later.")
        bridge, now_s = room.bridge, time.monotonic()
        sender = self._wire.sender(secrets.randbits(32) or 1, secrets.randbits(15), secrets.randbits(32))
        reports = Reports(
            secrets.token_urlsafe(9),
            unix_offset_s=self._unix_offset_s,
            interval_s=self.settings.rtcp_interval_s,
            first_s=now_s + self.settings.rtcp_interval_s * (0.2 + 0.2 * secrets.randbelow(100) / 100),
        )
        leg = Leg(
            leg_id,
            kind,
            sender,
            reports,
            self._counts,
            opus=self._opus,
            digits_queued=self.settings.digits_queued,
            on_digit=lambda digit: self._digit(leg, bridge, digit),
            on_change=bridge.replan,
            make_received=self._wire.receive_stats,
            log_in=self._recorder.log(leg_id, "in") if self._recorder is not None else None,
            log_out=self._recorder.log(leg_id, "out") if self._recorder is not None else None,
        )
        leg.cared = kind != "demo" and self.settings.voice.touches_all
        sound = self._sounds.pop(leg_id, None)
        bridge.add(leg)
        self._legs[leg_id] = (leg, bridge.room_id)
        room.qualities[leg_id] = LegQuality(leg, self._voices, mend_from_loss=self.settings.mend_from_loss)
        if sound is not None:
            bridge.play(leg_id, sound)
        return leg

    def _open_browser(self, leg_id: str, room: _Room) -> None:
        leg = self._open_leg(leg_id, room, "peer")
        room.browsers[leg_id] = BrowserLeg(leg, self._port, self.settings, self._on_event, room.bridge.replan, room.videos)

    def _answer(self, command: msg.OfferPeer) -> msg.PeerAnswered:
        room = self._room_of(command.leg_id)
        browser = room.browsers.get(command.leg_id)
        if browser is None:
            raise MediaRefusal("wrong_leg", "This leg is no browser's: only a leg opened for a browser takes offers.")
        answered = browser.answer(command)
        self._suggest(room)
        return answered

    async def _open_phone(self, command: msg.OpenRtpLeg, room: _Room, sock: Sockets | None) -> msg.RtpOpened:
        leg_id = command.leg_id
        if sock is None:
            raise MediaRefusal("no_socket", "A phone's leg needs its bound UDP socket beside the command.")
        rtp_sock, rtcp_sock = sock if isinstance(sock, tuple) else (sock, None)
        leg = self._open_leg(leg_id, room, "phone")
        phone = PhoneLeg(leg, rtp_sock, rtcp_sock, self._wire, self.settings, self._on_event, room.bridge.replan)
        room.phones[leg_id] = phone
        try:
            if command.remote is not None:
                self._connect(leg_id, command.remote)
            await phone.__aenter__()
        except MediaRefusal:
            self._close_leg(leg_id)
            raise
        except OSError as error:
            self._close_leg(leg_id)
            raise MediaRefusal("bad_socket", f"The socket for the phone cannot be used ({error}): open another one.") from None
        if leg_id not in self._legs:
            await phone.__aexit__()
            raise MediaRefusal("unknown_leg", "This leg was closed while it was being opened.")
        host, port = phone.address
        return msg.RtpOpened(host=self.settings.public_hosts[0] if self.settings.public_hosts else host, port=port)

    def _connect(self, leg_id: str, remote: RtpEndpoint) -> None:
        room = self._room_of(leg_id)
        phone = room.phones.get(leg_id)
        if phone is None:
            raise MediaRefusal("wrong_leg", "This leg is no phone's: only a leg opened with a socket can be connected.")
        phone.connect(remote)
        self._suggest(room)

    def _open_demo(self, leg_id: str, room: _Room, programme: DemoEndpoint) -> None:
        made = make_programme(programme.programme, lambda digit: self._on_event(msg.DigitHeard(leg_id=leg_id, digit=digit)))
        self._open_leg(leg_id, room, "demo").programme = made
        room.bridge.replan()

    def _close_leg(self, leg_id: str) -> None:
        leg, room_id = self._legs.pop(leg_id, (None, ""))
        self._sounds.pop(leg_id, None)
        if leg is None:  # closing twice is no fault
            return
        room = self._rooms[room_id]
        room.bridge.remove(leg_id)
        leg.close()
        room.browsers.pop(leg_id, None)
        room.videos.remove(leg_id)
        room.qualities.pop(leg_id, None)
        phone = room.phones.pop(leg_id, None)
        if phone is not None:
            parting = asyncio.get_running_loop().create_task(phone.__aexit__(), name="phone-close")
            self._parting.add(parting)
            parting.add_done_callback(self._parting.discard)
        if self._recorder is not None:
            self._recorder.close_leg(leg_id)
        if self._recordings is not None:
            self._recordings.leg_closed(leg_id)

    async def _play(self, leg_id: str, name: str | None) -> None:
        """Prepared before it is played, however long that takes: nothing is read or spoken on the tick."""
        sound = await self._library.lasting(name) if name is not None else None
        if leg_id in self._legs:
            self._room_of(leg_id).bridge.play(leg_id, sound)
        elif sound is None:
            self._sounds.pop(leg_id, None)
        else:  # for a browser that has still to make its offer
            self._sounds[leg_id] = sound
            if len(self._sounds) > _SOUNDS_WAITING:
                self._sounds.popitem(last=False)

    async def _play_once(self, leg_id: str, name: str) -> None:
        def ended() -> None:
            self._on_event(msg.SoundEnded(leg_id=leg_id, sound=name))

        sound = await self._library.once(name, ended)
        bridge = self._room_of(leg_id).bridge
        if bridge.legs[leg_id].programme is None:
            bridge.play_once(leg_id, sound)
        else:  # a programme has no ears
            asyncio.get_running_loop().call_soon(ended)

    def _hear_voice(self, leg_id: str, on: bool) -> None:
        def told(hearing: VoiceHearing) -> None:
            self._on_event(msg.VoiceChanged(leg_id=leg_id, speaks=hearing.speaks, spoken_s=hearing.spoken_s))

        leg = self._room_of(leg_id).bridge.legs[leg_id]
        leg.hear_voice(told if on else None, time.monotonic())

    def _suggest(self, room: _Room) -> None:
        """One browser and one phone: should they speak the same codec?"""
        if len(room.browsers) == 1 and len(room.phones) == 1:
            agreement = next(iter(room.phones.values())).leg.agreement
            if agreement is not None:
                next(iter(room.browsers.values())).suggest(agreement.spoken.name, self.settings.codec_policy, roomy=not self._opus.sparing)

    def _digit(self, leg: Leg, bridge: Bridge, digit: str) -> None:
        bridge.relay_digit(leg, digit)
        self._on_event(msg.DigitHeard(leg_id=leg.leg_id, digit=digit))

    # -- time

    def _tick(self, tick_s: float, now_s: float) -> None:
        self._wire.take()
        ticking = [self._rooms[bridge.room_id] for bridge in self._ticking]
        for room in ticking:
            self._guarded(room, room.bridge.collect)
        for voices in self._all_voices:
            if len(voices):
                self._guarded_voices(voices.pull, now_s)
                self._guarded_voices(voices.clean)
                voices.mix()
        self._wire.cork()
        self._resting.send(tick_s)  # before the rooms, from which who begins to rest now has had this tick's packet
        listeners = [self._guarded(room, room.bridge.hand_out, tick_s) or [] for room in ticking]
        for voices in self._all_voices:
            here = [(room, legs) for room, legs in zip(ticking, listeners, strict=True) if legs and room.bridge.voices is voices]
            encoded = self._guarded_voices(voices.encode, [legs for _, legs in here]) if here else None
            for (room, _), frames in zip(here, encoded or (), strict=False):
                self._guarded(room, _send, frames, tick_s)
        listening = self._ticker.ticks % _LISTEN_EVERY_TICKS == 0
        for room in self._rooms.values():
            if room.videos.legs:
                self._guarded(room, room.videos.tick, now_s)
                if listening:
                    self._guarded(room, self._look_who_speaks, room, now_s)
        self._wire.uncork()
        if self._ticker.ticks % _CARE_EVERY_TICKS == 0:
            self._voices.adapt(now_s)
            self._opus.look(self._ticker.share, now_s)
            self._release(now_s)
        if self._glimpses is not None and not self._opus.sparing:
            found = self._guarded_voices(self._glimpses.look, (leg for leg, _ in self._legs.values()), now_s)
            if found is not None:
                found.cared = True
                self._guarded(self._room_of(found.leg_id), self._room_of(found.leg_id).bridge.replan)
        turn = self._ticker.ticks % _LOOK_EVERY_TICKS  # a part of the rooms at each tick, so that none is longer than the others
        for room in list(self._rooms.values())[turn::_LOOK_EVERY_TICKS]:
            self._guarded(room, self._look, room, now_s)

    def _release(self, now_s: float) -> None:
        """Voices for which nothing was left to do lately may be forwarded again."""
        for leg, room_id in self._legs.values():
            if self._glimpses is not None and leg.cared and leg.voice is not None and not self._voices.needs_care(leg.voice, now_s):
                leg.cared = False
                self._glimpses.doubt(leg, now_s)
                self._guarded(self._rooms[room_id], self._rooms[room_id].bridge.replan)

    def _guarded_voices(self, act: Callable[..., _Result], *arguments: object) -> _Result | None:
        try:
            return act(*arguments)
        except _ROOM_FAULTS as fault:
            self._counts["voice_faults"] += 1
            if self._counts["voice_faults"] == 1:
                log.error("voices.fault", fault=repr(fault), exc_info=fault)
            return None

    def _guarded(self, room: _Room, act: Callable[..., _Result], *arguments: object) -> _Result | None:
        try:
            return act(*arguments)
        except _ROOM_FAULTS as fault:
            self._counts["room_faults"] += 1
            room.faults += 1
            if room.faults == 1:  # a fault of every tick must not also fill the log and the processor with tracebacks
                log.error("room.fault", room_id=room.bridge.room_id, fault=repr(fault), exc_info=fault)
            return None

    def _look_who_speaks(self, room: _Room, now_s: float) -> None:
        powers = {leg.leg_id: leg.voice.power for leg in room.bridge.legs.values() if leg.voice is not None}
        if room.speaker.heard(powers, now_s):
            self._on_event(msg.SpeakerChanged(room_id=room.bridge.room_id, leg_id=room.speaker.leg_id))

    def _look(self, room: _Room, now_s: float) -> None:
        """Which phones are silent; RTCP when due; the quality sample each second."""
        for phone in room.phones.values():
            phone.look(now_s)
        legs = room.bridge.legs
        for leg in legs.values():
            leg.send_reports(now_s)
            leg.look(now_s)
        if now_s < room.look_s:
            return
        room.look_s = max(room.look_s + self.settings.quality_interval_s, now_s)
        lossy = [leg.lossy for leg in legs.values()]
        for leg in legs.values():
            leg.adapt()
        samples = tuple(quality.sample() for leg_id, quality in room.qualities.items() if legs[leg_id].connected)
        if lossy != [leg.lossy for leg in legs.values()]:
            room.bridge.replan()
        self._suggest(room)
        if samples:
            self._on_event(msg.QualitySampled(room_id=room.bridge.room_id, legs=samples, faults=faults(samples)))


def _send(frames: list[tuple[Leg, bytes]], tick_s: float) -> None:
    for leg, payload in frames:
        leg.send_frame(payload, tick_s)
