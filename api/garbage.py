"""Python's collector of cycles, kept from disturbing calls.

Theory. What a call makes is freed with the last reference to it; the collector is for the little that refers to itself. Left as it is, it
looks at the youngest objects every 700 allocations, which is several times in each call, and at all that calls hold now and then, for so
long that calls are answered late: together a tenth of what a call costs.
"""

import gc

_YOUNG_OBJECTS = 10_000


def collect_seldom() -> None:
    """For the whole process. To be called when everything is wired: that lives until the end, and is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
