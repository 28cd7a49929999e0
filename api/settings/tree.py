"""The settings tree: every section, what must fit between sections, and what follows for the parts of the server from several of them.

Sections are frozen and are handed down to the parts they are about. Unknown keys are refused. Every fault is reported at once, with its
path, where it came from and what to do.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from api.first_start.answers import HOUSE_FILE
from api.identity.settings import IdentitySettings
from api.settings.after_call import AfterCallSection
from api.settings.appointments import AppointmentsSection
from api.settings.audit import AuditSection
from api.settings.backends import BackendsSection
from api.settings.calls import CallsSection
from api.settings.centre import CentreSection
from api.settings.chat import ChatSection
from api.settings.cluster import ClusterSection
from api.settings.consultations import ConsultationsSection
from api.settings.demo import DemoSection
from api.settings.dialing import DialingSection
from api.settings.email import EmailSection
from api.settings.happenings import HappeningsSection
from api.settings.kept_secret import kept_secret
from api.settings.limits import LimitsSection
from api.settings.log import LogSection
from api.settings.media import MediaSection
from api.settings.oidc import OidcSection
from api.settings.privacy import PrivacySection
from api.settings.reports import ReportsSection
from api.settings.retention import RetentionSection
from api.settings.section import Section
from api.settings.security import SecuritySection
from api.settings.server import ServerSection
from api.settings.sip import SipSection
from api.settings.sms import SmsSection
from api.settings.sources import PREFIX, Sources
from api.settings.store import StoreSection
from api.settings.supervision import SupervisionSection
from api.settings.surveys import SurveysSection
from api.settings.threecx import ThreeCxSection
from api.settings.tickets import TicketsSection
from api.settings.turn import TurnSection
from api.settings.voicemail import VoicemailSection
from api.settings.webhooks import WebhooksSection
from api.settings.widget import WidgetSection
from api.threecx_settings import ThreeCxWork
from api.visits.settings import VisitSettings
from api.webhook_settings import WebhookSettings
from media.reach import announced
from rooms.monitor import Announce, SupervisionPolicy
from rooms.policy import CallPolicy, RingOrder
from signaling.guard import ClientLimits
from signaling.hub import HubSettings
from signaling.limits import AddressLimits
from signaling.redis_bus import RedisBusSettings


class Settings(Section):
    server: ServerSection = ServerSection()
    store: StoreSection = StoreSection()
    media: MediaSection = MediaSection()
    turn: TurnSection = TurnSection()
    sip: SipSection = SipSection()
    dialing: DialingSection = DialingSection()
    calls: CallsSection = CallsSection()
    supervision: SupervisionSection = SupervisionSection()
    demo: DemoSection = DemoSection()
    security: SecuritySection = SecuritySection()
    audit: AuditSection = AuditSection()
    oidc: OidcSection = OidcSection()
    limits: LimitsSection = LimitsSection()
    consultations: ConsultationsSection = ConsultationsSection()
    appointments: AppointmentsSection = AppointmentsSection()
    widget: WidgetSection = WidgetSection()
    chat: ChatSection = ChatSection()
    webhooks: WebhooksSection = WebhooksSection()
    happenings: HappeningsSection = HappeningsSection()
    centre: CentreSection = CentreSection()
    backends: BackendsSection = BackendsSection()
    after_call: AfterCallSection = AfterCallSection()
    email: EmailSection = EmailSection()
    sms: SmsSection = SmsSection()
    voicemail: VoicemailSection = VoicemailSection()
    tickets: TicketsSection = TicketsSection()
    surveys: SurveysSection = SurveysSection()
    reports: ReportsSection = ReportsSection()
    privacy: PrivacySection = PrivacySection()
    retention: RetentionSection = RetentionSection()
    cluster: ClusterSection = ClusterSection()
    threecx: ThreeCxSection = ThreeCxSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        """By TCP a port has one owner: pages, or a worker's browsers, or the line to the PBX."""
        taken = {"server.port": self.server.port}
        for name, line in self.sip.lines.items() if self.sip.enabled else ():
            if line.transport != "udp":
                taken[f"sip.trunks.{name}.listen_port" if self.sip.trunks else "sip.listen_port"] = line.listen_port
        shared = [name for name, port in taken.items() if self.media.tcp and port in self.media.browser_ports]
        if shared:
            raise ValueError(
                f"{shared[0]} is also a port of media.port, where browsers come by TCP: move one of them, or set media.tcp to false"
            )
        return self

    @model_validator(mode="after")
    def _way_back(self) -> Self:
        if self.oidc.issuer and not self.server.public_url:
            raise ValueError("oidc.issuer needs server.public_url: the issuer sends people back to its /api/v1/oidc/callback")
        return self

    @model_validator(mode="after")
    def _survey_links(self) -> Self:
        if self.surveys.rules and not self.server.public_url:
            raise ValueError("surveys.rules needs server.public_url: customers are sent links to its /survey")
        return self

    @classmethod
    def load(cls, path: Path | None = None, env: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> "Settings":
        """Read all sources. ``path`` None: ``centralita.toml`` where it exists. ``overrides`` (``{"server": {"port": 1}}`` or
        ``{"server.port": 1}``, from the command line) win; those that are None do not count. Raises ``ConfigError``.
        """
        environment = os.environ if env is None else env

        def collect(into: Sources) -> Sources:
            into.file(path)
            into.environment(environment)
            if folder := environment.get(PREFIX + "SECRETS_DIR"):
                into.secrets(Path(folder))
            into.command_line(overrides or {})
            return into

        sources = collect(Sources())
        house = sources.data_dir / HOUSE_FILE
        if house.is_file():  # what was answered at the first start counts where nothing else says anything
            beneath = Sources()
            beneath.file(house)
            sources = collect(beneath)
        return sources.read(cls)

    @property
    def store_url(self) -> str:
        """The database's URL, the default one included."""
        return self.store.url.get_secret_value() or f"sqlite+aiosqlite:///{self.server.data_dir / 'centralita.sqlite3'}"

    @property
    def prompt_folder(self) -> Path:
        """Where recorded sentences and music are: in the data folder where none is set. It need not be there."""
        return self.media.prompts.folder or self.server.data_dir / "sounds"

    def token_secret(self) -> str:
        """The secret that signs tokens. Where none is set it is drawn and kept in the data folder, readable by us alone."""
        given = self.security.secret.get_secret_value()
        if given:
            return given
        return kept_secret(self.server.data_dir / "token.secret")

    def identity(self) -> IdentitySettings:
        """What signing in needs to know. The key of second factors is kept in the data folder like the token secret where none is set."""
        security = self.security
        return IdentitySettings(
            security.second_factor_key.get_secret_value() or kept_secret(self.server.data_dir / "second_factor.key"),
            idle_s=security.idle_s,
            longest_s=security.session_s,
            ask_code=security.second_factor,
            sign_ins_at_once=security.sign_ins_at_once,
            refused_words=security.refused_words,
        )

    def recording_keys(self) -> tuple[bytes, ...]:
        """The keys of recordings, the newest first; kept in the data folder like the token secret where none is set."""
        recording = self.media.recording
        given = recording.key.get_secret_value() or kept_secret(self.server.data_dir / "recording.key")
        return tuple(bytes.fromhex(key) for key in (given, *(key.get_secret_value() for key in recording.previous_keys)))

    def audit_keys(self) -> tuple[bytes, ...]:
        """The keys of the audit, the newest first; kept in the data folder like the token secret where none is set."""
        given = self.audit.key.get_secret_value() or kept_secret(self.server.data_dir / "audit.key")
        return tuple(bytes.fromhex(key) for key in (given, *(key.get_secret_value() for key in self.audit.previous_keys)))

    @property
    def audit_checkpoints(self) -> Path:
        return self.audit.checkpoints or self.server.data_dir / "audit"

    def privacy_keys(self) -> tuple[bytes, ...]:
        """The master keys of personal data, the newest first; kept in the data folder where none is set."""
        privacy = self.privacy
        given = [key.get_secret_value() for key in (privacy.key, *privacy.previous_keys) if key.get_secret_value()]
        return tuple(bytes.fromhex(key) for key in given or kept_secret(self.kept_privacy_key).split())

    @property
    def kept_privacy_key(self) -> Path:
        """Where the master keys are kept when none is set, a line each, the newest first."""
        return self.server.data_dir / "privacy.key"

    @property
    def keys_folder(self) -> Path:
        return self.privacy.folder or self.server.data_dir / "keys"

    @property
    def keeps_recordings(self) -> bool:
        """Is anything that somebody says kept here, of calls or in voicemail?"""
        return self.media.recording.enabled or self.voicemail.enabled

    @property
    def recordings_folder(self) -> Path:
        return self.media.recording.folder or self.server.data_dir / "recordings"

    @property
    def supervision_notice(self) -> str:
        """The sound that tells everybody of a supervisor in their call; empty where they are not told."""
        told = self.supervision.announce is Announce.EVERYONE
        return f"prompt/{self.media.prompts.language}/{self.supervision.notice}" if told else ""

    @property
    def node(self) -> str:
        """By what name this node's runs are told apart in the database."""
        return self.cluster.node if self.cluster.redis_url.get_secret_value() else "main"

    def bus(self) -> RedisBusSettings:
        """What several nodes share."""
        hub, cluster = self.hub(), self.cluster
        url = cluster.redis_url.get_secret_value()
        return RedisBusSettings(url=url, node=cluster.node, prefix=cluster.prefix, topics=hub.topics, kept=hub.replay_kept)

    def hub(self) -> HubSettings:
        """What the hub needs to know."""
        security = self.security
        own = (self.server.public_url.rstrip("/"),) if self.server.public_url else ()
        return HubSettings(
            allowed_origins=(*own, *security.allowed_origins),
            client=ClientLimits(rate_per_s=security.requests_per_s, burst=security.requests_at_once),
            address=AddressLimits(
                rate_per_s=security.connections_per_s,
                burst=security.connections_at_once,
                open_at_once=security.sockets_per_address,
            ),
            sockets=security.sockets,
            sockets_per_person=security.sockets_per_person,
        )

    def call_policy(self) -> CallPolicy:
        """How long call control waits for what, and which calls it records."""
        calls = self.calls
        return CallPolicy(
            no_answer_s=self.sip.ring_s,
            ring_s=calls.ring_s,
            agent_media_s=calls.agent_media_s,
            ring_order=RingOrder(calls.ring_order),
            ring_step_s=calls.ring_step_s,
            transfer_ring_s=calls.transfer_ring_s,
            park_s=calls.park_s,
            park_slots=calls.park_places,
            wrap_up_undo_s=calls.undo_s,
            recording=self.media.recording_policy(),
            supervision=SupervisionPolicy(self.supervision.announce, self.supervision_notice, self.supervision.most_per_call),
        )

    def threecx_work(self) -> ThreeCxWork | None:
        """How to work with a 3CX; None where none is attached."""
        return self.threecx.work(self.sip.extension)

    def visits(self) -> VisitSettings:
        """How visitors of other people's sites reach queues."""
        return self.widget.visits(self.dialing.region)

    def webhook_settings(self) -> WebhookSettings:
        """Where events go, and how they are signed."""
        return self.webhooks.webhook_settings(self.server.public_url)

    def masked(self) -> dict[str, Any]:
        """The effective settings for people to read: what is secret shows only whether it is set."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        shown["media"]["workers"] = self.media.worker_count
        shown["media"]["browser_ports"] = self.media.browser_ports or "any free ones"
        shown["media"]["browsers_are_told"] = [
            f"{host} by UDP" + (" and TCP" if self.media.tcp else "") for host in announced(self.media.hosts, self.media.public_hosts)
        ]
        shown["media"]["phones_are_told"] = self.media.phone_host
        shown["store"]["url"] = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:********@", self.store_url)
        return shown
