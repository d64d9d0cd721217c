"""Text of any kind goes through COPY as it was sent, or without what PostgreSQL or COPY cannot take."""

import msgspec
import pytest
from whole_servicetitan import BY_NAME

from trunkline.mirror.landing import Lander
from trunkline.mirror.typed import TypedLander
from trunkline.servicetitan.answers import decode
from trunkline.servicetitan.client import RawPage
from trunkline.store.database import Database
from trunkline.store.mirror import FeedState, apply_page
from trunkline.store.rows import make_partitions

TENANT = 1_000_001
RESOURCE = BY_NAME["customers"]
MODIFIED = "2026-01-02T03:04:05Z"


async def stored(database: Database, names: list[str | None]) -> list[str]:
    """The names of these customers, once they are in the mirror."""
    feed = RESOURCE.feed
    assert feed is not None
    sent = [{"id": at, "name": name, "modifiedOn": MODIFIED} for at, name in enumerate(names, 1)]
    landed = TypedLander(RESOURCE, feed, TENANT, "US").land(msgspec.json.encode(sent))
    async with database.transaction() as connection:
        await apply_page(
            connection, TENANT, RESOURCE.name, landed.staged, state=FeedState(RESOURCE.name), token=None, last=True
        )
        cursor = await connection.execute("select name from mirror.customers order by id")
        return [name for (name,) in await cursor.fetchall()]


@pytest.mark.parametrize(
    "text",
    [
        "a\tb", "a\nb", "a\r\nb", "a\\b", "\\N", "\\.", "\\",
        'a"b', '\\"', '"', "a,b", " a ", "", "null", "é ü 𝄞", "a\x1bb", "\x10", "a\\u001fb", "a\x1fb", "\x1d\x1e\\\x1f",
        "a]\n[b", "\b\f\v\x7f", "\\\\n", "\\u0000",
    ],
)  # fmt: skip
async def test_text_is_stored_as_it_was_sent(database: Database, text: str) -> None:
    assert await stored(database, ["before", text, "after"]) == ["before", text, "after"]


@pytest.mark.parametrize("text", ["a\0b", "\0", "\\\0\0n"])
async def test_what_postgresql_cannot_hold_is_left_out_and_no_row_is_lost(database: Database, text: str) -> None:
    assert await stored(database, ["before", text, "after"]) == ["before", text.replace("\0", ""), "after"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"a\\ud83db", "a\ufffdb"), (b"\\udE00\\uD83d", "\ufffd\ufffd"), (b"\\uD83D\\ude00", "\U0001f600"),
        (b"\\\\ud83d", "\\ud83d"), (b"a\xffb", "a\ufffdb"), (b"\xf0\x9f\x98 ", "\ufffd "),
    ],
)  # fmt: skip
async def test_what_is_no_text_is_marked_and_no_row_is_lost(database: Database, sent: bytes, kept: str) -> None:
    page = b'{"data": [{"id": 1, "name": "before"}, {"id": 2, "name": "%b", "modifiedOn": null}]}' % sent
    rows = bytes(decode(page, RawPage).data)
    feed = RESOURCE.feed
    assert feed is not None
    typed = TypedLander(RESOURCE, feed, TENANT, "US").land(rows).staged
    other = Lander(BY_NAME["forms"], TENANT).land(rows).staged
    async with database.transaction() as connection:
        await make_partitions(connection, ["forms"])
        for name, staged in ((RESOURCE.name, typed), ("forms", other)):
            await apply_page(connection, TENANT, name, staged, state=FeedState(name), token=None, last=True)
        cursor = await connection.execute("select name from mirror.customers order by id")
        assert await cursor.fetchall() == [("before",), (kept,)]
        cursor = await connection.execute("select row ->> 'name' from mirror.rows_forms order by id")
        assert await cursor.fetchall() == [("before",), (kept,)]


async def test_what_was_not_sent_is_nothing_and_a_name_is_never_null(database: Database) -> None:
    assert await stored(database, [None]) == [""]
    async with database.connection() as connection:
        cursor = await connection.execute("select customer_type, balance, created_on from mirror.customers")
        assert await cursor.fetchall() == [(None, None, None)]
