"""SQL of the mirror: pages come in by COPY; what is there already gives way to newer rows only."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.errors import DataError, UniqueViolation


class FeedState(msgspec.Struct, frozen=True):
    """How far a feed has come. `continue_from` is ServiceTitan's token, `max_modified_on` the fallback for it."""

    feed: str
    continue_from: str | None = None
    max_modified_on: datetime | None = None
    complete: bool = False
    rows_seen: int = 0
    expected_rows: int | None = None
    error: str | None = None


class PageRefused(Exception):
    """PostgreSQL cannot store what was sent; the message says why in one sentence."""


class Staged(msgspec.Struct, frozen=True):
    """One page, ready for COPY: CSV for the table, and for the phone index of those rows.

    Nothing between two commas is null, but empty text in the columns of `never_null`.
    """

    table: str
    columns: tuple[str, ...]
    never_null: tuple[str, ...]
    lines: bytes
    rows: int
    newest: str | None
    owner_kind: str | None = None
    phone_lines: bytes = b""


_KEYS = {"contacts": ("tenant_id", "owner_kind", "id")}
_PHONE_COLUMNS = ("tenant_id", "number", "owner_kind", "owner_id", "source_id", "certainty", "note")


async def apply_page(
    connection: AsyncConnection, tenant_id: int, feed: str, page: Staged, *, state: FeedState, token: str | None,
    last: bool,
) -> None:  # fmt: skip
    """Lay a page over the mirror and remember where to go on; run it inside one transaction.

    Raises:
        PageRefused: a value is out of all bounds.
    """
    try:
        if page.rows and (state.complete or not await _load(connection, page)):
            await _merge(connection, feed, page)
    except DataError as error:
        reason = str(error).partition("\n")[0]
        raise PageRefused(f"ServiceTitan sent a value that cannot be stored ({reason}).") from None
    await connection.execute(
        "insert into mirror.feeds as f (tenant_id, feed, continue_from, max_modified_on, complete, rows_seen,"
        " pages_seen, synced_at)"
        " values (%(tenant)s, %(feed)s, %(token)s, %(newest)s, %(complete)s, %(rows)s, 1, clock_timestamp())"
        " on conflict (tenant_id, feed) do update set"
        " continue_from = coalesce(excluded.continue_from, f.continue_from),"
        " max_modified_on = greatest(f.max_modified_on, excluded.max_modified_on),"
        " complete = f.complete or excluded.complete, rows_seen = f.rows_seen + excluded.rows_seen,"
        " pages_seen = f.pages_seen + 1, error = null, synced_at = excluded.synced_at",
        {
            "tenant": tenant_id,
            "feed": feed,
            "token": token,
            "newest": page.newest,
            "complete": last,
            "rows": page.rows,
        },
        prepare=True,
    )


async def _load(connection: AsyncConnection, page: Staged) -> bool:
    """Copy a page of rows that are all new straight into the table; false, with nothing changed, where they are not."""
    table, numbers = sql.Identifier("mirror", page.table), sql.Identifier("mirror", "phone_index")
    try:
        async with connection.transaction():
            await _copy(connection, table, page.columns, page.lines, page.never_null)
            if page.phone_lines:
                await _copy(connection, numbers, _PHONE_COLUMNS, page.phone_lines)
    except UniqueViolation:
        return False
    return True


async def _merge(connection: AsyncConnection, feed: str, page: Staged) -> None:
    """Bring a page in over a staging table, row by row the newer of what is there and what came."""
    stage = await _staging_table(connection, f"stage_{feed}", page.table)
    await _copy(connection, stage, page.columns, page.lines, page.never_null)
    await connection.execute(_upsert(feed, page.table, page.columns))
    if page.owner_kind is not None:
        await _index_phones(connection, feed, page)


async def _staging_table(connection: AsyncConnection, name: str, table: str) -> sql.Identifier:
    stage = sql.Identifier(name)
    await connection.execute(
        sql.SQL("create temp table if not exists {stage} (like {table}) on commit delete rows").format(
            stage=stage, table=sql.Identifier("mirror", table)
        )
    )
    return stage


async def _copy(
    connection: AsyncConnection, into: sql.Identifier, columns: Sequence[str], lines: bytes,
    never_null: Sequence[str] = (),
) -> None:  # fmt: skip
    names = sql.SQL(", ")
    force = sql.SQL(", force_not_null ({})").format(names.join(map(sql.Identifier, never_null)))
    statement = sql.SQL("copy {into} ({columns}) from stdin with (format csv{force})").format(
        into=into, columns=names.join(map(sql.Identifier, columns)), force=force if never_null else sql.SQL("")
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(lines)


def _upsert(feed: str, table: str, columns: Sequence[str]) -> sql.Composed:
    keys = _KEYS.get(table, ("tenant_id", "id"))
    return sql.SQL(
        "insert into {table} as mine ({columns}) select {columns} from {stage}"
        " on conflict ({keys}) do update set {changes} where excluded.modified_on >= mine.modified_on"
    ).format(
        table=sql.Identifier("mirror", table),
        stage=sql.Identifier(f"stage_{feed}"),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name not in keys
        ),
    )


async def _index_phones(connection: AsyncConnection, feed: str, page: Staged) -> None:
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
    await _copy(connection, numbers, _PHONE_COLUMNS, page.phone_lines)
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


async def feed_states(connection: AsyncConnection, tenant_id: int) -> dict[str, FeedState]:
    """All feeds that were ever read, by name."""
    cursor = await connection.execute(
        "select feed, continue_from, max_modified_on, complete, rows_seen, expected_rows, error"
        " from mirror.feeds where tenant_id = %s",
        (tenant_id,),
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


async def note_error(connection: AsyncConnection, tenant_id: int, feed: str, sentence: str) -> None:
    """Keep one sentence for people about why the feed does not move."""
    await connection.execute(
        "insert into mirror.feeds (tenant_id, feed, error) values (%s, %s, %s)"
        " on conflict (tenant_id, feed) do update set error = excluded.error",
        (tenant_id, feed, sentence),
    )
