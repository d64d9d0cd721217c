"""Keeping the mirror fresh: a first full sync, then what changed.

Each page's rows, its phone numbers and the token to go on with are one transaction: a crash repeats a page at worst.
The next page is fetched and prepared while the present one is stored.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import msgspec
import structlog

from trunkline.mirror.feeds import EPOCH, FEEDS, Feed
from trunkline.servicetitan.client import Page, ServiceTitan
from trunkline.servicetitan.errors import InvalidRequest, ServiceTitanError
from trunkline.servicetitan.models import Row
from trunkline.store import mirror as tables
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

CONCURRENT_FEEDS = 4
OVERLAP = timedelta(minutes=5)  # what is asked for by date overlaps: clocks differ

Rows = Sequence[Row]


class OnProgress(Protocol):
    """Is told of each page that was stored."""

    def __call__(self, feed: str, rows: int, expected: int | None, *, last: bool) -> None:
        """`rows` more of `feed`, of which about `expected` were there at the start; `last` ends it."""


def _tell_nobody(feed: str, rows: int, expected: int | None, *, last: bool) -> None:
    """The progress of a service is on its pages."""


@dataclass(frozen=True)
class _Fetched:
    staged: tables.Staged
    token: str | None
    last: bool


class MirrorSync:
    """The mirror of one tenant; `region` is how its local phone numbers are read."""

    def __init__(self, database: Database, client: ServiceTitan, *, region: str = "US") -> None:
        self._database = database
        self._client = client
        self._region = region
        self._free = asyncio.Semaphore(CONCURRENT_FEEDS)

    @property
    def feed_names(self) -> tuple[str, ...]:
        """The names of all feeds, in the order in which they are read."""
        return tuple(feed.name for feed in FEEDS)

    async def run(self, interval_s: float) -> None:
        """Sync for ever, every `interval_s` seconds."""
        while True:
            await self.sync_once()
            await asyncio.sleep(interval_s)

    async def sync_once(self, on_progress: OnProgress = _tell_nobody) -> dict[str, str]:
        """Bring every feed up to date. Returns one sentence for each that failed; the others go on."""
        results = await asyncio.gather(*(self._sync_feed(feed, on_progress) for feed in FEEDS))
        problems = {feed.name: problem for feed, problem in zip(FEEDS, results, strict=True) if problem}
        for problem in sorted(set(problems.values())):
            log.warning(
                "feeds could not be read", reason=problem, feeds=[n for n, p in problems.items() if p == problem]
            )
        return problems

    async def _sync_feed(self, feed: Feed, on_progress: OnProgress) -> str | None:
        async with self._free:
            try:
                await self._read(feed, on_progress)
            except DatabaseUnavailable as error:
                return str(error)
            except (ServiceTitanError, tables.PageRefused) as error:
                async with self._database.connection() as connection:
                    await tables.note_error(connection, self._client.tenant_id, feed.name, str(error))
                return str(error)
        return None

    async def _read(self, feed: Feed, on_progress: OnProgress) -> None:
        async with self._database.connection() as connection:
            states = await tables.feed_states(connection, self._client.tenant_id)
        state = states.get(feed.name) or tables.FeedState(feed.name)
        counting = asyncio.create_task(self._expected(feed, state))  # nothing waits for it
        pages = self._export_pages(feed, state) if feed.export else self._list_pages(feed, state)
        following = asyncio.create_task(_next(pages))
        try:
            while (page := await following) is not None:
                following = asyncio.create_task(_next(pages))
                await self._store(feed, state, page)
                expected = counting.result() if counting.done() else None
                on_progress(feed.name, page.staged.rows, expected, last=page.last)
        finally:
            following.cancel()
            counting.cancel()

    async def _expected(self, feed: Feed, state: tables.FeedState) -> int | None:
        """About how many rows there are; not knowing it only costs the progress shown to people."""
        if feed.counted is None or state.complete or state.expected_rows is not None:
            return state.expected_rows
        path, query = feed.counted
        try:
            query = {**query, "page": "1", "pageSize": "1", "includeTotal": "true"}
            total = (await self._client.get(path, Page[Row], query, bulk=True)).total_count
            if total is not None:
                async with self._database.connection() as connection:
                    await tables.expect_rows(connection, self._client.tenant_id, feed.name, total)
        except (ServiceTitanError, DatabaseUnavailable) as error:
            log.info("a feed could not be counted", feed=feed.name, reason=str(error))
            return None
        return total

    async def _store(self, feed: Feed, state: tables.FeedState, page: _Fetched) -> None:
        async with self._database.transaction() as connection:
            # The token is in the same transaction: losing the last commit in a crash only repeats a page.
            await connection.execute("set local synchronous_commit = off")
            await tables.apply_page(
                connection,
                self._client.tenant_id,
                feed.name,
                page.staged,
                state=state,
                token=page.token,
                last=page.last,
            )

    async def _stage(self, feed: Feed, rows: Rows) -> tables.Staged:
        return await asyncio.to_thread(stage, feed, self._client.tenant_id, rows, self._region)

    async def _export_pages(self, feed: Feed, state: tables.FeedState) -> AsyncIterator[_Fetched]:
        token = state.continue_from or _since(state)
        fell_back = False
        while True:
            try:
                page = await self._client.export(feed.path, feed.item, continue_from=token, include_recent_changes=True)
            except InvalidRequest:
                if fell_back or token == _since(state):
                    raise
                fell_back = True
                log.warning("ServiceTitan refused a continuation token; going on by date", feed=feed.name)
                token = _since(state)
                async with self._database.connection() as connection:
                    await tables.forget_token(connection, self._client.tenant_id, feed.name)
                continue
            token = page.continue_from or token
            yield _Fetched(await self._stage(feed, page.data), page.continue_from, last=not page.has_more)
            if not page.has_more:
                return

    async def _list_pages(self, feed: Feed, state: tables.FeedState) -> AsyncIterator[_Fetched]:
        """Lists have no token: after the first full reading, what was modified since the newest row.

        How new that is counts only once the last page is there, since pages are not ordered by date.
        """
        query = {"active": "Any", "pageSize": 1000} | ({"modifiedOnOrAfter": since} if (since := _since(state)) else {})
        newest: str | None = None
        number = 1
        while True:
            page = await self._client.get(feed.path, Page[feed.item], {**query, "page": number}, bulk=True)  # type: ignore[name-defined]
            staged = await self._stage(feed, page.data)
            newest = max(filter(None, (newest, staged.newest)), default=None)
            last = not page.has_more
            yield _Fetched(msgspec.structs.replace(staged, newest=newest if last else None), None, last=last)
            if last:
                return
            number += 1


def _since(state: tables.FeedState) -> str | None:
    """Where to begin without a token; from the very beginning until everything was read once."""
    if not state.complete or state.max_modified_on is None:
        return None
    return f"{state.max_modified_on - OVERLAP:%Y-%m-%dT%H:%M:%SZ}"


async def _next(pages: AsyncIterator[_Fetched]) -> _Fetched | None:
    return await anext(pages, None)


def stage(feed: Feed, tenant_id: int, rows: Rows, region: str) -> tables.Staged:
    """A page as CSV. A row that is on it twice counts once, as it was modified last."""
    rows = _latest(rows)
    fixed = tuple(value for _, value in feed.fixed)
    numbers, owner = feed.numbers, feed.owner
    return tables.Staged(
        table=feed.table,
        columns=("tenant_id", "id", "active", "modified_on", *(name for name, _ in feed.fixed), *feed.columns),
        never_null=feed.never_null,
        lines=_csv((tenant_id, row.id, row.active, row.modified_on or EPOCH, *fixed, *feed.row(row)) for row in rows),
        rows=len(rows),
        newest=max((row.modified_on for row in rows if row.modified_on), default=None),
        owner_kind=feed.owner_kind,
        phone_lines=b""
        if numbers is None
        else _csv(
            (tenant_id, number, feed.owner_kind, owner(row), row.id, certainty.value, feed.note(row))
            for row in rows
            if row.active and owner(row)
            for number, certainty in numbers(row, region)
        ),
    )


def _latest(rows: Rows) -> Rows:
    latest = {row.id: row for row in rows}
    if len(latest) < len(rows):
        # Without the Z, since fractions of a second have any number of digits: 10:00:00Z comes before 10:00:00.5Z.
        latest = {row.id: row for row in sorted(rows, key=lambda row: (row.modified_on or EPOCH).removesuffix("Z"))}
    return list(latest.values())


def _csv(lines: Iterable[tuple[object, ...]]) -> bytes:
    """Lines for COPY, which takes no NUL. The line end makes the writer quote both kinds of line break."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(lines)
    return text.getvalue().replace("\0", "").encode()
