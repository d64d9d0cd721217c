"""Databases of the session's one PostgreSQL, each for whoever asks."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

TEMPLATE = "template_trunkline"
_numbers = itertools.count(1)


def with_database(postgres: str, name: str) -> str:
    """URL of the database `name` on the server at `postgres`."""
    return postgres.replace("/postgres?", f"/{name}?")


@contextmanager
def fresh_database(postgres: str) -> Iterator[str]:
    """URL of a database with all migrations applied, dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            # As files, past the log: a tenth of the time.
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
        try:
            yield with_database(postgres, name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
