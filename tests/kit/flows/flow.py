"""One line of the conformance tables."""

from dataclasses import dataclass, field
from typing import Any

from tests.kit.sipp_steps import Called, Caller, Registrar

EVERY = ("udp", "tcp", "tls")


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """``clause``: RFC and section. ``phone``: SIPp's part. ``told``: what the application hears in the end, in the words of
    ``scripted_app``, or what becomes of a registration (ready, refused); empty where only the wire counts. ``settings``: of the trunk,
    where the defaults do not do. ``over``: transports on which this can happen. ``proxied``: also through the record-routing proxy with
    digest. ``six``: also over IPv6. ``cut``: also over a TCP stream that arrives in small pieces. ``repeats``: over streams SIPp hears what
    comes again.
    """

    name: str
    clause: str
    proves: str
    phone: Caller | Called | Registrar
    told: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    over: tuple[str, ...] = EVERY
    proxied: bool = False
    six: bool = False
    cut: bool = False
    repeats: bool = False
