"""The audit's chain: whatever is done to it is found, with its place. Entries here are plain data; the database is another test's."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from api.audit.chain import ChainCheck, unkeyed
from api.audit.checkpoints import Checkpoint, CheckpointFile, read_folder
from api.audit.keys import AuditKeys
from api.store.audit import FIRST_DIGEST, AuditEntry, AuditEvent

KEYS = AuditKeys([b"k" * 32])
MINE = "was changed, or put there by somebody else"


def chain(length: int, keys: AuditKeys = KEYS, begun: list[AuditEntry] | None = None) -> list[AuditEntry]:
    entries = list(begun or [])
    for seq in range(len(entries) + 1, length + 1):
        event = AuditEvent(
            1.7e9 + seq / 7, "recording_listened", "ana", "ana", "192.0.2.1", "Firefox", f"part {seq}", "r1", "abc", f"{seq:016x}"
        )
        entries.append(keys.chained(entries[-1].digest if entries else FIRST_DIGEST, seq, event))
    return entries


def mark(entry: AuditEntry, at: float = 0.0) -> Checkpoint:
    return Checkpoint(entry.seq, entry.digest, at, "node-1", KEYS.newest)


def faults(entries: list[AuditEntry], *marks: Checkpoint, keys: AuditKeys = KEYS) -> list[str]:
    check = ChainCheck(keys, marks)
    check.read(entries)
    return check.faults()


def renumbered(entries: list[AuditEntry], by: int) -> list[AuditEntry]:
    return [replace(entry, seq=entry.seq + by) for entry in entries]


def test_a_chain_that_nobody_touched_is_whole() -> None:
    entries = chain(30)
    assert faults(entries, mark(entries[9]), mark(entries[29])) == []
    assert faults([]) == []


@pytest.mark.parametrize("field", [field.name for field in fields(AuditEvent)])
@pytest.mark.parametrize("seq", [1, 12, 30])
def test_a_change_of_any_word_of_any_entry_is_found(field: str, seq: int) -> None:
    entries = chain(30)
    event = entries[seq - 1].event
    other = replace(event, **{field: 1.0 if field == "at" else "another"})
    entries[seq - 1] = replace(entries[seq - 1], event=other)
    assert faults(entries) == [f"entry {seq} {MINE}"]


@pytest.mark.parametrize("field", ["previous", "digest"])
def test_a_change_of_the_chain_itself_is_found(field: str) -> None:
    entries = chain(30)
    entries[11] = replace(entries[11], **{field: "f" * 64})
    assert faults(entries) == [f"entry 12 {MINE}"]


def test_what_was_taken_out_is_found_whether_the_rest_was_renumbered_or_not() -> None:
    entries = chain(30)
    assert faults(entries[:11] + entries[12:]) == ["entry 12 is missing"]
    assert faults(entries[4:]) == ["entries 1 to 4 are missing"]
    end, behind = mark(entries[-1]), "taken out, and those behind renumbered, up to"
    assert faults(entries[:11] + renumbered(entries[13:], -2), end) == [f"entries 12 to 13 were {behind} 28"]
    assert faults(renumbered(entries[1:], -1), end) == [f"entry 1 was {behind} 29"]


def test_what_was_put_between_is_found() -> None:
    entries = chain(30)
    forged = replace(entries[3], seq=12)
    longer = [*entries[:11], forged, *renumbered(entries[11:], 1)]
    assert faults(longer) == ["entry 12 was put between, and those behind renumbered, up to 31"]
    foreign = AuditKeys([b"x" * 32]).chained(entries[29].digest, 31, entries[3].event)
    assert faults([*entries, replace(foreign, key_id=KEYS.newest)]) == [f"entry 31 {MINE}"]
    assert faults([*entries, foreign]) == [f"entry 31 is under key {foreign.key_id}, which is not among audit.key and audit.previous_keys"]


@pytest.mark.parametrize("with_digests", [True, False])
def test_two_that_were_swapped_are_found_at_both_places(with_digests: bool) -> None:
    entries = chain(60)
    one, other = entries[4], entries[40]
    if with_digests:
        entries[4], entries[40] = replace(other, seq=5), replace(one, seq=41)
    else:
        entries[4], entries[40] = replace(one, event=other.event), replace(other, event=one.event)
    assert faults(entries) == ["entries 5 and 41 were swapped"]


def test_neighbours_that_were_swapped_are_found() -> None:
    entries = chain(30)
    entries[10], entries[11] = replace(entries[11], seq=11), replace(entries[10], seq=12)
    assert faults(entries) == ["entries 11 and 12 were swapped"]


def test_an_end_that_was_cut_off_is_told_by_a_checkpoint() -> None:
    entries = chain(30)
    assert faults(entries[:20]) == []  # a chain alone does not know
    at = "entry 30 is the one that node-1 signed at 1970-01-01T00:01:00+00:00"
    assert faults(entries[:20], mark(entries[4]), mark(entries[29], 60.0)) == [f"entries 21 to 30 were cut off the end: {at}"]
    assert faults([], mark(entries[29], 60.0)) == [f"entries 1 to 30 were cut off the end: {at}"]


def test_a_chain_that_was_cut_and_went_on_is_told_by_a_checkpoint() -> None:
    entries = chain(30)
    again = entries[:20]
    for seq in range(21, 41):
        again.append(KEYS.chained(again[-1].digest, seq, entries[0].event))
    found = faults(again, mark(entries[9]), mark(entries[24], 60.0), mark(entries[29]), mark(again[39]))
    at = "entry 25 is not the one that node-1 signed at 1970-01-01T00:01:00+00:00"
    assert found == [f"{at}: behind entry 10 the chain was cut and written anew"]


def test_several_harms_are_each_told() -> None:
    entries = chain(100)
    entries[9] = replace(entries[9], event=replace(entries[9].event, who="ben"))
    harmed = [*entries[:39], *entries[41:90]]
    assert faults(harmed, mark(entries[99]))[:2] == [f"entry 10 {MINE}", "entries 40 to 41 are missing"]
    assert faults(harmed, mark(entries[99]))[2].startswith("entries 91 to 100 were cut off the end")


def test_entries_of_before_the_key_are_checked_too_and_believed_only_at_the_beginning() -> None:
    old, digest = [], FIRST_DIGEST
    for seq in range(1, 6):
        event = AuditEvent(float(seq), "sign_in", "ana", "ana", detail=str(seq))
        digest = unkeyed(digest, seq, event)
        old.append(AuditEntry(seq, event, "", "", digest))
    entries = chain(10, begun=old)
    assert faults(entries) == []
    changed = [*entries[:2], replace(entries[2], event=replace(entries[2].event, who="ben")), *entries[3:]]
    assert faults(changed) == [f"entry 3 {MINE}"]
    event = AuditEvent(9.0, "sign_in", "ben", "ben")
    slipped = AuditEntry(11, event, "", "", unkeyed(entries[-1].digest, 11, event))
    assert faults([*entries, slipped]) == [f"entry 11 {MINE}"]


def test_a_key_of_before_still_verifies() -> None:
    after = AuditKeys([b"n" * 32, b"k" * 32])
    entries = chain(20, after, chain(10))
    assert faults(entries, mark(entries[9]), keys=after) == []
    assert len(after.public) == 2 and faults(entries, keys=KEYS)[0].startswith("entries 11 to 20 are under key")


def test_what_policy_took_from_the_beginning_is_not_missing() -> None:
    entries = chain(30)
    pruned = Checkpoint(12, entries[11].digest, 0.0, "node-1", KEYS.newest, pruned=True)
    assert faults(entries[12:], pruned, mark(entries[4])) == []
    assert faults(entries[14:], pruned) == ["entries 13 to 14 are missing"]
    assert faults([entries[20]], pruned, mark(entries[20])) == ["entries 13 to 20 are missing"]


def test_checkpoints_are_believed_by_their_signature_alone(tmp_path: Path) -> None:
    entries = chain(20)
    file = CheckpointFile(tmp_path, "node-1", KEYS)
    for entry in entries[9::10]:
        file.append(entry.seq, entry.digest, 5.0)
    CheckpointFile(tmp_path, "node-2", AuditKeys([b"x" * 32])).append(20, entries[19].digest, 5.0)
    found, wrong = read_folder(tmp_path, KEYS.public)
    assert [each.seq for each in found] == [10, 20]
    assert [words.split(",")[0][:40] for words in wrong] == ["line 1 of node-2.checkpoints is signed u"]
    path = tmp_path / "node-1.checkpoints"
    path.write_text(path.read_text().replace('"seq":20', '"seq":10', 1) + "nonsense\n")
    found, wrong = read_folder(tmp_path, KEYS.public)
    assert [each.seq for each in found] == [10]
    assert wrong[:2] == ["line 2 of node-1.checkpoints was changed", "line 3 of node-1.checkpoints is no checkpoint"]


def test_many_harms_are_told_as_one_and_looked_at_no_longer_than_they_are_worth() -> None:
    entries = chain(3_000)
    everything = [replace(entry, event=replace(entry.event, who="ben")) for entry in entries]
    assert faults(everything) == ["entries 1 to 3000 were changed, or put there by somebody else"]
    assert faults(renumbered(entries[1:], -1)) == ["entry 1 was taken out, and those behind renumbered, up to 2999"]
