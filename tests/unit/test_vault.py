"""Sealing under a key per person: what is destroyed stays unreadable, whatever file it lies in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.privacy.key_book import KeyBook, KeysUnavailable
from api.privacy.vault import ERASED, Vault, is_sealed
from tests.kit.vaults import vault_of

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
ANA = "+34600111222"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def vault(folder: Path, node: str = "a", *masters: bytes, mirror: Path | None = None, clock: Clock | None = None) -> Vault:
    return Vault(KeyBook(folder, node, masters or (OLD,), mirror=mirror, clock=clock or Clock()))


def kept(folder: Path, text: str = "Ana López", handle: str = ANA) -> str:
    """A text that was sealed by a process that has ended."""
    one = vault(folder)
    sealed = one.seal(one.number(handle), text)
    one.sync()
    return sealed


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    one = Vault.in_memory()
    sealed = one.seal(one.number(ANA), "Ana López")
    assert is_sealed(sealed) and "Ana López" not in sealed and sealed != one.seal(one.number(ANA), "Ana López")
    assert one.open(sealed) == "Ana López"
    assert one.seal(one.number(ANA), "") == "" == one.open("")
    assert one.open("a text of before") == "a text of before"
    assert not one.dirty


@pytest.mark.parametrize("text", ["~1", "~1%%", "~1AAAA", "~1" + "A" * 64, "~1ñ"])
def test_what_only_looks_sealed_is_a_text_as_any_other(text: str) -> None:
    one = Vault.in_memory()
    assert one.open(one.seal(one.number(ANA), text)) == text
    assert one.open(text) in (text, ERASED)


def test_handles_tell_people_apart_and_nothing_else() -> None:
    one = Vault.in_memory()
    handles = [
        one.number(ANA),
        one.email("ana@example.org"),
        one.person("contact", ANA),
        one.person("contact", "1"),
        one.person("con", "tact1"),
    ]
    assert len(set(handles)) == len(handles) and all(len(handle) == 26 for handle in handles)
    assert one.email(" Ana@Example.ORG ") == one.email("ana@example.org")
    assert one.number(ANA) != Vault.in_memory().number(ANA)


def test_people_are_found_by_beginnings_of_words() -> None:
    one = Vault.in_memory()
    kept = set(one.words("José García-Márquez, Li"))
    for text in ("garcia", "MÁRQ", "jos gar", "li"):
        assert one.sought(text) and set(one.sought(text)) <= kept, text
    for text in ("arcia", "ga", "josefina", "lim"):
        assert not set(one.sought(text)) <= kept, text


def test_keys_outlive_the_process(tmp_path: Path) -> None:
    sealed = kept(tmp_path)
    again = vault(tmp_path)
    assert again.open(sealed) == "Ana López"
    assert again.open(again.seal(again.number(ANA), "the same key")) == "the same key"
    assert not again.dirty


def test_a_key_that_is_not_on_the_disk_is_owed(tmp_path: Path) -> None:
    one = vault(tmp_path)
    one.seal(one.number(ANA), "Ana")
    assert one.dirty
    one.sync()
    assert not one.dirty and (tmp_path / "a.keys").stat().st_size == 128


def test_what_was_erased_is_in_no_file(tmp_path: Path) -> None:
    folder, mirror = tmp_path / "keys", tmp_path / "mirror"
    one = vault(folder, mirror=mirror)
    handle, other = one.number(ANA), one.number("+34600999999")
    sealed, unlike = one.seal(handle, "Ana"), one.seal(other, "Eva")
    one.sync()
    before = (folder / "a.keys").read_bytes()[:128]
    assert one.erase([handle]) == 1
    assert one.open(sealed) == ERASED and one.open(unlike) == "Eva"
    assert one.erase([handle]) == 0
    for place in (folder, mirror):
        book = (place / "a.keys").read_bytes()
        assert len(book) == 256 and handle.encode() not in book and other.encode() in book
        assert before[44:92] not in book, "the wrapped key is still there"
    assert vault(folder).open(sealed) == ERASED
    anew = one.seal(handle, "Ana calls again")
    assert one.open(anew) == "Ana calls again" and one.open(sealed) == ERASED


def test_a_key_erased_before_it_was_on_the_disk_never_gets_there(tmp_path: Path) -> None:
    one = vault(tmp_path)
    handle = one.number(ANA)
    sealed = one.seal(handle, "Ana")
    assert one.erase([handle]) == 1 and not one.dirty and one.open(sealed) == ERASED


def test_nodes_read_and_destroy_one_anothers_keys(tmp_path: Path) -> None:
    clock = Clock()
    one, two = vault(tmp_path, "a", clock=clock), vault(tmp_path, "b", clock=clock)
    assert one.number(ANA) == two.number(ANA)
    of_one, of_two = one.seal(one.number(ANA), "by one"), two.seal(two.number(ANA), "by two")
    one.sync()
    two.sync()
    assert (one.open(of_two), two.open(of_one)) == ("by two", "by one")
    assert two.erase([two.number(ANA)]) == 2
    assert (two.open(of_one), two.open(of_two)) == (ERASED, ERASED)
    clock.now += 1.0
    assert (one.open(of_one), one.open(of_two)) == (ERASED, ERASED)
    assert one.open(one.seal(one.number(ANA), "new")) == "new"


def test_of_very_many_keys_few_are_in_memory(tmp_path: Path) -> None:
    clock = Clock()
    few, other = (Vault(KeyBook(tmp_path, node, [OLD], clock=clock, at_hand=3)) for node in "ab")
    handles = [few.number(f"+3460000{at:04}") for at in range(400)]
    sealed = []
    for at, handle in enumerate(handles):
        sealed.append(few.seal(handle, f"text {at}"))
        if at % 10 == 9:
            few.sync()
    for at, handle in enumerate(handles):
        again = few.seal(handle, "the same key")
        assert few.handle_of(again) == handle and few.beginnings([handle]) == {again[:14]: handle} == {sealed[at][:14]: handle}
    assert not few.dirty and few.gauges["keys"] == 400
    for reader in (few, other, vault(tmp_path)):
        assert [reader.open(text) for text in sealed] == [f"text {at}" for at in range(400)]
    assert other.erase(handles[::2]) == 200
    clock.now += 1.0
    for reader in (few, other, vault(tmp_path)):
        assert [reader.open(text) for text in sealed] == [ERASED if at % 2 == 0 else f"text {at}" for at in range(400)]
        assert reader.gauges["keys"] == 200 and reader.counts["keys_unknown"] == 0
    for handle in handles:
        assert few.open(few.seal(handle, "after")) == "after"
    few.sync()
    assert (tmp_path / "a.keys").stat().st_size == 600 * 128


def test_a_key_that_was_destroyed_is_told_from_one_that_is_nowhere(tmp_path: Path) -> None:
    sealed, other = kept(tmp_path), vault(tmp_path, "b")
    reader = vault(tmp_path, "c")
    assert other.erase([other.number(ANA)]) == 1
    assert reader.open(sealed) == ERASED and reader.counts["keys_unknown"] == 0, "before it looks again at what was destroyed"


def test_a_book_that_cannot_be_read_is_told_and_keeps_nobody_from_sealing(tmp_path: Path) -> None:
    one = Vault(KeyBook(tmp_path, "a", [OLD], clock=Clock(), at_hand=0))
    sealed = one.seal(one.number(ANA), "Ana")
    one.sync()
    for at in range(2_000):  # nothing of hers is at hand any more
        one.seal(one.number(f"+3460000{at:04}"), "text")
    (tmp_path / "a.keys").rename(tmp_path / "away")
    with pytest.raises(KeysUnavailable, match="folder of keys"):
        one.open(sealed)
    assert one.open(one.seal(one.number(ANA), "under another key")) == "under another key" and one.counts["keys_not_read"] == 1
    (tmp_path / "away").rename(tmp_path / "a.keys")
    assert one.open(sealed) == "Ana"


def test_two_processes_of_one_name_share_a_book(tmp_path: Path) -> None:
    server, command = vault(tmp_path), vault(tmp_path)
    sealed = [each.seal(each.number(f"+3460000000{at}"), f"text {at}") for at, each in enumerate((server, command, server))]
    server.sync()
    command.sync()
    assert (tmp_path / "a.keys").stat().st_size == 3 * 128
    for each in (server, command, vault(tmp_path)):
        assert [each.open(text) for text in sealed] == ["text 0", "text 1", "text 2"]


def test_a_record_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    sealed = kept(tmp_path)
    with (tmp_path / "a.keys").open("ab") as book:
        book.write(os.urandom(77))
    again = vault(tmp_path)
    assert again.open(sealed) == "Ana López"
    other = again.seal(again.number("+34600999999"), "Eva")
    again.sync()
    assert (tmp_path / "a.keys").stat().st_size == 256
    assert [vault(tmp_path).open(text) for text in (sealed, other)] == ["Ana López", "Eva"]


def test_a_key_is_on_the_disk_when_sync_has_returned_though_the_process_is_killed(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from api.privacy.key_book import KeyBook
from api.privacy.vault import Vault
vault = Vault(KeyBook(Path(sys.argv[1]), "a", [bytes(range(32))]))
sealed = vault.seal(vault.number("+34600111222"), "Ana")
vault.sync()
print(sealed, flush=True)
os.kill(os.getpid(), 9)
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == -9, run.stderr
    assert vault(tmp_path).open(run.stdout.strip()) == "Ana"


def test_a_damaged_record_costs_only_itself(tmp_path: Path) -> None:
    sealed = [kept(tmp_path, f"text {at}", f"+3460000000{at}") for at in range(3)]
    with (tmp_path / "a.keys").open("r+b") as book:
        book.seek(128 + 60)
        book.write(b"\0\0\0\0")
    again = KeyBook(tmp_path, "a", [OLD])
    assert again.damaged == 1
    assert [Vault(again).open(text) for text in sealed] == ["text 0", ERASED, "text 2"] and again.unknown == 1


def test_the_master_key_changes_and_handles_stay(tmp_path: Path) -> None:
    folder, mirror = tmp_path / "keys", tmp_path / "mirror"
    one = vault(folder, mirror=mirror)
    sealed, handle = one.seal(one.number(ANA), "Ana"), one.number(ANA)
    one.sync()
    both = vault(folder, "a", NEW, OLD, mirror=mirror)
    assert both.number(ANA) == handle and both.rewrap() == 2 and both.rewrap() == 0
    for place in (folder, mirror):
        new = vault(place, "a", NEW)
        assert new.number(ANA) == handle and new.open(sealed) == "Ana"
    assert both.open(sealed) == "Ana"
    with pytest.raises(KeysUnavailable, match=r"privacy\.key"):
        vault(folder, "a", OLD)


def test_rewrapping_brings_nobody_back(tmp_path: Path) -> None:
    sealed = kept(tmp_path)
    both = vault(tmp_path, "a", NEW, OLD)
    assert both.erase([both.number(ANA)]) == 1
    assert both.rewrap() == 1, "the secret of handles alone"
    assert vault(tmp_path, "a", NEW).open(sealed) == ERASED


def test_a_mirror_stands_in_for_a_lost_folder_and_forgets_as_well(tmp_path: Path) -> None:
    folder, mirror = tmp_path / "keys", tmp_path / "mirror"
    one = vault(folder, mirror=mirror)
    ana, eva = one.seal(one.number(ANA), "Ana"), one.seal(one.number("+34600999999"), "Eva")
    one.sync()
    shutil.copytree(mirror, tmp_path / "old")
    one.erase([one.number(ANA)])
    shutil.rmtree(folder)
    again = vault(folder, mirror=mirror)
    assert (again.open(ana), again.open(eva)) == (ERASED, "Eva") and again.number(ANA) == one.number(ANA)
    assert vault(folder, mirror=tmp_path / "old").open(ana) == ERASED
    assert vault(tmp_path / "old").open(ana) == ERASED, "it was destroyed there too"


def test_a_folder_without_the_secret_of_handles_is_refused(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / "handles").unlink()
    with pytest.raises(KeysUnavailable, match="handles"):
        vault(tmp_path)


def test_a_disk_that_takes_nothing_leaves_the_keys_owed(tmp_path: Path) -> None:
    one = vault(tmp_path / "keys")
    sealed = one.seal(one.number(ANA), "Ana")
    (tmp_path / "keys" / "a.keys").mkdir()
    with pytest.raises(KeysUnavailable, match="folder of keys"):
        one.sync()
    assert one.dirty
    (tmp_path / "keys" / "a.keys").rmdir()
    one.sync()
    assert not one.dirty and vault(tmp_path / "keys").open(sealed) == "Ana"


def test_the_kept_master_key_is_changed_by_command(tmp_path: Path) -> None:
    settings = tmp_path / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{tmp_path}"\n')

    def rotate(*more: str) -> str:
        done = CliRunner().invoke(app, ["privacy", "rotate", "--config", str(settings), *more])
        assert done.exit_code == 0, done.output
        return done.output

    one = vault_of(tmp_path)
    sealed, handle = one.seal(one.number(ANA), "Ana"), one.number(ANA)
    one.sync()
    first = (tmp_path / "privacy.key").read_text().split()
    assert "2 keys" in rotate()
    assert (tmp_path / "privacy.key").read_text().split()[1:] == first
    late = one.seal(one.number("+34600999999"), "sealed by a server that knows the first key only")
    one.sync()
    assert "1 keys" in rotate("--finish")
    kept = (tmp_path / "privacy.key").read_text().split()
    assert len(kept) == 1 and kept != first
    again = vault_of(tmp_path)
    assert again.number(ANA) == handle and again.open(sealed) == "Ana" and again.open(late).startswith("sealed")


def test_a_folder_of_keys_is_told_from_every_other(tmp_path: Path) -> None:
    one, mirror = vault(tmp_path / "a", mirror=tmp_path / "mirror"), vault(tmp_path / "mirror")
    assert one.mark == mirror.mark == vault(tmp_path / "a", "b").mark
    both = vault(tmp_path / "a", "a", NEW, OLD)
    both.rewrap()
    assert vault(tmp_path / "a", "a", NEW).mark == one.mark != vault(tmp_path / "b").mark


def test_sealing_waits_for_no_sick_disk(tmp_path: Path) -> None:
    clock = Clock()
    one = vault(tmp_path, clock=clock)
    (tmp_path / "destroyed").mkdir()
    clock.now += 1.0
    assert one.open(one.seal(one.number(ANA), "Ana")) == "Ana" and one.counts["not_looked"] == 1


def test_a_key_under_a_master_key_that_is_not_known_is_replaced_for_what_comes(tmp_path: Path) -> None:
    sealed, book = kept(tmp_path), tmp_path / "a.keys"
    of_before = book.read_bytes()
    vault(tmp_path, "a", NEW, OLD).rewrap()
    book.write_bytes(of_before)
    new = vault(tmp_path, "a", NEW)
    assert new.open(new.seal(new.number(ANA), "sealed anew")) == "sealed anew"
    with pytest.raises(KeysUnavailable, match="previous_keys"):
        new.open(sealed)
