"""What every message between page and server is built on, whatever it is about."""

from typing import Annotated

from msgspec import Meta, Struct

Identity = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._@-]+$")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Sdp = Annotated[str, Meta(min_length=1, max_length=61_440)]


class Request(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of what a page may ask."""


class Notice(Struct, frozen=True, tag_field="type"):
    """Base of what the server tells. ``topic`` and ``seq`` are added by the hub."""


class RoomRequest(Request, frozen=True):
    """Base of what is asked about rooms."""
