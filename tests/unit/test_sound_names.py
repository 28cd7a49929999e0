"""What sounds are called: numbers at the end, words with a mark of theirs; what a plan makes ready before anybody calls."""

import asyncio

import pytest

from api.spoken_plan import prepare_sounds, sounds_of, words_of
from media.known_sounds import NAME
from media.messages import MOST_TEXTS, AnyCommand, PrepareSounds
from media.prompt_texts import TEXTS, text_of
from rooms import sound_names
from rooms.centre_plan import CentrePlan
from rooms.flows.flow import Flow, HangUp
from rooms.queues.queue_plan import QueuePlan


@pytest.mark.parametrize(
    ("wait_s", "name"),
    [(0, "0"), (59.9, "0"), (60, "1"), (60.1, "2"), (120, "2"), (1_800, "30"), (1_801, "more"), (float("inf"), "more")],
)
def test_a_wait_is_said_in_whole_minutes_and_never_too_short(wait_s: float, name: str) -> None:
    assert sound_names.wait("es", wait_s) == f"prompt/es/queue-wait-{name}"


@pytest.mark.parametrize(("place", "name"), [(0, "1"), (1, "1"), (2, "2"), (30, "30"), (31, "more"), (5_000, "more")])
def test_a_position_is_said_as_far_as_it_helps(place: int, name: str) -> None:
    assert sound_names.position("en", place) == f"prompt/en/queue-position-{name}"


def test_every_announcement_has_words() -> None:
    for language in ("en", "es"):
        names = [
            *(sound_names.wait(language, 60.0 * minutes) for minutes in range(40)),
            *(sound_names.position(language, place) for place in range(40)),
            *(sound_names.call_back_offer(language, key) for key in "0123456789"),
        ]
        assert all(NAME.fullmatch(name) and text_of(TEXTS, name.rpartition("/")[2], language) for name in names)


def test_words_have_names_of_their_own_and_change_with_what_they_say() -> None:
    first, second = (sound_names.sentence("es", "greeting", words) for words in ("Buenos días.", "Buenas tardes."))
    assert first != second and first.startswith("prompt/es/greeting.") and NAME.fullmatch(first)
    assert sound_names.sentence("es", "greeting") == "prompt/es/greeting"


class Plane:
    """Hears what is to be prepared."""

    def __init__(self) -> None:
        self.told: list[PrepareSounds] = []
        self.counters: dict[str, float] = {}
        self.gauges: dict[str, float] = {}

    async def perform(self, command: AnyCommand, sock: object = None) -> None:
        assert isinstance(command, PrepareSounds)
        self.told.append(command)


def plan(texts: dict[str, dict[str, str]]) -> CentrePlan:
    steps = {"one": HangUp(name="one", say=("hello", "closed"))}
    flow = Flow("main", ("es", "fr"), "es", "one", steps, texts, music="music/waltz")
    queues = {"sales": QueuePlan("sales", music="music/jazz", call_back_after_s=60.0, call_back_key="3"), "quiet": QueuePlan("quiet")}
    return CentrePlan(1, {"main": flow}, queues)


def test_a_plan_names_all_that_its_callers_may_hear() -> None:
    made = plan({"hello": {"es": "Hola.", "fr": "Bonjour.", "en": ""}})
    assert sorted(words_of(made).values()) == ["Bonjour.", "Hola."]
    found = sounds_of(made)
    assert {"music/waltz", "music/jazz", "prompt/es/queue-wait-0", "prompt/es/queue-position-5", "prompt/es/call-back-offer-3"} <= found
    assert {"prompt/es/goodbye", "prompt/fr/goodbye", "prompt/es/closed"} <= found and "prompt/es/hello" not in found
    assert not any("/en/" in name or name.endswith("-n") for name in found)


def test_a_large_plan_is_told_in_parts() -> None:
    plane, texts = Plane(), {f"text-{n}": {"es": f"Texto {n}."} for n in range(200)}
    asyncio.run(prepare_sounds(plane, plan(texts)))  # type: ignore[arg-type]
    assert all(0 < len(part.texts) + len(part.ready) <= MOST_TEXTS for part in plane.told)
    assert sum(len(part.texts) for part in plane.told) == 200
    assert {name for part in plane.told for name in part.ready} == sounds_of(plan({}))
