"""ServiceTitan's request limit, held by all processes together, in PostgreSQL.

An app has :data:`PLACES` places at a tenant. A request takes one before it is sent and gives it back when it was
answered; a second later the place can be had again. Whenever ServiceTitan counts a request between its sending and its
answer, no second holds more of them than there are places - however slow or jittery the way there is, and without lost
time.

Requests that a call waits for go first. Who stands behind them, as the mirror does, has a few places to itself while
both wait, so that neither starves.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import LiteralString

from trunkline.store.database import Database, DatabaseUnavailable

# ServiceTitan allows 60 a second for each app and tenant (developer portal, "APIs, App Keys & Client Keys"); two are
# left for requests that somebody else makes with the same app.
PLACES = 58
# What is left to those who stand behind, as long as they wait.
KEPT_BEHIND = 4
# A process that died gives nothing back. After so many seconds its request has long arrived, or never will.
LEASE_S = 30.0
_SHORTEST_PAUSE_S = 0.002

_TAKE: LiteralString = (
    "select place, taken_until, wait_s from ops.take_place(%s, %s, %s, %s, make_interval(secs => %s), %s)"
)
_GIVE_BACK: LiteralString = "select ops.give_back_place(%s, %s, %s, %s)"


class RequestPlaces:
    """Lets requests of every process that shares `database` go in turn; satisfies the client's RequestLimiter.

    `app` is a hash of the app key (never the key itself: it is stored); `behind` lets others go first.
    """

    def __init__(self, database: Database, app: str, places: int = PLACES, *, behind: bool = False) -> None:
        self._database = database
        self._app = app
        self._places = places
        self._behind = behind
        self._queues: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, tenant_id: int) -> AsyncIterator[None]:
        """Wait until a request may go, and send it and await its answer inside.

        Raises:
            DatabaseUnavailable: no place can be had; the request must not go.
        """
        place, taken_until = await self._take(tenant_id)
        try:
            yield
        finally:
            with suppress(DatabaseUnavailable):  # then it comes free when its lease ends
                async with self._database.connection() as connection:
                    await connection.execute(_GIVE_BACK, (self._app, tenant_id, place, taken_until), prepare=True)

    async def _take(self, tenant_id: int) -> tuple[int, datetime]:
        async with self._queues[tenant_id]:  # first come, first served, and one who asks for all
            while True:
                async with self._database.connection() as connection:
                    asked = (self._app, tenant_id, self._places, KEPT_BEHIND, LEASE_S, self._behind)
                    cursor = await connection.execute(_TAKE, asked, prepare=True)
                    row = await cursor.fetchone()
                place, taken_until, wait_s = row or (None, None, 0.0)
                if place is not None and taken_until is not None:
                    return place, taken_until
                await asyncio.sleep(max(_SHORTEST_PAUSE_S, wait_s))
