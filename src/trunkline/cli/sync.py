"""`trunkline sync`: bring the mirror up to date once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from trunkline import logs
from trunkline.cli.options import choose_tenant, data_dir_option, read_settings, tenant_option
from trunkline.mirror.sync import MirrorSync
from trunkline.resources import Refusal, client_for, opened
from trunkline.settings import Settings
from trunkline.store.database import DatabaseUnavailable
from trunkline.tenants.registry import mirror_lock


@click.command()
@data_dir_option
@tenant_option
def sync(data_dir: Path | None, tenant: int | None) -> None:
    """Copy what changed in ServiceTitan, from the beginning the first time. A running service does this by itself."""
    logs.configure()
    settings = read_settings(data_dir)
    try:
        problems = asyncio.run(_sync(settings, tenant))
    except (Refusal, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from None
    for problem in sorted(set(problems.values())):
        feeds = ", ".join(feed.replace("_", " ") for feed in problems if problems[feed] == problem)
        click.echo(f"{problem} ({feeds})", err=True)
    if problems:
        raise SystemExit(1)


async def _sync(settings: Settings, tenant_id: int | None) -> dict[str, str]:
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        TextColumn("{task.completed:>9,.0f} rows"),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    async with opened(settings) as database, httpx.AsyncClient() as http:
        tenant = await choose_tenant(settings, database, tenant_id, connecting=True)
        mirror = MirrorSync(database, client_for(tenant, database, http), region=tenant.region)
        console = Console(stderr=True)
        async with AsyncExitStack() as stack:
            with console.status("Waiting for another process that copies already"):
                await stack.enter_async_context(mirror_lock(database, tenant.id).held())
            progress = stack.enter_context(Progress(*columns, console=console))
            return await mirror.sync_once(_Bars(progress, mirror.feed_names))


class _Bars:
    """One bar per feed."""

    def __init__(self, progress: Progress, feeds: Sequence[str]) -> None:
        self._progress = progress
        self._tasks = {feed: progress.add_task(feed.replace("_", " "), total=None) for feed in feeds}

    def __call__(self, feed: str, rows: int, expected: int | None, *, last: bool) -> None:
        """Move the bar of `feed`; whatever was expected, it is full after the last page."""
        task = self._tasks[feed]
        self._progress.update(task, advance=rows, total=expected)
        if last:
            done = self._progress.tasks[task].completed
            self._progress.update(task, total=done or 1, completed=done or 1)
