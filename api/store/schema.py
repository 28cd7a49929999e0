"""The tables as they are now. How they came to be stands in ``migrations``; a test proves that both agree.

Times are seconds since the epoch as double precision, in both databases: the same numbers that the wire carries, no time zones, and SQLite
has no type for instants anyway. Names, numbers and words of customers are sealed (``api/privacy/personal.py``), and found by handles. Every
id is drawn by us and at most 64 characters long.

``quality`` has no foreign key: samples are bulk that may be dropped, and must never keep a call's record from being written.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text, false

from api.store.sealed import Sealed

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_sign_in_at", Double),
    Column("teams", Text, nullable=False, server_default=""),
)
"""``teams``: names, with blanks between."""

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("device", Text, nullable=False),
    Column("device_hash", String(64), nullable=False),
    Column("place", String(64), nullable=False),
    Column("second_factor", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_by", String(64)),
    Index("ix_sessions_identity", "identity"),
    Index("ix_sessions_ended_at", "ended_at"),
)
"""One row per sign-in. ``second_factor``: was it given then; ``device_hash`` and ``place`` tell whether that device was there before."""

second_factors = Table(
    "second_factors",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("secret", Text, nullable=False),
    Column("confirmed_at", Double),
    Column("last_step", BigInteger, nullable=False),
    Column("recovery", Text, nullable=False),
)
"""``secret`` is sealed, ``recovery`` are hashes of the codes left; a code of ``last_step`` or before was used."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", Double),
    Column("used_at", Double),
    Column("revoked_at", Double),
    Index("ix_api_keys_identity", "identity"),
)

