"""Where each field of a contact came from: from whom, by which way, and when. Kept beside the fields, in one column of JSON. Pure."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

Source = Literal["person", "pbx", "call", "rule", "demo"]
"""``person``: somebody of the house, or a program of theirs, over REST. ``pbx``: the telephone system told it. ``call``: made of a call.
``rule``: a rule of the plan set it."""


class Origin(Struct, frozen=True):
    """``by``: which account it was. ``at``: seconds since the epoch."""

    source: Source
    by: str
    at: float


Origins = Mapping[str, Origin]
"""By the name of the field; of one that came before this was kept there is none."""
_READ = msgspec.json.Decoder(dict[str, Origin])


def read_origins(column: str) -> dict[str, Origin]:
    return _READ.decode(column)


def written(former: Origins, changed: Iterable[str], origin: Origin) -> str:
    """The column, once these fields have come from there."""
    return msgspec.json.encode({**former, **dict.fromkeys(changed, origin)}, order="sorted").decode()
