"""`trunkline serve`: the service itself."""

import asyncio
import sys
import threading
from pathlib import Path

import click
import uvloop

from trunkline import logs
from trunkline.cli.options import data_dir_option, read_settings
from trunkline.settings import Settings
from trunkline.store.embedded import EmbeddedPostgres

THREAD_TURN_S = 0.0005


@click.command()
@data_dir_option
@click.option("--host", help="Address to listen on; beyond loopback an access token is needed.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8040).")
@click.option("-v", "--verbose", is_flag=True, help="Log in more detail.")
def serve(data_dir: Path | None, host: str | None, port: int | None, *, verbose: bool) -> None:
    """Follow the phones, show the board, write the log - until stopped."""
    logs.configure(verbose=verbose)
    settings = read_settings(data_dir)
    changes = {"host": host, "port": port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    run(settings)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    # The event loop takes calls; DBOS and the mirror work in threads. By default a busy thread keeps the loop from the
    # interpreter for 5 ms at a time, which a ring would wait for again and again.
    sys.setswitchinterval(THREAD_TURN_S)
    postgres = _start_postgres_early(settings)
    from trunkline.app import serve_until_stopped  # noqa: PLC0415 - while PostgreSQL starts
    from trunkline.resources import Refusal  # noqa: PLC0415 - as above

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_until_stopped(settings, postgres))
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from None


def _start_postgres_early(settings: Settings) -> EmbeddedPostgres | None:
    """Let the embedded server start while the rest of the program is still being imported."""
    if settings.database_url is not None:
        return None
    postgres = EmbeddedPostgres(settings.postgres_dir)
    threading.Thread(target=postgres.start, name="postgres-start").start()
    return postgres
