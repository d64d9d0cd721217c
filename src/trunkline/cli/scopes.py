"""`trunkline scopes`: what the app needs of ServiceTitan, and what the tenant has approved."""

from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import msgspec

from trunkline import logs
from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.features import look_at_scopes, scope_report
from trunkline.resources import client_for
from trunkline.servicetitan.errors import ServiceTitanError
from trunkline.servicetitan.scopes import ScopeReport
from trunkline.settings import Settings
from trunkline.store.scopes import GrantedScopes


@click.command()
@data_dir_option
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def scopes(data_dir: Path | None, tenant: int | None, *, as_json: bool) -> None:
    """Compare the scopes that the features need with those that the tenant's token grants.

    Ends with the list to choose in the developer portal under 'Change API Scopes', least privilege first. Exit status
    1 where something that is needed is missing.
    """
    logs.configure()
    settings = read_settings(data_dir)
    report, known = finished(_report(settings, tenant), ServiceTitanError)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report.summary()), indent=2).decode())
    else:
        click.echo("\n".join(_lines(report, known)))
    if any(report.missing(feature) for feature in report.features):
        raise SystemExit(1)


async def _report(settings: Settings, tenant_id: int | None) -> tuple[ScopeReport, GrantedScopes | None]:
    async with at_tenant(settings, tenant_id, connecting=True) as (tenant, database), httpx.AsyncClient() as http:
        await look_at_scopes(client_for(tenant, database, http), database)
        return await scope_report(database, tenant)


def _lines(report: ScopeReport, known: GrantedScopes | None) -> Iterator[str]:
    if not report.granted:
        yield "The tenant's token does not say what it grants."
    for feature in report.features:
        off = report.off(feature)
        yield f"{feature.name}: {'on' if off is None else f'off in part. {off}'}"
    if known is not None and known.change is not None:
        yield f"Last change, {known.changed_at:%Y-%m-%d}: {known.change}"
    if report.unused:
        yield f"Granted and not used: {', '.join(map(str, report.unused))}"
    if report.unknown:
        yield f"Granted and not known to this app: {', '.join(report.unknown)}"
    yield ""
    yield "To choose in the developer portal under 'Change API Scopes':"
    for need in report.needed:
        yield f"  {need.scope}: {need.right}"
