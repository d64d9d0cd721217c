"""One database for all tests of calls, emptied after each: making one anew takes longer than most of these tests."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from databases import fresh_database
from trunkline.calls import identify

_TABLES = (
    "calls.joins",
    "logbook.intents", "logbook.entries", "calls.events", "calls.keys", "calls.calls", "calls.inbox",
    "calls.connections", "calls.number_decisions", "calls.told", "calls.history_checks", "calls.alarms",
    "calls.refusals",
    "mirror.phone_index", "mirror.customers",
)  # fmt: skip


@pytest.fixture(scope="session")
def calls_database_url(postgres: str) -> Iterator[str]:
    """URL of the one database."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
def database_url(calls_database_url: str) -> Iterator[str]:
    """URL of an empty database with all migrations applied."""
    yield calls_database_url
    with psycopg.connect(calls_database_url) as connection:
        for table in _TABLES:
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier(*table.split("."))))


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a lookup may take longer than a ring should; tests of the deadline set their own."""
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 20.0)
