"""Migrations: applied once, in order, by whoever comes first."""

import asyncio

import psycopg
import pytest

from trunkline.store.database import Database
from trunkline.store.migrate import MigrationError, migrate, migrations


async def test_a_migrated_database_needs_nothing_more(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_processes_that_start_together_apply_each_migration_once(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database together")
    url = postgres.replace("/postgres?", "/together?")
    results = await asyncio.gather(*(migrate(url) for _ in range(4)))
    assert sorted(name for applied in results for name in applied) == [name for _, name, _ in migrations()]


async def test_a_database_from_a_newer_version_is_refused(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into ops_migrations.applied (number, name) values (9999, 'future')")
    with pytest.raises(MigrationError, match="newer Trunkline"):
        await migrate(database.url)


def test_migration_numbers_have_no_gap() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))
