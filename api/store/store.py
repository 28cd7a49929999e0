"""Calls, legs, recordings and quality in a database: SQLite or PostgreSQL, by the same statements."""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Select, Table, and_, bindparam, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.privacy.personal import seal_row
from api.privacy.vault import Vault
from api.store.after_tables import rule_runs, tasks
from api.store.alert_thresholds import AlertThresholdStore
from api.store.appointments import AppointmentStore
from api.store.articles import ArticleStore
from api.store.audit import AuditStore
from api.store.call_back_tables import call_backs, wrap_ups
from api.store.call_backs import CallBackStore
from api.store.call_handling import CallHandlingStore
from api.store.call_history import CallHistoryStore
from api.store.centre import CentreStore
from api.store.consents import ConsentStore
from api.store.contacts import ContactStore
from api.store.database import database_url, in_words, make_engine
from api.store.errors import StoreUnavailable
from api.store.leases import LeaseStore
from api.store.legal_holds import LegalHoldStore
from api.store.migrate import migrate
from api.store.notes import NoteStore
from api.store.open_alerts import OpenAlertStore
from api.store.outbound import OutboundStore
from api.store.outbox import OutboxStore
from api.store.outbox_tables import outbox
from api.store.past_rooms import PastRoomStore
from api.store.pbx import PbxStore
from api.store.people import PeopleStore
from api.store.record_tables import agent_states, call_events, call_traces, queue_visits
from api.store.records import RecordStore
from api.store.report_schedules import ReportScheduleStore
from api.store.report_tables import consultation_steps
from api.store.reports import ReportStore
from api.store.room_keys import RoomKeyStore
from api.store.rooms import RoomStore
from api.store.rows import (
    MEANS,
    CallRows,
    Dialled,
    HeardSecond,
    LegMeans,
    Line,
    Record,
    Row,
    Sample,
    StoredCall,
    StoredLeg,
    StoredRecording,
    StoredVoicemail,
    ToEpoch,
    agent_line,
    call_back_line,
    call_rows,
    entry_line,
    sample_of,
    sample_values,
    sum_up,
    visit_line,
    wrap_up_line,
)
from api.store.rules import RuleStore
from api.store.schema import calls, legs, node_runs, quality, recordings
from api.store.scorecards import ScorecardStore
from api.store.sealing import SealingStore
from api.store.sent_keys import SentKeyStore
from api.store.spool import RecordSpool
from api.store.statements import Statements
from api.store.surveys import SurveyStore
from api.store.tickets import TicketStore
from api.store.travel import TravelStore
from api.store.travel_bookings import BookingStore
from api.store.voicemail_tables import voicemails
from api.store.voicemails import VoicemailStore
from api.store.webhooks import WebhookStore
from api.store.writer import Writer
from media.messages import Fault, LegSample
from rooms.agent import AgentChange, AgentState
from rooms.call_back import CallBack
from rooms.causes import EndReason
from rooms.effects import KeepWrapUp
from rooms.entries import Entry, QueueVisit, What
from rooms.record import CallRecord, CallState, LegRecord

P = TypeVar("P", bound=Statements)
_CALL_COLUMNS = [calls.c[field.name] for field in fields(StoredCall) if field.name != "legs"]
_LEG_COLUMNS = [legs.c[field.name] for field in fields(StoredLeg)]

_SUMMARY = frozenset(calls.c[name] for name in ("mos_scale", "mos_min", "mos_p10", "mos_p50", "quality_hop", "quality_cause"))
"""Columns that no record carries: they are summed up from the samples."""
_SUMMED_AT_ONCE = 16
"""Calls whose samples are read together: hours of them have to fit into memory."""
_LATER = frozenset(table.c[name] for table in (recordings, voicemails) for name in ("erased_at", "erased_by")) | {
    voicemails.c.heard_at,
    voicemails.c.heard_by,
    calls.c.record_seq,
}
"""Columns that are set once, when everything else is known."""
_ONCE = {
    table.name: table
    for table in (call_events, call_traces, agent_states, queue_visits, call_backs, wrap_ups, outbox, tasks, rule_runs, consultation_steps)
}


