"""The document ``queues``: one table for each queue, by its name."""

from collections.abc import Mapping

from api.centre.plan_documents import NAME, SUCH_A_NAME
from media.prompt_texts import LANGUAGES
from rooms.document import Document, Table
from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy

_DAY_S = 86_400.0
MOST_LEVEL = 100


def read_queues(document: Document) -> Mapping[str, QueuePlan]:
    """What is wrong is complained of at ``document``."""
    return {name: _queue(name, table) for name, table in document.root.named(NAME, SUCH_A_NAME)}


def _queue(name: str, table: Table) -> QueuePlan:
    usual = QueuePlan(name)
    plan = QueuePlan(
        name,
        strategy=Strategy(table.one_of("strategy", tuple(Strategy), usual.strategy)),
        needs=tuple(_need(each) for each in table.tables("needs")),
        priority=table.whole("priority", usual.priority, least=-100, most=100),
        ageing_s=table.number("ageing_s", usual.ageing_s, least=1, most=_DAY_S),
        max_waiting=table.whole("max_waiting", usual.max_waiting, least=1, most=10_000),
        max_wait_s=table.number("max_wait_s", usual.max_wait_s, most=_DAY_S),
        sticky_s=table.number("sticky_s", usual.sticky_s, most=3_600),
        ring_s=table.number("ring_s", usual.ring_s, least=3, most=180),
        wrap_up_s=table.number("wrap_up_s", usual.wrap_up_s, most=3_600),
        wrap_up_codes=table.texts("wrap_up_codes", like=NAME, such_as=SUCH_A_NAME),
        wrap_up_required=table.flag("wrap_up_required", usual.wrap_up_required),
        music=_music(table),
        announce_every_s=table.number("announce_every_s", usual.announce_every_s, most=3_600),
        announce_position=table.flag("announce_position", usual.announce_position),
        announce_wait=table.flag("announce_wait", usual.announce_wait),
        call_back_after_s=table.number("call_back_after_s", usual.call_back_after_s, most=_DAY_S),
        call_back_key=table.text("call_back_key", usual.call_back_key, like="[0-9*#]", such_as="'1'"),
        service_level_s=table.number("service_level_s", usual.service_level_s, least=1, most=_DAY_S),
        short_abandon_s=table.number("short_abandon_s", usual.short_abandon_s, most=3_600),
        wait_without_agents=table.flag("wait_without_agents", usual.wait_without_agents),
        titles=titles_in(table),
    )
    if plan.wrap_up_required and not plan.wrap_up_codes:
        table.complain("wrap_up_required", "'wrap_up_required' needs 'wrap_up_codes' to choose from.")
    if 0 < plan.announce_every_s < 10:
        table.complain("announce_every_s", "'announce_every_s' is at least 10, or 0 for never.")
    table.close()
    return plan


def _music(table: Table) -> str:
    """As in flows: ``hold`` is the music of calls on hold, else the name of a piece. Empty: the flow's."""
    name = table.text("music", "", like=NAME, such_as="'bossa-nova'")
    return name if name in ("", "hold") else f"music/{name}"


def _need(table: Table) -> SkillNeed:
    skill = table.text("skill", like=NAME, such_as=SUCH_A_NAME)
    level = table.whole("level", 1, least=1, most=MOST_LEVEL)
    relax = []
    for each in table.take("relax") or []:
        if _is_relaxing(each):
            relax.append((float(each[0]), int(each[1])))
        else:
            table.complain("relax", f"{each!r} relaxes nothing: write [SECONDS, LEVEL], as in [60, 1]; level 0 is not needed any more.")
            break
    table.close()
    return SkillNeed(skill or "skill", min(max(level, 1), MOST_LEVEL), tuple(relax))


def _is_relaxing(pair: object) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or any(isinstance(each, bool) for each in pair):
        return False
    after_s, level = pair
    return isinstance(after_s, int | float) and isinstance(level, int) and 0 < after_s <= _DAY_S and 0 <= level <= MOST_LEVEL


def titles_in(table: Table) -> Mapping[str, str]:
    """How something is called in each language."""
    titles = table.table("titles")
    found = {language: titles.text(language, "", most=100) for language in LANGUAGES if language in titles}
    for language in LANGUAGES:
        titles.take(language)
    titles.close()
    return found
