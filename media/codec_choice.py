"""Which codec a browser and a phone should speak with one another. Pure.

Theory. Transcoding costs delay, CPU and quality; G.711 costs bandwidth above 3.4 kHz. So, in this order:

1. a wideband codec both speak, passed through: G.722 where the phone has it, Opus where the phone has that;
2. Opus in the browser, transcoded for a phone that speaks only G.711, when the browser's path loses more than 1 % (its in-band FEC is
   worth more than the transcoding costs) or when the machine has plenty of room, if that is wanted: without loss it gains nothing
   (PESQ-NB 4.09 for 4.07-4.16) and delays by 40 ms;
3. otherwise G.711 through.

A fixed order of names overrules all of it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rooms.audio import KNOWN_CODECS, AudioCodec

Policy = str | tuple[str, ...]
FEC_WORTH_LOSS = 0.01
_BEST_FIRST = ("opus", "g722", "pcma", "pcmu")
_PHONE_FIRST = ("g722", "opus", "pcma", "pcmu")
_NARROWBAND = frozenset({"pcma", "pcmu"})


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known of the browser's path (loss 0-1) and of this machine."""

    browser_loss: float = 0.0
    headroom: bool = False

    @property
    def transcoding_pays(self) -> bool:
        return self.browser_loss > FEC_WORTH_LOSS or self.headroom


def browser_order(
    phone: Sequence[str] | None, policy: Policy = "auto", conditions: Conditions = Conditions(), *, agreed: str | None = None
) -> tuple[str, ...]:
    """Our order of preference for the answer to a browser.

    ``phone``: codec names the phone offers or speaks, None while no phone is known; ``agreed``: the one already spoken there.
    """
    if policy != "auto":
        return _complete(_named(policy))
    if agreed is not None:
        phone = (agreed,)
    if phone is None:
        return _BEST_FIRST
    shared = [name for name in _PHONE_FIRST if name in phone]
    wide = [name for name in shared if name not in _NARROWBAND]
    if wide:
        return _complete(wide)
    if conditions.transcoding_pays:
        return _BEST_FIRST
    return _complete(shared)


def offer_phone(order: Sequence[str] = _PHONE_FIRST) -> tuple[AudioCodec, ...]:
    """What to offer a phone: the codecs we speak among these names, in this order."""
    return tuple(KNOWN_CODECS[name] for name in dict.fromkeys(order) if name in KNOWN_CODECS)


def answer_phone(
    offered: Sequence[AudioCodec], order: Sequence[str] = _PHONE_FIRST, browser_codec: str | None = None
) -> tuple[AudioCodec, ...]:
    """What to answer a calling phone, as it numbered it, the codec to speak first; empty when it offers nothing of ``order``.

    ``browser_codec``: what the browser it will talk with speaks already, if any: the same one saves transcoding.
    """
    known = {codec.name: codec for codec in reversed(offered) if codec.name in KNOWN_CODECS}
    names = [name for name in dict.fromkeys(order) if name in known]
    if browser_codec in names:
        names.sort(key=lambda name: name != browser_codec)
    return tuple(known[name] for name in names)


def reoffer(
    can: Collection[str], speaks: str, phone_speaks: str, policy: Policy = "auto", conditions: Conditions = Conditions()
) -> tuple[str, ...] | None:
    """The order for a new offer when the browser forces transcoding though it need not, or speaks G.711 where that pays; None when all is
    well as it is.

    ``can``: what the browser offered, ``speaks``: what it was answered with.
    """
    if policy != "auto":
        return None
    if phone_speaks in _NARROWBAND and conditions.transcoding_pays:
        return _BEST_FIRST if speaks in _NARROWBAND and "opus" in can else None
    if speaks == phone_speaks or phone_speaks not in can:
        return None
    return browser_order((phone_speaks,), policy, conditions, agreed=phone_speaks)


def _named(policy: Policy) -> tuple[str, ...]:
    return (policy,) if isinstance(policy, str) else policy


def _complete(first: Iterable[str]) -> tuple[str, ...]:
    """These first, then every other codec we speak, best first."""
    return tuple(dict.fromkeys((*(name for name in first if name in KNOWN_CODECS), *_BEST_FIRST)))
