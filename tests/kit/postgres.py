"""The PostgreSQL server that the benchmarks start, for tests."""

from benchmarks.postgres import PASSWORD, Postgres

__all__ = ["PASSWORD", "Postgres"]
