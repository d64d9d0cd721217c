"""`trunkline sandbox`: something to run against on this machine."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from trunkline.secret_sources import read_secret

T = TypeVar("T")


@click.group()
def sandbox() -> None:
    """Look-alikes of ServiceTitan and of phone systems, with invented data."""


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="0 takes any free port.")
@click.option("--customers", type=click.IntRange(0, 5_000_000), default=5_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same data.")
@click.option("--tenant", type=int, default=1_000_001, show_default=True, help="ServiceTitan tenant id.")
@click.option("--page-size", type=click.IntRange(1), default=5_000, show_default=True, help="Rows on a feed's page.")
@click.option(
    "--table-rows", type=click.IntRange(0, 5_000), default=60, show_default=True, help="Rows of lesser tables."
)
@click.option(
    "--mode",
    type=click.Choice(["lenient", "strict"]),
    default="lenient",
    show_default=True,
    help="How what is not known of ServiceTitan turns out: well for the client, or badly.",
)
@click.option(
    "--switch", "switches", multiple=True, metavar="NAME=VALUE", help="One such case, as missing-app-key=403."
)
@click.option("--scope", "scopes", multiple=True, metavar="CODE", help="Only these scopes, as tn.crm.customers:r.")
@click.option(
    "--clients",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with more clients: [[client]] with client_id, client_secret, scopes, tenant_id.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="delay=SECONDS, or a share of requests: 429=0.1, 500=0.1, lost-reply=0.05, html=0.1, expired-token=0.1, "
    "token-429=1, truncated=1, rejected-token=1, extra-fields=1, null-required=1, unknown-word=1; after it @METHOD or "
    "@/part/of/path, and #TIMES.",
)
def servicetitan(
    *,
    host: str,
    port: int,
    customers: int,
    seed: int,
    tenant: int,
    page_size: int,
    table_rows: int,
    mode: str,
    switches: tuple[str, ...],
    scopes: tuple[str, ...],
    clients: Path | None,
    faults: tuple[str, ...],
) -> None:
    """Serve a ServiceTitan look-alike that follows the published contract."""
    from trunkline.sandbox import servicetitan as it  # noqa: PLC0415 - loads a web server

    _tell("--scope", lambda: it.check_scopes(scopes))
    options = it.SandboxOptions(
        customers=customers,
        seed=seed,
        tenant_id=tenant,
        page_size=page_size,
        table_rows=table_rows,
        scopes=scopes or it.SCOPES,
        choices=_tell("--switch", lambda: it.choose("strict" if mode == "strict" else "lenient", switches)),
        clients=_tell("--clients", lambda: it.read_clients(clients) if clients else ()),
        faults=_tell("--fault", lambda: tuple(it.parse_fault(fault) for fault in faults)),
    )
    it.run(options, host=host, port=port)


@sandbox.command()
@click.argument("system")
@click.option("--calls", type=click.IntRange(1), default=9, show_default=True, help="How many, of all kinds in turn.")
@click.option("--url", help="Where deliveries go, as http://127.0.0.1:8040/hooks/ACCOUNT.")
@click.option("--port", type=click.IntRange(0, 65535), help="asterisk: where it listens. smdr: where you listen.")
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="cdr-file: where it is written.")
@click.option("--secret", help="What they are signed with, as env:NAME or file:PATH. Default: the speaker's own.")
@click.option("--address", help="The address that is signed, where a proxy makes it another than --url.")
@click.option("--every", "every_s", type=float, default=1.0, show_default=True, help="Seconds between calls.")
@click.option("--pace", type=float, default=0.1, show_default=True, help="1 is the speed of life.")
def phone(
    *,
    system: str,
    calls: int,
    url: str | None,
    port: int | None,
    file: Path | None,
    secret: str | None,
    address: str | None,
    every_s: float,
    pace: float,
) -> None:
    """Be a phone system: deliver as its vendor does - signed, in order, tried again on the vendor's plan - or listen,
    print, or write a file as one in a shop does.
    """
    if system in _IN_THE_SHOP:
        _in_the_shop(system, calls, port=port, file=file, every_s=every_s, pace=pace)
        return
    if url is None:
        raise click.UsageError(f"Say with --url where the deliveries of {system} go.")
    from trunkline.sandbox.phones import speaker  # noqa: PLC0415 - loads an HTTP client
    from trunkline.sandbox.phones.sending import Line, send_calls  # noqa: PLC0415
    from trunkline.sandbox.phones.speaker import WebhookSpeaker  # noqa: PLC0415

    spoken = _tell("SYSTEM", lambda: speaker(system))
    if not isinstance(spoken, WebhookSpeaker):
        raise click.BadParameter(f"{system} does not deliver by webhook.", param_hint="SYSTEM")
    told = _tell("--secret", lambda: read_secret(secret)) if secret else spoken.secret
    line = Line(url.rstrip("/"), told, address or url, pace)
    sent = asyncio.run(send_calls(spoken, line, calls, first_serial=random.randrange(10**6, 10**9), every_s=every_s))
    answers = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(sent.statuses.items()))
    click.echo(f"{calls} calls, {sent.acknowledged} deliveries acknowledged, {sent.given_up} given up ({answers})")
    if sent.given_up:
        raise SystemExit(1)


_IN_THE_SHOP = {"asterisk": "port", "smdr": "port", "cdr-file": "file"}


def _in_the_shop(system: str, calls: int, *, port: int | None, file: Path | None, every_s: float, pace: float) -> None:
    from trunkline.sandbox.phones import pbx  # noqa: PLC0415 - loads its look-alikes

    if (port if _IN_THE_SHOP[system] == "port" else file) is None:
        raise click.UsageError(f"Say with --{_IN_THE_SHOP[system]} where the calls of {system} go.")
    if system == "asterisk":
        asyncio.run(pbx.ami(port or 0, calls, every_s=every_s, pace=pace, tell=click.echo))
        click.echo(f"{calls} calls")
    elif system == "smdr":
        click.echo(f"{calls} calls, {asyncio.run(pbx.print_lines(port or 0, calls))} lines")
    elif file is not None:
        click.echo(f"{calls} calls, {pbx.write_file(file, calls)} rows in {file}")


def _tell(option: str, read: Callable[[], T]) -> T:
    """What an option says, or what is wrong with it."""
    try:
        return read()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
