"""The lines of a server: the demo line, those to PBXs, and what 3CX plays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from api.media_plane import MediaPlane
from api.metrics import Metrics
from api.phone_legs import PhoneLegs
from api.rtp_ports import RtpPorts
from api.self_signed import kept_certificate
from api.settings.line import LineSection
from api.settings.sip import SipSection
from api.settings.tree import Settings
from api.visits.visitor_line import VisitorLine
from pbx.identity import IdentityHeader, TrustedCaller
from pbx.ladder import Ladder
from pbx.loopback import LoopbackTrunk
from pbx.pjsua2_trunk import Pjsua2Trunk
from pbx.redirect import Follow
from pbx.routing import Routing
from pbx.sdes import SrtpMode
from pbx.sip_settings import RegistrarSettings, SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.threecx.sound_line import SoundLine
from pbx.trunk import LineStatus, OnTrunkEvent, Trunk
from pbx.trunk_group import Place, TrunkGroup


@dataclass(frozen=True, slots=True)
class Lines:
    """``trunks`` by name: the demo line, the PBX, what 3CX plays; entered last. ``of_pbx``: whose calls 3CX has too."""

    trunks: dict[str, Trunk]
    demo: LoopbackTrunk | None
    sound: SoundLine | None
    routing: Routing
    of_pbx: frozenset[str]
    ladder: Ladder
    visitors: VisitorLine | None = None
    """On which visitors of other people's sites call."""


def make_lines(settings: Settings, metrics: Metrics, on_event: OnTrunkEvent, follow: Follow) -> Lines:
    trunks: dict[str, Trunk] = {}
    ladder = Ladder()
    demo = LoopbackTrunk(on_event, name="demo") if settings.demo.enabled else None
    if demo is not None:
        trunks[demo.name] = demo
    if settings.sip.enabled:
        pbx = trunks[settings.sip.name] = _pbx(settings, on_event, follow, ladder)
        metrics.watch_lines(lambda: _line_numbers(trunks.values(), pbx.counts))
    sound = SoundLine(on_event, host=settings.media.own_host) if settings.threecx.enabled and settings.threecx.sound else None
    if sound is not None:
        trunks[sound.name] = sound
    visits = settings.visits()
    visitors = VisitorLine(on_event, most=visits.most_at_once, patience_s=visits.patience_s) if visits.enabled else None
    if visitors is not None:
        trunks[visitors.name] = visitors

    def stand_in() -> str | None:
        usable = sound is not None and sound.status.ready and not (settings.sip.enabled and trunks[settings.sip.name].status.ready)
        return sound.name if usable and sound is not None else None

    routing = Routing(
        settings.dialing.dial_plan(),
        demo_trunk=demo.name if demo is not None else None,
        pbx_trunk=settings.sip.name if settings.sip.enabled else sound.name if sound is not None else None,
        stand_in=stand_in,
    )
    of_pbx = frozenset({settings.sip.name, sound.name if sound is not None else ""})
    return Lines(trunks, demo, sound, routing, of_pbx, ladder, visitors)


def phone_legs(settings: Settings, worker: MediaPlane, lines: Lines) -> PhoneLegs:
    media = settings.media
    return PhoneLegs(
        worker,
        lines.trunks,
        RtpPorts(media.hosts[0], media.rtp_port_min, media.rtp_port_max),
        public_host=media.phone_host,
        phone_policy=media.phone_codecs,
        browser_policy=media.browser_codecs,
    )


def _pbx(settings: Settings, on_event: OnTrunkEvent, follow: Follow, ladder: Ladder) -> SipTrunk | Pjsua2Trunk | TrunkGroup:
    """The line to the PBX, or to several. ``ladder`` keeps what our own user agent says and hears."""
    sip = settings.sip
    if not sip.trunks:
        line = _line(sip.name, sip, settings)
        return Pjsua2Trunk(line, on_event) if sip.agent == "pjsua2" else SipTrunk(line, on_event, follow=follow, ladder=ladder)
    places = [Place(_line(name, trunk, settings), trunk.priority, trunk.weight) for name, trunk in sip.trunks.items()]
    return TrunkGroup(sip.name, places, sip.failover_settings(), on_event, follow=follow, ladder=ladder)


def _line(name: str, line: LineSection, settings: Settings) -> SipTrunkSettings:
    return SipTrunkSettings(
        server=line.server,
        extension=line.extension,
        password=line.password.get_secret_value(),
        auth_id=line.auth_id,
        name=name,
        port=line.port,
        domain=line.domain,
        srtp=SrtpMode(line.srtp),
        comfort_noise=line.comfort_noise,
        codecs=() if isinstance(line.codecs, str) else tuple(dict.fromkeys(line.codecs)),
        transport=SipTransport("udp" if line.transport == "auto" else line.transport),
        find_transport=line.transport == "auto",
        large_by_tcp=line.large_by_tcp,
        name_servers=line.name_servers,
        tls=_line_tls(line, settings.server.data_dir),
        display_name=line.display_name,
        bind_host=line.listen_host,
        bind_port=line.listen_port,
        public_host=line.public_host,
        trusted=line.trusted,
        refer=line.refer,
        max_redirects=line.follow_redirects,
        identity_header=IdentityHeader(line.identity_header),
        trusted_caller=TrustedCaller(line.trusted_caller),
        register=line.mode == "register",
        registrar=_registrar(line) if line.mode == "registrar" else None,
        registration_s=line.expires_s,
        keepalive_s=line.keepalive_s,
        max_calls=line.max_calls,
        invites_per_s=line.calls_per_s,
        region=settings.dialing.region,
    )


def line_to_try(settings: Settings, line: Mapping[str, str | int]) -> SipTrunkSettings:
    """A line that is in no settings yet. Raises pydantic's ``ValidationError``."""
    return _line("trial", SipSection.model_validate({"enabled": True, "listen_port": 0, **line}), settings)


def _registrar(line: LineSection) -> RegistrarSettings:
    return RegistrarSettings(tuple(name.upper() for name in line.digests), line.challenge_calls)


def _line_tls(line: LineSection, data_dir: Path) -> SipTlsSettings:
    shown = (line.tls_certificate, line.tls_key)
    if line.transport in ("tls", "auto") and line.tls_certificate is None:
        shown = kept_certificate(data_dir)
    return SipTlsSettings(
        line.tls_ca_file,
        *shown,
        demand_certificate=line.tls_demand_certificate,
        accept_any_certificate=line.tls_accept_any_certificate,
    )


def line_words(line: LineStatus) -> str:
    return f"{line.status.detail} Calls: {line.calls} of {line.most_calls}."


def _line_numbers(
    trunks: Iterable[Trunk], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
    """Of each line what it counts, how many calls it has and may have, and what share of its new ones it takes."""
    gauges = {
        line.name: {"calls": line.calls, "most_calls": line.most_calls, "share": line.share} for trunk in trunks for line in trunk.lines()
    }
    return {name: (counts.get(name, {}), gauges.get(name, {})) for name in [*gauges, *(counts.keys() - gauges.keys())]}
