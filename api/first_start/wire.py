"""What the page of the first start sends and gets."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.message_bases import Identity

Code = Annotated[str, Meta(min_length=1, max_length=128)]
Word = Annotated[str, Meta(min_length=1, max_length=80)]


class Coded(Struct, frozen=True, forbid_unknown_fields=True):
    """``code``: what the server printed at its start."""

    code: Code


class House(Struct, frozen=True, forbid_unknown_fields=True, tag_field="question", tag="house"):
    """``zone``: IANA name; ``region``: ISO code of the country whose national numbers are understood."""

    language: Literal["en", "es"]
    zone: Word
    region: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]


class Administrator(Struct, frozen=True, forbid_unknown_fields=True, tag_field="question", tag="administrator"):
    identity: Identity
    name: Word
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class Telephone(Struct, frozen=True, forbid_unknown_fields=True, tag_field="question", tag="telephone"):
    """``server``: name or address, with ``:port`` where that is another than usual; empty: later. ``auth_id``: of the extension, where it
    has one. ``anyway``: keep it though it does not register."""

    server: Annotated[str, Meta(max_length=253, pattern=r"^[A-Za-z0-9.:_-]*$")] = ""
    extension: Annotated[str, Meta(max_length=64)] = ""
    auth_id: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(max_length=256)] = ""
    transport: Literal["udp", "tcp", "tls", "auto"] = "udp"
    anyway: bool = False

    def line(self) -> dict[str, str | int]:
        """As the settings name it."""
        host, colon, port = self.server.rpartition(":")
        apart = bool(colon) and port.isdecimal() and ":" not in host
        place: dict[str, str | int] = {"server": host, "port": min(int(port), 65_535)} if apart else {"server": self.server}
        account = {"extension": self.extension, "auth_id": self.auth_id, "password": self.password, "transport": self.transport}
        return {**place, **account}


class Recording(Struct, frozen=True, forbid_unknown_fields=True, tag_field="question", tag="recording"):
    record: bool
    consent: Literal["announced", "asked"] = "announced"


class FirstQueue(Struct, frozen=True, forbid_unknown_fields=True, tag_field="question", tag="queue"):
    """``demo``: a small plan to try things with, in place of one queue for one number."""

    demo: bool = False
    title: Annotated[str, Meta(max_length=60)] = ""
    number: Annotated[str, Meta(max_length=40)] = ""


Answer = House | Administrator | Telephone | Recording | FirstQueue


class StartAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer; a later one to the same question counts."""

    code: Code
    answer: Answer


class Answered(Struct):
    """What was answered so far, without what is secret. None, and empty: not yet."""

    language: str = ""
    zone: str = ""
    region: str = ""
    administrator: str = ""
    telephone: str | None = None
    """The PBX; empty: later."""
    recording: str | None = None
    """``off``, ``announced`` or ``asked``."""
    queue: str | None = None
    """Its title; ``demo``: the plan to try things with."""
    done: bool = False


class StartNow(Struct, frozen=True):
    """``said``: what came of the last answer, in words; ``regions``: countries whose numbers are known."""

    answered: Answered
    regions: list[str]
    said: str = ""
