"""SQL of the mirror: pages come in by COPY; what is there already gives way to newer rows only."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.errors import DataError, ProgramLimitExceeded, UniqueViolation

from trunkline.store import rows
from trunkline.store.rows import JSON_LIKE, Copy, Difference, StagedRows
from trunkline.store.sieve import Sieve


class FeedState(msgspec.Struct, frozen=True):
    """How far a feed has come. `continue_from` is ServiceTitan's token, `max_modified_on` the fallback for it.

    `rows_held` are kept, `rows_seen` were sent. `tried_at` is when it was last asked for, `fresh_at` when its end was
    last reached, `full_at` when a list was last read completely.
    """

    feed: str
    continue_from: str | None = None
    max_modified_on: datetime | None = None
    complete: bool = False
    rows_seen: int = 0
    expected_rows: int | None = None
    error: str | None = None
    rows_held: int = 0
    tried_at: datetime | None = None
    fresh_at: datetime | None = None
    full_at: datetime | None = None


class PageRefused(Exception):
    """PostgreSQL cannot store a page as it was sent; the message says why in one sentence."""


class Staged(msgspec.Struct, frozen=True):
    """One page, ready for COPY in the form `JSON_LIKE`: lines for the table, and for the phone index of those rows."""

    table: str
    columns: tuple[str, ...]
    lines: bytes
    rows: int
    newest: str | None
    owner_kind: str | None = None
    phone_lines: bytes = b""


class Reading(msgspec.Struct, frozen=True):
    """A page's part in a complete reading of a list: whether it is the first, and the rows on it, for COPY."""

    first: bool
    lines: bytes


_COLUMN = re.compile(r"column \w+")
_KEYS = {"contacts": ("tenant_id", "owner_kind", "id")}
_PHONE_COLUMNS = ("tenant_id", "number", "owner_kind", "owner_id", "source_id", "certainty", "note")


async def apply_page(
    connection: AsyncConnection, tenant_id: int, feed: str, page: Staged | StagedRows, *, state: FeedState,
    token: str | None, last: bool, reading: Reading | None = None,
    drift: Mapping[Difference, int] | None = None, sieve: Sieve | None = None,
) -> None:  # fmt: skip
    """Lay a page over the mirror and remember where to go on; run it inside one transaction.

    Raises:
        PageRefused: a value is out of all bounds. With a `sieve` it stays out instead, unless it is an id without end.
    """
    try:
        new = await _land(connection, feed, page, sieve, fresh=not state.complete) if page.rows else 0
    except (DataError, ProgramLimitExceeded) as error:
        column = _COLUMN.search(error.diag.context or "")
        reason = str(error).partition("\n")[0] + (f", {column[0]}" if column else "")
        raise PageRefused(f"ServiceTitan sent a value that cannot be stored ({reason}).") from None
    if reading is not None:
        table = page.table if isinstance(page, Staged) else None
        await _take_note(connection, tenant_id, feed, table, reading, last=last)
    if found := Counter(drift) + (sieve.found if sieve else Counter()):
        await rows.note_drift(connection, tenant_id, feed, found)
    await connection.execute(
        "insert into mirror.feeds as f (tenant_id, feed, continue_from, max_modified_on, complete, rows_seen,"
        " rows_held, pages_seen, synced_at, tried_at, fresh_at, full_at)"
        " values (%(tenant)s, %(feed)s, %(token)s, %(newest)s, %(last)s, %(rows)s, %(new)s, 1, clock_timestamp(),"
        " clock_timestamp(), case when %(last)s then clock_timestamp() end,"
        " case when %(full)s then clock_timestamp() end)"
        " on conflict (tenant_id, feed) do update set"
        " continue_from = coalesce(excluded.continue_from, f.continue_from),"
        " max_modified_on = greatest(f.max_modified_on, excluded.max_modified_on),"
        " complete = f.complete or excluded.complete, rows_seen = f.rows_seen + excluded.rows_seen,"
        " rows_held = f.rows_held + excluded.rows_held, pages_seen = f.pages_seen + 1, error = null,"
        " synced_at = excluded.synced_at, tried_at = excluded.tried_at,"
        " fresh_at = coalesce(excluded.fresh_at, f.fresh_at), full_at = coalesce(excluded.full_at, f.full_at)",
        {
            "tenant": tenant_id,
            "feed": feed,
            "token": token,
            "newest": page.newest,
            "last": last,
            "full": last and reading is not None,
            "rows": page.rows,
            "new": new,
        },
        prepare=True,
    )


