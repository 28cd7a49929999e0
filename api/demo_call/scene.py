"""The play: an agent calls a phone, the phone calls back, both speak, everything is recorded; then what was recorded is measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from api.demo_call.baresip import RTP_PORTS, Phone, PhoneSettings, phone
from api.demo_call.browser import Agent, AgentSettings, agent
from api.demo_call.kamailio import DOMAIN, Hop, Kamailio, kamailio
from api.demo_call.plan import Plan
from api.demo_call.process import PeerFailure, free_port, free_port_range
from api.demo_call.relay import Address, DoorRelay, Doors, FlowRelay
from api.demo_call.server import Server, server
from api.demo_call.speech import LEAD_S, Samples, Sentence, sentence
from dsp.netem import NetworkEmulator

AGENT_SAYS, PHONE_SAYS = "es-vm-intro", "en-vm-review"
OUR_EXTENSION, OUR_AUTH_ID, PHONE_EXTENSION = "1000", "line-1000", "1002"
_PASSWORDS = {OUR_AUTH_ID: "demo-line-secret", PHONE_EXTENSION: "demo-phone-secret"}
_AFTER_S = 0.9
"""Recorded after the sentence should have ended: path, jitter buffers and set-up delay it."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Take:
    """What was kept of one call. Times in ms; None where the play did not get there or it does not apply."""

    direction: str
    """``outgoing``: the agent dialled; ``incoming``: the phone did."""
    captures: list[Path] = field(default_factory=list)
    phone_heard: Path | None = None
    agent_heard: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    click_to_ringing_ms: float | None = None
    accept_to_audio_ms: float | None = None
    browser: dict[str, float] = field(default_factory=dict)
    quality: list[dict[str, Any]] = field(default_factory=list)
    reloaded: bool = False
    phone_saw_end: bool = False
    """Reload only: the phone was told that the call ended."""


@dataclass(slots=True)
class Played:
    """All takes of a run, with the sentences that were said, and how long the server took from offer to answer (median, ms)."""

    plan: Plan
    agent_says: Sentence
    phone_says: Sentence
    takes: list[Take]
    relayed: int = 0
    relay_lost: int = 0
    offer_to_answer_ms: float | None = None


@dataclass(slots=True)
class _Stage:
    """Everybody, up and registered."""

    server: Server
    agent: Agent
    phone: Phone
    captures: Path
    says: tuple[Sentence, Sentence]
    seen_captures: set[Path] = field(default_factory=set)
    seen_recordings: set[Path] = field(default_factory=set)

    @property
    def talk_s(self) -> float:
        return LEAD_S + max(said.duration_s for said in self.says) + _AFTER_S


async def play(plan: Plan, directory: Path, say: Say) -> Played:
    """Runs the whole plan with its files in ``directory``. Raises PeerFailure naming who did not do their part."""
    agent_says = sentence(AGENT_SAYS, directory / "agent-says.wav")
    phone_says = sentence(PHONE_SAYS, directory / "phone-says.wav")
    played = Played(plan, agent_says, phone_says, [])
    async with _stage(plan, directory, (agent_says, phone_says), say, played) as stage:
        for number in range(1, plan.repeat + 1):
            say(f"call {number} of {plan.repeat}: the agent dials the phone")
            played.takes.append(await _outgoing(stage))
            say(f"call {number} of {plan.repeat}: the phone calls back")
            played.takes.append(await _incoming(stage))
        if plan.reload:
            say("one more call, with a reload of the page in its middle")
            played.takes.append(await _reloaded(stage))
        if stage.agent.complaints:
            raise PeerFailure("the page wrote errors to its console:\n  " + "\n  ".join(stage.agent.complaints[:10]))
        played.offer_to_answer_ms = await _offer_to_answer_ms(stage.server)
    return played


@asynccontextmanager
async def _stage(plan: Plan, directory: Path, says: tuple[Sentence, Sentence], say: Say, played: Played) -> AsyncIterator[_Stage]:
    async with AsyncExitStack() as stack:
        emulator = NetworkEmulator(plan.seed, loss=plan.loss, burst=plan.burst) if plan.loss else None
        phone_sip = free_port(count=2)
        server_rtp = free_port_range(RTP_PORTS, start=31_000)
        phone_rtp = free_port_range(RTP_PORTS, start=21_000)
        hop = None
        if emulator is not None and plan.loss_on == "phone":
            doors = Doors(server_rtp, free_port_range(RTP_PORTS, start=27_000), RTP_PORTS)
            back = Doors(phone_rtp, free_port_range(RTP_PORTS, start=23_000), RTP_PORTS)
            relay = await stack.enter_async_context(DoorRelay(doors, back, inwards=emulator))
            stack.callback(_count, played, relay)
            hop = Hop(doors.shift, back.shift, phone_sip)
        say("starting kamailio")
        pbx = await stack.enter_async_context(kamailio(directory / "kamailio", _PASSWORDS, hop=hop))
        say("starting the server")
        captures = directory / "captures"
        running = await stack.enter_async_context(server(directory / "server", _server_settings(plan, pbx, captures, server_rtp)))
        await running.line_is_up("pbx")
        say("starting the phone")
        settings = PhoneSettings(
            extension=PHONE_EXTENSION,
            password=_PASSWORDS[PHONE_EXTENSION],
            proxy=(pbx.host, pbx.port),
            codecs=(plan.phone_codec,),
            speech=says[1].wav,
            answers=False,
            sip_port=phone_sip,
            rtp_ports=phone_rtp,
        )
        telephone = await stack.enter_async_context(phone(directory / "phone", settings))
        say("starting Chromium and signing in")
        redirect = None
        if emulator is not None and plan.loss_on == "browser":
            redirect = await stack.enter_async_context(_browser_relays(emulator, played))
        person = await stack.enter_async_context(agent(_agent_settings(plan, running, says[0], redirect)))
        yield _Stage(running, person, telephone, captures, says)


