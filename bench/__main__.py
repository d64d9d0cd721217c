"""Measure everything: ``python -m bench``, or only what is named: ``python -m bench sync``."""

import asyncio
import shutil
import sys
import time
from pathlib import Path

import uvloop

from bench import logged, lookup, machine, phones, pop, report, stand, start, sync, tap, whole
from bench.report import Figure, under
from trunkline.sandbox.asterisk import AmiServer
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import migrate

SMALL, USUAL, LARGE = 10_000, 500_000, 1_000_000


def _grow(folder: Path, first: int, last: int) -> None:
    postgres = EmbeddedPostgres(folder / "postgres")
    url = postgres.start()
    asyncio.run(migrate(url))
    stand.fill(url, first, last)
    postgres.stop()


def _service() -> list[Figure]:
    """One installation that grows: lookups in a small mirror, the rest in a usual one, lookups in a large one."""
    folder = stand.fresh("service")
    with stand.sandbox(USUAL) as sandbox_url:
        _grow(folder, 0, SMALL)
        with stand.served(folder, sandbox_url) as served:
            small_ms = lookup.one_by_one_p50_ms(served, SMALL)
        _grow(folder, SMALL, USUAL)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_usual(folder, sandbox_url))
        _grow(folder, USUAL, LARGE)
        with stand.served(folder, sandbox_url) as served:
            figures.append(lookup.growth(small_ms, lookup.one_by_one_p50_ms(served, LARGE)))
    return figures


async def _usual(folder: Path, sandbox_url: str) -> list[Figure]:
    async with AmiServer() as ami:
        return await asyncio.to_thread(_with_service, folder, sandbox_url, ami, asyncio.get_running_loop())


def _with_service(folder: Path, sandbox_url: str, ami: AmiServer, loop: asyncio.AbstractEventLoop) -> list[Figure]:
    with stand.served(folder, sandbox_url, ami) as served:
        figures = [under("trunkline serve ready on an existing data directory", served.ready_s, "s", 3)]
        figures += lookup.measure(served, USUAL)  # only reads: the disk is done with what was filled in after it
        figures += asyncio.run_coroutine_threadsafe(pop.measure(served, ami, USUAL), loop).result()
        figures += logged.measure(served, EmbeddedPostgres(folder / "postgres").start(), sandbox_url)
        figures.append(under(f"resident with {USUAL:,} customers mirrored", served.resident_mb(), "MB", 250))
    return figures


def _phones() -> list[Figure]:
    """What phone systems say, taken in by an installation with a usual mirror."""
    figures = _missed()
    folder = stand.fresh("phones")
    with stand.sandbox(SMALL) as sandbox_url:
        _grow(folder, 0, SMALL)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return figures + runner.run(_heard(folder, sandbox_url))


def _missed() -> list[Figure]:
    """What nobody heard, brought in by an installation that starts."""
    folder = stand.fresh("missed")
    records = folder / "Master.csv"
    with stand.sandbox(SMALL) as sandbox_url:
        _grow(folder, 0, SMALL)
        phones.write_history(records)
        began = time.perf_counter()
        with stand.served(folder, sandbox_url, records=records):
            return phones.backfill(began, EmbeddedPostgres(folder / "postgres").start(), sandbox_url)


async def _heard(folder: Path, sandbox_url: str) -> list[Figure]:
    async with AmiServer() as ami:
        loop = asyncio.get_running_loop()

        def measure() -> list[Figure]:
            with stand.served(folder, sandbox_url, ami) as served:
                url = EmbeddedPostgres(folder / "postgres").start()
                figures = asyncio.run_coroutine_threadsafe(phones.stream(served, ami, url), loop).result()
                return figures + phones.webhooks(served, url)

        return await asyncio.to_thread(measure)


_PARTS = {
    "sandbox": start.measure,
    "sync": sync.measure,
    "tap": tap.measure,
    "whole": whole.measure,
    "service": _service,
    "phones": _phones,
}


def main() -> int:
    """Exit status 1 where a bar does not hold."""
    chosen = sys.argv[1:] or list(_PARTS)
    try:
        figures = machine.measure()
        figures += [figure for name in chosen for figure in _PARTS[name]()]
    finally:
        shutil.rmtree(stand.FOLDER, ignore_errors=True)
    return 0 if report.write(figures, keep=chosen == list(_PARTS)) else 1


if __name__ == "__main__":
    sys.exit(main())
