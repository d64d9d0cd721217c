"""Feeds that behave oddly.."""

from datetime import UTC, datetime, timedelta

import pytest
from mirror_shop import FIRST, shop

from trunkline.store.database import Database


async def test_a_feed_whose_tokens_are_always_refused_is_told_and_not_read_for_ever(database: Database) -> None:
    async with shop(database, page_size=20) as it:
        export = it.world.export

        def refusing(name: str, token: str | None, *, recent: bool) -> bytes:
            refused = name == "customers" and token is not None and token.startswith("customers:20")
            return export(name, "never" if refused else token, recent=recent)

        it.world.export = refusing  # type: ignore[method-assign]
        it.listen()
        problems = await it.sync.sync_once()
        assert list(problems) == ["customers"]
        assert len(it.asked("customers")) == 4


@pytest.mark.parametrize(
    "order", [("10:00:00", "10:00:00.5"), ("10:00:00.5", "10:00:00"), ("09:59:59.9", "10:00:00.5")]
)
async def test_fractions_of_a_second_may_have_any_number_of_digits(database: Database, order: tuple[str, str]) -> None:
    async with shop(database) as it:
        row = it.world.rows.customer(3)
        for moment in order:
            it.send("customers", {**row, "name": moment}, modified=datetime.now(UTC) - timedelta(seconds=1))
            it.world.feeds["customers"].changes[-1][1]["modifiedOn"] = f"2126-01-02T{moment}Z"
        await it.sync_well()
        name = await it.value("select name from mirror.customers where id = %(id)s", id=FIRST + 3)
    assert name == "10:00:00.5"
