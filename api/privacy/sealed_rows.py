"""How a row of each table is sealed: each text under the key of whom it is about."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from api.privacy.vault import Vault
from signaling.grants import GUEST_PREFIX

Row = dict[str, Any]
Seal = Callable[[Vault, Mapping[str, Any]], Row]
"""Gives the sealed columns of a row whose texts are in the clear, and its handles."""

_EXTENSION = re.compile(r"[0-9*#]{0,5}")
_NOBODY = ("", "anonymous")
_NUMBER = re.compile(r"\+?[0-9]{6,}")
_PERSONAL = re.compile(r"(?:[0-9][ ./()-]{0,2}){6}|@")
"""What may be a number of the outside world or an address, wherever it stands in a text; extensions are shorter."""


def is_customer(party: str) -> bool:
    """May whoever is at the other end of a line be a customer? Extensions of ours and those who withhold their number are none."""
    return party not in _NOBODY and _EXTENSION.fullmatch(party) is None


def _told(vault: Vault, text: str | None, handle: str) -> str | None:
    """A text of which a part may be a customer's: under their number where it is one and nothing else, else under ``handle``."""
    if not text or text.isalpha() or _PERSONAL.search(text) is None:
        return text
    return vault.seal(vault.number(text) if _NUMBER.fullmatch(text) else handle, text)


def seal_call(vault: Vault, row: Mapping[str, Any]) -> Row:
    side, other = ("caller", "called") if row["direction"] == "in" else ("called", "caller")
    customer, detail = row[side], row["end_detail"]
    known = is_customer(customer)
    handle = vault.number(customer) if known else vault.person("call", row["call_id"])
    colleague = not known and customer not in _NOBODY
    return {
        side: vault.seal(handle, customer) if known else customer,
        other: _told(vault, row[other], handle),
        "caller_name": row["caller_name"] if colleague else vault.seal(handle, row["caller_name"]),
        "end_detail": vault.seal(handle, detail) if known and detail else _told(vault, detail, handle),
        "ended_by": _told(vault, row["ended_by"], handle),
        "person": handle if known else "",
    }


def seal_leg(vault: Vault, row: Mapping[str, Any]) -> Row:
    party = row["party"]
    known = row["kind"] == "phone" and is_customer(party)
    handle = vault.number(party) if known else vault.person("call", row["call_id"])
    return {
        "party": vault.seal(handle, party) if known else party,
        "ended_by": _told(vault, row["ended_by"], handle),
        "end_detail": vault.seal(handle, row["end_detail"]) if known and row["end_detail"] else _told(vault, row["end_detail"], handle),
        "person": handle if known else "",
    }


def seal_event(vault: Vault, row: Mapping[str, Any]) -> Row:
    handle = vault.person("call", row["call_id"])
    return {name: _told(vault, row[name], handle) for name in ("party", "by", "detail")}


def seal_trace(vault: Vault, row: Mapping[str, Any]) -> Row:
    """Addresses and names stand anywhere in what went over the wire."""
    return {"body": vault.seal(vault.person("call", row["call_id"]), row["body"])}


def seal_voicemail(vault: Vault, row: Mapping[str, Any]) -> Row:
    """Of a message that somebody left."""
    caller = row["caller"]
    known = is_customer(caller)
    handle = vault.number(caller) if known else vault.person("call", row["call_id"])
    named = {"caller_name": vault.seal(handle, row["caller_name"]), "person": handle if known else ""}
    return named | {"caller": vault.seal(handle, caller) if known else caller}


def seal_call_back(vault: Vault, row: Mapping[str, Any]) -> Row:
    handle = vault.number(row["number"])
    return {"number": vault.seal(handle, row["number"]), "name": vault.seal(handle, row["name"]), "person": handle}


def seal_contact(vault: Vault, row: Mapping[str, Any]) -> Row:
    handle = vault.person("contact", row["contact_id"])
    sealed: Row = {name: vault.seal(handle, row[name]) for name in ("first", "last", "company", "email")}
    return sealed | {"email_key": vault.email(row["email"]) if row["email"] else ""}


def seal_contact_number(vault: Vault, row: Mapping[str, Any]) -> Row:
    number = row["number"] or row["person"]
    return {"person": vault.number(number), "number": vault.seal(vault.person("contact", row["contact_id"]), number)}


def _handle_of(vault: Vault, told: str) -> str:
    """Of a number in the clear, or the handle itself."""
    return vault.number(told) if told.startswith("+") else told


def seal_report(*columns: str) -> Seal:
    """Of what a PBX tells: under the contact's key where it knows who that is."""

    def seal(vault: Vault, row: Mapping[str, Any]) -> Row:
        person = _handle_of(vault, row["person"])
        handle = vault.person("contact", row["contact_id"]) if row["contact_id"] else person or vault.person("report", row["report_key"])
        return {"person": person} | {name: vault.seal(handle, row[name]) for name in columns}

    return seal


def seal_entry(vault: Vault, row: Mapping[str, Any]) -> Row:
    number = row["number"] or row["person"]
    handle = vault.number(number)
    return {"person": handle, "number": vault.seal(handle, number)} | {
        name: vault.seal(handle, row[name]) for name in ("name", "note", "consent")
    }


def seal_unwanted(vault: Vault, row: Mapping[str, Any]) -> Row:
    number = row["number"] or row["person"]
    handle = vault.number(number)
    return {"person": handle, "number": vault.seal(handle, number), "reason": vault.seal(handle, row["reason"])}


def _sealed(vault: Vault, handle: str, row: Mapping[str, Any], *names: str) -> Row:
    return {name: vault.seal(handle, row[name]) if row[name] else row[name] for name in names}


def seal_room(vault: Vault, row: Mapping[str, Any]) -> Row:
    def seal(identity: str, name: str) -> str:
        return vault.seal(vault.person("guest", identity), vault.open(name))

    sealed = _sealed(vault, vault.person("room", row["room_id"]), row, "name", "metadata")
    return sealed | {"members": named(row["members"], seal)}


def named(members: str, change: Callable[[str, str], str]) -> str:
    """A list of members in JSON with the names of guests changed."""
    if GUEST_PREFIX not in members:
        return members
    people = json.loads(members)
    for person in people:
        if person["identity"].startswith(GUEST_PREFIX):
            person["name"] = change(person["identity"], person["name"])
    return json.dumps(people, ensure_ascii=False)


def handle_in_room(vault: Vault, room_id: str, identity: str) -> str:
    """Under which what this person says there is sealed: a guest has a key, what the staff say there is the room's."""
    return vault.person("guest", identity) if identity.startswith(GUEST_PREFIX) else vault.person("room", room_id)


def seal_message(vault: Vault, row: Mapping[str, Any]) -> Row:
    sealed = _sealed(vault, handle_in_room(vault, row["room_id"], row["sender"]), row, "sender_name", "text")
    return sealed if row["sender"].startswith(GUEST_PREFIX) else sealed | {"sender_name": row["sender_name"]}


def seal_attachment(vault: Vault, row: Mapping[str, Any]) -> Row:
    return _sealed(vault, handle_in_room(vault, row["room_id"], row["owner"]), row, "name")


def seal_booking_step(vault: Vault, row: Mapping[str, Any]) -> Row:
    return _sealed(vault, vault.person("contact", row["contact_id"]), row, "paper", "said")


def seal_told(vault: Vault, row: Mapping[str, Any]) -> Row:
    return _sealed(vault, vault.person("call" if row["event"].startswith("call") else "room", row["subject"]), row, "body")