async def _land(
    connection: AsyncConnection, feed: str, page: Staged | StagedRows, sieve: Sieve | None, *, fresh: bool
) -> int:
    """How many of the rows are new. `fresh` says that most likely all are: the first copy is still under way."""
    copy: Copy = sieve.copy if sieve else rows.copy
    fresh = fresh and sieve is None
    if isinstance(page, StagedRows):
        return await rows.land(connection, page, copy, fresh=fresh)
    if fresh and await _load(connection, page):
        return page.rows
    return await _merge(connection, feed, page, copy)


async def _take_note(
    connection: AsyncConnection, tenant_id: int, feed: str, table: str | None, reading: Reading, *, last: bool
) -> None:
    if reading.first:
        await rows.begin_reading(connection, tenant_id, feed)
    if reading.lines:
        await rows.note_read(connection, reading.lines)
    if last:
        await rows.end_reading(connection, tenant_id, feed, table)


async def _load(connection: AsyncConnection, page: Staged) -> bool:
    """Copy a page of rows that are all new straight into the table; false, with nothing changed, where they are not."""
    table, numbers = sql.Identifier("mirror", page.table), sql.Identifier("mirror", "phone_index")
    try:
        async with connection.transaction():
            await rows.copy(connection, table, page.columns, page.lines, form=JSON_LIKE)
            if page.phone_lines:
                await rows.copy(connection, numbers, _PHONE_COLUMNS, page.phone_lines, form=JSON_LIKE)
    except UniqueViolation:
        return False
    return True


async def _merge(connection: AsyncConnection, feed: str, page: Staged, copy: Copy) -> int:
    """Bring a page in over a staging table, row by row the newer of what is there and what came; how many are new."""
    stage = await _staging_table(connection, f"stage_{feed}", page.table)
    await copy(connection, stage, page.columns, page.lines, form=JSON_LIKE)
    cursor = await connection.execute(_upsert(feed, page.table, page.columns))
    found = await cursor.fetchone()
    if page.owner_kind is not None:
        await _index_phones(connection, feed, page, copy)
    return int(found[0]) if found else 0


async def _staging_table(connection: AsyncConnection, name: str, table: str) -> sql.Identifier:
    stage = sql.Identifier(name)
    await connection.execute(
        sql.SQL("create temp table if not exists {stage} (like {table}) on commit delete rows").format(
            stage=stage, table=sql.Identifier("mirror", table)
        )
    )
    return stage


def _upsert(feed: str, table: str, columns: Sequence[str]) -> sql.Composed:
    keys = _KEYS.get(table, ("tenant_id", "id"))
    return sql.SQL(
        "with landed as (insert into {table} as mine ({columns}) select {columns} from {stage}"
        " on conflict ({keys}) do update set {changes} where excluded.modified_on >= mine.modified_on"
        " returning xmax = 0 as new) select count(*) filter (where new) from landed"
    ).format(
        table=sql.Identifier("mirror", table),
        stage=sql.Identifier(f"stage_{feed}"),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name not in keys
        ),
    )


