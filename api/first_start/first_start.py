"""The first start: who has the code that the server printed answers five questions, each checked at once, once and for all.

It is open while nobody of the house can sign in, but for who was made by it; and closed for good when it is done, or as soon as somebody
else is there.
"""

import asyncio
import secrets
import shutil
import zoneinfo
from collections.abc import Awaitable, Callable

import phonenumbers

from api.centre.demo_plan import demo_documents
from api.centre.plans import Plans
from api.first_start.answers import StartAnswers
from api.first_start.first_plan import first_plan
from api.first_start.wire import Administrator, Answer, Answered, FirstQueue, House, Recording, StartNow, Telephone
from api.identity.passwords import Passwords
from api.identity.users import refuse_guest
from api.settings.toml_text import Value
from api.store.people import PeopleStore
from media.espeak import PROGRAM
from pbx.numbers import parse_number
from pbx.routing import NotANumber
from pbx.trunk import TrunkStatus
from signaling.grants import Role
from signaling.refusal import Refusal

Note = Callable[..., None]
Try = Callable[[Telephone], Awaitable[TrunkStatus]]
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


class FirstStart:
    """``not_counted``: identities that are nobody of the house (the demo's). ``registers`` tries a line. ``again`` has the server begin
    anew with what was answered. ``note``: the audit's."""

    def __init__(
        self,
        answers: StartAnswers,
        people: PeopleStore,
        passwords: Passwords,
        plans: Plans,
        registers: Try,
        again: Callable[[], None],
        note: Note,
        *,
        not_counted: frozenset[str] = frozenset(),
    ) -> None:
        self._answers = answers
        self._people = people
        self._passwords = passwords
        self._plans = plans
        self._registers = registers
        self._again = again
        self._note = note
        self._not_counted = not_counted
        self._lock = asyncio.Lock()

    async def is_open(self) -> bool:
        answered = self._answers.read()
        if answered.done:
            return False
        known = {user.identity for user in await self._people.users() if user.role != Role.SERVICE}
        return known <= self._not_counted | {answered.administrator}

    def code(self) -> str:
        return self._answers.code()

    async def look(self, code: str, said: str = "") -> StartNow:
        """How far it is. Raises ``Refusal``: ``start_over``, ``start_code``."""
        if not await self.is_open():
            raise Refusal("start_over", "This server is set up already: sign in, and change things at /admin.")
        if not secrets.compare_digest(code.encode(), self._answers.code().encode()):
            raise Refusal("start_code", "This is not the code that the server printed at its start: open the link from there, whole.")
        return StartNow(self._answers.read(), REGIONS, said)

    async def answer(self, code: str, answer: Answer) -> StartNow:
        """Check and keep it. Raises ``Refusal`` with the reason."""
        async with self._lock:
            await self.look(code)
            answered, said = self._answers.read(), ""
            match answer:
                case House():
                    self._house(answered, answer)
                case Administrator():
                    await self._administrator(answered, answer)
                case Telephone():
                    said = await self._telephone(answered, answer)
                case Recording():
                    self._recording(answered, answer)
                case FirstQueue():
                    await self._queue(answered, answer)
            self._answers.keep(answered)
            return StartNow(answered, REGIONS, said)

    async def finish(self, code: str) -> None:
        """All is answered: from now on nobody answers any more, and the server begins anew. Raises ``Refusal``."""
        async with self._lock:
            await self.look(code)
            answered = self._answers.read()
            if not answered.zone or not answered.administrator or None in (answered.telephone, answered.recording, answered.queue):
                raise Refusal("start_unfinished", "Some questions are not answered yet.")
            answered.done = True
            self._answers.keep(answered)
            self._answers.drop_code()
            self._note("first_start_done", answered.administrator)
        self._again()

    # ------------------------------------------------------------------ the questions

    def _house(self, answered: Answered, answer: House) -> None:
        if answer.zone not in zoneinfo.available_timezones():
            raise Refusal("start_zone", "Nobody knows this time zone: write it as in Europe/Madrid.")
        if answer.region not in phonenumbers.SUPPORTED_REGIONS:
            raise Refusal("start_region", "The telephone numbers of this country are not known.")
        self._answers.set("media.prompts", {"language": answer.language})
        self._answers.set("dialing", {"region": answer.region})
        answered.language, answered.zone, answered.region = answer.language, answer.zone, answer.region

    async def _administrator(self, answered: Answered, answer: Administrator) -> None:
        refuse_guest(answer.identity)
        if answer.identity in self._not_counted:
            raise Refusal("start_name_taken", "This name is the demo's: choose another one.")
        if answered.administrator and answered.administrator != answer.identity:
            raise Refusal("start_made", "The administrator is made already, under another name: change it at /admin afterwards.")
        await self._passwords.check_new(answer.password, answer.identity, answer.name)
        # Said before it is done: killed in between, the one who was made is still known as made by us.
        answered.administrator = answer.identity
        self._answers.keep(answered)
        password_hash = await self._passwords.hash(answer.password)
        await self._people.save_user(answer.identity, name=answer.name, role=Role.ADMIN, password_hash=password_hash)
        self._note("user_made", answer.identity, detail="admin, at the first start")

    async def _telephone(self, answered: Answered, answer: Telephone) -> str:
        if not answer.server:
            self._answers.set("sip", None)
            answered.telephone = ""
            return ""
        if not answer.extension:
            raise Refusal("start_extension", "Which extension is this server's? Write its number and password.")
        status = await self._registers(answer)
        if not status.ready and not answer.anyway:
            raise Refusal("start_line", f"It does not register: {status.detail}")
        self._answers.set("sip", {"enabled": True, **answer.line()})
        answered.telephone = answer.server
        return status.detail

    def _recording(self, answered: Answered, answer: Recording) -> None:
        if answer.record and shutil.which(PROGRAM) is None:
            raise Refusal("start_no_voice", "Callers are to be told, and nothing here speaks: install espeak-ng, or do not record.")
        wanted: dict[str, Value] = (
            {"enabled": True, "incoming": "always", "consent": answer.consent} if answer.record else {"enabled": False}
        )
        self._answers.set("media.recording", wanted)
        answered.recording = answer.consent if answer.record else "off"

    async def _queue(self, answered: Answered, answer: FirstQueue) -> None:
        if not answered.zone:
            raise Refusal("start_unfinished", "First say where the house is.")
        if answer.demo:
            await self._plans.put(demo_documents(), by=answered.administrator, comment="first start")
            answered.queue = "demo"
            return
        title = answer.title.strip()
        if not title:
            raise Refusal("start_title", "Give the queue a name, such as the company's.")
        try:
            number = parse_number(answer.number, answered.region)
        except NotANumber as error:
            raise Refusal("not_a_number", str(error)) from None
        documents = first_plan(title, number.e164 or number.extension or answer.number, answered.language, answered.zone)
        others: dict[str, str | None] = {name: None for name in self._plans.documents if name not in documents}
        await self._plans.put({**others, **documents}, by=answered.administrator, comment="first start")
        answered.queue = title
