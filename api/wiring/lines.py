"""The lines to PBXs, as the settings have them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from api.config import LineSection, Settings
from api.self_signed import kept_certificate
from pbx.identity import IdentityHeader, TrustedCaller
from pbx.ladder import Ladder
from pbx.pjsua2_trunk import Pjsua2Trunk
from pbx.redirect import Follow
from pbx.sdes import SrtpMode
from pbx.sip_settings import RegistrarSettings, SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import LineStatus, OnTrunkEvent, Trunk
from pbx.trunk_group import Place, TrunkGroup


def pbx_line(settings: Settings, on_event: OnTrunkEvent, follow: Follow, ladder: Ladder) -> SipTrunk | Pjsua2Trunk | TrunkGroup:
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


def line_numbers(
    trunks: Iterable[Trunk], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
    """Of each line what it counts, how many calls it has and may have, and what share of its new ones it takes."""
    gauges = {
        line.name: {"calls": line.calls, "most_calls": line.most_calls, "share": line.share} for trunk in trunks for line in trunk.lines()
    }
    return {name: (counts.get(name, {}), gauges.get(name, {})) for name in [*gauges, *(counts.keys() - gauges.keys())]}
