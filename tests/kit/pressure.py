"""What a busy machine costs: a promise in seconds is held against the time in which everybody who could go on had a processor."""

from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")


def starved_s() -> float:
    """For so long, since the machine was started, somebody had to wait for a processor (the kernel's PSI, ``some total``).

    0 where the kernel does not count it: then the clock alone counts.
    """
    try:
        words = _PRESSURE.read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return int(words[-1].removeprefix("total=")) / 1e6
