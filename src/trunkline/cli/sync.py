"""`trunkline sync`: bring the mirror up to date, once or for ever; how fresh it is, and what there is."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from trunkline import logs
from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.mirror.catalog import Resource
from trunkline.mirror.health import ResourceHealth, health
from trunkline.mirror.surface import lay_out
from trunkline.mirror.sync import MirrorSync, chosen
from trunkline.resources import behind, client_for
from trunkline.settings import Settings
from trunkline.tenants.registry import mirror_lock
from trunkline.web import words


@click.command()
@click.argument("resources", nargs=-1)
@data_dir_option
@tenant_option
@click.option("--full", is_flag=True, help="Read from the beginning; what is there gives way to newer rows only.")
@click.option("--watch", is_flag=True, help="Go on until stopped, each resource as often as it is worth.")
@click.option("--status", is_flag=True, help="Only show how fresh the copy is, and what differs from the contract.")
@click.option("--list", "show_list", is_flag=True, help="Only list the resources there are.")
def sync(
    resources: Sequence[str], data_dir: Path | None, tenant: int | None, *, full: bool, watch: bool, status: bool,
    show_list: bool,
) -> None:  # fmt: skip
    """Copy what changed in ServiceTitan, from the beginning the first time: all RESOURCES, or those named.

    A running service does this by itself.
    """
    logs.configure()
    try:
        wanted = chosen(resources)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="RESOURCES") from None
    if show_list:
        Console().print(_catalog(wanted))
        return
    settings = read_settings(data_dir)
    try:
        if status:
            found = finished(_health(settings, tenant))
            names = {resource.name for resource in wanted}
            _show_health([one for one in found if one.name in names])
            return
        problems = finished(_sync(settings, tenant, wanted, full=full, watch=watch))
    except KeyboardInterrupt:
        return
    for problem in sorted(set(problems.values())):
        feeds = ", ".join(words.resource_name(feed) for feed in problems if problems[feed] == problem)
        click.echo(f"{problem} ({feeds})", err=True)
    if problems:
        raise SystemExit(1)


async def _sync(
    settings: Settings, tenant_id: int | None, wanted: Sequence[Resource], *, full: bool, watch: bool
) -> dict[str, str]:
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        TextColumn("{task.completed:>9,.0f} rows"),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    async with at_tenant(settings, tenant_id, connecting=True) as (tenant, database), httpx.AsyncClient() as http:
        await lay_out(database)
        client = behind(client_for(tenant, database, http), tenant, database)
        mirror = MirrorSync(database, client, region=tenant.region, resources=wanted)
        console = Console(stderr=True)
        async with AsyncExitStack() as stack:
            with console.status("Waiting for another process that copies already"):
                await stack.enter_async_context(mirror_lock(database, tenant.id).held())
            if full:
                await mirror.begin_anew()
            bars = _Bars(stack.enter_context(Progress(*columns, console=console)), changes_only=watch)
            if watch:
                await mirror.run(settings.mirror_interval_s, bars)
            return await mirror.sync_once(bars)


class _Bars:
    """A bar for each resource being read, and a line for each that was."""

    def __init__(self, progress: Progress, *, changes_only: bool) -> None:
        self._progress = progress
        self._changes_only = changes_only
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, feed: str, rows: int, expected: int | None, *, last: bool) -> None:
        """Move the bar of `feed`; after the last page a line takes its place."""
        if feed not in self._tasks:
            self._tasks[feed] = self._progress.add_task(words.resource_name(feed), total=None)
        task = self._tasks[feed]
        self._progress.update(task, advance=rows, total=expected)
        if last:
            done = next(one.completed for one in self._progress.tasks if one.id == task)
            self._progress.remove_task(self._tasks.pop(feed))
            if done or not self._changes_only:
                self._progress.console.print(f"{words.resource_name(feed):28} {done:>9,.0f} rows", highlight=False)


def _catalog(resources: Sequence[Resource]) -> Table:
    table = Table("Resource", "Read as", "Read every", "Scope", box=None, pad_edge=False)
    for one in resources:
        every = "round" if one.cadence.value == 0 else words.span(one.cadence.value)
        table.add_row(one.name, one.kind.value, every, one.scope)
    return table


async def _health(settings: Settings, tenant_id: int | None) -> list[ResourceHealth]:
    async with at_tenant(settings, tenant_id) as (tenant, database):
        return await health(database, tenant.id, round_s=settings.mirror_interval_s)


def _show_health(found: Sequence[ResourceHealth]) -> None:
    console = Console()
    table = Table("Resource", "State", "Rows", "Last complete", "Read every", box=None, pad_edge=False)
    for one in found:
        age = "never" if one.age_s is None else f"{words.span(one.age_s)} ago"
        table.add_row(one.name, one.state, f"{one.rows:,}", age, words.span(one.cadence_s))
    console.print(table)
    for problem in sorted({one.error for one in found if one.error}):
        names = ", ".join(one.name for one in found if one.error == problem)
        console.print(f"\n{problem} ({names})", highlight=False, markup=False, soft_wrap=True)
    if any(one.drift for one in found):
        console.print("\nDifferent from the published contract:")
    for one in found:
        for note in one.drift:
            seen = f"{note.times:,} times since {note.first_seen:%Y-%m-%d}"
            said = f"  {one.name} {note.field} {words.difference(note)}, {seen}"
            console.print(said, highlight=False, markup=False, soft_wrap=True)
