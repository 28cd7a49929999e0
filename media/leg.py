"""One endpoint's audio in a room: what it agreed, what it receives and what it is sent.

A leg outlives its transport: a browser's peer comes and goes with reloads, the leg's outgoing stream goes on under the same SSRC. What
comes in is counted and goes one of two ways: along ``route`` (forwarded at once, packet by packet) or into ``playout`` (decoded and
mixed by the tick). ``media/bridge.py`` decides which.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from media import rtp
from media.codec import Samples
from media.digits import DigitHearing, DigitQueue, ToneHearing
from media.ears import Ear
from media.opus_choice import OpusChoice
from media.packing import Packed, Packing, packet_ms
from media.playout import Playout, Received
from media.receive_stats import ReceiveStats
from media.recorder import PacketLog
from media.recording.records import Records, Side
from media.reports import Reports
from media.resting import Silence
from media.rtp import RtpHeader
from media.sender import RtpSender
from media.settings import RATE_HZ
from media.transport import Transport
from media.voice_hearing import VoiceHearing
from media.wire import Forward, Play
from rooms.audio import AudioCodec

if TYPE_CHECKING:
    from media.demo_leg import Programme
    from media.forward import Forwarding
    from media.sounds import Sound
    from media.voices import Voice

COUNTERS = (
    "packets_in",
    "packets_out",
    "packets_forwarded",
    "packets_mixed",
    "dropped_flood",
    "dropped_malformed",
    "dropped_unknown_type",
    "dropped_implausible",
    "dropped_not_joined",
    "dropped_for_digit",
    "dropped_not_connected",
    "dropped_late_at_switch",
    "digits_heard",
    "digits_sent",
)
_FRAME_MS = 20
_SAID, _HEARD = int(Side.SAID), int(Side.HEARD)  # plain numbers are faster
_MOST_PACKETS_PER_S = 500
"""Ten times what one audio stream needs, room for a burst after a stall; what goes beyond is a fault or an attack."""
_REMEMBERED_PACKETS = 50
"""What was forwarded last, a second of it: should it be mixed next, playout goes on from there and knows how the packets come."""


@dataclass(frozen=True, slots=True)
class EventFormat:
    """How telephone events travel (RFC 4733): payload type, and the clock in which their durations count."""

    payload_type: int
    clock_rate_hz: int = 8_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a leg and its far end agreed. ``spoken`` is what we send; ``codecs`` what may come, by payload type.

    ``far_sends`` and ``far_receives``: its direction (RFC 3264); a phone on hold does neither.
    """

    spoken: AudioCodec
    codecs: dict[int, AudioCodec]
    event_out: EventFormat | None = None
    events_in: dict[int, int] = field(default_factory=dict)
    far_sends: bool = True
    far_receives: bool = True
    wanted_ms: int = 20
    """How long it wants our packets to be (SDP ``ptime``); what is forwarded keeps its own length."""


