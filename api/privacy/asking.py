"""Whose data somebody asks for, as a person at a desk says it: a contact, or numbers in any spelling and addresses."""

from typing import Annotated

from msgspec import Meta, Struct

from api.privacy.erasure import Erasure, Person
from api.privacy.vault import Vault
from pbx.numbers import number_of_caller
from signaling.refusal import Refusal

_Few = Meta(max_length=20)


class WhoAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Who it is: a contact, or somebody who is none, by numbers in any spelling and addresses. ``reason``: what it is done for; it stands
    in the audit, so it must not name them."""

    reason: Annotated[str, Meta(min_length=3, max_length=200)]
    contact_id: Annotated[str, Meta(max_length=64)] = ""
    numbers: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], _Few] = ()
    emails: Annotated[tuple[Annotated[str, Meta(max_length=320)], ...], _Few] = ()


async def person_asked(erasure: Erasure, asked: WhoAsked, region: str) -> Person:
    """``region``: the country of numbers without one. Raises ``Refusal`` where nobody is named or a number is none, and
    ``StoreUnavailable``."""
    return await erasure.person(asked.contact_id, region, numbers=_numbers(asked, region), emails=asked.emails)


def handle_asked(vault: Vault, asked: WhoAsked, region: str) -> str:
    """The pseudonym under which the audit has them. Raises ``Refusal`` as ``person_asked``."""
    numbers = _numbers(asked, region)
    if asked.contact_id:
        return vault.person("contact", asked.contact_id)
    return vault.number(numbers[0]) if numbers else vault.email(asked.emails[0])


def _numbers(asked: WhoAsked, region: str) -> list[str]:
    if not (asked.contact_id or asked.numbers or asked.emails):
        raise Refusal("bad_message", "Say who: contact_id, numbers or emails.")
    found = [known.e164 for number in asked.numbers if (known := number_of_caller(number, region)).e164]
    if len(found) < len(asked.numbers):
        raise Refusal("bad_message", "One of these is no telephone number.")
    return found
