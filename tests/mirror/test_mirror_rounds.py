"""What is read when: live resources with every round, others when their cadence is over."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from whole_servicetitan import BY_NAME, Asked, copy_of

from trunkline.mirror.catalog import RESOURCES, TYPED, Cadence
from trunkline.mirror.health import health
from trunkline.mirror.sync import is_due
from trunkline.store.database import Database
from trunkline.store.mirror import FeedState

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def _state(tried_s: float | None, fresh_s: float | None, error: str | None = None) -> FeedState:
    ago = [None if one is None else NOW - timedelta(seconds=one) for one in (tried_s, fresh_s)]
    return FeedState("x", tried_at=ago[0], fresh_at=ago[1], error=error)


@pytest.mark.parametrize(
    ("name", "state", "due"),
    [
        ("customers", _state(1, 1), True),
        ("invoices", None, True),
        ("invoices", _state(299, 299), False),
        ("invoices", _state(300, 300), True),
        ("zones", _state(1799, 1799), False),
        ("zones", _state(1800, 1800), True),
        ("zones", _state(10, 1799), True),
        ("zones", _state(10, None), True),
        ("zones", _state(10, None, "A scope is missing."), False),
        ("zones", _state(1800, None, "A scope is missing."), True),
    ],
)
def test_a_resource_is_due_when_its_cadence_is_over_or_its_reading_broke_off(
    name: str, state: FeedState | None, due: bool
) -> None:
    assert is_due(BY_NAME[name], state, NOW, 60.0) is due


def test_cadences_are_minutes_for_what_is_live_and_up_to_an_hour_for_settings() -> None:
    assert {resource.cadence for resource in TYPED} == {Cadence.LIVE}
    assert all(60 <= resource.cadence.seconds(60) <= 3600 for resource in RESOURCES)


async def test_rounds_go_on_while_a_long_reading_holds_up_nothing_but_itself(database: Database) -> None:
    often, copied = asyncio.Event(), asyncio.Event()
    async with copy_of(database, "customers", "invoices", page_length=10) as it:
        server = it.servicetitan

        def count(_: Asked) -> None:
            asked = server.times_asked()
            if asked["customers"] >= 5 and asked["invoices"]:
                often.set()

        def note(feed: str, *_: object, **__: object) -> None:
            if feed == "invoices":
                copied.set()

        server.meddle = count
        server.hold["invoices"] = asyncio.Event()
        running = asyncio.create_task(it.sync.run(0.01, note))
        async with asyncio.timeout(30):
            await often.wait()
            assert server.times_asked()["invoices"] == 1
            assert (await it.states()).keys() == {"customers"}
            server.hold["invoices"].set()
            await copied.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_health_tells_fresh_late_failing_and_waiting(database: Database) -> None:
    async with copy_of(database, "customers", "invoices", "zones") as it:
        it.servicetitan.meddle = lambda asked: (403, b"") if asked.resource == "zones" else None
        it.servicetitan.rows["customers"][0]["sinceYesterday"] = 1
        await it.sync.sync_once()
        await it.fetch("update mirror.feeds set fresh_at = fresh_at - interval '16 minutes' where feed = 'invoices'")
        found = {one.name: one for one in await health(database, 1_000_001, round_s=60)}
    assert {name: found[name].state for name in ("customers", "invoices", "zones", "tasks")} == {
        "customers": "fresh", "invoices": "late", "zones": "failing", "tasks": "waiting",
    }  # fmt: skip
    assert (found["invoices"].rows, found["invoices"].cadence_s) == (3, 300)
    assert "it needs the scope Zones (View)" in (found["zones"].error or "")
    assert [(one.field, one.kind, one.times) for one in found["customers"].drift] == [("sinceYesterday", "field", 1)]
    assert found["tasks"].age_s is None