class Leg:
    """``kind``: ``peer`` (browser), ``phone`` or ``demo``. Callbacks: ``on_digit(digit)``, ``on_change()`` when what comes in changes,

    or who is told of it. ``make_received(ssrc, clock_rate)`` makes the counters of a source.
    Mutable state is few and owned here; the bridge sets ``joined``, ``sound``, ``route``, ``playout`` and ``voice``.
    """

    def __init__(
        self,
        leg_id: str,
        kind: str,
        sender: RtpSender,
        reports: Reports,
        counters: dict[str, int],
        *,
        opus: OpusChoice | None = None,
        digits_queued: int = 64,
        on_digit: Callable[[str], None],
        on_change: Callable[[], None],
        make_received: Callable[[int, int], ReceiveStats] = ReceiveStats,
        log_in: PacketLog | None = None,
        log_out: PacketLog | None = None,
    ) -> None:
        self.leg_id, self.kind = leg_id, kind
        self.sender, self.reports, self.counters = sender, reports, counters
        self.transport: Transport | None = None
        self.connected = False
        self.silent = False
        """Reachable, but nothing came for a while: the other side is sent silence meanwhile."""
        self.lossy = False
        """So much gets lost on the way from the far end that what it says should be mended before a phone hears it."""
        self.loss = 0.0
        """The fraction that got lost there in the last ten seconds; 0 while it may be chance."""
        self.cared = False
        """Its voice needs care and is decoded for that."""
        self.agreement: Agreement | None = None
        self.joined = False
        self.with_video = False
        """Its packets are handed over as they come, mixed or not: pictures do not wait for the tick."""
        self.sound: Sound | None = None
        self.programme: Programme | None = None
        self.route: Forwarding | None = None
        self.playout: Playout | None = None
        self.voice: Voice | None = None
        self.received: ReceiveStats | None = None
        self.codec_in: AudioCodec | None = None
        self._forwarded: deque[tuple[RtpHeader, int, bytes, float]] = deque(maxlen=_REMEMBERED_PACKETS)
        self.power_sum, self.power_ticks = 0.0, 0
        self.digits = DigitQueue(limit=digits_queued)
        self._hearing = DigitHearing()
        self._tones: ToneHearing | None = None
        self._opus = opus or OpusChoice()
        self.ear: Ear | None = None
        """How we encode for the far end; None until something is to be sent."""
        self._pausing = True
        self._packing: Packing | None = None
        """Where packets of another length than our frames' are made of them."""
        self._second_s, self._this_second = 0.0, 0
        self._without_sound = 0
        """Packets of this source that were no audio: to the playout its numbers go on as if they had not been."""
        self._on_digit, self._on_change = on_digit, on_change
        self._make_received = make_received
        self._log_in, self._log_out = log_in, log_out
        self.records: Records | None = None
        """Where each audio packet is kept that the far end says, while it is recorded."""
        self.heard_records: Records | None = None
        """The same of what it is sent."""
        self._voice_hearing: VoiceHearing | None = None
        self._on_voice: Callable[[VoiceHearing], None] = lambda hearing: None

    # -- agreement

    def agree(self, agreement: Agreement) -> None:
        """A first or a changed agreement; the outgoing stream goes on, in another codec if need be.

        What was agreed before is still understood: packets of the former codec may be on their way (RFC 3264, section 8.3.2).
        """
        former = self.agreement
        if former is not None:
            codecs, events_in = former.codecs | agreement.codecs, former.events_in | agreement.events_in
            for payload_type in agreement.codecs:
                events_in.pop(payload_type, None)
            for payload_type in agreement.events_in:
                codecs.pop(payload_type, None)
            agreement = replace(agreement, codecs=codecs, events_in=events_in)
        if former is not None and (former.spoken, former.wanted_ms) != (agreement.spoken, agreement.wanted_ms):
            self.stop_encoding()
        self.agreement = agreement
        self.sender.clock_rate_hz = agreement.spoken.clock_rate
        self._pack(packet_ms(agreement.spoken.name, agreement.wanted_ms))
        if self.codec_in is None or agreement.codecs.get(self.codec_in.payload_type) != self.codec_in:
            self.codec_in = agreement.spoken

    def _pack(self, length_ms: int) -> None:
        """Packets of ours last so long from now on."""
        packing = self._packing
        if packing is None or (packing.codec, packing.length_ms) != (self._spoken().name, length_ms):
            self._packing = Packing(self._spoken().name, length_ms) if length_ms != _FRAME_MS else None
            self.sender.frames_per_s = 50 if length_ms % _FRAME_MS == 0 else 100

    @property
    def hears(self) -> bool:
        """Can and may we send to the far end now?"""
        return self.connected and self.transport is not None and self.agreement is not None and self.agreement.far_receives

    # -- coming in

    def receive(self, packet: bytes, now_s: float) -> None:
        """One RTP packet from the far end. Counts, never raises."""
        counters = self.counters
        counters["packets_in"] += 1
        if self._floods(now_s):
            return
        header = rtp.parse(packet)
        if header is None or self.agreement is None:
            counters["dropped_malformed"] += 1
            return
        if self._log_in is not None:
            self._log_in(packet, now_s)
        codec = self.agreement.codecs.get(header.payload_type)
        if codec is None and header.payload_type != rtp.COMFORT_NOISE and header.payload_type not in self.agreement.events_in:
            counters["dropped_unknown_type"] += 1
            return
        received = self.received
        if received is None or received.ssrc != header.ssrc:
            received = self._new_source(header, codec)
        if codec is None:
            self._receive_other(packet, header, received, now_s)
            return
        if not received.received(header.sequence, header.timestamp, now_s):
            counters["dropped_implausible"] += 1
            return
        if codec is not self.codec_in:
            self._switch_codec(codec, received)
        if self.records is not None:
            self.records.put(_SAID, packet, now_s, codec)
        if self._is_heard:
            self._hear(codec, packet[header.payload_start : header.payload_end], now_s)
        sequence = (header.sequence - self._without_sound) & 0xFFFF
        if self.route is not None:
            self.route.audio(packet, header, now_s)
            self._recall()
            self._forwarded.append((header, sequence, packet, now_s))
        elif self.playout is not None:
            payload = packet[header.payload_start : header.payload_end]
            self.playout.put(sequence, header.timestamp, header.marker, payload, now_s, ssrc=header.ssrc)
        elif not self.joined:
            counters["dropped_not_joined"] += 1

    def receive_reports(self, packet: bytes, now_s: float) -> None:
        """One RTCP compound from the far end; they count into the same second as its packets."""
        if self._floods(now_s):
            return
        self.reports.heard(packet, self.sender, self.received, now_s)

    def _floods(self, now_s: float) -> bool:
        if now_s - self._second_s > 1.0:
            self._second_s, self._this_second = now_s, 0
        self._this_second += 1
        if self._this_second <= _MOST_PACKETS_PER_S:
            return False
        self.counters["dropped_flood"] += 1
        return True

    def _new_source(self, header: RtpHeader, codec: AudioCodec | None) -> ReceiveStats:
        clock_rate = (codec or self.codec_in or self._spoken()).clock_rate
        self._recall()
        self._without_sound = 0
        self.received = self._make_received(header.ssrc, clock_rate)
        self.offload()
        return self.received

    def _spoken(self) -> AudioCodec:
        assert self.agreement is not None
        return self.agreement.spoken

    def _switch_codec(self, codec: AudioCodec, received: ReceiveStats) -> None:
        former, self.codec_in = self.codec_in, codec
        received.clock_rate = codec.clock_rate
        if former is None or former != codec:
            self._on_change()
        else:
            self.offload()

    def _receive_other(self, packet: bytes, header: RtpHeader, received: ReceiveStats, now_s: float) -> None:
        """A telephone event or comfort noise."""
        assert self.agreement is not None
        is_event = header.payload_type in self.agreement.events_in
        if not received.received(header.sequence, header.timestamp, now_s, timed=False):
            self.counters["dropped_implausible"] += 1
            return
        self._recall()
        if not is_event and self.playout is not None and header.payload_end > header.payload_start:
            self.playout.comfort((header.sequence - self._without_sound) & 0xFFFF, packet[header.payload_start] & 0x7F)
        self._without_sound += 1
        if self.playout is not None:
            self.offload()
        if not is_event:
            if self.route is not None:
                self.route.omit()
            return
        digit = self._hearing.packet(header.timestamp, packet[header.payload_start : header.payload_end], now_s)
        if digit is not None:
            self.counters["digits_heard"] += 1
            self._on_digit(digit)
        if self.route is not None:
            self.route.event(packet, header, self.agreement.events_in[header.payload_type], now_s)

    def _hear(self, codec: AudioCodec, payload: bytes, now_s: float) -> None:
        if self._keys_are_tones:
            self._hear_tones(codec, payload)
        hearing = self._voice_hearing
        if hearing is not None and hearing.packet(codec, payload, now_s):
            self._on_voice(hearing)

    def hear_voice(self, on_voice: Callable[[VoiceHearing], None] | None, now_s: float) -> None:
        """``on_voice`` is called, from now on, when the far end begins to speak and when it is quiet again; None: no more."""
        self._voice_hearing = VoiceHearing(now_s) if on_voice is not None else None
        if on_voice is not None:
            self._on_voice = on_voice
        self._on_change()

    def look(self, now_s: float) -> None:
        """Who says nothing any more sends no packet that would tell."""
        if self._voice_hearing is not None and self._voice_hearing.look(now_s):
            self._on_voice(self._voice_hearing)

    def _hear_tones(self, codec: AudioCodec, payload: bytes) -> None:
        """Keys of a phone that agreed to no telephone events."""
        if self._tones is None or self._tones.codec != codec:
            self._tones = ToneHearing(codec)
        for digit in self._tones.packet(payload):
            self.counters["digits_heard"] += 1
            self._on_digit(digit)

    def record(self, records: Records | None, *, heard: bool = True) -> None:
        """Keep in these, from now on, each audio packet that the far end says and, unless not ``heard``, is sent; None: keep none."""
        self.records, self.heard_records = records, records if heard else None
        self._on_change()

    # -- along the path alone

    def offload(self) -> None:
        """What the path may do without asking us; to be called after any change of what that depends on."""
        if self.transport is not None:
            path = self.transport.path
            path.urgent, path.urgent_reports = self.playout is None or self.with_video, self.with_video
            path.forward(self._forward())
            path.play(self._play())

    def _forward(self) -> Forward | None:
        """Forwarding is left to the path where each packet would be treated alike; None: everything comes to ``receive``."""
        route, received, codec, agreement = self.route, self.received, self.codec_in, self.agreement
        if route is None or received is None or codec is None or agreement is None or self._log_in is not None:
            return None
        target = route.target
        if not target.hears or target.digits.busy or target._log_out is not None:
            return None
        assert target.transport is not None
        return Forward(
            target.transport.path,
            codec,
            route.agreement.spoken,
            received,
            target.sender,
            said=self.records,
            heard=target.heard_records,
            copies=self._listener(codec),
        )

    def _play(self) -> Play | None:
        """Audio comes by here no more where nothing but the jitter buffer wants it."""
        playout, received, codec, agreement = self.playout, self.received, self.codec_in, self.agreement
        if playout is None or self.route is not None or received is None or codec is None or agreement is None:
            return None
        if self._log_in is not None or self.records is not None or self._is_heard:
            return None
        if agreement.codecs.get(codec.payload_type) is not codec:
            return None
        return Play(playout.put, codec.payload_type, received, self._without_sound, playout.place)

    @property
    def _keys_are_tones(self) -> bool:
        return self.kind == "phone" and self.agreement is not None and self.agreement.event_out is None

    @property
    def _is_heard(self) -> bool:
        """Do we listen to what the far end says, whatever becomes of it?"""
        return self._keys_are_tones or self._voice_hearing is not None

    def _listener(self, codec: AudioCodec) -> Callable[[bytes, float], None] | None:
        """Who wants copies of what the far end says: we ourselves, where a pressed key is a tone, or a voice waited for."""
        if not self._is_heard:
            return None

        def listen(packet: bytes, now_s: float) -> None:
            header = rtp.parse(packet)
            if header is not None:
                self._hear(codec, packet[header.payload_start : header.payload_end], now_s)

        return listen

    def end_route(self) -> list[bytes]:
        """From now on nothing of it is forwarded. Returns the payloads that were, lately, of the last codec, oldest first."""
        self.route = None
        self.offload()
        self._recall()
        newest = self._forwarded[-1][0].payload_type if self._forwarded else -1
        return [
            packet[header.payload_start : header.payload_end] for header, _, packet, _ in self._forwarded if header.payload_type == newest
        ]

    def lately(self, seconds: float, now_s: float) -> list[tuple[int, bytes]]:
        """(timestamp, payload) of what was forwarded in these last seconds, of the codec that comes now, oldest first."""
        self._recall()
        payload_type = self.codec_in.payload_type if self.codec_in is not None else -1
        since_s = now_s - seconds
        return [
            (header.timestamp, packet[header.payload_start : header.payload_end])
            for header, _, packet, arrival_s in self._forwarded
            if arrival_s > since_s and header.payload_type == payload_type
        ]

    def forget_forwarded(self) -> None:
        """Should it be mixed next, what was forwarded until now is long over by then."""
        self._forwarded.clear()

    def _recall(self) -> None:
        """What the path forwarded by itself is remembered like the rest."""
        if self.transport is None:
            return
        for packet, arrival_s in self.transport.path.remembered():
            header = rtp.parse(packet)
            assert header is not None
            self._forwarded.append((header, (header.sequence - self._without_sound) & 0xFFFF, packet, arrival_s))

    # -- going out

    def send(self, packet: bytes) -> None:
        """Send one packet of the leg's stream."""
        if not self.hears:
            self.counters["dropped_not_connected"] += 1
            return
        assert self.transport is not None and self.agreement is not None
        self.transport.send_rtp(packet)
        self.counters["packets_out"] += 1
        if self.heard_records is not None:
            self.heard_records.put(_HEARD, packet, time.monotonic(), self.agreement.spoken)
        if self._log_out is not None:
            self._log_out(packet, time.monotonic())  # when it left, not when what it answers came: their difference is measured

    def play(self, samples: Samples, tick_s: float) -> None:
        """Encode and send one frame, float32 (FRAME_SAMPLES,) at RATE_HZ; while a digit is being sent, that instead."""
        if not self.hears or self.send_digit(tick_s):
            return
        self.send_frame(self.open_ear(RATE_HZ).encode(samples), tick_s)

    def rest(self, tick_s: float) -> None:
        """Send 20 ms of silence, for as long as nobody is to be heard; while a digit is being sent, that instead."""
        if self.hears and not self.send_digit(tick_s):
            self.send_frame((self.ear or self.open_ear(RATE_HZ)).rest(), tick_s)

    def silence(self) -> Silence | None:
        """What ``rest`` sends from now on, where that is the same at each tick until the bridge plans anew; None: it has to be asked."""
        constant = self.ear.constant if self.ear is not None else None
        if constant is None or self.transport is None or self.agreement is None or not self.hears or self._pausing or self.digits.busy:
            return None
        if self._packing is not None or self.heard_records is not None or self._log_out is not None:
            return None
        return Silence(self.transport.send_frame, self.sender, constant, self.agreement.spoken.payload_type)

    def open_ear(self, rate_hz: int) -> Ear:
        """The encoding of what we send, for frames at this rate."""
        if self.ear is None or self.ear.rate_hz != rate_hz:
            self.stop_encoding()
            length_ms = min(_FRAME_MS, self._packing.length_ms) if self._packing is not None else _FRAME_MS
            self.ear = Ear(self._spoken(), rate_hz, self._opus, packet_ms=length_ms)
            self._pausing = True
        return self.ear

    def send_frame(self, payload: bytes, tick_s: float) -> None:
        """Send 20 ms that were encoded, or keep them for a longer packet; b"" for a pause."""
        if not payload:
            self._pausing = True
            self._flush()
            return
        marker, self._pausing = self._pausing, False
        if self._packing is None:
            self._send_encoded(payload, tick_s, marker)
            return
        self._send_packed(self._packing.put(payload, tick_s, marker=marker))

    def _flush(self) -> None:
        """What waits for a longer packet goes now: the stream rests, or goes on another way."""
        if self._packing is not None:
            self._send_packed(self._packing.flush())

    def _send_packed(self, packets: list[Packed]) -> None:
        sender = self.sender
        for payload, begin_s, marker, length_ms in packets:
            self._send_encoded(payload, begin_s, marker)
            sender.lasts_frames = length_ms * sender.frames_per_s // 1000

    def _send_encoded(self, payload: bytes, tick_s: float, marker: bool) -> None:
        self.counters["packets_mixed"] += 1
        agreement = self.agreement
        assert agreement is not None
        payload_type = agreement.spoken.payload_type
        if self.heard_records is not None or self._log_out is not None:
            self.send(self.sender.frame(payload, payload_type, tick_s, marker=marker))
        elif self.hears:
            assert self.transport is not None
            self.transport.send_frame(self.sender, payload, payload_type, tick_s, marker)
            self.counters["packets_out"] += 1
        else:
            self.counters["dropped_not_connected"] += 1

    def send_digit(self, tick_s: float) -> bool:
        """The event packets of this tick, if digits are waiting; True while audio has to rest."""
        if not self.digits.busy:
            return False
        event_out = self.agreement.event_out if self.agreement is not None else None
        if event_out is None:
            self.digits = DigitQueue()  # the far end took its agreement back
            return False
        self._flush()
        for event in self.digits.frame(event_out.clock_rate_hz):
            self.counters["digits_sent"] += event.begin
            packet = self.sender.event(event.payload, event_out.payload_type, tick_s, begin=event.begin, marker=event.marker)
            self.send(packet)
        return True

    def send_reports(self, now_s: float) -> None:
        """Our RTCP report, when due."""
        if self.transport is None or not self.connected:
            return
        compound = self.reports.compound(self.sender, self.received, now_s)
        if compound is not None:
            self.transport.send_rtcp(compound)

    # -- mixing

    @property
    def is_narrowband(self) -> bool:
        """Does nothing above 4 kHz pass, neither from the far end nor to it?"""
        spoken = self.agreement.spoken if self.agreement is not None else None
        return all(codec is None or codec.name in ("pcma", "pcmu") for codec in (self.codec_in, spoken))

    def start_playout(self, make: Callable[[AudioCodec], Playout], rate_hz: int = RATE_HZ) -> None:
        """From now on what comes in is decoded, at this rate. A changed codec starts a new playout, a changed rate goes on in one."""
        codec = self.codec_in
        if codec is None:
            self.playout = None
        elif self.playout is None or self.playout.codec != codec:
            self.playout = make(codec)
            self.offload()
            self._recall()
            self._prime(self.playout, codec)
        elif self.playout.rate_hz != rate_hz:
            former, self.playout = self.playout, make(codec)
            self.playout.succeed(former)
            self.offload()
        self._forwarded.clear()

    def _prime(self, playout: Playout, codec: AudioCodec) -> None:
        """What was forwarded until now goes on without a hole, unless the far end has just agreed to say no more."""
        if not self._forwarded or self.received is None or self.agreement is None or not self.agreement.far_sends:
            return
        ssrc = self.received.ssrc
        playout.prime(
            (
                Received(sequence, header.timestamp, packet[header.payload_start : header.payload_end], arrival_s)
                for header, sequence, packet, arrival_s in self._forwarded
                if (header.ssrc, header.payload_type) == (ssrc, codec.payload_type)
            ),
            ssrc=ssrc,
        )

    def adapt(self) -> None:
        """Encode for the loss that the far end told, and as the worker has room for."""
        if self.ear is not None:
            self.ear.adapt(self.reports.far_loss or 0.0)

    def stop_encoding(self) -> None:
        """The stream is forwarded from now on; a later encoder starts with a clean memory."""
        self._flush()
        if self.ear is not None:
            self.ear.share(None)
            self.ear = None

    def attach(self, transport: Transport) -> None:
        """Take over another transport; the former one is closed."""
        former, self.transport = self.transport, transport
        self.connected = self.silent = self.lossy = False
        self.loss = 0.0
        self.codec_in = None
        if former is not None and former is not transport:
            former.close()

    def close(self) -> None:
        """Say goodbye to the far end and let go of the transport. Idempotent."""
        if self.transport is not None:
            if self.connected:
                self.transport.send_rtcp(self.reports.bye(self.sender))
            self.transport.close()
        self.transport, self.connected = None, False
        self.route = self.playout = None
        self.stop_encoding()
