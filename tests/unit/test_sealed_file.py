"""Files of people on the disk: whole, or not at all."""

from pathlib import Path

import pytest

from api.privacy.sealed_file import PIECE_BYTES, Forgotten, SealedFile, pieces_of
from api.privacy.vault import Vault

SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES]


def written(path: Path, vault: Vault, body: bytes) -> Path:
    with path.open("wb") as file:
        sealed = SealedFile(file, vault.half(vault.person("guest", "1")))
        for at in range(0, len(body), 50_000):
            sealed.write(body[at : at + 50_000])
        sealed.end()
    return path


@pytest.mark.parametrize("size", SIZES)
def test_it_is_read_as_it_was_written_and_shows_nothing(tmp_path: Path, size: int) -> None:
    vault, body = Vault.in_memory(), (b"passport of Luz " * (size // 16 + 1))[:size]
    path = written(tmp_path / "f", vault, body)
    assert b"".join(pieces_of(path, vault)) == body and b"passport of Luz" not in path.read_bytes()


def test_it_goes_with_its_person_and_in_every_copy(tmp_path: Path) -> None:
    vault = Vault.in_memory()
    path = written(tmp_path / "f", vault, b"passport")
    vault.erase([vault.person("guest", "1")])
    with pytest.raises(Forgotten, match="erased"):
        list(pieces_of(path, vault))


@pytest.mark.parametrize("cut", [1, PIECE_BYTES + 16, PIECE_BYTES])
def test_what_was_cut_off_or_altered_is_noticed(tmp_path: Path, cut: int) -> None:
    vault = Vault.in_memory()
    path = written(tmp_path / "f", vault, b"x" * (2 * PIECE_BYTES + 16 + PIECE_BYTES - 32))
    body = path.read_bytes()
    for changed in (body[:-cut], body[:-cut] + bytes([body[-cut] ^ 1]) + body[len(body) - cut + 1 :]):
        path.write_bytes(changed)
        with pytest.raises(Forgotten, match="altered"):
            list(pieces_of(path, vault))


def test_a_file_of_before_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"%PDF of before")
    assert b"".join(pieces_of(tmp_path / "f", Vault.in_memory())) == b"%PDF of before"
