"""A plan of the contact centre, made of what its documents say: read and checked as a whole, all faults at once, each with its line."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from api.centre.number_document import Numbers, read_numbers
from api.centre.plan_documents import FLOWS, LARGEST_DOCUMENT, MOST_DOCUMENTS, NAMES_SAID, is_document
from api.centre.plan_faults import PlanBroken
from api.centre.queue_document import read_queues
from api.centre.small_documents import read_boxes, read_breaks, read_webhooks
from api.rules.rule_document import read_rules
from rooms.calendar_reading import read_calendars
from rooms.centre_plan import CallerRules, CentrePlan
from rooms.document import Document, DocumentError, Fault
from rooms.flows.checking import check
from rooms.flows.flow import Flow
from rooms.flows.reading import read_flow
from signaling.refusal import TextFault

T = TypeVar("T")


class PlanReader:
    """``region``: ISO country whose national forms of numbers are understood. ``secrets``: names that the settings hold.

    ``prompts``: in which languages each sentence can be said that is none of a flow's own; or who says it,
    asked each time. ``allow_private``: of ``webhooks``.
    """

    def __init__(
        self,
        *,
        region: str,
        secrets: Collection[str] = (),
        prompts: Mapping[str, Collection[str]] | Callable[[], Mapping[str, Collection[str]]] | None = None,
        allow_private: bool = False,
    ) -> None:
        self._region = region
        self._secrets = frozenset(secrets)
        self._prompts = prompts if callable(prompts) else lambda: prompts or {}
        self._allow_private = allow_private

    def read(self, documents: Mapping[str, str], version: int) -> CentrePlan:
        """Raises ``PlanBroken``."""
        texts = _Texts(documents)
        flow_names = {name.removeprefix(FLOWS) for name in documents if name.startswith(FLOWS)}
        queues = texts.read("queues", read_queues) or {}
        calendars = texts.read_whole("calendars", read_calendars) or {}
        boxes = texts.read("boxes", read_boxes) or {}
        webhooks = texts.read("webhooks", lambda text: read_webhooks(text, self._secrets, allow_private=self._allow_private)) or {}
        rules = texts.read("rules", lambda text: read_rules(text, self._secrets, frozenset(webhooks))) or {}
        reasons = texts.read("breaks", read_breaks) or ()
        flows = {name: flow for name in sorted(flow_names) if (flow := texts.read_whole(FLOWS + name, _flow)) is not None}
        known = None if "calendars" in texts.unread else calendars
        numbers = texts.read("numbers", lambda text: read_numbers(text, self._region, flow_names, known)) or Numbers((), CallerRules())
        if not texts.unread:  # else names would be missed that stand there
            found = check(flows, queues, calendars, boxes, webhooks, self._prompts())
            texts.tell(replace(fault, document=FLOWS + fault.document) for fault in found)
        if texts.faults:
            raise PlanBroken(texts.faults)
        return CentrePlan(version, flows, queues, calendars, numbers.entries, boxes, webhooks, reasons, numbers.callers, rules)


class _Texts:
    """What documents say, and what was found wrong so far. ``unread``: those of which not even the names in them are known."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self._documents = documents
        self.faults: list[TextFault] = []
        self.unread: set[str] = set()
        if len(documents) > MOST_DOCUMENTS:
            self.faults.append(TextFault("", 0, f"There are {len(documents)} documents: {MOST_DOCUMENTS} at most."))
        for name, text in documents.items():
            if not is_document(name):
                self.faults.append(TextFault(name, 0, f"This is no document: {NAMES_SAID}."))
            elif len(text) > LARGEST_DOCUMENT:
                self.faults.append(TextFault(name, 0, f"It has {len(text)} characters: {LARGEST_DOCUMENT} at most."))

    def read(self, name: str, read: Callable[[Document], T]) -> T | None:
        """``read`` tells the document what is wrong with it. None: there is no such document, or it cannot be read."""

        def told(text: str, name: str) -> T:
            document = Document(text, name)
            found = read(document)
            self.tell(document.faults)
            return found

        return self.read_whole(name, told)

    def read_whole(self, name: str, read: Callable[[str, str], T]) -> T | None:
        """``read`` raises what is wrong."""
        if name not in self._documents:
            return None
        try:
            return read(self._documents[name], name)
        except DocumentError as error:
            self.tell(error.faults)
            self.unread.add(name)
            return None

    def tell(self, faults: Iterable[Fault]) -> None:
        self.faults += (TextFault(fault.document, fault.line, fault.message) for fault in faults)


def _flow(text: str, name: str) -> Flow:
    try:
        return read_flow(text, name.removeprefix(FLOWS))
    except DocumentError as error:
        raise DocumentError([replace(fault, document=name) for fault in error.faults]) from None
