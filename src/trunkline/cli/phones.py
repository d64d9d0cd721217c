"""`trunkline phone-systems`: which there are, what each can do, and how complete its adapter is."""

import click
import msgspec

from trunkline.phone_systems.grades import Report, reports


@click.command("phone-systems")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def phone_systems(*, as_json: bool) -> None:
    """List the phone systems that Trunkline works with."""
    found = reports()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    from rich.console import Console  # noqa: PLC0415 - only where a person reads
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None)
    for title in ("Phone system", "Grade", "Can", "Open"):
        table.add_column(title)
    for one in found:
        table.add_row(one.system, one.grade, ", ".join(one.capabilities), _open(one))
    Console().print(table)


def _open(report: Report) -> str:
    return "; ".join(f"{rule}: {what}" for rule, what in report.open.items())
