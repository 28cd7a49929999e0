"""What a server costs: processor time and memory of its processes, told by the kernel; and the cores that it and the load are given."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """Since the start of some processes: processor time of all threads that are there, the kernel's work for them included; and the time

    that they wanted a core and another thread had it. Resident bytes are those of now.
    """

    cpu_s: float
    waited_s: float
    bytes: int


def usage(pids: Iterable[int]) -> Usage:
    ran = waited = resident = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                times = (task / "schedstat").read_text().split()
            except FileNotFoundError:  # it ended just now
                continue
            ran, waited = ran + int(times[0]), waited + int(times[1])
        resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return Usage(ran / 1e9, waited / 1e9, resident)


def thread_cpu_s(thread_id: int) -> float:
    """Of one thread of ours."""
    return int(Path(f"/proc/self/task/{thread_id}/schedstat").read_text().split()[0]) / 1e9


def pin(pid: int, core: int) -> None:
    """All threads that a process has by now, to one core, where the machine has that many; those it starts later inherit it."""
    if core >= (os.cpu_count() or 1):
        return
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), {core})
        except ProcessLookupError:
            continue
