"""The live feed: what changed in the database, to everyone who watches."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import structlog

from trunkline.calls.views import CallView, LogView
from trunkline.store import calls, views
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

LONGEST_QUEUE = 500


class Resync(msgspec.Struct, frozen=True):
    """Something may have been missed: read the whole board again."""


Item = CallView | Resync
Queue = asyncio.Queue[Item]


def to_view(row: views.ViewRow) -> CallView:
    """A call as the board shows it."""
    entry = None
    if row.log_state is not None:
        entry = LogView(row.log_state, row.review_reason, row.detail, row.finished_at)
    return CallView(row.id, row.tenant_id, row.ref, row.version, row.call, row.card, entry, row.merged_into)


class LiveFeed:
    """One LISTEN for the whole process; each changed call is read once, however many watch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: dict[int, set[Queue]] = {}
        self._changed: set[tuple[int, int]] = set()
        self._ours: set[tuple[int, int]] = set()  # calls and versions that are told here: their notices say nothing new
        self._wake = asyncio.Event()
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Listen and tell, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell())

    @asynccontextmanager
    async def subscribe(self, tenant_id: int) -> AsyncIterator[Queue]:
        """A queue of changes of one tenant's calls. Whoever falls far behind gets a single `Resync` instead."""
        queue: Queue = asyncio.Queue(LONGEST_QUEUE)
        self._queues.setdefault(tenant_id, set()).add(queue)
        try:
            yield queue
        finally:
            self._queues[tenant_id].discard(queue)

    @contextmanager
    def telling(self) -> Iterator[Callable[[CallView], None]]:
        """What is told inside reaches those who watch here at the end, without being read again. Where the end is an
        exception, nobody knows what was committed: it is read.
        """
        told: list[CallView] = []

        def tell(view: CallView) -> None:
            if self._queues.get(view.tenant_id):
                self._ours.add((view.id, view.version))  # its notice may be here before the commit is
                told.append(view)

        try:
            yield tell
        except BaseException:
            self._ours.difference_update((view.id, view.version) for view in told)
            for view in told:
                self._look_at(view.tenant_id, view.id)
            raise
        for view in told:
            self._put(view.tenant_id, view)

    async def _listen(self) -> None:
        async for _, payload in self._database.listen(calls.CHANNEL, on_connect=self._missed):
            tenant_id, call_id, version = payload.split(":")
            if (ours := (int(call_id), int(version))) in self._ours:
                self._ours.discard(ours)
            else:
                self._look_at(int(tenant_id), int(call_id))

    def _look_at(self, tenant_id: int, call_id: int) -> None:
        self._changed.add((tenant_id, call_id))
        self._wake.set()

    def _missed(self) -> None:
        self._ours.clear()
        self.connected.set()
        for tenant_id in self._queues:
            self._put(tenant_id, Resync())

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, set()
            watched = {call_id: tenant_id for tenant_id, call_id in changed if self._queues.get(tenant_id)}
            try:
                views = await self._read(list(watched))
            except DatabaseUnavailable:
                for tenant_id in {tenant_id for tenant_id, _ in changed}:
                    self._put(tenant_id, Resync())
                continue
            for view in views:
                self._put(view.tenant_id, view)
            now = {view.id: view.tenant_id for view in views}
            for tenant_id in {tenant_id for tenant_id, call_id in changed if now.get(call_id, tenant_id) != tenant_id}:
                self._put(tenant_id, Resync())  # a call of theirs turned out to be another tenant's

    async def _read(self, call_ids: list[int]) -> list[CallView]:
        if not call_ids:
            return []
        async with self._database.connection() as connection:
            return [to_view(row) for row in await views.by_ids(connection, call_ids)]

    def _put(self, tenant_id: int, item: Item) -> None:
        for queue in self._queues.get(tenant_id, ()):
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(Resync())
            else:
                queue.put_nowait(item)