async def _index_phones(connection: AsyncConnection, feed: str, page: Staged, copy: Copy) -> None:
    """Replace the numbers of the rows that won; rows older than ours leave the index as it is."""
    won = sql.SQL(
        "{stage} s join {table} mine on mine.tenant_id = s.tenant_id and mine.id = s.id"
        " and mine.modified_on = s.modified_on{kind}"
    ).format(
        stage=sql.Identifier(f"stage_{feed}"),
        table=sql.Identifier("mirror", page.table),
        kind=sql.SQL(" and mine.owner_kind = s.owner_kind" if page.table == "contacts" else ""),
    )
    await connection.execute(
        sql.SQL(
            "delete from mirror.phone_index p using {won}"
            " where p.tenant_id = s.tenant_id and p.owner_kind = {kind} and p.source_id = s.id"
        ).format(won=won, kind=page.owner_kind)
    )
    if not page.phone_lines:
        return
    numbers = await _staging_table(connection, f"stage_{feed}_numbers", "phone_index")
    await copy(connection, numbers, _PHONE_COLUMNS, page.phone_lines, form=JSON_LIKE)
    await connection.execute(
        sql.SQL(
            "insert into mirror.phone_index ({columns}) select {chosen} from {won} join {numbers} n"
            " on n.source_id = s.id where mine.active on conflict do nothing"
        ).format(
            won=won,
            numbers=numbers,
            columns=sql.SQL(", ").join(map(sql.Identifier, _PHONE_COLUMNS)),
            chosen=sql.SQL(", ").join(sql.Identifier("n", name) for name in _PHONE_COLUMNS),
        )
    )


async def analyze(connection: AsyncConnection, page: Staged) -> None:
    """Have PostgreSQL see how large the tables of this page have become, inside one transaction.

    It does so by itself within a minute or so. Until then it plans as if they were as before, nearly empty, and looks a
    caller up by reading through whole indexes.
    """
    tables = [page.table, *(["phone_index"] if page.owner_kind else [])]
    await connection.execute(
        sql.SQL("analyze {}").format(sql.SQL(", ").join(sql.Identifier("mirror", table) for table in tables))
    )


async def feed_states(
    connection: AsyncConnection, tenant_id: int, feeds: Sequence[str] | None = None
) -> dict[str, FeedState]:
    """All feeds that were ever read, by name, or those of them that are named."""
    cursor = await connection.execute(
        "select feed, continue_from, max_modified_on, complete, rows_seen, expected_rows, error, rows_held, tried_at,"
        " fresh_at, full_at from mirror.feeds where tenant_id = %s and (%s::text[] is null or feed = any(%s))",
        (tenant_id, feeds, feeds),
    )
    return {row[0]: FeedState(*row) for row in await cursor.fetchall()}


async def expect_rows(connection: AsyncConnection, tenant_id: int, feed: str, rows: int) -> None:
    """Note how many rows a first full sync will bring, for the progress shown to people."""
    await connection.execute(
        "insert into mirror.feeds (tenant_id, feed, expected_rows) values (%s, %s, %s)"
        " on conflict (tenant_id, feed) do update set expected_rows = excluded.expected_rows",
        (tenant_id, feed, rows),
    )


async def forget_token(connection: AsyncConnection, tenant_id: int, feed: str) -> None:
    """ServiceTitan refused the token: the next page starts from the newest row we have."""
    await connection.execute(
        "update mirror.feeds set continue_from = null where tenant_id = %s and feed = %s", (tenant_id, feed)
    )


async def begin_anew(connection: AsyncConnection, tenant_id: int, feeds: Sequence[str]) -> None:
    """Read these feeds from the beginning with their next turn; what is there stays and gives way to newer rows."""
    await connection.execute(
        "update mirror.feeds set continue_from = null, max_modified_on = null, full_at = null"
        " where tenant_id = %s and feed = any(%s)",
        (tenant_id, list(feeds)),
    )


async def note_error(connection: AsyncConnection, tenant_id: int, feed: str, sentence: str) -> None:
    """Keep one sentence for people about why the feed does not move."""
    await connection.execute(
        "insert into mirror.feeds (tenant_id, feed, error, tried_at) values (%s, %s, %s, clock_timestamp())"
        " on conflict (tenant_id, feed) do update set error = excluded.error, tried_at = excluded.tried_at",
        (tenant_id, feed, sentence),
    )
