"""What a server costs: processor time and memory of its processes, told by the kernel; and the cores that it and the load are given."""

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Processor time of all threads that are there, the kernel's work for them included."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # it ended just now
            continue
    return total / 1e9


def thread_cpu_s(thread_id: int) -> float:
    """Of one thread of ours."""
    return int(Path(f"/proc/self/task/{thread_id}/schedstat").read_text().split()[0]) / 1e9


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def pin(pid: int, core: int) -> None:
    """All threads that a process has by now, to one core, where the machine has that many; those it starts later inherit it."""
    if core >= (os.cpu_count() or 1):
        return
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), {core})
        except ProcessLookupError:
            continue


def sums(pids: Iterable[int]) -> tuple[float, int]:
    """(processor time in s, resident bytes) of several."""
    pids = list(pids)
    return sum(cpu_s(pid) for pid in pids), sum(resident_bytes(pid) for pid in pids)
