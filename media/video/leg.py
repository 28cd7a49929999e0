"""One browser's video: the pictures it sends, the places in which it sees those of others, and what both sides say about the packets.

A ``VideoSlot`` is a line that the browser receives. Which picture is in it may change without a new offer: to the browser it is one
stream. Nothing here raises on bytes from the network; what is dropped is counted.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from media import rtcp, rtp
from media.messages import VideoTile
from media.rtp import RtpHeader
from media.transport import Transport
from media.video import extensions, feedback, h264, vp8
from media.video.bandwidth import BandwidthEstimate
from media.video.kept import KeptPictures, PictureWish
from media.video.layers import Layer, Wish, choose, next_need
from media.video.lines import SlotSources, VideoFormat, VideoLine
from media.video.nack import PacketHistory, Sent
from media.video.source import VideoLayer, VideoSource
from media.video.stream import VideoPacket, VideoStream
from media.video.transport import Arrivals, SentPackets

COUNTERS = (
    "video_packets_in",
    "video_packets_out",
    "video_dropped_flood",
    "video_dropped_malformed",
    "video_dropped_unknown",
    "video_dropped_unspoken",
    "video_missing_asked",
    "video_missing_recovered",
    "video_repeated",
    "video_padding",
    "video_key_frames_wanted",
    "video_key_frames_asked",
    "video_key_frames",
    "video_layer_changes",
)
_MOST_PACKETS_PER_S = 5_000
"""Some 45 Mbit/s: a camera in three layers and a screen need a quarter."""
_MOST_SOURCES = 32
_REPEATED_PART, _LEAST_REPEATED_BYTES = 0.25, 20_000
"""Of what a receiver's way carries, and at least, what may be repeated in a second: repeating ever more into a full queue helps nobody."""
_TELL_ARRIVALS_S = 0.1
_PLAN_S = 0.2
_REPORT_S = 1.0
_FIRST_ROUND_TRIP_S = 0.1
_LEAST_SENDER_BITS_PER_S, _MOST_SENDER_BITS_PER_S = 100_000, 2_500_000
_HEADER = Struct("!BBHII")
_MOST_PADDING_PACKETS = 40
_EXTENDED = 0x90
_NUMBER = Struct("!H")
Forward = Callable[[VideoSource, VideoLayer, VideoPacket, float], None]


class _Type(NamedTuple):
    """What a payload type means. ``repairs``: the payload type whose packets it repeats, or None."""

    codec: str
    repairs: int | None


class VideoSlot:
    """One line that the browser receives, under our ``sources``."""

    def __init__(self, mid: str, sources: SlotSources) -> None:
        self.mid, self.sources = mid, sources
        self.formats: dict[str, VideoFormat] = {}
        self.source: VideoSource | None = None
        self.height_px = 0
        self.stream = VideoStream(secrets.randbits(15), secrets.randbits(32), secrets.randbits(14))
        self.history = PacketHistory()
        self.repair_sequence = secrets.randbits(15)
        self.reported_packets = 0

    def show(self, source: VideoSource | None, height_px: int) -> None:
        """Another picture, or none, from its next key frame on."""
        self.height_px = height_px
        if source is not self.source:
            self.source = source
            self.stream.stop()

    def repair_type(self, sent: Sent) -> int | None:
        """The payload type of repairs of this packet; None where none are agreed."""
        return next((each.repair for each in self.formats.values() if each.payload_type == sent.payload_type), None)

    @property
    def may_pad(self) -> bool:
        """Is there something to repeat, and a way to repeat it?"""
        return any(self.repair_type(sent) is not None for sent in self.history.newest(1))

    @property
    def layer(self) -> VideoLayer | None:
        """What it waits for, else what it carries."""
        wanted = self.stream.wanted
        return wanted if isinstance(wanted, VideoLayer) else None