class Store(Statements):
    """The database of this node. Made by ``Store.open``.

    Writes of the call path (``put_call``, ``put_recording``, ``put_voicemail``, ``put_quality``) return at once and never fail; everything
    else raises ``StoreUnavailable`` when the database is away. ``boot_id`` names this run of this node; ``people`` is about who signs in.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault, *, node: str, boot_id: str, spool: RecordSpool | None = None) -> None:
        super().__init__(engine, vault)
        self.people = PeopleStore(engine, vault)
        self.audit = AuditStore(engine, vault)
        self.rooms = RoomStore(engine, vault)
        self.webhooks = WebhookStore(engine, vault)
        self.past_rooms = PastRoomStore(engine, vault)
        self.room_keys = RoomKeyStore(engine, vault)
        self.contacts = ContactStore(engine, vault)
        self.pbx = PbxStore(engine, vault)
        self.call_handling = CallHandlingStore(engine, vault)
        self.records = RecordStore(engine, vault)
        self.history = CallHistoryStore(engine, vault)
        self.reports = ReportStore(engine, vault)
        self.report_schedules = ReportScheduleStore(engine, vault)
        self.alert_thresholds = AlertThresholdStore(engine, vault)
        self.sent_keys = SentKeyStore(engine, vault)
        self.open_alerts = OpenAlertStore(engine, vault)
        self.centre = CentreStore(engine, vault)
        self.outbound = OutboundStore(engine, vault)
        self.outbox = OutboxStore(engine, vault)
        self.notes = NoteStore(engine, vault)
        self.rules = RuleStore(engine, vault)
        self.voicemails = VoicemailStore(engine, vault)
        self.appointments = AppointmentStore(engine, vault)
        self.call_backs = CallBackStore(engine, vault)
        self.legal_holds = LegalHoldStore(engine, vault)
        self.leases = LeaseStore(engine, vault)
        self.travel = TravelStore(engine, vault)
        self.bookings = BookingStore(engine, vault)
        self.sealing = SealingStore(engine, vault)
        self.tickets = TicketStore(engine, vault)
        self.surveys = SurveyStore(engine, vault)
        self.scorecards = ScorecardStore(engine, vault)
        self.consents = ConsentStore(engine, vault)
        self.articles = ArticleStore(engine, vault)
        self.node = node
        self.boot_id = boot_id
        self._upserts = {table: self._prepared(self._upsert(table)) for table in (calls, legs, recordings, voicemails)}
        """Made once, as those below: making such a statement costs several times what it takes to write a row."""
        self._inserts = {name: self._prepared(self._insert(table).on_conflict_do_nothing()) for name, table in _ONCE.items()}
        self._insert_samples = self._appended(self._insert(quality).on_conflict_do_nothing(index_elements=["leg_id", "at"]))
        self.writer = Writer(self._write_batch, spool=spool)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, vault: Vault, node: str = "main", clock: Callable[[], float] = time.time, spool: RecordSpool | None = None
    ) -> AsyncIterator["Store"]:
        """Connect, migrate to the newest schema, and note that this node runs.

        ``vault``: what customers' names, numbers and words are sealed by before they are written.
        ``clock`` gives seconds since the epoch. ``spool``: where records are too while the database is away; what is in it is written.
        Leaving writes what waits and notes that the run ended. Raises ``StoreUnavailable`` with
        what to do: the file cannot be opened, the server is away, or the schema is newer than this program.
        """
        parsed = database_url(url)
        engine = make_engine(parsed)
        try:
            store = cls(engine, vault, node=node, boot_id=uuid4().hex, spool=spool)
            run: Row = {"boot_id": store.boot_id, "node": node, "started_at": clock(), "ended_at": None}
            with in_words(parsed):
                async with store._writing() as connection:
                    await connection.run_sync(migrate)
                    await store.sealing.claim(connection)
                    await connection.execute(node_runs.insert().values(run))
            await store.sealing.seal_indexes()
            async with store.writer:
                await store.writer.restore()
                yield store
            ended = update(node_runs).where(node_runs.c.boot_id == store.boot_id).values(ended_at=clock())
            with in_words(parsed):
                async with store._writing() as connection:
                    await connection.execute(ended)
        finally:
            await engine.dispose()

    def part(self, kind: type[P]) -> P:
        """What looks across all tables, made for this database."""
        return kind(self._engine, self._vault)

    # ------------------------------------------------------------------ calls, from the call path

    def put_call(
        self,
        record: CallRecord,
        to_epoch: ToEpoch,
        cost_of: Callable[[LegRecord], float | None] = lambda leg: None,
        means_of: Callable[[str], LegMeans] = lambda leg_id: LegMeans(),
    ) -> None:
        """Keep a call as it now stands; the newest counts. ``cost_of``: what a leg that we dialled cost; ``means_of``: by what it takes
        part. Returns at once."""
        self.writer.put(call_rows(record, self.boot_id, to_epoch, cost_of, means_of))

    def put_entries(self, entries: Iterable[Entry], to_epoch: ToEpoch) -> None:
        """Keep what has happened to calls; each entry once, however often it is written. Returns at once."""
        self.writer.put_lines(entry_line(entry, to_epoch) for entry in entries)

    def put_agent_changes(self, changes: Iterable[AgentChange], to_epoch: ToEpoch) -> None:
        """Keep what agents do from now on. Returns at once."""
        self.writer.put_lines(agent_line(change, self.boot_id, to_epoch) for change in changes)

    def put_visits(self, visits: Iterable[QueueVisit], to_epoch: ToEpoch) -> None:
        """Keep how long callers waited, and how that ended. Returns at once."""
        self.writer.put_lines(visit_line(visit, to_epoch) for visit in visits)

    def put_call_back(self, call_back: CallBack, to_epoch: ToEpoch, outcome: str = "") -> None:
        """Keep how a call-back stands from now on; ``outcome``: that it has come to its end. Returns at once."""
        self.writer.put_lines([call_back_line(call_back, outcome, self.node, to_epoch)])

    def put_wrap_up(self, done: KeepWrapUp, to_epoch: ToEpoch) -> None:
        """Keep what an agent said of a call. Returns at once."""
        self.writer.put_lines([wrap_up_line(done, to_epoch)])

    def put_recording(self, recording: StoredRecording) -> None:
        """Keep what is known of a recording; the newest counts, but for its erasure. Returns at once."""
        self.writer.put(recording)

    def put_voicemail(self, voicemail: StoredVoicemail) -> None:
        """Keep what is known of a message; the newest counts, but for who heard and erased it. Returns at once."""
        self.writer.put(voicemail)

    def put_quality(self, call_id: str, at: float, samples: Sequence[LegSample], faults: Sequence[Fault] = ()) -> None:
        """Keep a second's samples of a call and the worst (first) of its faults. ``at``: seconds since the epoch.

        Returns at once; the oldest give way when too many wait.
        """
        worst = faults[0] if faults else None
        for leg in samples:
            self.writer.put_sample(Sample(call_id, at, leg, worst if worst is not None and worst.leg_id == leg.leg_id else None))

    async def flush(self) -> None:
        """Wait until all that was put so far is written."""
        await self.writer.flush()

    async def caught_up(self, within_s: float) -> bool:
        """As ``flush``, for at most this long and not at all while the database is away: is all written?"""
        return await self.writer.caught_up(within_s)

    async def settle(self) -> None:
        """As ``flush``, for who must not miss anything. Raises ``StoreUnavailable`` where the database is away: then it waits for that."""
        if not self.writer.reachable:
            raise StoreUnavailable("The database is away, and what waits for it may matter here: try again when it is back.")
        await self.flush()

    async def _write_batch(self, records: list[Record], lines: list[Line], samples: list[Sample]) -> None:
        written = [self._sealed_call(record) for record in records if isinstance(record, CallRows)]
        recorded = [asdict(record) for record in records if isinstance(record, StoredRecording)]
        left = [seal_row(self._vault, "voicemails", asdict(record)) for record in records if isinstance(record, StoredVoicemail)]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await self._upserts[calls].run(connection, [call.call for call in written])
                await self._upserts[legs].run(connection, [leg for call in written for leg in call.legs])
                await self._upserts[recordings].run(connection, recorded)
                for name, insert in self._inserts.items():
                    await insert.run(connection, [seal_row(self._vault, name, line.row) for line in lines if line.table == name])
                await self._upserts[voicemails].run(connection, left)
                await self._insert_samples.append(connection, [sample_values(sample) for sample in samples])
                ended = {call.call_id for call in written if call.ended}
                await self._sum_up(connection, sorted(ended | await self._ended_among(connection, samples)))

    def _sealed_call(self, call: CallRows) -> CallRows:
        legs_of_it = tuple(seal_row(self._vault, "legs", leg) for leg in call.legs)
        return CallRows(call.call_id, call.ended, seal_row(self._vault, "calls", call.call), legs_of_it)

    def _upsert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """Insert or replace what a row gives. What has ended stays ended, whatever comes late."""
        statement = self._insert(table)
        newer = or_(table.c.ended_at.is_(None), statement.excluded.ended_at.is_not(None))
        given: dict[str, Any] = {
            column.name: statement.excluded[column.name] for column in table.c if not column.primary_key and column not in _SUMMARY | _LATER
        }
        if table is legs:  # of a leg that has gone nobody knows it any more
            for name in MEANS:
                given[name] = func.coalesce(func.nullif(statement.excluded[name], literal_column("''")), legs.c[name])
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=given, where=newer)

    async def _ended_among(self, connection: AsyncConnection, samples: list[Sample]) -> set[str]:
        """Which of the samples' calls have ended already: their last samples came after their record."""
        ids = {sample.call_id for sample in samples}
        if not ids:
            return set()
        ended = await connection.scalars(select(calls.c.call_id).where(calls.c.call_id.in_(ids), calls.c.ended_at.is_not(None)))
        return set(ended)

    async def _sum_up(self, connection: AsyncConnection, call_ids: list[str]) -> None:
        heard = [quality.c[name] for name in HeardSecond._fields]
        query = select(quality.c.call_id, *heard).order_by(quality.c.call_id)
        values: list[Row] = []
        for begin in range(0, len(call_ids), _SUMMED_AT_ONCE):
            of_some = quality.c.call_id.in_(call_ids[begin : begin + _SUMMED_AT_ONCE])
            of_each = groupby(await connection.execute(query.where(of_some)), key=itemgetter(0))
            found = [(call_id, sum_up(HeardSecond(*row[1:]) for row in rows)) for call_id, rows in of_each]
            values += [
                {
                    "of_call": call_id,
                    "mos_scale": summary.scale,
                    "mos_min": summary.mos_min,
                    "mos_p10": summary.mos_p10,
                    "mos_p50": summary.mos_p50,
                    "quality_hop": summary.hop,
                    "quality_cause": summary.cause,
                }
                for call_id, summary in found
                if summary is not None
            ]
        if values:
            await connection.execute(update(calls).where(calls.c.call_id == bindparam("of_call")), values)

    # ------------------------------------------------------------------ calls, to be read

    async def call(self, call_id: str) -> StoredCall | None:
        """A call with its legs, oldest leg first."""
        found = await self._rows(select(*_CALL_COLUMNS).where(calls.c.call_id == call_id))
        if not found:
            return None
        of_call = select(*_LEG_COLUMNS).where(legs.c.call_id == call_id).order_by(legs.c.opened_at, legs.c.kind, legs.c.leg_id)
        return StoredCall(**found[0], legs=tuple(StoredLeg(**row) for row in await self._rows(of_call)))

    async def recent_calls(self, agent: str, limit: int) -> list[StoredCall]:
        """The last calls that were this person's or rang at theirs, newest first, without legs.

        A call that somebody else took is told as it was for this person: it ended, unanswered, when it stopped ringing here.
        """
        of_agent = and_(legs.c.call_id == calls.c.call_id, legs.c.kind == "agent", legs.c.party == agent)
        end = [legs.c.ended_at.label("leg_ended_at"), legs.c.end_reason.label("leg_end_reason"), legs.c.end_detail.label("leg_end_detail")]
        query = select(*_CALL_COLUMNS, *end).join(legs, of_agent).order_by(legs.c.opened_at.desc(), calls.c.call_id).limit(limit)
        return [_as_it_was_for(agent, dict(row)) for row in await self._rows(query)]

    async def dialled(self, since: float, limit: int) -> list[Dialled]:
        """The newest legs that we dialled, that were answered and ended after ``since`` (seconds since the epoch), the oldest first."""
        query = select(legs.c.brought_by.label("agent"), legs.c.party.label("called"), legs.c.answered_at, legs.c.ended_at, legs.c.cost)
        ours = (legs.c.kind == "phone", legs.c.brought_by != "", legs.c.answered_at.is_not(None), legs.c.ended_at > since)
        rows = await self._rows(query.where(*ours).order_by(legs.c.ended_at.desc()).limit(limit))
        return [Dialled(**row) for row in reversed(rows)]

    async def samples(self, call_id: str) -> list[Sample]:
        """Every quality sample of a call, oldest first."""
        rows = await self._rows(select(quality).where(quality.c.call_id == call_id).order_by(quality.c.at, quality.c.leg_id))
        return [sample_of(row) for row in rows]

    # ------------------------------------------------------------------ recordings

    async def recording(self, recording_id: str) -> StoredRecording | None:
        found = await self._rows(select(recordings).where(recordings.c.recording_id == recording_id))
        return StoredRecording(**found[0]) if found else None

    async def recordings_of(self, call_id: str) -> list[StoredRecording]:
        """The parts of a call's recording, oldest first."""
        query = select(recordings).where(recordings.c.call_id == call_id)
        return [StoredRecording(**row) for row in await self._rows(query.order_by(recordings.c.started_at, recordings.c.recording_id))]

    async def kept_recordings(self, after: str = "", limit: int = 500) -> list[StoredRecording]:
        """Recordings that were not erased, by id, those behind ``after``."""
        query = select(recordings).where(recordings.c.erased_at.is_(None), recordings.c.recording_id > after)
        return [StoredRecording(**row) for row in await self._rows(query.order_by(recordings.c.recording_id).limit(limit))]

    async def keep_checkpoint(self, recording_id: str, entries: int, digest: str) -> None:
        """How the manifest stands now; one that is known to have been longer stays."""
        of_it = and_(recordings.c.recording_id == recording_id, recordings.c.entries < entries)
        await self._update(update(recordings).where(of_it).values(entries=entries, digest=digest))

    async def end_recording(self, recording_id: str, at: float, fault: str) -> None:
        """It is over, which nobody was there to tell."""
        of_it = and_(recordings.c.recording_id == recording_id, recordings.c.ended_at.is_(None))
        await self._update(update(recordings).where(of_it).values(ended_at=at, fault=fault))

    async def mark_erased(self, recording_id: str, at: float, by: str) -> None:
        """Its key is gone; the first time counts."""
        of_it = and_(recordings.c.recording_id == recording_id, recordings.c.erased_at.is_(None))
        await self._update(update(recordings).where(of_it).values(erased_at=at, erased_by=by))

    # ------------------------------------------------------------------ the state of things

    async def mark_interrupted(self, now: float) -> list[str]:
        """End the calls that an earlier run of this node left open, and return their ids. To be called once, at start.

        Such a call ended at its last sign of life (a quality sample, the answer, or its start), which is at most some seconds before the
        run died, and not now; never after ``now``.
        """
        await self.flush()
        earlier = select(node_runs.c.boot_id).where(node_runs.c.node == self.node, node_runs.c.boot_id != self.boot_id)
        query = select(calls.c.call_id, calls.c.started_at, calls.c.answered_at, func.max(quality.c.at).label("heard_at"))
        query = query.outerjoin(quality, quality.c.call_id == calls.c.call_id)
        query = query.where(calls.c.ended_at.is_(None), calls.c.boot_id.in_(earlier)).group_by(calls.c.call_id).order_by(calls.c.started_at)
        end: Row = {"end_reason": EndReason.INTERRUPTED.value, "end_sip": None, "end_detail": "The server stopped without a word."}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                left = (await connection.execute(query)).all()
                for row in left:
                    ended_at = min(now, max(at for at in (row.started_at, row.answered_at, row.heard_at) if at is not None))
                    values = {**end, "ended_at": ended_at}
                    await connection.execute(
                        update(calls).where(calls.c.call_id == row.call_id).values(**values, state=CallState.ENDED.value)
                    )
                    of_call = and_(legs.c.call_id == row.call_id, legs.c.ended_at.is_(None))
                    await connection.execute(update(legs).where(of_call).values(values))
                    await self._end_journal(connection, row.call_id, ended_at)
                await self._end_agents(connection, earlier)
                await self._sum_up(connection, [row.call_id for row in left])
        return [row.call_id for row in left]

    async def _end_journal(self, connection: AsyncConnection, call_id: str, at: float) -> None:
        """Whoever reads a call's journal learns there too that nobody saw its end."""
        last = await connection.scalar(select(func.max(call_events.c.seq)).where(call_events.c.call_id == call_id))
        end = Entry(call_id, (last or 0) + 1, at, What.ENDED, detail=EndReason.INTERRUPTED.value)
        await connection.execute(self._insert(call_events), [entry_line(end, lambda at_s: at_s).row])
        await connection.execute(update(calls).where(calls.c.call_id == call_id).values(entries=end.seq))

    async def _end_agents(self, connection: AsyncConnection, earlier: Select[tuple[str]]) -> None:
        """Nobody is known to be there whom an earlier run of this node saw last, from its end on, or its last word of them."""
        newest = select(agent_states.c.identity, func.max(agent_states.c.at).label("at")).group_by(agent_states.c.identity).subquery()
        last_word = select(agent_states.c.boot_id, func.max(agent_states.c.at).label("at")).group_by(agent_states.c.boot_id).subquery()
        over_at = func.coalesce(node_runs.c.ended_at, last_word.c.at).label("over_at")
        query = select(agent_states.c.identity, agent_states.c.at, over_at).join(last_word, last_word.c.boot_id == agent_states.c.boot_id)
        query = query.join(newest, and_(newest.c.identity == agent_states.c.identity, newest.c.at == agent_states.c.at))
        query = query.join(node_runs, node_runs.c.boot_id == agent_states.c.boot_id)
        query = query.where(agent_states.c.boot_id.in_(earlier), agent_states.c.state != AgentState.OFFLINE.value)
        rows = []
        for row in (await connection.execute(query)).all():
            at = max(row.over_at, math.nextafter(row.at, math.inf))
            change = AgentChange(row.identity, at, AgentState.OFFLINE, EndReason.INTERRUPTED.value)
            rows.append(agent_line(change, self.boot_id, lambda at_s: at_s).row)
        if rows:
            await connection.execute(self._insert(agent_states), rows)

    async def healthy(self) -> bool:
        """Does the database answer, and does somebody write to it?"""
        if not self.writer.alive:
            return False
        try:
            await self._rows(select(1))
        except StoreUnavailable:
            return False
        return True


def _as_it_was_for(agent: str, row: Row) -> StoredCall:
    end = {name: row.pop(f"leg_{name}") for name in ("ended_at", "end_reason", "end_detail")}
    if row["agent"] != agent and end["ended_at"] is not None:
        row.update(end, state=CallState.ENDED.value, answered_at=None)
    return StoredCall(**row)
