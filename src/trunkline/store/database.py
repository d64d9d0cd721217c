"""The connection pool, transactions, and LISTEN."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import psycopg
import structlog
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool

from trunkline.store.errors import DatabaseUnavailable
from trunkline.store.lanes import Lanes

__all__ = ["Database", "DatabaseUnavailable"]

log = structlog.get_logger(__name__)


# Failed over to a standby, and with some hosters on a full disk, a server answers but is read-only.
_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


class Database:
    """A pool of connections to one PostgreSQL. Make it with :meth:`open`."""

    def __init__(self, url: str, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self.url = url
        self._pool = pool
        self._bulk = asyncio.Semaphore(max(1, pool.max_size // 2))
        self._mending: asyncio.Task[None] | None = None
        self._lanes: list[Lanes] = []

    @classmethod
    async def open(cls, url: str, *, min_size: int = 2, max_size: int = 10) -> Self:
        """Open a pool; connections are made in the background and mended when they break."""
        pool = AsyncConnectionPool(
            url,
            min_size=min_size,
            max_size=max_size,
            open=False,
            timeout=5.0,
            reconnect_timeout=10.0,
            check=None,
            kwargs={"autocommit": True, "options": "-c jit=off -c timezone=UTC"},
        )
        await pool.open()
        return cls(url, pool)

    async def close(self) -> None:
        """Close all connections."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        for lanes in self._lanes:
            await lanes.close()
        await self._pool.close()

    def lanes(self, statement: str, types: Sequence[str], example: Sequence[str], *, count: int) -> Lanes:
        """Connections for one statement that must not wait for any other; closed with the database."""
        lanes = Lanes(self.url, statement, types, example, count=count)
        self._lanes.append(lanes)
        return lanes

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit mode.

        Raises:
            DatabaseUnavailable: none can be had, or it broke while in use.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.ProgramLimitExceeded:
            raise  # no trouble of the server: this very value is too long for it
        except _UNAVAILABLE as error:
            self._mend()
            raise DatabaseUnavailable("The database does not answer.") from error

    def _mend(self) -> None:
        """Where one connection broke the others most likely did: replace them before they are handed out."""
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._pool.check())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection inside one transaction: committed at the end, rolled back on an exception.

        Raises:
            DatabaseUnavailable: as :meth:`connection`.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def pipelined_transaction(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """As :meth:`transaction`, but statements wait for one another's answers only where a result is fetched.

        One that is not `durable` may be lost, whole, when the server crashes within the next second; it is never lost
        before one that was committed later.
        """
        async with self.connection() as connection:
            try:
                # The driver's own transactions wait for answers of their own, twice at the end.
                async with connection.pipeline():
                    await connection.execute("begin")
                    if not durable:
                        await connection.execute("set local synchronous_commit = off")
                    yield connection
                    await connection.execute("commit")
            except BaseException:
                with contextlib.suppress(psycopg.Error):  # broken: the pool replaces it
                    await connection.rollback()
                raise

    @asynccontextmanager
    async def bulk_transaction(self) -> AsyncIterator[AsyncConnection]:
        """As :meth:`transaction`, for pages of a copy: not durable (:meth:`pipelined_transaction`), and however many
        companies are copied at once, half of the pool is left to whoever takes calls.
        """
        async with self._bulk, self.transaction() as connection:
            await connection.execute("set local synchronous_commit = off")
            yield connection

    async def listen(
        self, *channels: str, on_connect: Callable[[], None] | None = None
    ) -> AsyncIterator[tuple[str, str]]:
        """Yield (channel, payload) for ever, on a connection of its own that is made anew when it breaks.

        Notices sent while it was broken are lost: `on_connect` is called at every (re)connection, so that the
        caller can read afresh what it may have missed.
        """
        down = False
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                    for channel in channels:
                        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                    if down:
                        log.info("live feed is back")
                        down = False
                    if on_connect is not None:
                        on_connect()
                    async for notice in connection.notifies():
                        yield notice.channel, notice.payload
            except psycopg.OperationalError as error:
                if not down:
                    log.warning("live feed lost the database", error=str(error))
                    down = True
            await asyncio.sleep(0.5)