class VideoLeg:
    """``forward(source, layer, packet, now_s)`` takes each packet of a picture; ``counters`` has every name of ``COUNTERS``."""

    def __init__(
        self, leg_id: str, counters: dict[str, int], forward: Forward, *, unix_offset_s: float, key_frame_interval_s: float
    ) -> None:
        self.leg_id = leg_id
        self.sources: dict[str, VideoSource] = {}
        """By mid."""
        self.slots: dict[str, VideoSlot] = {}
        """By mid."""
        self.tiles: tuple[VideoTile, ...] | None = None
        """What the page shows; None: it never said, and gets whatever there is."""
        self.estimate = BandwidthEstimate()
        self.round_trip_s = _FIRST_ROUND_TRIP_S
        self.cname = ""
        self.kept: KeptPictures | None = None
        """What a recording keeps of its pictures, while it runs."""
        self._counters, self._forward = counters, forward
        self._unix_offset_s, self._key_frame_interval_s = unix_offset_s, key_frame_interval_s
        self._transport: Transport | None = None
        self._ssrcs: dict[str, SlotSources] = {}
        self._lines: dict[str, VideoLine] = {}
        self._types: dict[int, _Type] = {}
        self._extensions: dict[str, int] = {}
        self._layers: dict[int, tuple[VideoSource, VideoLayer]] = {}
        self._repairs: dict[int, tuple[VideoSource, VideoLayer]] = {}
        self._arrivals, self._sent = Arrivals(), SentPackets()
        self._tells_arrivals = self._hears_arrivals = False
        self._own_ssrc = secrets.randbits(32) or 1
        self._second_s, self._this_second, self._repeated_bytes = 0.0, 0, 0
        self._intra_numbers: dict[int, int] = {}
        self._arrivals_s = self._plan_s = self._report_s = 0.0
        self._allowed_bits_per_s = 1_000_000.0

    # -- agreement

    @property
    def payload_types(self) -> frozenset[int]:
        """Those of the video lines."""
        return frozenset(self._types)

    def slot_sources(self, mid: str) -> SlotSources:
        """Our SSRCs on a line, the same for ever."""
        if mid not in self._ssrcs:
            self._ssrcs[mid] = SlotSources(secrets.randbits(32) or 1, secrets.randbits(32) or 1)
        return self._ssrcs[mid]

    def agree(self, lines: Iterable[VideoLine], tracks: Mapping[str, str], transport: Transport) -> None:
        """What was agreed, the first time or anew. ``tracks``: which picture a line sends, by mid; ``camera`` where not said."""
        if transport is not self._transport:
            self._forget_far_end()
        self._transport = transport
        self._lines = {line.mid: line for line in lines}
        self._types = {
            number: _Type(each.name, repairs)
            for line in self._lines.values()
            for each in line.formats
            for number, repairs in ((each.payload_type, None), (each.repair, each.payload_type))
            if number is not None
        }
        self._extensions = {uri: number for line in self._lines.values() for uri, number in line.extensions.items()}
        numbered = extensions.TRANSPORT_SEQUENCE in self._extensions
        agreed = any("transport-cc" in each.feedback for line in self._lines.values() for each in line.formats)
        self._tells_arrivals = self._hears_arrivals = numbered and agreed
        self._agree_sources(tracks)
        receiving = {mid: line for mid, line in self._lines.items() if line.direction.receives}
        self.slots = {mid: self.slots.get(mid) or VideoSlot(mid, self.slot_sources(mid)) for mid in receiving}
        for mid, slot in self.slots.items():
            slot.formats = {each.name: each for each in receiving[mid].formats}

    def _agree_sources(self, tracks: Mapping[str, str]) -> None:
        former, self.sources = self.sources, {}
        for mid, line in self._lines.items():
            track = tracks.get(mid, "camera")
            if not line.direction.sends or any(source.track == track for source in self.sources.values()):
                continue
            same = former.get(mid)
            kept = same is not None and (same.track, same.rids) == (track, line.layers or ("",))
            self.sources[mid] = same if same is not None and kept else VideoSource(self.leg_id, track, line.layers)
        there = set(map(id, self.sources.values()))
        self._layers = {ssrc: entry for ssrc, entry in self._layers.items() if id(entry[0]) in there}
        self._repairs = {ssrc: entry for ssrc, entry in self._repairs.items() if id(entry[0]) in there}

    def _forget_far_end(self) -> None:
        """Another connection: its browser knows none of our streams yet, and we none of its."""
        self.sources = {}
        self._layers, self._repairs, self._intra_numbers = {}, {}, {}
        self._arrivals, self._sent, self.estimate = Arrivals(), SentPackets(), BandwidthEstimate()
        for slot in self.slots.values():
            slot.stream.stop()
            slot.history = PacketHistory()

    # -- coming in

    def receive(self, packet: bytes, now_s: float) -> None:
        """One RTP packet of a video payload type."""
        if self._floods(now_s):
            return
        header = rtp.parse(packet)
        kind = self._types.get(header.payload_type) if header is not None else None
        if header is None or kind is None:
            self._counters["video_dropped_malformed"] += 1
            return
        self._counters["video_packets_in"] += 1
        found = extensions.read(packet)
        number = found.get(self._extensions.get(extensions.TRANSPORT_SEQUENCE, 0))
        if number is not None and len(number) == 2 and self._tells_arrivals:
            self._arrivals.arrived(_NUMBER.unpack(number)[0], now_s)
        entry = (self._layers if kind.repairs is None else self._repairs).get(header.ssrc) or self._learn(header, kind, found)
        if entry is None:
            self._counters["video_dropped_unknown"] += 1
            return
        source, layer = entry
        payload, sequence = packet[header.payload_start : header.payload_end], header.sequence
        if kind.repairs is not None:
            if len(payload) < 3:
                return  # padding, sent to probe the way
            sequence, payload = _NUMBER.unpack_from(payload)[0], payload[2:]
        elif not layer.received.received(sequence, header.timestamp, now_s):
            self._counters["video_dropped_malformed"] += 1
            return
        layer.count(len(packet), now_s)
        recovered = layer.missing.recovered
        if not layer.missing.arrived(sequence, now_s):
            return
        self._counters["video_missing_recovered"] += layer.missing.recovered - recovered
        self._take(source, layer, header, sequence, payload, kind.codec, now_s)

    def _take(
        self, source: VideoSource, layer: VideoLayer, header: RtpHeader, sequence: int, payload: bytes, codec: str, now_s: float
    ) -> None:
        picture = vp8.read(payload) if codec == "vp8" and payload else None
        if codec == "vp8" and payload and picture is None:
            self._counters["video_dropped_malformed"] += 1
            return
        starts_key = picture.starts_key if picture is not None else codec == "h264" and h264.starts_key(payload)
        if starts_key:
            self._counters["video_key_frames"] += 1
            layer.key_frames.arrived()
            if picture is not None:
                layer.width_px, layer.height_px = picture.width, picture.height
        layer.codec = codec
        packet = VideoPacket(sequence, header.timestamp, header.marker, payload, codec, picture, starts_key)
        self._forward(source, layer, packet, now_s)
        if self.kept is not None:
            self.kept.put(source, layer, packet, now_s)
        layer.latest.append(packet)

    def keep(self, wish: PictureWish | None, now_s: float) -> None:
        """Keep its pictures from now on; None: no more."""
        self.kept = KeptPictures(wish, now_s, self.round_trip_s) if wish is not None else None

    def _floods(self, now_s: float) -> bool:
        if now_s - self._second_s > 1.0:
            self._second_s, self._this_second, self._repeated_bytes = now_s, 0, 0
        self._this_second += 1
        if self._this_second <= _MOST_PACKETS_PER_S:
            return False
        self._counters["video_dropped_flood"] += 1
        return True

    def _learn(self, header: RtpHeader, kind: _Type, found: dict[int, bytes]) -> tuple[VideoSource, VideoLayer] | None:
        """Whose an SSRC is: its packets say so until we report on them (RFC 8843, section 9.2; RFC 8852), or the offer did."""
        source = self._source_of(self._text(found, extensions.MID), header.ssrc)
        if source is None or len(self._layers) + len(self._repairs) >= _MOST_SOURCES:
            return None
        rid = self._text(found, extensions.RID if kind.repairs is None else extensions.REPAIRED_RID)
        if rid not in source.rids:
            return None
        layer = source.layers.get(rid)
        if kind.repairs is not None:
            if layer is None:
                return None
            self._repairs[header.ssrc] = (source, layer)
            return source, layer
        if layer is not None:  # the browser began this layer anew
            self._layers = {ssrc: entry for ssrc, entry in self._layers.items() if entry[1] is not layer}
            self._repairs = {ssrc: entry for ssrc, entry in self._repairs.items() if entry[1] is not layer}
        layer = source.layers[rid] = VideoLayer(rid, header.ssrc, self._key_frame_interval_s)
        self._layers[header.ssrc] = (source, layer)
        return source, layer

    def _text(self, found: dict[int, bytes], uri: str) -> str:
        return found.get(self._extensions.get(uri, 0), b"").decode("ascii", "replace")

    def _source_of(self, mid: str, ssrc: int) -> VideoSource | None:
        if mid:
            return self.sources.get(mid)
        announced = (self.sources.get(line.mid) for line in self._lines.values() if ssrc in line.ssrcs)
        only = next(iter(self.sources.values())) if len(self.sources) == 1 else None
        return next(announced, only)

    def receive_reports(self, packet: bytes, now_s: float) -> None:
        """One RTCP compound; what is not about video is left to others."""
        if self._floods(now_s):
            return
        for each in feedback.parse(packet) or ():
            match each:
                case rtcp.SenderReport():
                    if each.ssrc in self._layers:
                        self._layers[each.ssrc][1].received.heard(each, now_s)
                    if self.kept is not None:
                        self.kept.wish.records.clock(each.ssrc, each.timestamp, each.ntp, now_s)
                    self._hear_blocks(each.blocks, now_s)
                case rtcp.ReceiverReport():
                    self._hear_blocks(each.blocks, now_s)
                case rtcp.PictureLoss():
                    self._key_frame_for(each.media_ssrc)
                case feedback.FullIntraRequest():
                    for ssrc, number in each.requests:
                        if self._slot_of(ssrc) is not None and self._intra_numbers.get(ssrc) != number:
                            self._intra_numbers[ssrc] = number
                            self._key_frame_for(ssrc)
                case feedback.Nack():
                    self._repeat(each, now_s)
                case feedback.MaximumBitrate():
                    self.estimate.told(each.bitrate, now_s)
                case feedback.TransportFeedback():
                    self.estimate.delivered(self._sent.heard(each), now_s)

    def _slot_of(self, ssrc: int) -> VideoSlot | None:
        return next((slot for slot in self.slots.values() if slot.sources.ssrc == ssrc), None)

    def _hear_blocks(self, blocks: tuple[rtcp.ReportBlock, ...], now_s: float) -> None:
        for block in blocks:
            if self._slot_of(block.ssrc) is None:
                continue
            trip_s = rtcp.round_trip_s(block, rtcp.ntp_time(now_s + self._unix_offset_s))
            if trip_s is not None:
                self.round_trip_s = trip_s
            if not self._hears_arrivals:
                self.estimate.lost(block.fraction_lost, now_s)

    def _key_frame_for(self, ssrc: int) -> None:
        slot = self._slot_of(ssrc)
        if slot is not None and isinstance(slot.stream.feed, VideoLayer):
            self._counters["video_key_frames_wanted"] += 1
            slot.stream.feed.key_frames.ask()

    def _repeat(self, nack: feedback.Nack, now_s: float) -> None:
        slot = self._slot_of(nack.media_ssrc)
        most_bytes = max(_LEAST_REPEATED_BYTES, _REPEATED_PART * self.estimate.bits_per_s / 8)
        for sequence in nack.sequences if slot is not None else ():
            assert slot is not None
            again = slot.history.again(sequence, now_s)
            if again is None or self._repeated_bytes > most_bytes:
                continue
            self._repeated_bytes += len(again.payload)
            self._counters["video_repeated"] += 1
            repair = slot.repair_type(again)
            if repair is None:
                self._send(slot.sources.ssrc, again, now_s)
            else:
                self._send_repair(slot, again, repair, now_s)

    def _send_repair(self, slot: VideoSlot, again: Sent, repair: int, now_s: float) -> None:
        """RFC 4588, section 4."""
        slot.repair_sequence = (slot.repair_sequence + 1) & 0xFFFF
        payload = _NUMBER.pack(again.sequence) + again.payload
        self._send(slot.sources.repair, again._replace(sequence=slot.repair_sequence, payload_type=repair, payload=payload), now_s)

    def _pad(self, size: int, now_s: float) -> None:
        """So many bytes for a probe: repairs of what went last, which a receiver that has it drops unseen."""
        for slot in self.slots.values():
            for sent in slot.history.newest(_MOST_PADDING_PACKETS):
                repair = slot.repair_type(sent)
                if size <= 0 or repair is None:
                    break
                self._send_repair(slot, sent, repair, now_s)
                self._counters["video_padding"] += 1
                size -= len(sent.payload)

    # -- going out

    def show(self, slot: VideoSlot, layer: VideoLayer, packet: VideoPacket, now_s: float) -> None:
        """A packet of the picture in this slot."""
        spoken = slot.formats.get(packet.codec)
        if spoken is None:
            self._counters["video_dropped_unspoken"] += 1
            return
        changes = slot.stream.changes
        sent = slot.stream.take(layer, packet, spoken.payload_type, now_s)
        if sent is None:
            return
        slot.history.put(sent, now_s)
        self._send(slot.sources.ssrc, sent, now_s)
        if slot.stream.changes != changes:
            self._counters["video_layer_changes"] += 1
            for later in layer.latest:
                if rtp.sequence_difference(later.sequence, packet.sequence) > 0:
                    self.show(slot, layer, later, now_s)

    def _send(self, ssrc: int, sent: Sent, now_s: float) -> None:
        if self._transport is None:
            return
        marked: list[tuple[int, bytes]] = []
        if self._hears_arrivals:
            number = self._sent.number(len(sent.payload) + 24, now_s)
            marked.append((self._extensions[extensions.TRANSPORT_SEQUENCE], _NUMBER.pack(number)))
        if extensions.SEND_TIME in self._extensions:
            marked.append((self._extensions[extensions.SEND_TIME], extensions.send_time(now_s)))
        self.estimate.sent(len(sent.payload) + 24, now_s)
        second = sent.payload_type | 0x80 if sent.marker else sent.payload_type
        head = _HEADER.pack(_EXTENDED if marked else 0x80, second, sent.sequence, sent.timestamp, ssrc)
        self._transport.send_rtp(head + (extensions.build(tuple(marked)) if marked else b"") + sent.payload)
        self._counters["video_packets_out"] += 1

    # -- now and then

    def tick(self, now_s: float) -> None:
        """Every 20 ms: ask for what is missing, tell what arrived, choose layers, report; each when due."""
        if now_s >= self._plan_s:
            self._plan_s = now_s + _PLAN_S
            self._choose_layers(now_s)
            if self.kept is not None:
                self.kept.plan(self.sources.values(), now_s)
        padding = self.estimate.padding_due(now_s)
        if padding:
            self._pad(padding, now_s)
        for source, layer in self._layers.values():
            asked = layer.missing.due(now_s, self.round_trip_s)
            if asked:
                self._counters["video_missing_asked"] += len(asked)
                self._send_feedback(feedback.Nack(self._own_ssrc, layer.ssrc, asked))
            if source.height_px and layer.key_frames.due(now_s):
                self._counters["video_key_frames_asked"] += 1
                self._send_feedback(rtcp.PictureLoss(self._own_ssrc, layer.ssrc))
        if self._tells_arrivals and now_s >= self._arrivals_s:
            self._arrivals_s = now_s + _TELL_ARRIVALS_S
            told = self._arrivals.feedback(self._own_ssrc, next(iter(self._layers), 0))
            if told is not None:
                self._send_feedback(told)
        if now_s >= self._report_s:
            self._report_s = now_s + _REPORT_S
            self._report(now_s)

    def _choose_layers(self, now_s: float) -> None:
        shown = [slot for slot in self.slots.values() if slot.source is not None]
        coming = [
            [layer for layer in slot.source.coming(now_s) if layer.codec in slot.formats] for slot in shown if slot.source is not None
        ]
        wishes = [
            Wish(
                slot.height_px,
                [Layer(layer.height_px, layer.bits_per_s(now_s)) for layer in layers],
                next((index for index, layer in enumerate(layers) if layer is slot.stream.feed), None),
            )
            for slot, layers in zip(shown, coming, strict=True)
        ]
        estimate = self.estimate
        chosen = choose(wishes, estimate.bits_per_s, may_rise=estimate.may_try(now_s))
        need = next_need(wishes, chosen)
        if need is not None:
            estimate.reach_for(need, now_s, probing=self._hears_arrivals and any(slot.may_pad for slot in shown))
        for slot, layers, wish, index in zip(shown, coming, wishes, chosen, strict=True):
            if index is None:
                continue
            if wish.now is not None and index > wish.now and slot.stream.wanted is not layers[index]:
                estimate.trying(now_s)
            slot.stream.wanted = layers[index]
            if slot.stream.waits and not layers[index].key_frames.pending:
                layers[index].key_frames.ask()

    def _report(self, now_s: float) -> None:
        """Sender reports of our streams, one report on everything that comes, and how much may come where nothing better is agreed."""
        if self._transport is None or not self._lines:
            return
        layers = [layer for _, layer in self._layers.values() if layer.received.packets]
        blocks = tuple(layer.received.report_block(now_s) for layer in layers)[: rtcp.MAX_BLOCKS]
        ntp = rtcp.ntp_time(now_s + self._unix_offset_s)
        said: list[rtcp.Report] = [rtcp.ReceiverReport(self._own_ssrc, blocks), rtcp.SourceDescription(self._own_ssrc, self.cname)]
        for slot in self.slots.values():
            stream = slot.stream
            if stream.packets != slot.reported_packets:
                slot.reported_packets = stream.packets
                report = rtcp.SenderReport(slot.sources.ssrc, ntp, stream.timestamp_at(now_s), stream.packets, stream.octets)
                said += [report, rtcp.SourceDescription(slot.sources.ssrc, self.cname)]
        self._transport.send_rtcp(rtcp.build(*said))
        if layers and not self._tells_arrivals and self._agreed("goog-remb"):
            self._allow(max(block.fraction_lost for block in blocks))
            ssrcs = tuple(layer.ssrc for layer in layers)
            self._send_feedback(feedback.MaximumBitrate(self._own_ssrc, round(self._allowed_bits_per_s), ssrcs))

    def _allow(self, loss: float) -> None:
        """A sender that hears no arrival times is kept in bounds by what it loses on the way to us."""
        factor = 1.0 - loss / 2 if loss > 0.1 else 1.08 if loss < 0.02 else 1.0
        self._allowed_bits_per_s = min(_MOST_SENDER_BITS_PER_S, max(_LEAST_SENDER_BITS_PER_S, self._allowed_bits_per_s * factor))

    def _agreed(self, wish: str) -> bool:
        return any(wish in each.feedback for line in self._lines.values() for each in line.formats)

    def _send_feedback(self, message: "rtcp.PictureLoss | feedback.Nack | feedback.MaximumBitrate | feedback.TransportFeedback") -> None:
        """Alone where the browser takes reduced-size RTCP (RFC 5506), else after an empty report."""
        if self._transport is None:
            return
        packet = message.to_bytes()
        if not all(line.reduced_size for line in self._lines.values()):
            packet = rtcp.ReceiverReport(self._own_ssrc).to_bytes() + packet
        self._transport.send_rtcp(packet)
