"""Claim: with 5 % of packets lost in bursts of 2, a transcoded call stays whole, and our concealment is worth at least 0.3 PESQ.

Speech is encoded as the lossy side encodes it, sent through the seeded emulator, played out by ``media/playout`` tick by tick, encoded
for the clean side and decoded there. Beside it: the same packets with concealment off, and through stock aiortc's jitter buffer and
decoder, one frame taken per tick (silence where it has none), which is how a bridge on top of it would play them.
"""

from collections import deque
from dataclasses import dataclass
from typing import cast

import numpy as np
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterBuffer as StockJitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from av import AudioFrame

from benchmarks.report import Options, Row
from benchmarks.speech import RATE_HZ, Utterance, frames, score, utterances
from dsp.levels import longest_silence_s
from dsp.netem import NetworkEmulator
from dsp.resample import Resampler
from media.codec import OpusSettings, Samples, make_decoder, make_encoder
from media.playout import Playout
from rooms.audio import G722, OPUS, PCMA, AudioCodec

LOSS, BURST, JITTER_MS = 0.05, 2.0, 3.0
_BROWSER = OpusSettings(bitrate=32_000, complexity=9, fec=True, expected_loss=LOSS)  # as Chromium speaks once loss is reported
_CASES = ((OPUS, PCMA, "nb"), (PCMA, OPUS, "nb"), (G722, PCMA, "nb"), (G722, OPUS, "wb"), (OPUS, G722, "wb"))
_TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Arrival:
    at_s: float
    index: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out, at 16 kHz, tick by tick, and the buffer's delay at each tick."""

    samples: Samples
    delays_ms: list[float]
    concealed_s: float = 0.0


def run(options: Options) -> list[Row]:
    speech = utterances(options.data)
    seeds = range(3)
    if options.quick:
        speech, seeds = speech[:1], range(1)
    rows: list[Row] = []
    for source, target, band in _CASES:
        rows += _case(speech, seeds, source, target, band)
    return rows


def _case(speech: list[Utterance], seeds: range, source: AudioCodec, target: AudioCodec, band: str) -> list[Row]:
    ours, bare, stock, clean = [], [], [], []
    silence_s = stock_silence_s = delay_rise_ms = 0.0
    for number, one in enumerate(speech):
        payloads = encoded(one.samples, source)
        unharmed = played(arrivals(payloads, seed=0, loss=0.0), len(payloads), source, concealment=True)
        whole = recoded(unharmed.samples, target)  # the same path, so that a band that the target lacks is no hole
        clean.append(score(one.samples, whole, band))
        for seed in seeds:
            packets = arrivals(payloads, seed=100 * number + seed, loss=LOSS)
            mended = played(packets, len(payloads), source, concealment=True)
            holed = played(packets, len(payloads), source, concealment=False)
            peer = played_by_aiortc(packets, len(payloads), source)
            out, peer_out = recoded(mended.samples, target), recoded(peer.samples, target)
            ours.append(score(one.samples, out, band))
            bare.append(score(one.samples, recoded(holed.samples, target), band))
            stock.append(score(one.samples, peer_out, band))
            silence_s = max(silence_s, _silence_s(whole, out))
            stock_silence_s = max(stock_silence_s, _silence_s(whole, peer_out))
            steady = arrivals(payloads, seed=100 * number + seed, loss=LOSS, jitter_ms=0.0)
            delay_rise_ms = max(
                delay_rise_ms, _delay_rise_ms(played(steady, len(payloads), source, concealment=True), steady, len(payloads))
            )
    case = f"{source.name} to {target.name}, {LOSS:.0%} loss, bursts of {BURST:.0f}"
    metric = f"PESQ-{band.upper()}"
    gain = float(np.mean(ours) - np.mean(bare))
    return [
        Row(case, f"{metric} without loss", float(np.mean(clean)), "MOS"),
        Row(case, metric, float(np.mean(ours)), "MOS", "aiortc", float(np.mean(stock)), ">= 1.0 x peer"),
        Row(case, f"{metric} with zeros for lost packets", float(np.mean(bare)), "MOS"),
        Row(case, f"{metric} gained by concealment", gain, "MOS", goal=">= 0.3"),
        Row(case, "longest silence inside speech", 1000 * silence_s, "ms", "aiortc", 1000 * stock_silence_s, "<= 60"),
        Row(case, "delay above former value 200 ms after a loss", delay_rise_ms, "ms", goal="<= 5"),
    ]


def encoded(samples: Samples, codec: AudioCodec) -> list[bytes]:
    encoder = make_encoder(codec, rate_hz=RATE_HZ, settings=_BROWSER)
    return [encoder.encode(frame) for frame in frames(samples)]


