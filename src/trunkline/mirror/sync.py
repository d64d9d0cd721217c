"""Keeping the mirror fresh: a first full sync, then what changed, each resource as often as it is worth.

Each page's rows, its phone numbers and the token to go on with are one transaction: a crash repeats a page at worst.
The next page is fetched and prepared while the present one is stored. What a ringing phone needs waits for nothing
else.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from trunkline.faultpoints import fault_point
from trunkline.mirror.catalog import RESOURCES, Cadence, Resource
from trunkline.mirror.reading import Fetched, Pages, Reader
from trunkline.servicetitan.client import Page, ServiceTitan
from trunkline.servicetitan.errors import (
    AppKeyRefused,
    BadCredentials,
    RetryLater,
    ScopeMissing,
    ServiceTitanError,
    Unreachable,
)
from trunkline.servicetitan.models import Row
from trunkline.servicetitan.scopes import lacking
from trunkline.store import mirror as tables
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.sieve import Sieve

log = structlog.get_logger(__name__)

# Pages of rows with lists in them take tens of megabytes: fewer of those at a time.
CONCURRENT_TYPED = 6
CONCURRENT_OTHERS = 2
GREAT_GROWTH = 10  # times
# What is wrong with one resource then is wrong with all.
_STOPS_ALL = (BadCredentials, AppKeyRefused, Unreachable)


class OnProgress(Protocol):
    """Is told of each page that was stored."""

    def __call__(self, feed: str, rows: int, expected: int | None, *, last: bool) -> None:
        """`rows` more of `feed`, of which about `expected` were there at the start; `last` ends it."""


def _tell_nobody(feed: str, rows: int, expected: int | None, *, last: bool) -> None:
    """The progress of a service is on its pages."""


class MirrorSync:
    """The mirror of one tenant; `region` is how its local phone numbers are read."""

    def __init__(
        self,
        database: Database,
        client: ServiceTitan,
        *,
        region: str = "US",
        resources: Sequence[Resource] = RESOURCES,
    ) -> None:
        self.resources = resources
        self._database = database
        self._client = client
        self._reader = Reader(client, region, self._forget_token)
        self._free = {True: asyncio.Semaphore(CONCURRENT_TYPED), False: asyncio.Semaphore(CONCURRENT_OTHERS)}
        self._halted: ServiceTitanError | None = None
        self._soon: set[str] = set()
        self._problems: dict[str, str] = {}
        self._told: dict[str, str] = {}

    @property
    def feed_names(self) -> tuple[str, ...]:
        """The names of all resources, in the order in which they are read."""
        return tuple(resource.name for resource in self.resources)

    async def run(self, round_s: float, on_progress: OnProgress = _tell_nobody) -> None:
        """Sync for ever: every `round_s` seconds what is due then and not being read already."""
        async with asyncio.TaskGroup() as group:
            busy: dict[str, asyncio.Task[None]] = {}
            while True:
                busy = {name: task for name, task in busy.items() if not task.done()}
                self._tell()
                self._halted = None
                for resource in await self._due(round_s):
                    if resource.name not in busy:
                        busy[resource.name] = group.create_task(self._sync(resource, on_progress))
                await asyncio.sleep(round_s)

    async def sync_once(self, on_progress: OnProgress = _tell_nobody) -> dict[str, str]:
        """Bring every resource up to date. Returns one sentence for each that failed; the others go on."""
        self._halted = None
        await asyncio.gather(*(self._sync(resource, on_progress) for resource in self.resources))
        self._tell()
        return {name: self._problems[name] for name in self.feed_names if name in self._problems}

    async def begin_anew(self) -> None:
        """Read everything from the beginning with the next sync."""
        async with self._database.connection() as connection:
            await tables.begin_anew(connection, self._client.tenant_id, self.feed_names)

    async def _due(self, round_s: float) -> list[Resource]:
        try:
            async with self._database.connection() as connection:
                states = await tables.feed_states(connection, self._client.tenant_id)
        except DatabaseUnavailable:
            return []  # the next round sees to it
        now = datetime.now(UTC)
        return [
            resource
            for resource in self.resources
            if resource.name in self._soon or is_due(resource, states.get(resource.name), now, round_s)
        ]

    def _tell(self) -> None:
        """Log what is newly wrong, once, whatever number of resources it is wrong with."""
        news = defaultdict(list)
        for name, problem in self._problems.items():
            if self._told.get(name) != problem:
                news[problem].append(name)
        for problem, names in sorted(news.items()):
            log.warning("feeds could not be read", reason=problem, feeds=names)
        self._told = dict(self._problems)

    async def _sync(self, resource: Resource, on_progress: OnProgress) -> None:
        self._soon.discard(resource.name)
        async with self._free[resource.feed is not None]:
            try:
                if self._halted is not None:
                    raise self._halted
                await self._require_scope(resource)
                await self._read(resource, on_progress)
            except DatabaseUnavailable as error:
                self._soon.add(resource.name)
                self._problems[resource.name] = str(error)
            except (ServiceTitanError, tables.PageRefused) as error:
                if isinstance(error, _STOPS_ALL):
                    self._halted = error
                if isinstance(error, (RetryLater, *_STOPS_ALL)):  # one that works again tells that all do
                    self._soon.add(resource.name)
                self._problems[resource.name] = str(error)
                with suppress(DatabaseUnavailable):
                    async with self._database.connection() as connection:
                        await tables.note_error(connection, self._client.tenant_id, resource.name, str(error))
            else:
                self._problems.pop(resource.name, None)

    async def _require_scope(self, resource: Resource) -> None:
        """Ask for nothing that the token is known not to grant: it would be refused, again and again."""
        off = lacking(resource.operation, await self._client.granted())
        if off is not None:
            raise ScopeMissing(off, scope=resource.operation.scope, right=resource.operation.right)

    async def _read(self, resource: Resource, on_progress: OnProgress) -> None:
        async with self._database.connection() as connection:
            states = await tables.feed_states(connection, self._client.tenant_id, [resource.name])
        state = states.get(resource.name) or tables.FeedState(resource.name)
        counting = asyncio.create_task(self._expected(resource, state))  # nothing waits for it
        pages = self._reader.pages(resource, state)
        growth = _Growth(state)
        following = asyncio.create_task(_next(pages))
        try:
            while (page := await following) is not None:
                following = asyncio.create_task(_next(pages))
                await self._store(resource, state, page)
                if isinstance(page.staged, tables.Staged) and growth.is_great(page.staged.rows):
                    async with self._database.bulk_transaction() as connection:
                        await tables.analyze(connection, page.staged)
                expected = counting.result() if counting.done() else None
                on_progress(resource.name, page.staged.rows, expected, last=page.last)
        finally:
            following.cancel()
            counting.cancel()

    async def _expected(self, resource: Resource, state: tables.FeedState) -> int | None:
        """About how many rows there are; not knowing it only costs the progress shown to people."""
        counted = resource.feed.counted if resource.feed else None
        if counted is None or state.complete or state.expected_rows is not None:
            return state.expected_rows
        path, query = counted
        try:
            query = {**query, "page": "1", "pageSize": "1", "includeTotal": "true"}
            total = (await self._client.get(path, Page[Row], query, bulk=True)).total_count
            if total is not None:
                async with self._database.connection() as connection:
                    await tables.expect_rows(connection, self._client.tenant_id, resource.name, total)
        except (ServiceTitanError, DatabaseUnavailable) as error:
            log.info("a feed could not be counted", feed=resource.name, reason=str(error))
            return None
        return total

    async def _store(self, resource: Resource, state: tables.FeedState, page: Fetched) -> None:
        try:
            await self._apply(resource, state, page)
        except tables.PageRefused as refused:
            log.info("a page is stored without what cannot be stored of it", feed=resource.name, reason=str(refused))
            await self._apply(resource, state, page, Sieve())

    async def _apply(
        self, resource: Resource, state: tables.FeedState, page: Fetched, sieve: Sieve | None = None
    ) -> None:
        # The token is in the same transaction: losing the last commit in a crash only repeats a page.
        async with self._database.bulk_transaction() as connection:
            await tables.apply_page(
                connection, self._client.tenant_id, resource.name, page.staged, state=state, token=page.token,
                last=page.last, reading=page.reading, drift=page.drift, sieve=sieve,
            )  # fmt: skip
            await fault_point("mirror.before_commit")
        await fault_point("mirror.after_commit")

    async def _forget_token(self, name: str) -> None:
        async with self._database.connection() as connection:
            await tables.forget_token(connection, self._client.tenant_id, name)


class _Growth:
    """How much a table has grown since PostgreSQL got to know it. What a first copy begins with it does not know."""

    def __init__(self, state: tables.FeedState) -> None:
        self._known = state.rows_held if state.complete else 0
        self._held = state.rows_held

    def is_great(self, rows: int) -> bool:
        """Whether with these `rows` it is another table by now; it counts as known then."""
        self._held += rows
        if not rows or self._held < GREAT_GROWTH * self._known:
            return False
        self._known = self._held
        return True


def is_due(resource: Resource, state: tables.FeedState | None, now: datetime, round_s: float) -> bool:
    """Whether a resource is to be read now: its cadence is over, or its last reading broke off."""
    if resource.cadence is Cadence.LIVE or state is None or state.tried_at is None:
        return True
    broke_off = state.error is None and (state.fresh_at is None or state.tried_at > state.fresh_at)
    return broke_off or now - state.tried_at >= timedelta(seconds=resource.cadence.seconds(round_s))


def chosen(names: Iterable[str], resources: Sequence[Resource] = RESOURCES) -> tuple[Resource, ...]:
    """The resources of these names, written with dashes or underscores; all where none is named.

    Raises:
        ValueError: there is no such resource; the message is one sentence.
    """
    wanted = {name.replace("-", "_").lower() for name in names}
    if unknown := wanted - {resource.name for resource in resources}:
        raise ValueError(f"There is no resource {', '.join(sorted(unknown))}; `trunkline sync --list` shows them all.")
    return tuple(resource for resource in resources if not wanted or resource.name in wanted)


async def _next(pages: Pages) -> Fetched | None:
    return await anext(pages, None)
