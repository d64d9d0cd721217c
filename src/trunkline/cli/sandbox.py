"""`trunkline sandbox`: something to run against on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

T = TypeVar("T")


@click.group()
def sandbox() -> None:
    """A look-alike of ServiceTitan, with invented data."""


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


def _tell(option: str, read: Callable[[], T]) -> T:
    """What an option says, or what is wrong with it."""
    try:
        return read()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
