"""What all tests share: one real PostgreSQL for the session, a fresh migrated database for whoever asks."""

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from trunkline.mirror.surface import lay_out
from trunkline.store.database import Database
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import migrate

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server with a migrated database `template_trunkline` on it."""
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user
        server = EmbeddedPostgres(Path(folder) / "data")
        url = server.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create database template_trunkline")
        asyncio.run(_furnish(_with_database(url, "template_trunkline")))
        yield url
        server.stop()


async def _furnish(url: str) -> None:
    await migrate(url)
    database = await Database.open(url, min_size=1, max_size=1)
    await lay_out(database)
    await database.close()


def _with_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """URL of a fresh database with all migrations applied, dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template template_trunkline").format(sql.Identifier(name)))
        yield _with_database(postgres, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open :class:`Database` on a fresh database."""
    opened = await Database.open(database_url, min_size=1, max_size=8)
    yield opened
    await opened.close()
