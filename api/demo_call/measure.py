"""From what was kept of each call to figures: who heard whom how well, what the server did to it, how long things took."""

import math
import statistics
from dataclasses import dataclass, field

from api.demo_call import score, wire
from api.demo_call.plan import Plan
from api.demo_call.process import PeerFailure
from api.demo_call.scene import Played, Take
from api.demo_call.speech import PLAYED_HZ, Samples, Sentence, at_rate, read_wav
from api.demo_call.stock import heard_through_aiortc

TO_PHONE, TO_AGENT = "agent to phone", "phone to agent"
_SIDE = {TO_PHONE: "agent", TO_AGENT: "phone"}


@dataclass(slots=True)
class Figures:
    """Values of one (call direction, speech direction), one per call, by metric; ``goals`` as in DESIGN section 12."""

    call: str
    speech: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, metric: str, value: float | None) -> None:
        if value is not None and not math.isnan(value):
            self.values.setdefault(metric, []).append(value)

    def median(self, metric: str) -> float | None:
        values = self.values.get(metric)
        return statistics.median(values) if values else None


def figures(played: Played) -> list[Figures]:
    """All figures of a run, in the order in which they are shown. Raises PeerFailure where somebody was not heard at all."""
    found: dict[tuple[str, str], Figures] = {}
    for take in played.takes:
        if take.reloaded:
            continue
        for speech in (TO_PHONE, TO_AGENT):
            into = found.setdefault((take.direction, speech), Figures(take.direction, speech))
            _measure(played, take, speech, into)
    return list(found.values())


def rate_of(plan: Plan) -> int:
    """16 kHz, and with it PESQ-WB, where both sides speak wide band; else 8 kHz and PESQ-NB."""
    return 16_000 if wire.wide_band(plan.browser_codec, plan.phone_codec) else 8_000


def band_of(plan: Plan) -> str:
    return "pesq_wb" if rate_of(plan) == 16_000 else "pesq_nb"


def _measure(played: Played, take: Take, speech: str, into: Figures) -> None:
    rate_hz = rate_of(played.plan)
    said = played.agent_says if speech == TO_PHONE else played.phone_says
    heard = _heard(take, speech, rate_hz)
    reference = said.at(rate_hz)
    try:
        into.add(band_of(played.plan), score.pesq(reference, heard, rate_hz))
    except score.NotHeard as silence:
        raise PeerFailure(f"{take.direction} call, {speech}: {silence}") from None
    legs = wire.read_legs(take.captures)
    agent_leg = wire.leg_that_said(played.agent_says.pcm, legs)
    phone_leg = wire.leg_that_said(played.phone_says.pcm, legs)
    came, went = (agent_leg.heard, phone_leg.told) if speech == TO_PHONE else (phone_leg.heard, agent_leg.told)
    crossing = wire.passage(came, went, reference, rate_hz)
    _expect_codecs(played.plan, crossing, speech)
    if not played.plan.loss:  # else what entered has holes, and our share would be the good that concealment does
        into.add("our_share", crossing.share)
    into.add("payloads_identical", crossing.identical)
    into.add("added_by_server", crossing.added_ms)
    into.add("added_p99", crossing.slowest_ms)
    into.add("entered_the_server", crossing.quality_in)
    into.add("left_the_server", crossing.quality_out)
    into.add("silence_in_speech", crossing.silence_ms)
    into.add("delay_excursion", crossing.excursion_ms)
    into.add("lost_before_server", crossing.missing_in)
    if played.plan.loss:
        into.add("stock_aiortc", _stock(came, said, rate_hz))
    _add_counters(take, speech, into)


def _heard(take: Take, speech: str, rate_hz: int) -> Samples:
    if speech == TO_AGENT:
        return at_rate(take.agent_heard, PLAYED_HZ, rate_hz) if len(take.agent_heard) else take.agent_heard
    if take.phone_heard is None:
        raise PeerFailure(f"{take.direction} call: the phone recorded nothing")
    return read_wav(take.phone_heard, rate_hz)


def _expect_codecs(plan: Plan, crossing: wire.Passage, speech: str) -> None:
    """A measurement of other codecs than asked for would be a lie."""
    spoken = (crossing.codec_in, crossing.codec_out)
    asked = (plan.browser_codec, plan.phone_codec) if speech == TO_PHONE else (plan.phone_codec, plan.browser_codec)
    if spoken != asked:
        raise PeerFailure(f"{speech}: {' to '.join(asked)} was asked for, {' to '.join(spoken)} was spoken")


def _stock(came: wire.Log, said: Sentence, rate_hz: int) -> float | None:
    try:
        return score.pesq(said.at(rate_hz), heard_through_aiortc(came, rate_hz), rate_hz)
    except score.NotHeard:
        return 1.0  # the lowest of the scale


def _add_counters(take: Take, speech: str, into: Figures) -> None:
    samples = [leg for leg in take.quality if leg["side"] == _SIDE[speech]]
    into.add("concealed_by_server", sum(leg["concealed_ms"] for leg in samples))
    rated = [leg for leg in samples if leg["mos"] is not None]
    if rated:
        into.add(f"mos_{rated[-1]['scale']}", statistics.median(leg["mos"] for leg in rated))
    if speech == TO_AGENT and take.browser.get("totalSamplesReceived"):
        into.add("lost_after_server", take.browser["packetsLost"])
        into.add("concealed_by_browser", take.browser["concealedSamples"] / take.browser["totalSamplesReceived"])


@dataclass(frozen=True, slots=True)
class Timings:
    """Of a whole run: medians over its calls in ms, and the fraction of packets that the relay lost."""

    click_to_ringing_ms: float | None
    accept_to_audio_ms: float | None
    offer_to_answer_ms: float | None
    relay_lost: float | None


def timings(played: Played) -> Timings:
    ringing = [take.click_to_ringing_ms for take in played.takes if take.click_to_ringing_ms is not None]
    audio = [take.accept_to_audio_ms for take in played.takes if take.accept_to_audio_ms is not None]
    return Timings(
        statistics.median(ringing) if ringing else None,
        statistics.median(audio) if audio else None,
        played.offer_to_answer_ms,
        played.relay_lost / played.relayed if played.relayed else None,
    )


@dataclass(frozen=True, slots=True)
class Reload:
    """``silent_s``: from the agent's last packet before the page was reloaded to the first after it, as they reached the server."""

    silent_s: float
    phone_saw_end: bool


def reloads(played: Played) -> list[Reload]:
    found = []
    for take in played.takes:
        if take.reloaded:
            leg = wire.leg_that_said(played.agent_says.pcm, wire.read_legs(take.captures))
            found.append(Reload(leg.heard.longest_gap_s, take.phone_saw_end))
    return found
