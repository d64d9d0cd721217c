"""`trunkline demo`: everything on this machine, with invented customers."""

import asyncio
import logging
import random
import sys
import tempfile
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import Progress

from trunkline import logs
from trunkline.cli.demo_stage import Report, Stage, stage
from trunkline.resources import Refusal
from trunkline.settings import DEFAULT_PORT

HEADLESS_PACE = 0.25
CALLS_PER_SECOND = 5.0


@click.command()
@click.option("--headless", is_flag=True, help="Play a number of calls as fast as they go, check them, and end.")
@click.option("--calls", type=click.IntRange(1, 5_000), default=40, show_default=True, help="How many, when headless.")
@click.option("--json", "as_json", is_flag=True, help="When headless: end with one JSON object on standard output.")
@click.option("--customers", type=click.IntRange(100, 1_000_000), default=5_000, show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--open/--no-open", "show", default=True, help="Open the board in a browser.")
def demo(**options: bool | int) -> None:
    """Watch calls come in, customers pop, and the calls appear in a look-alike of ServiceTitan."""
    logs.configure()
    logging.getLogger("trunkline").setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            balanced = runner.run(_demo(options))
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from None
    except KeyboardInterrupt:
        click.echo("\nStopped.", err=True)
        return
    if not balanced:
        raise SystemExit(1)


async def _demo(options: dict[str, bool | int]) -> bool:
    console = Console(stderr=True)
    headless = bool(options["headless"])
    with tempfile.TemporaryDirectory(prefix="trunkline-demo-") as folder, Progress(console=console) as progress:
        task = progress.add_task(f"Copying {options['customers']} customers from ServiceTitan", total=None)

        def on_progress(_what: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        port = 0 if headless else int(options["port"])
        async with stage(
            Path(folder), port=port, customers=int(options["customers"]), on_progress=on_progress
        ) as playing:
            progress.stop()
            if headless:
                return _tell(await _play_and_check(playing, int(options["calls"])), as_json=bool(options["as_json"]))
            console.print(f"\nThe board: [bold]{playing.service.base_url}[/bold]   (Ctrl-C stops)\n")
            if options["show"] and sys.stdout.isatty():
                with suppress(webbrowser.Error):
                    webbrowser.open(playing.service.base_url)
            await _play_for_ever(playing)
    return True


async def _play_and_check(playing: Stage, calls: int) -> Report:
    watcher = asyncio.create_task(playing.watch())
    await asyncio.sleep(0.2)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for turn in range(calls):
            group.create_task(playing.play_one(turn, pace=HEADLESS_PACE))
            await asyncio.sleep(1 / CALLS_PER_SECOND)
    report = await playing.report(time.perf_counter() - began)
    watcher.cancel()
    return report


async def _play_for_ever(playing: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        turn = 0
        while True:
            group.create_task(playing.play_one(turn, pace=random.uniform(2.0, 5.0)))
            turn += 1
            await asyncio.sleep(random.uniform(2.0, 6.0))


def _tell(report: Report, *, as_json: bool) -> bool:
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        click.echo(
            f"{report.calls} calls played, {report.popped} popped (half within {report.pop_ms['p50']} ms),"
            f" {report.matched} matched, {report.logged} logged in ServiceTitan;"
            f" {report.lost} lost, {report.duplicates} twice."
        )
    return report.lost == 0 and report.duplicates == 0
