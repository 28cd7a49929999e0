"""The packet path: every UDP socket of a worker, and each far end's packets through SRTP, counters, rewriting and out again.

    datagram ─▶ whose is it? ─▶ SRTP ─▶ counters ─▶ forwarded: rewritten, SRTP, sent
                    │                        └────▶ else: handed to the leg
                    └─▶ nobody's, STUN, DTLS: handed to the socket's owner

Two implementations stand behind one seam (``media/wire/seam.py``) and pass the same tests. ``media/wire/python.py`` is the plain one:
all of it happens on the event loop, inside the datagram's arrival, and forwarding is what ``media/leg.py`` does with every packet. The
compiled one (``_wire.c``) has a thread of its own that needs no Python: it takes the datagrams of all sockets at once every few
milliseconds and forwards by itself what ``Path.forward`` told it to. Whatever it was not told about goes the plain way, in the order of
arrival, so there is one place that says what becomes of a packet, and a faster one that does the usual thing.
"""

from typing import TYPE_CHECKING

from media.wire.python import PythonWire
from media.wire.seam import Address, Forward, Path, PathCounters, Place, Play, Wire, WireSocket

if TYPE_CHECKING:
    from media.wire.compiled import CompiledWire

__all__ = [
    "Address",
    "Forward",
    "Path",
    "PathCounters",
    "Place",
    "Play",
    "PythonWire",
    "Wire",
    "WireSocket",
    "WireUnavailable",
    "choose",
    "make_wire",
]

WIRES = ("auto", "c", "python")


class WireUnavailable(Exception):
    """The compiled packet path was asked for and cannot be had here; the message says why and what to do."""


def choose(wanted: str = "auto") -> tuple[str, str]:
    """Which packet path runs, ``c`` or ``python``, and why, in words. Raises WireUnavailable when ``c`` is wanted and not there."""
    if wanted == "python":
        return "python", "the settings say so"
    try:
        running = _compiled().running
    except ImportError as error:
        if wanted == "c":
            raise WireUnavailable(
                f"The compiled packet path cannot be loaded ({error}): install a C compiler and Python's headers "
                "(Debian: gcc, python3-dev) and install Centralita again, or set media.wire to auto."
            ) from None
        return "python", f"the compiled packet path was not built here ({error})"
    if running and wanted == "auto":
        return "python", "the compiled packet path of this process serves another worker"
    return "c", "it was built, and calls libsrtp as pylibsrtp brings it"


def make_wire(wanted: str = "auto") -> Wire:
    """``auto``: compiled where it is there. Raises WireUnavailable."""
    name, _ = choose(wanted)
    return PythonWire() if name == "python" else _compiled()()


def _compiled() -> "type[CompiledWire]":
    from media.wire.compiled import CompiledWire

    return CompiledWire