def arrivals(payloads: list[bytes], *, seed: int, loss: float, jitter_ms: float = JITTER_MS) -> list[Arrival]:
    """The packets that arrive, in the order they do."""
    network = NetworkEmulator(seed, loss=loss, burst=BURST, delay_ms=20, jitter_ms=jitter_ms)
    sent = enumerate(payloads)
    return sorted(
        (Arrival(at, index, payload) for index, payload in sent for at in network.fates(index * _TICK_S, len(payload))),
        key=lambda arrival: arrival.at_s,
    )


def played(packets: list[Arrival], count: int, codec: AudioCodec, *, concealment: bool) -> Heard:
    playout = Playout(codec, rate_hz=RATE_HZ, concealment=concealment)
    waiting = deque(packets)
    out, delays_ms = [], []
    for tick in range(count + 10):
        now_s = tick * _TICK_S + 0.007
        while waiting and waiting[0].at_s <= now_s:
            packet = waiting.popleft()
            timestamp = packet.index * codec.clock_rate // 50
            playout.put(packet.index & 0xFFFF, timestamp, packet.index == 0, packet.payload, packet.at_s)
        out.append(playout.pull(now_s))
        delays_ms.append(playout.delay_ms)
    return Heard(np.concatenate(out), delays_ms, playout.counters.concealed_samples / RATE_HZ)


def played_by_aiortc(packets: list[Arrival], count: int, codec: AudioCodec) -> Heard:
    """Stock aiortc: its audio receiver's buffer (16 packets, 4 before it gives one out) and its decoder."""
    mime = {"opus": "audio/opus", "g722": "audio/G722", "pcma": "audio/PCMA"}[codec.name]
    parameters = RTCRtpCodecParameters(mime, codec.clock_rate, channels=codec.channels, payloadType=codec.payload_type)
    buffer, decoder = StockJitterBuffer(capacity=16, prefetch=4), get_decoder(parameters)
    waiting, queue, out = deque(packets), deque[Samples](), []
    rate_hz = {"opus": 48_000, "g722": 16_000, "pcma": 8_000}[codec.name]
    resampler = Resampler(rate_hz, RATE_HZ)
    for tick in range(count + 40):
        now_s = tick * _TICK_S + 0.007
        while waiting and waiting[0].at_s <= now_s:
            packet = waiting.popleft()
            rtp = RtpPacket(codec.payload_type, 0, packet.index & 0xFFFF, packet.index * codec.clock_rate // 50, 1, packet.payload)
            vars(rtp)["_data"] = packet.payload  # as its receiver does once the codec's descriptor is off
            _, ready = buffer.add(rtp)
            for frame in decoder.decode(ready) if ready else []:
                queue.append(_mono(cast(AudioFrame, frame)))
        out.append(resampler.process(queue.popleft() if queue else np.zeros(rate_hz // 50, np.float32)))
    return Heard(np.concatenate(out), [])


def _mono(frame: AudioFrame) -> Samples:
    sound: Samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1).astype(np.float32) / np.float32(32768)
    return sound


def recoded(samples: Samples, codec: AudioCodec) -> Samples:
    """Through the clean side: encoded by us, decoded there."""
    encoder = make_encoder(codec, rate_hz=RATE_HZ, settings=OpusSettings(bitrate=32_000, complexity=9))
    decoder = make_decoder(codec, rate_hz=RATE_HZ)
    return np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames(samples)])


def _silence_s(whole: Samples, heard: Samples) -> float:
    """Against the same path without loss, moved to where the sound of the two agrees best."""
    n = min(len(whole), len(heard))
    spectrum = np.fft.rfft(heard[:n], 2 * n) * np.conj(np.fft.rfft(whole[:n], 2 * n))
    lag = int(np.argmax(np.fft.irfft(spectrum)[: RATE_HZ // 2]))
    return longest_silence_s(heard[lag:], whole, RATE_HZ)


def _delay_rise_ms(heard: Heard, packets: list[Arrival], count: int) -> float:
    """Largest delay 200 ms behind a lost packet's tick over the delay just before it; the first second is start-up.

    Measured without jitter, so that nothing but the loss can have moved it.
    """
    arrived = {packet.index for packet in packets}
    rise = 0.0
    for index in range(50, count - 15):
        if index not in arrived and index - 1 in arrived:
            tick = index + 1 + round(heard.delays_ms[index] / 20)  # when it was due
            rise = max(rise, heard.delays_ms[min(tick + 10, len(heard.delays_ms) - 1)] - heard.delays_ms[tick - 2])
    return rise
