"""One prepared statement on connections of its own, through libpq and nothing else.

For the statement that a ringing phone waits for. psycopg's cursors cost as much as PostgreSQL takes for the answer, for
conveniences that it does not need; its `pq` module is libpq itself (docs/decisions/0008).
"""

import asyncio
import os
from collections.abc import Sequence

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from trunkline.store.errors import DatabaseUnavailable

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 10.0

_NAME = "lane"


class Lanes:
    """Runs `statement` on up to `count` connections at a time; those that break are replaced when next needed.

    `types` are its parameters' types; `example` are values with which each new connection plans it.
    """

    def __init__(self, url: str, statement: str, types: Sequence[str], example: Sequence[str], *, count: int) -> None:
        self._url = url
        self._prepare = f"prepare {_NAME} ({', '.join(types)}) as {statement}"
        self._example = [value.encode() for value in example]
        self._idle: list[_Lane] = []
        self._free = asyncio.Semaphore(count)
        self._count = count

    async def open(self) -> None:
        """Make all connections now, so that nobody waits for one.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        self._idle += await asyncio.gather(*(self._new_lane() for _ in range(self._count - len(self._idle))))

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            await self._idle.pop().close()

    async def run(self, values: Sequence[str]) -> list[tuple[bytes, ...]]:
        """The rows, as text; null is empty.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with self._free:
            lane = await self._take_lane()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    rows = await lane.run([value.encode() for value in values])
            except (psycopg.OperationalError, TimeoutError) as error:
                await lane.close()
                raise DatabaseUnavailable("The database does not answer.") from error
            except BaseException:
                await lane.close()  # an answer may be on its way to a question that nobody asks any more
                raise
            self._idle.append(lane)
            return rows

    async def _take_lane(self) -> "_Lane":
        while self._idle:
            lane = self._idle.pop()
            if not lane.is_broken:
                return lane
            await lane.close()
        return await self._new_lane()

    async def _new_lane(self) -> "_Lane":
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options="-c jit=off -c timezone=UTC"
            )
            await connection.execute(self._prepare.encode())
            lane = _Lane(connection)
            await lane.run(self._example)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable("The database does not answer.") from error
        return lane


class _Lane:
    """One connection; its socket stays with the event loop, which makes most of the difference."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._libpq.nonblocking = 1
        # Our own handle of the socket: libpq closes its one as soon as the connection breaks, and the number is then
        # somebody else's.
        self._socket = os.dup(self._libpq.socket)
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[PGresult] = self._loop.create_future()
        self._result: PGresult | None = None
        self.is_broken = False
        self._loop.add_reader(self._socket, self._read)

    async def run(self, values: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        """Run the statement; one at a time.

        Raises:
            psycopg.Error: the connection broke, or the statement failed.
        """
        self._answer = self._loop.create_future()
        self._libpq.send_query_prepared(_NAME.encode(), values)
        self._write()
        result = await self._answer
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        columns = range(result.nfields)
        return [tuple(result.get_value(row, column) or b"" for column in columns) for row in range(result.ntuples)]

    async def close(self) -> None:
        """Give the socket back, and close the connection."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        os.close(self._socket)
        await self._connection.close()

    def _write(self) -> None:
        if self._libpq.flush():  # not all of it went out: the socket's buffer is full
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    self._settle()
                    return
                self._result = result
        except psycopg.OperationalError as error:
            self.is_broken = True
            self._loop.remove_reader(self._socket)
            if not self._answer.done():
                self._answer.set_exception(error)

    def _settle(self) -> None:
        if self._result is not None and not self._answer.done():
            self._answer.set_result(self._result)
        self._result = None
