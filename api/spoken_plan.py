"""What callers may hear by a plan of the contact centre: told to the media plane when the plan is taken, so that no caller waits for it."""

from collections.abc import Iterable

from api.media_plane import MediaPlane
from media.messages import MOST_TEXTS, PrepareSounds
from rooms import sound_names
from rooms.centre_plan import CentrePlan
from rooms.flows.flow import WORDS, Flow, SpokenStep
from rooms.queues.queue_plan import QueuePlan

MANY = 5
"""So many positions, and minutes of waiting, are ready beforehand."""


def words_of(plan: CentrePlan) -> dict[str, str]:
    """What flows say in words of their own, by the name of its sound."""
    return {
        sound_names.sentence(language, name, words): words
        for flow in plan.flows.values()
        for name, by_language in flow.texts.items()
        for language, words in by_language.items()
        if words
    }


def sounds_of(plan: CentrePlan) -> set[str]:
    """Everything else: sentences that are the server's own or recorded, positions, waits and offers of queues, music."""
    languages = {language for flow in plan.flows.values() for language in flow.languages}
    plain = {
        sound_names.sentence(language, name)
        for flow in plan.flows.values()
        for language in flow.languages
        for name in said_by(flow)
        if not flow.texts.get(name, {}).get(language)
    }
    music = {queue.music for queue in plan.queues.values()} | {flow.music for flow in plan.flows.values()}
    return plain | {sound for queue in plan.queues.values() for sound in announced(queue, languages)} | {*filter(_is_music, music)}


async def prepare_sounds(worker: MediaPlane, plan: CentrePlan) -> None:
    """Raises ``MediaRefusal``."""
    words = words_of(plan)
    names = sorted({*words, *sounds_of(plan)})
    for at in range(0, len(names), MOST_TEXTS):
        part = names[at : at + MOST_TEXTS]
        told = {name: words[name] for name in part if name in words}
        await worker.perform(PrepareSounds(told, tuple(name for name in part if name not in told)))


def said_by(flow: Flow) -> set[str]:
    """The names of what it says."""
    of_steps = {name for step in flow.steps.values() if isinstance(step, SpokenStep) for name in step.say}
    return of_steps | {*WORDS}


def announced(queue: QueuePlan, languages: Iterable[str], most: int = MANY) -> Iterable[str]:
    """The sounds that it plays by itself to who waits."""
    for language in languages:
        if queue.announce_every_s:
            yield sound_names.sentence(language, "queue-thanks")
        if queue.announce_every_s and queue.announce_position:
            yield from (sound_names.position(language, place) for place in range(1, most + 1))
        if queue.announce_every_s and queue.announce_wait:
            yield from (sound_names.wait(language, 60.0 * minutes) for minutes in range(most + 1))
        if queue.call_back_after_s:
            yield sound_names.call_back_offer(language, queue.call_back_key)


def _is_music(name: str) -> bool:
    return name.startswith("music/")