def _server_settings(plan: Plan, pbx: Kamailio, captures: Path, rtp: int) -> dict[str, dict[str, Any]]:
    return {
        "media": {
            "capture_dir": str(captures),
            "concealment": plan.concealment,
            "rtp_port_min": rtp,
            "rtp_port_max": rtp + RTP_PORTS - 1,
        },
        # Both ends say one sentence, which an echo canceller would take for the other's echo; and what the way costs is measured.
        "media.voice": {"echo": "off", "noise": "off", "gain": "off"},
        "sip": {
            "enabled": True,
            "server": pbx.host,
            "port": pbx.port,
            "domain": DOMAIN,
            "extension": OUR_EXTENSION,
            "auth_id": OUR_AUTH_ID,
            "password": _PASSWORDS[OUR_AUTH_ID],
            "listen_host": "127.0.0.1",
        },
    }


def _agent_settings(plan: Plan, running: Server, says: Sentence, redirect: Any) -> AgentSettings:
    return AgentSettings(running.url, running.user, running.password, says.wav, plan.browser_codec, redirect)


@asynccontextmanager
async def _browser_relays(emulator: NetworkEmulator, played: Played) -> AsyncIterator[Callable[[str, int], Any]]:
    """A relay for each address of the server that an answer names, all through one emulator."""
    async with AsyncExitStack() as stack:
        relays: dict[Address, FlowRelay] = {}

        async def redirect(host: str, port: int) -> Address:
            if (host, port) not in relays:
                relays[host, port] = await stack.enter_async_context(FlowRelay((host, port), inwards=emulator))
                stack.callback(_count, played, relays[host, port])
            return relays[host, port].address

        yield redirect


def _count(played: Played, relay: FlowRelay | DoorRelay) -> None:
    tally = relay.inwards.tally
    if tally.refused:
        raise PeerFailure(f"the relay itself dropped {tally.refused} packets: this machine is too busy for the measurement")
    played.relayed += tally.packets
    played.relay_lost += tally.lost


async def _outgoing(stage: _Stage) -> Take:
    take = await _prepared(stage, "outgoing")
    await stage.agent.dial(PHONE_EXTENSION)
    await stage.phone.event("CALL_INCOMING")
    rang_at_ms = time.time() * 1000
    clicked_at_ms = await stage.agent.clock_of(await stage.agent.mark("dial-click"))
    take.click_to_ringing_ms = rang_at_ms - clicked_at_ms
    await stage.phone.accept()
    await stage.phone.event("CALL_ESTABLISHED")
    await stage.agent.call_is("live")
    await asyncio.sleep(stage.talk_s)
    await _finish(stage, take, stage.agent.hang_up)
    return take


async def _incoming(stage: _Stage) -> Take:
    take = await _prepared(stage, "incoming")
    await stage.phone.dial(OUR_EXTENSION)
    await stage.agent.call_is("ringing")
    await stage.agent.accept()
    await stage.phone.event("CALL_ESTABLISHED")
    await stage.agent.call_is("live")
    await asyncio.sleep(stage.talk_s)
    take.accept_to_audio_ms = await stage.agent.mark("first-audio") - await stage.agent.mark("accept-click")
    await _finish(stage, take, stage.phone.hang_up)
    return take


async def _reloaded(stage: _Stage) -> Take:
    take = await _prepared(stage, "outgoing")
    take.reloaded = True
    await stage.agent.dial(PHONE_EXTENSION)
    await stage.phone.event("CALL_INCOMING")
    await stage.phone.accept()
    await stage.agent.call_is("live")
    await asyncio.sleep(stage.talk_s / 2)
    await stage.agent.reload()
    await stage.agent.call_is("live")
    await asyncio.sleep(stage.talk_s / 2)
    take.phone_saw_end = any(event.get("type") == "CALL_CLOSED" for event in stage.phone.seen)
    await _finish(stage, take, stage.agent.hang_up)
    return take


async def _prepared(stage: _Stage, direction: str) -> Take:
    stage.phone.forget_events()
    await stage.agent.forget_marks()
    await stage.agent.heard()
    await stage.agent.take_quality()
    stage.seen_captures = set(stage.captures.glob("*.rtpdump"))
    stage.seen_recordings = stage.phone.recordings()
    return Take(direction)


async def _finish(stage: _Stage, take: Take, hang_up: Callable[[], Any]) -> None:
    """Takes what is only there while the call lives, ends it, and takes the rest."""
    take.browser = await stage.agent.counters()
    take.quality = await stage.agent.take_quality()
    await hang_up()
    await stage.phone.event("CALL_CLOSED")
    await stage.agent.no_call()
    take.agent_heard = await stage.agent.heard()
    take.captures = sorted(set(stage.captures.glob("*.rtpdump")) - stage.seen_captures)
    recorded = stage.phone.recordings() - stage.seen_recordings
    take.phone_heard = max(recorded, default=None)


async def _offer_to_answer_ms(running: Server) -> float | None:
    """Median of the server's own histogram, from the arrival of a page's offer to its answer."""
    seconds = await running.median("centralita_peer_offer_answer_seconds")
    return None if seconds is None else seconds * 1000
