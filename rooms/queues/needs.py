"""What agents must be able to do for somebody who waits, and how that falls while they wait."""

from rooms.queues.queue_plan import SkillNeed

Levels = tuple[tuple[str, int], ...]
"""(skill, the level that is enough), by name; what is not needed is not there."""
Course = tuple[tuple[float, Levels], ...]
"""(from so many seconds of waiting on, levels), the first from 0 on."""


def course_of(needs: tuple[SkillNeed, ...]) -> Course:
    """All of ``needs`` over time; of several needs of one skill the highest counts."""
    steps: list[tuple[float, Levels]] = []
    for after_s in sorted({0.0, *(after_s for need in needs for after_s, _ in need.relax)}):
        levels: dict[str, int] = {}
        for need in needs:
            levels[need.skill] = max(levels.get(need.skill, 0), need.level_after(after_s))
        found = tuple(sorted((skill, level) for skill, level in levels.items() if level))
        if not steps or steps[-1][1] != found:
            steps.append((after_s, found))
    return tuple(steps)
