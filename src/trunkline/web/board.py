"""The live board: every changed call is rendered once, for all who watch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from jinja2 import Environment
from markupsafe import Markup

from trunkline.calls.feed import Resync
from trunkline.calls.views import CallView
from trunkline.domain.call import CallState
from trunkline.store.database import DatabaseUnavailable
from trunkline.web.ports import Desk, Feed, TenantInfo

log = structlog.get_logger(__name__)

KEEP_ALIVE_S = 15.0
LONGEST_QUEUE = 500
RETRY_S = 1.0
_START_OVER = b""


class BoardStream:
    """One tenant's stream of server-sent events; it listens to the feed while anybody watches."""

    def __init__(self, desk: Desk, feed: Feed, tenant: TenantInfo, templates: Environment) -> None:
        self._desk = desk
        self._feed = feed
        self._tenant = tenant
        self._call = templates.get_template("_call.html")
        self._board = templates.get_template("_board.html")
        self._watchers: set[asyncio.Queue[bytes]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    def fragment(self, view: CallView, *, listed: bool = False) -> Markup:
        """One call as a piece of page: a card while it lives, unless it is `listed`, then a row."""
        return Markup(self._call.render(view=view, tenant=self._tenant, listed=listed))  # noqa: S704 - autoescaped by the template

    def lists(self, calls: Sequence[CallView]) -> dict[str, list[Markup]]:
        """Calls in progress, and those that are over."""
        live = [self.fragment(view) for view in calls if view.call.state is not CallState.ENDED]
        ended = [self.fragment(view) for view in calls if view.call.state is CallState.ENDED]
        return {"live": live, "ended": ended}

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events for one watcher: the whole board first, then each change."""
        async with self._watching() as queue:
            yield b"retry: 1000\n\n"
            yield await self._whole_board()
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        message = await queue.get()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                yield message if message != _START_OVER else await self._whole_board()

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[asyncio.Queue[bytes]]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers.add(queue)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        await self._listening.wait()
        try:
            yield queue
        finally:
            self._watchers.discard(queue)
            if not self._watchers:
                self._listener.cancel()
                self._listener = None
                self._listening.clear()

    async def _listen(self) -> None:
        async with self._feed.subscribe(self._tenant.tenant_id) as changes:
            self._listening.set()
            while True:
                self._tell(self._message(await changes.get()))

    def _message(self, item: CallView | Resync) -> bytes:
        if isinstance(item, Resync):
            return _START_OVER
        if item.merged_into is not None:
            return _event("gone", str(item.id))
        return _event("call", self.fragment(item))

    def _tell(self, message: bytes) -> None:
        for queue in self._watchers:
            if queue.qsize() >= LONGEST_QUEUE:  # a browser that sleeps reads everything afresh when it wakes
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(_START_OVER)
            else:
                queue.put_nowait(message)

    async def _whole_board(self) -> bytes:
        while True:
            try:
                calls = await self._desk.board(self._tenant.tenant_id)
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_S)
            else:
                return _event("board", self._board.render(**self.lists(calls)))


def _event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    return f"event: {name}\n{lines}\n".encode()
