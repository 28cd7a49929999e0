"""What this node asks of others, and how long it waits for their answers."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from uuid import uuid4

from msgspec import Raw

from api.nodes.words import Answer, Word
from signaling.refusal import Refusal

MOST_ASKED = 2_000


@dataclass(frozen=True, slots=True)
class AskTimes:
    """How long another node may take: to do something (``do_s``), to say what calls, rooms and alerts it has for a page that connects
    (``tell_s``), that it knows who sees to an alert (``see_s``), and how it is, for which it asks its database first (``health_s``)."""

    do_s: float = 5.0
    tell_s: float = 1.0
    see_s: float = 2.0
    health_s: float = 2.0


class NodeSilent(Exception):
    """Another node did not answer. ``unheard``: it was not even asked, for it is not there."""

    def __init__(self, *, unheard: bool = False) -> None:
        super().__init__()
        self.unheard = unheard


class Questions:
    """``say(word, node)``: tells a node something. ``there``: the nodes that can be asked."""

    def __init__(self, say: Callable[[Word, str], None], there: Callable[[], Collection[str]]) -> None:
        self._say, self._there = say, there
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, asyncio.Future[Answer]] = {}

    async def ask(self, node: str, word: Callable[[str], Word], within_s: float) -> Answer:
        """``word``: what asks, by the question's id. Raises ``NodeSilent``, and ``Refusal`` where too much is being asked."""
        if node not in self._there():
            raise NodeSilent(unheard=True)
        if len(self._asked) >= MOST_ASKED:
            raise Refusal("busy", "Much is being asked of another server right now: try again in a moment.", 1.0)
        ask_id = f"{uuid4().hex} {node}"
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        self._asked[ask_id] = waiting
        try:
            self._say(word(ask_id), node)
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            raise NodeSilent from None
        finally:
            del self._asked[ask_id]

    async def ask_all(self, nodes: Iterable[str], word: Callable[[str], Word], within_s: float) -> tuple[list[Raw], bool]:
        """What they answer who do in time, and whether all did."""
        told = await asyncio.gather(*(self.ask(node, word, within_s) for node in nodes), return_exceptions=True)
        answers: list[Raw] = []
        for answer in told:
            if isinstance(answer, Answer):
                answers += [answer.result] if answer.error is None else []
            elif not isinstance(answer, Refusal | NodeSilent):
                raise answer
        return answers, len(answers) == len(told)

    def answered(self, answer: Answer) -> None:
        """A node has answered; too late, maybe."""
        waiting = self._asked.get(answer.ask_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def gone(self, node: str) -> None:
        """What a node that is gone was asked is not answered any more."""
        for ask_id in [ask_id for ask_id in self._asked if ask_id.endswith(f" {node}")]:
            if not self._asked[ask_id].done():
                self._asked[ask_id].set_exception(NodeSilent())
