"""A statement on connections of its own: what breaks is replaced, and no answer goes to the wrong question."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from trunkline.store import lanes as lanes_module
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.lanes import Lanes

STATEMENT = "select $1, pg_sleep($2)::text, pg_backend_pid(), length($3), null::text"
TYPES = ("text", "float8", "text")


def values(what: str, sleep_s: float = 0.0, padding: str = "") -> tuple[str, str, str]:
    return (what, str(sleep_s), padding)


@pytest.fixture
async def lanes(database: Database) -> AsyncIterator[Lanes]:
    """Two lanes; each answer names the session that gave it."""
    return database.lanes(STATEMENT, TYPES, values(""), count=2)


async def end(database_url: str, pid: bytes) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("select pg_terminate_backend(%s, 5000)", (int(pid),))


async def test_rows_come_as_text_and_null_as_nothing(lanes: Lanes) -> None:
    ((what, _, pid, length, nothing),) = await lanes.run(values("Jane", padding="abc"))
    assert (what, length, nothing) == (b"Jane", b"3", b"")
    assert pid.isdigit()


async def test_a_connection_serves_one_question_after_another(lanes: Lanes) -> None:
    answers = [(await lanes.run(values(str(number))))[0] for number in range(20)]
    assert [answer[0] for answer in answers] == [str(number).encode() for number in range(20)]
    assert len({answer[2] for answer in answers}) == 1


async def test_more_questions_than_connections_wait_for_one(lanes: Lanes) -> None:
    answers = await asyncio.gather(*(lanes.run(values(str(number), 0.05)) for number in range(7)))
    assert [rows[0][0] for rows in answers] == [str(number).encode() for number in range(7)]
    assert len({rows[0][2] for rows in answers}) == 2


async def test_what_does_not_fit_the_sockets_buffer_is_sent_all_the_same(lanes: Lanes) -> None:
    ((_, _, _, length, _),) = await lanes.run(values("", padding="x" * 8_000_000))
    assert length == b"8000000"


async def test_a_connection_that_broke_while_idle_is_replaced_unnoticed(lanes: Lanes, database_url: str) -> None:
    await lanes.open()
    pids = {rows[0][2] for rows in await asyncio.gather(*(lanes.run(values("", 0.05)) for _ in range(2)))}
    for pid in pids:
        await end(database_url, pid)
    await asyncio.sleep(0.05)
    rows = await asyncio.gather(*(lanes.run(values("again", 0.05)) for _ in range(2)))
    assert [row[0][0] for row in rows] == [b"again", b"again"]
    assert not pids & {row[0][2] for row in rows}


async def test_the_number_of_a_socket_that_broke_may_be_somebody_elses_by_then(lanes: Lanes, database_url: str) -> None:
    await lanes.open()
    for rows in await asyncio.gather(*(lanes.run(values("", 0.05)) for _ in range(2))):
        await end(database_url, rows[0][2])
    await asyncio.sleep(0.05)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        assert (await lanes.run(values("again")))[0][0] == b"again"
        assert [await reader.read() for reader, _ in others] == [b""] * 8
        for _, writer in others:
            writer.close()


async def test_a_connection_that_breaks_meanwhile_says_so_and_is_replaced(lanes: Lanes, database_url: str) -> None:
    ((_, _, pid, _, _),) = await lanes.run(values(""))
    question = asyncio.create_task(lanes.run(values("", 30)))
    await asyncio.sleep(0.05)
    await end(database_url, pid)
    with pytest.raises(DatabaseUnavailable):
        await question
    assert (await lanes.run(values("again")))[0][0] == b"again"


async def test_the_answer_to_a_question_given_up_is_nobody_elses(lanes: Lanes) -> None:
    question = asyncio.create_task(lanes.run(values("given up", 0.2)))
    await asyncio.sleep(0.05)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    answers = await asyncio.gather(*(lanes.run(values("asked after", 0.3)) for _ in range(2)))
    assert [rows[0][0] for rows in answers] == [b"asked after"] * 2


async def test_a_database_that_says_nothing_is_unavailable(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    await lanes.open()
    monkeypatch.setattr(lanes_module, "ANSWER_TIMEOUT_S", 0.05)
    with pytest.raises(DatabaseUnavailable):
        await lanes.run(values("", 30))
    monkeypatch.undo()
    assert (await lanes.run(values("again")))[0][0] == b"again"


async def test_a_statement_that_fails_is_a_mistake_of_ours_and_no_outage(lanes: Lanes) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        await lanes.run(("", "no number", ""))
    assert (await lanes.run(values("again")))[0][0] == b"again"


async def test_an_unreachable_database_is_unavailable(tmp_path: object) -> None:
    nowhere = Lanes(f"postgresql:///postgres?host={tmp_path}", STATEMENT, TYPES, values(""), count=1)
    with pytest.raises(DatabaseUnavailable):
        await nowhere.run(values(""))
    with pytest.raises(DatabaseUnavailable):
        await nowhere.open()
