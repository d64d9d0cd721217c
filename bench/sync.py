"""The first full copy, beside a bare loop that downloads and decodes the same pages from the same sandbox."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx
import uvloop

from bench.report import Figure, at_least, context
from bench.stand import TENANT, fresh, sandbox, say
from trunkline.mirror.catalog import TYPED, Resource
from trunkline.mirror.feeds import FEEDS
from trunkline.mirror.sync import MirrorSync
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import migrate
from trunkline.store.rate import RequestPlaces

CUSTOMERS = 200_000
QUIET_S = 1.5  # lets the limit of requests per second forget the run before
_CREDENTIALS = Credentials("cid.example", "cs1.example-secret", "ak1.example")


@dataclass(frozen=True)
class Reading:
    """How many rows of each feed came in how many seconds."""

    rows: Counter[str]
    seconds: float

    @property
    def per_second(self) -> float:
        """Rows per second, of all feeds."""
        return self.rows.total() / self.seconds

    def rows_of(self, feeds: Iterable[str]) -> int:
        """The rows of these feeds."""
        return sum(self.rows[feed] for feed in feeds)


def measure() -> list[Figure]:
    """Rows per second of the sync and of the bare loop, when the sandbox makes pages and when it has them ready."""
    postgres = EmbeddedPostgres(fresh("sync") / "postgres")
    figures = []
    try:
        url = postgres.start()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            with sandbox(CUSTOMERS) as first:
                made = runner.run(bare_loop(first)).per_second
                ready = max(runner.run(bare_loop(first)).per_second for _ in range(2))
                synced = runner.run(copy(url, first)).per_second
                figures += _with_pages_ready(synced, ready)
            runner.run(empty(url))
            with sandbox(CUSTOMERS) as second:
                figures.append(_figure(runner.run(copy(url, second)).per_second, made))
    finally:
        postgres.stop()
    return figures


def _figure(synced: float, bare: float) -> Figure:
    name = f"full sync of {CUSTOMERS:,} customers"
    return at_least(name, synced, "rows/s", f"a bare loop: {bare:,.0f} rows/s", ratio=synced / bare, bar=0.6)


def _with_pages_ready(synced: float, bare: float) -> list[Figure]:
    """The same where nobody waits for the sandbox. README.md says why it has no bar."""
    return [
        context(f"full sync of {CUSTOMERS:,} customers, pages ready in memory", synced, "rows/s"),
        context("a bare loop, pages ready in memory", bare, "rows/s"),
    ]


async def bare_loop(url: str) -> Reading:
    """Download and decode all pages of the feeds that have an export."""
    say("Downloading and decoding all pages in a bare loop")
    rows: Counter[str] = Counter()
    async with httpx.AsyncClient(timeout=120) as http:
        form = {"grant_type": "client_credentials", "client_id": "cid.example", "client_secret": "cs1.example-secret"}
        token = (await http.post(f"{url}/connect/token", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "ST-App-Key": "ak1.example"}
        began = time.perf_counter()
        for feed in FEEDS:
            query = {"includeRecentChanges": "true"}
            while feed.export:
                answer = await http.get(f"{url}/{feed.path.format(tenant=TENANT)}", params=query, headers=headers)
                if (
                    answer.status_code == httpx.codes.TOO_MANY_REQUESTS
                ):  # small pages come fast; the pause is not counted
                    await asyncio.sleep(QUIET_S)
                    began += QUIET_S
                    continue
                page = json.loads(answer.raise_for_status().content)
                rows[feed.name] += len(page["data"])
                query["from"] = page["continueFrom"]
                if not page["hasMore"]:
                    break
        seconds = time.perf_counter() - began
    await asyncio.sleep(QUIET_S)
    return Reading(rows, seconds)


async def copy(database_url: str, sandbox_url: str, resources: Sequence[Resource] = TYPED) -> Reading:
    """The first full sync, into an empty mirror."""
    say(f"Copying {CUSTOMERS:,} customers with all that is theirs")
    await migrate(database_url)
    database = await Database.open(database_url)
    rows: Counter[str] = Counter()

    def count(feed: str, more: int, _expected: int | None, *, last: bool) -> None:
        rows[feed] += more

    async with httpx.AsyncClient() as http:
        client = ServiceTitan(
            Environment.at(sandbox_url), TENANT, _CREDENTIALS, limiter=RequestPlaces(database, "bench"), http=http
        )
        began = time.perf_counter()
        problems = await MirrorSync(database, client, resources=resources).sync_once(count)
        seconds = time.perf_counter() - began
    await database.close()
    if problems:
        raise RuntimeError(f"The sync failed: {problems}")
    return Reading(rows, seconds)


async def empty(database_url: str) -> None:
    """Empty the mirror for the next first sync."""
    database = await Database.open(database_url)
    async with database.connection() as connection:
        cursor = await connection.execute(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables where schemaname = 'mirror'"
        )
        row = await cursor.fetchone()
        await connection.execute(f"truncate {row[0] if row else ''}".encode())
    await database.close()
