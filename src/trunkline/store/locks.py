"""Locks between processes: who holds one is the only one, and learns at once when it is lost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog

log = structlog.get_logger(__name__)

_POLL_S = 1.0
_HEARTBEAT_S = 5.0

# Over TCP a dead holder's session would keep the lock for hours; with these the server drops it within 30 s.
_OPTIONS = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"


class LockLost(Exception):
    """The connection that held the lock broke: another process may hold it now."""


class AdvisoryLock:
    """A session-level advisory lock of PostgreSQL, known by `name`, on a connection of its own to `url`."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "big", signed=True)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lock, however long that takes, and hold it while the body runs.

        A database that is away counts as a lock that another process holds: the wait goes on.

        Raises:
            LockLost: the connection broke while the body ran; the body was cancelled.
        """
        connection = await self._acquire()
        try:
            async with asyncio.timeout(None) as body:
                watcher = asyncio.create_task(self._watch(connection, body))
                try:
                    yield
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])
        except TimeoutError:
            if body.expired():
                raise LockLost(f"The lock {self.name!r} was lost: its database connection broke.") from None
            raise
        finally:
            await connection.close()

    async def _acquire(self) -> psycopg.AsyncConnection:
        down = False
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, options=_OPTIONS)
                await self._poll(connection)
            except psycopg.OperationalError as error:
                if not down:
                    log.warning("cannot ask for a lock; trying again", lock=self.name, error=str(error))
                down = True
            else:
                return connection
            await asyncio.sleep(_POLL_S)

    async def _poll(self, connection: psycopg.AsyncConnection) -> None:
        """Ask every second until the lock is ours; closes the connection if that fails."""
        try:
            while True:
                cursor = await connection.execute("select pg_try_advisory_lock(%s::bigint)", (self._key,))
                if await cursor.fetchone() == (True,):
                    return
                await asyncio.sleep(_POLL_S)
        except BaseException:
            await connection.close()
            raise

    async def _watch(self, connection: psycopg.AsyncConnection, body: asyncio.Timeout) -> None:
        """End `body` when the connection breaks: waiting for notices shows a closed one, a query a dead network."""
        try:
            while True:
                async for _ in connection.notifies(timeout=_HEARTBEAT_S):
                    pass
                async with asyncio.timeout(_HEARTBEAT_S):
                    await connection.execute("select 1")
        except (psycopg.Error, TimeoutError) as error:
            log.warning("lost a lock", lock=self.name, error=str(error))
            body.reschedule(asyncio.get_running_loop().time())
