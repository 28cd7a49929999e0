"""The PostgreSQL server that the benchmarks start, for tests: a machine that is busy with something else for seconds is no fault of it."""

from benchmarks.postgres import PASSWORD
from benchmarks.postgres import Postgres as Server

__all__ = ["PASSWORD", "Postgres"]


class Postgres(Server):
    """Its URLs have patience."""

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        return f"{super().url(database, password=password)}?patience_s=60"
