"""Bring a database to the present schema: numbered SQL files, each applied once, in order."""

import re
from importlib import resources

import psycopg

_LOCK = 0x7472756E6B  # "trunk": any number will do, as long as every process uses the same
_NAME = re.compile(r"^(\d{4})_\w+\.sql$")


class MigrationError(Exception):
    """The database was changed by a newer Trunkline, or a migration failed."""


def migrations() -> list[tuple[int, str, str]]:
    """All migrations as (number, file name, SQL), in order."""
    files = resources.files("trunkline.store.migrations").iterdir()
    return sorted((int(match[1]), file.name, file.read_text()) for file in files if (match := _NAME.match(file.name)))


async def migrate(url: str) -> list[str]:
    """Apply what is missing and return the names of the files applied.

    Processes that start together wait for one another (advisory lock), so each file runs once.

    Raises:
        MigrationError: the database knows migrations that this version does not.
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        await connection.execute("create schema if not exists ops_migrations")
        await connection.execute(
            "create table if not exists ops_migrations.applied ("
            " number integer primary key, name text not null, applied_at timestamptz not null default now())"
        )
        cursor = await connection.execute("select number from ops_migrations.applied")
        done = {row[0] for row in await cursor.fetchall()}
        known = migrations()
        if unknown := done - {number for number, _, _ in known}:
            raise MigrationError(
                f"This database was set up by a newer Trunkline (migration {max(unknown)}). "
                "Install that version or a newer one."
            )
        applied = []
        for number, name, sql in known:
            if number in done:
                continue
            async with connection.transaction():
                await connection.execute(sql.encode())
                await connection.execute(
                    "insert into ops_migrations.applied (number, name) values (%s, %s)", (number, name)
                )
            applied.append(name)
        return applied
