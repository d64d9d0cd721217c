"""ServiceTitan's request limit, held by all processes together: one row per app and tenant, in PostgreSQL."""

import asyncio
from typing import LiteralString

from trunkline.store.database import Database

# One short statement hands out the next slot. Losing the last slots in a crash of the server costs nothing, so its
# commit need not wait for the disk. The wait is computed by the server's clock, the only one all processes share.
_RESERVE: LiteralString = """
insert into ops.request_slots as slot (app, tenant_id, next_free)
values (%(app)s, %(tenant)s, clock_timestamp() + %(spacing)s * interval '1 second')
on conflict (app, tenant_id) do update
set next_free = greatest(slot.next_free, clock_timestamp()) + %(spacing)s * interval '1 second'
returning greatest(0, extract(epoch from next_free - clock_timestamp())::float8 - %(spacing)s),
    set_config('synchronous_commit', 'off', true)
"""

# How late (seconds) a request may leave after its slot. Slots 1/58 s apart and up to 17 ms late put at most 60
# requests into any second; later ones pile up behind a stalled loop and would break the limit.
_TOLERANCE_S = 0.015


class RequestSlots:
    """Spaces out the requests of every process that shares `database`; satisfies the client's RequestLimiter.

    `app` is a hash of the app key (never the key itself: it is stored). `per_second` stays below ServiceTitan's 60
    per second and app and tenant, because a request reaches them a little later or earlier than it left.
    """

    def __init__(self, database: Database, app: str, per_second: float = 58.0) -> None:
        self._database = database
        self._app = app
        self._spacing = 1 / per_second

    async def acquire(self, tenant_id: int) -> None:
        """Wait until this request may go. A waiter that is cancelled leaves its slot unused.

        Raises:
            DatabaseUnavailable: no slot can be had; the request must not go.
        """
        loop = asyncio.get_running_loop()
        tolerance = _TOLERANCE_S
        while True:
            async with self._database.connection() as connection:
                asked_at = loop.time()
                cursor = await connection.execute(
                    _RESERVE, {"app": self._app, "tenant": tenant_id, "spacing": self._spacing}, prepare=True
                )
                row = await cursor.fetchone()
            wait: float = row[0] if row else 0.0
            if wait > 0:
                await asyncio.sleep(wait)
            if loop.time() - (asked_at + wait) <= tolerance:
                return
            # The slot went by while this process was busy: take another. A machine that is late every time must
            # still get its requests out, hence the growing tolerance.
            tolerance *= 2
