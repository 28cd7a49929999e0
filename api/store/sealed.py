"""Columns whose texts are sealed: what reads them by ``Statements`` finds them opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, Text, TypeDecorator

from api.privacy.vault import Vault


class Sealed(TypeDecorator[str]):
    """Text that ``api/privacy/personal.py`` says how to seal. In the database it is text as any other."""

    impl = Text
    cache_ok = True


def opened(vault: Vault, query: Select[Any], rows: Sequence[RowMapping]) -> Sequence[Mapping[str, Any]]:
    """The rows of this query with their texts in the clear; ``ERASED`` for those whose keys were destroyed."""
    plain: Sequence[Any] = rows
    names = [str(column.key) for column in query.selected_columns if isinstance(column.type, Sealed)] if rows else []
    if not names:
        return plain
    return [{**row, **{name: vault.open(row[name]) for name in names if row[name]}} for row in plain]
