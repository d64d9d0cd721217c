"""`trunkline sandbox`: something to run against on this machine."""

import click


@click.group()
def sandbox() -> None:
    """A look-alike of ServiceTitan, with invented data."""


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="0 takes any free port.")
@click.option("--customers", type=click.IntRange(0, 5_000_000), default=5_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same data.")
@click.option("--tenant", type=int, default=1_000_001, show_default=True, help="ServiceTitan tenant id.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="delay=SECONDS, or a share of requests: 429=0.1, 500=0.1, lost-reply=0.05, html=0.1, expired-token=0.1.",
)
def servicetitan(*, host: str, port: int, customers: int, seed: int, tenant: int, faults: tuple[str, ...]) -> None:
    """Serve a ServiceTitan look-alike that follows the published contract."""
    from trunkline.sandbox.servicetitan import SandboxOptions, parse_fault, run  # noqa: PLC0415 - loads a web server

    try:
        parsed = tuple(parse_fault(fault) for fault in faults)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    run(SandboxOptions(customers=customers, seed=seed, tenant_id=tenant, faults=parsed), host=host, port=port)
