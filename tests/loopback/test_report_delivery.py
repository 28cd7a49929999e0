"""Reports that are sent: once for each time, with what their owner may see, whoever stops in between."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from api.after.outbox import Outbox
from api.leading import alone
from api.notify.message import Message
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from api.reports.delivery import ReportDelivery
from api.reports.report import Reports
from api.reports.routes import report_csv
from api.reports.schedules import ScheduleRoutes
from api.settings.email import EmailSection
from api.store import Store
from api.store.outbox_tables import outbox
from api.store.report_schedules import StoredSchedule
from tests.kit.reported import BEGIN, TEAMS, put_day
from tests.kit.vaults import VAULT
from tests.loopback.test_reports import NOW, site

MORNING = BEGIN + 86_400 + 8 * 3_600
"""Of the day after ``BEGIN``, in UTC."""
EMAIL = EmailSection(host="127.0.0.1", port=1, tls="none", sender="calls@example.com")


class Desk:
    """The delivery of one node over one database. Nothing is delivered: what is in the outbox is looked at."""

    def __init__(self, store: Store, delivery: ReportDelivery, clock: list[float], noted: list[tuple[Any, ...]]) -> None:
        self.store, self.delivery, self.clock, self.noted = store, delivery, clock, noted

    async def letters(self) -> list[Message]:
        rows = await self.store.outbox._rows(select(outbox.c.body, outbox.c.idem).order_by(outbox.c.idem))
        return [msgspec.json.decode(self.store.vault.open(row["body"]).encode(), type=Message) for row in rows]

    async def schedule(self, **more: Any) -> StoredSchedule:
        known = {"schedule_id": "s", "owner": "eva", "every": "day", "weekday": 0, "minute": 480, "by": "agent", "queue": ""}
        known |= {"language": "en", "addresses": "eva@example.com luz@example.com", "made_at": BEGIN, "next_at": MORNING}
        made = StoredSchedule(**(known | more))
        await self.store.report_schedules.add(made)
        return made


@asynccontextmanager
async def desk(folder: Path, *, settles: bool = True) -> AsyncIterator[Desk]:
    """``settles``: False: the process dies when the letters are on the disk, before the schedule goes on."""
    clock, noted = [MORNING + 30.0], list[tuple[Any, ...]]()
    async with Store.open(f"sqlite:///{folder}/calls.sqlite3", vault=VAULT) as store:

        async def teams() -> Mapping[str, frozenset[str]]:
            return TEAMS

        async def settle() -> None:
            await store.settle()
            if not settles:
                raise OSError("The process dies.")

        kept = Outbox(store.outbox, store.writer.put_lines, VAULT, now=lambda: clock[0], node="main")
        async with Notifier(kept, VAULT, EMAIL) as notifier:
            delivery = ReportDelivery(
                store.report_schedules,
                store.people,
                Reports(store, teams, lambda: clock[0]),
                notifier,
                Templates(),
                settle=settle,
                csv=report_csv,
                zone=lambda: "UTC",
                note=lambda *args, **more: noted.append((*args, more)),
                leads=alone,
                now=lambda: clock[0],
                site="https://calls.example.com",
            )
            yield Desk(store, delivery, clock, noted)


async def people(store: Store) -> None:
    known = (("eva", "supervisor", ""), ("luz", "supervisor", "flights"), ("ana", "agent", "hotels"), ("bea", "agent", "flights"))
    for who, role, team in known:
        await store.people.save_user(who, name=who, role=role, password_hash="", teams=team.split())


async def test_what_is_due_is_sent_once_and_the_next_one_is_due_a_day_later(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await people(here.store)
        await put_day(here.store)
        await here.schedule()
        here.clock[0] = MORNING - 1
        await here.delivery.look()
        assert await here.letters() == [], "not yet"
        here.clock[0] = MORNING + 30
        await here.delivery.look()
        await here.delivery.look()
        first, second = await here.letters()
        assert (first.to, second.to) == ("eva@example.com", "luz@example.com")
        assert first.subject == "Report of 2023-11-14: 3 handled, service level 50.0%" and "Handle time: 1:20" in first.text
        (file,) = first.attachments
        lines = file.text.splitlines()
        assert file.name == "report-2023-11-14.csv" and [line.split(",")[0] for line in lines] == ["agent", "ana", "bea", "*"]
        (left,) = await here.store.report_schedules.of("eva")
        assert (left.next_at, left.sent_at) == (MORNING + 86_400, MORNING + 30)
        assert [note[0] for note in here.noted] == ["report_sent"]


async def test_who_dies_before_the_schedule_goes_on_sends_nothing_twice(tmp_path: Path) -> None:
    async with desk(tmp_path, settles=False) as dying:
        await people(dying.store)
        await put_day(dying.store)
        await dying.schedule()
        with pytest.raises(OSError):
            await dying.delivery.look()
        assert len(await dying.letters()) == 2, "they are on the disk"
    async with desk(tmp_path) as here:
        here.clock[0] += 600
        await here.delivery.look()
        assert len(await here.letters()) == 2
        assert (await here.store.report_schedules.of("eva"))[0].next_at == MORNING + 86_400


async def test_of_days_that_were_missed_the_last_one_is_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await people(here.store)
        await here.schedule(addresses="eva@example.com")
        here.clock[0] = MORNING + 5 * 86_400 + 60
        await here.delivery.look()
        (letter,) = await here.letters()
        assert letter.subject.startswith("Report of 2023-11-19: 0 handled, service level -")
        assert (await here.store.report_schedules.of("eva"))[0].next_at == MORNING + 6 * 86_400


async def test_what_stands_in_it_is_for_its_owners_rights_of_now(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await people(here.store)
        await put_day(here.store)
        await here.schedule(schedule_id="a", owner="luz", addresses="luz@example.com", language="es")
        await here.schedule(schedule_id="b", owner="ana", addresses="ana@example.com")
        await here.schedule(schedule_id="c", owner="gone", addresses="gone@example.com")
        await here.delivery.look()
        (letter,) = await here.letters()
        assert letter.to == "luz@example.com" and "Informe de 2023-11-14: 1 atendidas" in letter.subject
        assert [line.split(",")[0] for line in letter.attachments[0].text.splitlines()] == ["agent", "bea", "*"]
        assert here.delivery.counts == {"sent": 1, "dropped": 2}
        assert await here.store.report_schedules.due(here.clock[0], 9) == [], "they are not looked at again until tomorrow"


class _Sends:
    """Satisfies what the routes ask of the delivery."""

    can_send = True


async def test_people_have_their_own_reports_sent_and_no_others(tmp_path: Path) -> None:
    def routes(store: Any, log: Any, asking: Any) -> ScheduleRoutes:
        return ScheduleRoutes(store.report_schedules, _Sends(), lambda: "UTC", log.note, lambda: NOW)  # type: ignore[arg-type]

    async with site(tmp_path, routes) as here:
        wanted = {"every": "week", "weekday": 0, "minute": 480, "addresses": ["eva@example.com"]}
        status, made = await here.ask("report-schedules", "POST", wanted)
        assert status == 201 and made["next_at"] == BEGIN + 27 * 86_400 + 8 * 3_600, "the Monday after"
        assert (await here.ask("report-schedules"))[1]["schedules"] == [made]
        assert (await here.ask("report-schedules", by="luz"))[1]["schedules"] == []
        assert (await here.ask(f"report-schedules/{made['schedule_id']}", "DELETE", by="luz"))[0] == 404
        for wrong in ({"addresses": ["no address"]}, {"addresses": []}, {"minute": 1_440}, {"every": "year"}):
            assert (await here.ask("report-schedules", "POST", wanted | wrong))[0] == 400, wrong
        assert (await here.ask("report-schedules", "POST", wanted, role="agent"))[0] == 403
        assert (await here.ask(f"report-schedules/{made['schedule_id']}", "DELETE"))[0] == 204
        for _ in range(20):
            assert (await here.ask("report-schedules", "POST", wanted))[0] == 201
        assert (await here.ask("report-schedules", "POST", wanted))[0] == 409
        assert [kind for kind, _, _ in await here.noted()].count("report_scheduled") == 21
