"""Which layer of each picture a receiver gets: as large as its tile, and all together no more than its way can carry. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

_LARGE_ENOUGH = 0.75
"""A layer of this part of the tile's height looks as good as the next one."""
_ROOM_FOR_MORE = 1.1
"""So much more than it needs must be there before a layer rises."""


class Layer(NamedTuple):
    """One layer as it now comes: pixels (0: not known yet) and bit/s."""

    height_px: int
    bits_per_s: float


class Wish(NamedTuple):
    """One picture that a receiver looks at. ``layers``: those that come, the lowest first; ``now``: index of the one it gets."""

    height_px: int
    layers: Sequence[Layer]
    now: int | None


def choose(wishes: Sequence[Wish], bits_per_s: float, *, may_rise: bool) -> list[int | None]:
    """An index into each wish's layers, None where nothing comes.

    Everybody gets the lowest layer, whatever it costs; then the largest tiles rise first, a step each in turn. What is above ``now`` needs
    ``may_rise`` and some bandwidth to spare.
    """
    chosen: list[int | None] = [0 if wish.layers else None for wish in wishes]
    spent = sum(wish.layers[0].bits_per_s for wish in wishes if wish.layers)
    order = sorted((i for i, wish in enumerate(wishes) if wish.layers), key=lambda i: -wishes[i].height_px)
    rising = True
    while rising:
        rising = False
        for index in order:
            wish, level = wishes[index], chosen[index]
            assert level is not None
            if level + 1 >= len(wish.layers) or _is_large_enough(wish, level):
                continue
            more = wish.layers[level + 1].bits_per_s - wish.layers[level].bits_per_s
            new = wish.now is not None and level + 1 > wish.now
            if (new and not may_rise) or (spent + more) * (_ROOM_FOR_MORE if new else 1.0) > bits_per_s:
                continue
            chosen[index], spent, rising = level + 1, spent + more, True
    return chosen


def next_need(wishes: Sequence[Wish], chosen: Sequence[int | None]) -> float | None:
    """Bit/s at which the next picture could rise by a step beyond ``chosen``; None when no tile would look better."""
    order = sorted(range(len(wishes)), key=lambda i: -wishes[i].height_px)
    spent = sum(wish.layers[level].bits_per_s for wish, level in zip(wishes, chosen, strict=True) if level is not None)
    for wish, level in ((wishes[i], chosen[i]) for i in order):
        if level is not None and level + 1 < len(wish.layers) and not _is_large_enough(wish, level):
            return _ROOM_FOR_MORE * (spent + wish.layers[level + 1].bits_per_s - wish.layers[level].bits_per_s)
    return None


def _is_large_enough(wish: Wish, level: int) -> bool:
    height_px = wish.layers[level].height_px
    return height_px >= _LARGE_ENOUGH * wish.height_px if height_px else False
