"""Numbers for processes: the lowest that no living process holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

_LOCK_SPACE = 0x657865  # keeps these advisory locks apart from those of other rooms
_MOST_PROCESSES = 64


class ExecutorSlot:
    """A number from 1 that belongs to this process as long as it lives and holds its connection."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def held(self) -> AsyncIterator[int]:
        """Take the lowest free number.

        Raises:
            RuntimeError: there are more processes than numbers.
        """
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            for number in range(1, _MOST_PROCESSES + 1):
                cursor = await connection.execute("select pg_try_advisory_lock(%s, %s)", (_LOCK_SPACE, number))
                row = await cursor.fetchone()
                if row and row[0]:
                    yield number
                    return
        raise RuntimeError(f"More than {_MOST_PROCESSES} processes share this database.")


async def living_executors(connection: psycopg.AsyncConnection) -> set[int]:
    """The numbers that processes hold at this moment."""
    cursor = await connection.execute(
        "select objid::int from pg_locks where locktype = 'advisory' and classid = %s and granted"
        " and database = (select oid from pg_database where datname = current_database())",
        (_LOCK_SPACE,),
    )
    return {row[0] for row in await cursor.fetchall()}
