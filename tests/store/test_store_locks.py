"""Advisory locks between real connections."""

import asyncio

import psycopg
import pytest

from trunkline.store.locks import AdvisoryLock, LockLost


async def _end_backends(url: str) -> None:
    """Terminate every session that holds an advisory lock in this database."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
            " and database = (select oid from pg_database where datname = current_database())"
        )


async def test_a_second_holder_takes_over_when_the_firsts_connection_is_ended(database_url: str) -> None:
    first, second = AdvisoryLock(database_url, "pbx-1"), AdvisoryLock(database_url, "pbx-1")
    first_holds, second_holds, body_cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold_first() -> None:
        async with first.held():
            first_holds.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                body_cancelled.set()
                raise

    async def hold_second() -> None:
        async with second.held():
            second_holds.set()

    holding = asyncio.create_task(hold_first())
    await asyncio.wait_for(first_holds.wait(), 5)
    waiting = asyncio.create_task(hold_second())
    await asyncio.sleep(0.3)
    assert not second_holds.is_set()

    await _end_backends(database_url)

    with pytest.raises(LockLost):
        await asyncio.wait_for(holding, 5)
    assert body_cancelled.is_set()
    await asyncio.wait_for(waiting, 5)


async def test_a_lock_is_free_again_after_its_body(database_url: str) -> None:
    for _ in range(2):
        async with asyncio.timeout(3), AdvisoryLock(database_url, "pbx-1").held():
            pass


async def test_locks_of_different_names_are_held_side_by_side(database_url: str) -> None:
    async with (
        asyncio.timeout(3),
        AdvisoryLock(database_url, "pbx-1").held(),
        AdvisoryLock(database_url, "pbx-2").held(),
    ):
        pass


async def test_an_error_in_the_body_reaches_the_caller_and_frees_the_lock(database_url: str) -> None:
    for error in (ValueError, TimeoutError):
        with pytest.raises(error):
            async with AdvisoryLock(database_url, "pbx-1").held():
                raise error
    async with asyncio.timeout(3), AdvisoryLock(database_url, "pbx-1").held():
        pass


async def test_cancelling_a_waiter_leaves_no_session_behind(database_url: str) -> None:
    async with AdvisoryLock(database_url, "pbx-1").held():
        waiting = asyncio.create_task(AdvisoryLock(database_url, "pbx-1").held().__aenter__())
        await asyncio.sleep(0.3)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        for _ in range(20):
            cursor = await connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            if await cursor.fetchone() == (0,):
                return
            await asyncio.sleep(0.1)
    pytest.fail("a session is still open")


async def test_waiting_goes_on_while_the_database_is_away(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = AdvisoryLock(database_url, "pbx-1")
    monkeypatch.setattr(lock, "_url", database_url.replace("/test_", "/absent_"))

    async def hold() -> str:
        async with lock.held():
            return "held"

    waiting = asyncio.create_task(hold())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    monkeypatch.setattr(lock, "_url", database_url)
    assert await asyncio.wait_for(waiting, 5) == "held"