node_runs = Table(
    "node_runs",
    metadata,
    Column("boot_id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
)
"""One row per start of a node. ``ended_at`` is null while it runs, and for ever when it died without a word."""

calls = Table(
    "calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("boot_id", String(64), ForeignKey("node_runs.boot_id"), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("caller", Sealed, nullable=False),
    Column("caller_name", Sealed, nullable=False),
    Column("called", Sealed, nullable=False),
    Column("agent", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("ended_at", Double),
    Column("end_reason", String(32)),
    Column("end_sip", Integer),
    Column("end_detail", Sealed),
    Column("mos_scale", String(8)),
    Column("mos_min", Double),
    Column("mos_p10", Double),
    Column("mos_p50", Double),
    Column("quality_hop", String(16)),
    Column("quality_cause", String(32)),
    Column("cost", Double),
    Column("answered_by", String(64), nullable=False, server_default=""),
    Column("talk_s", Double, nullable=False, server_default="0"),
    Column("hold_s", Double, nullable=False, server_default="0"),
    Column("transfers", Integer, nullable=False, server_default="0"),
    Column("ended_by", Sealed, nullable=False, server_default=""),
    Column("entries", Integer, nullable=False, server_default="0"),
    Column("left_out", Integer, nullable=False, server_default="0"),
    Column("entry", Text, nullable=False, server_default=""),
    Column("language", String(16), nullable=False, server_default=""),
    Column("queue", Text, nullable=False, server_default=""),
    Column("waited_s", Double, nullable=False, server_default="0"),
    Column("call_back", String(80), nullable=False, server_default=""),
    Column("vip", Boolean, nullable=False, server_default=false()),
    Column("record_seq", BigInteger),
    Column("person", String(32), nullable=False, server_default=""),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_person_started_at", "person", "started_at"),
    Index("ix_calls_state", "state"),
    Index("ix_calls_record_seq", "record_seq", unique=True),
)
"""``mos_*`` sum up the direction that sounded worst; MOS is on ``mos_scale`` and comparable on that scale only.

``quality_hop`` and ``quality_cause``: where and why most bad seconds were bad; ``good`` where none was. ``cost``: of all legs that we
dialled and that were answered, in the currency of the rate table; NULL where it knows none. ``answered_by`` to ``vip``: see
``rooms.record.CallTally``. ``record_seq``: its place among the complete records; NULL until somebody asked for it (``store/records.py``).
``person``: the handle of the customer's number.
"""

legs = Table(
    "legs",
    metadata,
    Column("leg_id", String(64), primary_key=True),
    Column("call_id", String(64), ForeignKey("calls.call_id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("party", Sealed, nullable=False),
    Column("trunk", String(64), nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("ended_at", Double),
    Column("end_reason", String(32)),
    Column("end_sip", Integer),
    Column("end_detail", Sealed),
    Column("came", String(16), nullable=False, server_default=""),
    Column("brought_by", String(64), nullable=False, server_default=""),
    Column("cost", Double),
    Column("hold_s", Double, nullable=False, server_default="0"),
    Column("ended_by", Sealed, nullable=False, server_default=""),
    Column("codec", String(16), nullable=False, server_default=""),
    Column("person", String(32), nullable=False, server_default=""),
    Column("headset", String(48), nullable=False, server_default=""),
    Column("connection", String(8), nullable=False, server_default=""),
    Column("way", String(16), nullable=False, server_default=""),
    Column("family", String(8), nullable=False, server_default=""),
    Index("ix_legs_call_id", "call_id"),
    Index("ix_legs_person_opened_at", "person", "opened_at"),
    Index("ix_legs_kind_party_opened_at", "kind", "party", "opened_at"),
    Index("ix_legs_ended_at", "ended_at"),
)
"""``came``: how it came into the call (``rooms.legs.Came``); ``brought_by``: by whom; of a phone that was dialled: on whose account.
``person``: the handle of a phone's number. ``codec`` and the last four: ``LegMeans``."""

call_handling = Table(
    "call_handling",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("do_not_disturb", Boolean, nullable=False),
    Column("always", Text, nullable=False),
    Column("busy", Text, nullable=False),
    Column("no_answer", Text, nullable=False),
    Column("offline", Text, nullable=False),
    Column("no_answer_s", Double, nullable=False),
)
"""What a person wants done with calls to them; forwards as they were written, empty: none. Who never said has no row."""

recordings = Table(
    "recordings",
    metadata,
    Column("recording_id", String(80), primary_key=True),
    Column("call_id", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("consent", String(16), nullable=False),
    Column("file", String(64), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("packets", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("fault", Text, nullable=False),
    Column("erased_at", Double),
    Column("erased_by", String(64)),
    Index("ix_recordings_call_id", "call_id"),
    Index("ix_recordings_started_at", "started_at"),
)
"""One row per file, of which a call may have several. ``entries`` and ``digest``: how its manifest stood when this program last wrote to
it. No foreign key: what is known of a recording must be written whatever becomes of its call's row."""

quality = Table(
    "quality",
    metadata,
    Column("leg_id", String(64), primary_key=True),
    Column("at", Double, primary_key=True),
    Column("call_id", String(64), nullable=False),
    Column("packets", Integer, nullable=False),
    Column("loss", Double),
    Column("jitter_ms", Double),
    Column("round_trip_ms", Double),
    Column("discarded", Integer, nullable=False),
    Column("concealed_ms", Double, nullable=False),
    Column("level_dbfs", Double),
    Column("r", Double),
    Column("mos", Double),
    Column("scale", String(8), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("codec", String(16), nullable=False),
    Column("speech", Double),
    Column("noise_dbfs", Double),
    Column("echo_return_loss_db", Double),
    Column("echo_return_loss_enhancement_db", Double),
    Column("kind", String(8), nullable=False, server_default=""),
    Column("r_lost", Double),
    Column("packets_sent", Integer, nullable=False, server_default="0"),
    Column("far_loss", Double),
    Column("hop_loss", Double),
    Column("far_jitter_ms", Double),
    Column("far_discarded", Double),
    Column("far_buffer_ms", Double),
    Column("far_r", Double),
    Column("far_mos", Double),
    Column("far_scale", String(8), nullable=False, server_default=""),
    Column("far_cause", String(32), nullable=False, server_default="unclassified"),
    Column("far_r_lost", Double),
    Column("fault_hop", String(16)),
    Column("fault_cause", String(32)),
    Index("ix_quality_call_id", "call_id"),
)
"""One row per leg and second, as ``media.messages.LegSample`` has it; ``fault_*`` where the call's worst fault was one of this leg."""
