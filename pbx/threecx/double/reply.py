"""What the emulated PBX answers to an HTTP request, before anybody makes it bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` is JSON, None for none."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
