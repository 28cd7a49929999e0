"""Others' signal processing, each behind the same small interface: whole mono signals, float32 at full scale 1.0, 16 or 48 kHz.

A peer has a ``name`` and one or more of ``cancel`` (echo), ``suppress`` (noise) and ``speech`` (activity). Results have the length of
the input and are moved back by the peer's own delay, so that they lie on top of it. Every call starts from a fresh state. What is not
installed raises ``PeerMissing`` when it is made, saying what to install; nobody ever stands in for it.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import CannotRun

Samples = NDArray[np.float32]


class PeerMissing(CannotRun):
    """The peer is not installed; the message says how to get it."""


@runtime_checkable
class Canceller(Protocol):
    name: str

    def cancel(self, near: Samples, far: Samples, rate_hz: int) -> Samples:
        """``near`` (n,), what the microphone hears, without the echo of ``far`` (n,)."""
        ...


@runtime_checkable
class Suppressor(Protocol):
    name: str

    def suppress(self, noisy: Samples, rate_hz: int) -> Samples:
        """``noisy`` (n,) without its noise."""
        ...


@runtime_checkable
class Detector(Protocol):
    name: str

    def speech(self, noisy: Samples, rate_hz: int) -> Samples:
        """Probability of speech 0-1 for each 10 ms of ``noisy`` (n,): (n // hop,)."""
        ...


@dataclass(frozen=True)
class Peers:
    """Those that are installed, by what they can do."""

    found: list[object] = field(default_factory=list)

    @property
    def cancellers(self) -> dict[str, Canceller]:
        return {peer.name: peer for peer in self.found if isinstance(peer, Canceller)}

    @property
    def suppressors(self) -> dict[str, Suppressor]:
        return {peer.name: peer for peer in self.found if isinstance(peer, Suppressor)}

    @property
    def detectors(self) -> dict[str, Detector]:
        return {peer.name: peer for peer in self.found if isinstance(peer, Detector)}


def find(wanted: Iterable[str] = ()) -> Peers:
    """All installed peers, or those ``wanted`` by name. One that was asked for and is missing is an error (PeerMissing, or CannotRun
    for an unknown name); any other is named on stderr and left out."""
    makers = _makers()
    names = tuple(wanted)
    if unknown := [name for name in names if name not in makers]:
        raise CannotRun(f"no peer {unknown[0]!r}; there are {', '.join(makers)}")
    found: list[object] = []
    for name in names or makers:
        try:
            found.append(makers[name]())
        except PeerMissing as missing:
            if names:
                raise
            print(f"without {name}: {missing}", file=sys.stderr)
    return Peers(found)


def _makers() -> dict[str, Callable[[], object]]:
    from benchmarks.peers.livekit import LivekitAec3
    from benchmarks.peers.rnnoise import RNNoise
    from benchmarks.peers.silero import Silero
    from benchmarks.peers.speex import SpeexEcho, SpeexNoise
    from benchmarks.peers.webrtc import Aec3, WebrtcNoise
    from benchmarks.peers.webrtcvad import WebrtcVad

    return {
        "aec3": Aec3,
        "aec3+ns": lambda: Aec3(noise=True),
        "livekit-aec3": LivekitAec3,
        "livekit-aec3+ns": lambda: LivekitAec3(noise=True),
        "speex": SpeexEcho,
        "speex+res": lambda: SpeexEcho(residual=True),
        "webrtc-ns4": WebrtcNoise,
        "speex-ns": SpeexNoise,
        "rnnoise": RNNoise,
        "silero": Silero,
        "webrtcvad": WebrtcVad,
    }
