"""The pool: copies of whole companies leave room for calls."""

import asyncio

from trunkline.store.database import Database


async def test_however_much_is_copied_half_of_the_pool_is_left(database_url: str) -> None:
    database = await Database.open(database_url, max_size=4)
    began: asyncio.Queue[int] = asyncio.Queue()
    may_end = asyncio.Event()

    async def copy(place: int) -> None:
        async with database.bulk_transaction() as connection:
            await connection.execute("select 1")
            began.put_nowait(place)
            await may_end.wait()

    copies = [asyncio.create_task(copy(place)) for place in range(6)]
    try:
        async with asyncio.timeout(5):
            assert {await began.get(), await began.get()} == {0, 1}
            async with database.connection() as first, database.connection() as second:
                for connection in (first, second):
                    await connection.execute("select 1")
            assert began.empty()
            may_end.set()
            await asyncio.gather(*copies)
    finally:
        await database.close()
