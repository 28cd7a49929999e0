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

from media.wire.python import PythonWire
from media.wire.seam import Address, Forward, Path, PathCounters, Wire, WireSocket

__all__ = ["Address", "Forward", "Path", "PathCounters", "PythonWire", "Wire", "WireSocket"]
