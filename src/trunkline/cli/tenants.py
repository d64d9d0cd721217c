"""`trunkline tenants`: the companies of this installation. A running service takes up every change by itself."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import click
import httpx
import msgspec

from trunkline import logs
from trunkline.cli.options import data_dir_option, finished, read_settings
from trunkline.resources import opened, test_connection
from trunkline.secret_sources import as_sentence, read_secret
from trunkline.settings import Settings
from trunkline.store.database import Database
from trunkline.tenants.form import Mistaken, TenantForm
from trunkline.tenants.probe import Outcome
from trunkline.tenants.registry import CannotChange, TenantRegistry
from trunkline.tenants.safe import new_key as made_key
from trunkline.tenants.tenant import Tenant
from trunkline.web import words

T = TypeVar("T")

_ASK = "ask"
_WHERE = "env:NAME, file:/path, command:PROGRAM, or ask."


@click.group()
def tenants() -> None:
    """The companies: add, change, list, show, pause, resume, remove, test."""


@tenants.command()
@data_dir_option
@click.option("--id", "tenant_id", required=True, help="ServiceTitan's tenant id.")
@click.option("--name", required=True, help="The company's name.")
@click.option("--environment", default="production", show_default=True, help="Or integration, or a sandbox's base URL.")
@click.option("--client-id", required=True, help="As in the developer portal.")
@click.option("--client-secret", "secret_at", metavar="WHERE", default=_ASK, help=_WHERE)
@click.option("--app-key", "key_at", metavar="WHERE", default=_ASK, help=_WHERE)
@click.option("--application-guid", default="", help="As in the developer portal: for decisions about numbers.")
@click.option("--booking-provider", default="", help="The id of a booking provider tag: for new callers.")
@click.option("--timezone", default="America/New_York", show_default=True)
@click.option("--region", default="US", show_default=True, help="How local phone numbers are read.")
def add(data_dir: Path | None, *, secret_at: str, key_at: str, **typed: str) -> None:
    """Set a company up. Its secrets are read once, and kept encrypted."""
    form = TenantForm(**typed, **_secrets(secret_at, key_at))
    tenant = _with_registry(data_dir, lambda registry: registry.add(form))
    click.echo(f"Added {tenant.settings.name}; test its connection with: trunkline tenants test {tenant.id}")


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
@click.option("--name", help="The company's name.")
@click.option("--environment", help="production, integration, or a sandbox's base URL.")
@click.option("--client-id", help="As in the developer portal.")
@click.option("--client-secret", "secret_at", metavar="WHERE", help=_WHERE)
@click.option("--app-key", "key_at", metavar="WHERE", help=_WHERE)
@click.option("--application-guid", help="As in the developer portal; empty takes it away.")
@click.option("--booking-provider", help="The id of a booking provider tag; empty takes it away.")
@click.option("--timezone")
@click.option("--region", help="How local phone numbers are read.")
def change(
    data_dir: Path | None, tenant_id: int, *, secret_at: str | None, key_at: str | None, **typed: str | None
) -> None:
    """Change what is given of a company, and leave the rest as it is: also its secrets, which nobody sees again."""
    given = {name: value for name, value in typed.items() if value is not None} | _secrets(secret_at, key_at)
    if not given:
        raise click.UsageError("Say what to change: see trunkline tenants change --help.")

    async def changed(registry: TenantRegistry) -> Tenant:
        present = TenantForm.of(_found(await registry.read(), tenant_id))
        return await registry.change(tenant_id, msgspec.structs.replace(present, **given))

    tenant = _with_registry(data_dir, changed)
    click.echo(f"Changed {tenant.settings.name}; test its connection with: trunkline tenants test {tenant.id}")


def _secrets(secret_at: str | None, key_at: str | None) -> dict[str, str]:
    """Those that are given, by their names in :class:`TenantForm`."""
    read = {
        "client_secret": _secret("--client-secret", "Client secret", secret_at),
        "app_key": _secret("--app-key", "App key", key_at),
    }
    return {name: value for name, value in read.items() if value is not None}


def _secret(option: str, label: str, where: str | None) -> str | None:
    if where is None:
        return None
    if where == _ASK:
        return str(click.prompt(label, hide_input=True))
    try:
        return read_secret(where)
    except ValueError as error:
        raise click.BadParameter(as_sentence(error), param_hint=option) from None


@tenants.command("list")
@data_dir_option
def list_(data_dir: Path | None) -> None:
    """All of them, one a line."""
    for tenant in _with_registry(data_dir, TenantRegistry.read).values():
        place = ", from trunkline.toml" if tenant.in_file else ""
        click.echo(f"{tenant.id}  {tenant.settings.name}  ({_state(tenant)}{place})")


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
def show(data_dir: Path | None, tenant_id: int) -> None:
    """One of them, without its secrets."""
    tenant = _found(_with_registry(data_dir, TenantRegistry.read), tenant_id)
    known = tenant.settings
    click.echo(f"{known.name}\nTenant id: {tenant.id}\nState: {_state(tenant)}")
    click.echo(f"Set up in: {'trunkline.toml' if tenant.in_file else 'the database, secrets encrypted'}")
    click.echo(f"Environment: {words.environment(known.servicetitan.environment)}")
    if guid := known.servicetitan.application_guid:
        click.echo(f"Application GUID: {guid}")
    if provider := known.servicetitan.booking_provider:
        click.echo(f"Booking provider: {provider}")
    click.echo(f"Client id: {known.servicetitan.client_id}\nTime zone: {known.timezone}\nRegion: {known.region}")
    if tenant.trouble:
        click.echo(tenant.trouble, err=True)


def _state(tenant: Tenant) -> str:
    return "secrets unreadable" if tenant.trouble else "paused" if tenant.paused else "running"


def _found(known: dict[int, Tenant], tenant_id: int) -> Tenant:
    if tenant_id not in known:
        raise click.ClickException(f"There is no tenant with the id {tenant_id}.")
    return known[tenant_id]


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
def pause(data_dir: Path | None, tenant_id: int) -> None:
    """Copy nothing, follow no phones, write nothing - until resumed."""
    _with_registry(data_dir, lambda registry: registry.set_paused(tenant_id, paused=True))
    click.echo(f"Tenant {tenant_id} is paused.")


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
def resume(data_dir: Path | None, tenant_id: int) -> None:
    """Go on after a pause."""
    _with_registry(data_dir, lambda registry: registry.set_paused(tenant_id, paused=False))
    click.echo(f"Tenant {tenant_id} runs again.")


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(data_dir: Path | None, tenant_id: int, *, yes: bool) -> None:
    """Erase a company: secrets, the copy of its data, its calls and their log. There is no way back."""
    if not yes:
        name = _found(_with_registry(data_dir, TenantRegistry.read), tenant_id).settings.name
        click.confirm(f"Erase everything that Trunkline has of {name}?", abort=True)
    counts = _with_registry(data_dir, lambda registry: registry.remove(tenant_id))
    click.echo(f"Tenant {tenant_id} was erased. Rows, by table:")
    for table, count in counts.items():
        click.echo(f"{table:34}{count:>10,}")


@tenants.command()
@data_dir_option
@click.argument("tenant_id", type=int)
def test(data_dir: Path | None, tenant_id: int) -> None:
    """Try the connection to ServiceTitan, and say precisely what is wrong."""

    async def tried(registry: TenantRegistry, database: Database) -> Outcome:
        tenant = _found(await registry.read(), tenant_id)
        async with httpx.AsyncClient() as http:
            return await test_connection(tenant, database=database, http=http)

    outcome = _with_database(data_dir, tried)
    if not outcome.is_good:
        raise click.ClickException(outcome.sentence)
    click.echo(outcome.sentence)


@tenants.command()
@data_dir_option
def rotate_key(data_dir: Path | None) -> None:
    """Encrypt all secrets anew: with a new key, or with the first in TRUNKLINE_SECRET_KEY."""
    count = _with_registry(data_dir, TenantRegistry.rotate_key)
    click.echo(f"The secrets of {count} tenants are encrypted with the newest key; older keys are needed no more.")


@tenants.command()
def new_key() -> None:
    """Print a key for TRUNKLINE_SECRET_KEY."""
    click.echo(made_key())


def _with_registry(data_dir: Path | None, work: Callable[[TenantRegistry], Awaitable[T]]) -> T:
    return _with_database(data_dir, lambda registry, _: work(registry))


def _with_database(data_dir: Path | None, work: Callable[[TenantRegistry, Database], Awaitable[T]]) -> T:
    """Do `work`; what goes wrong is one sentence."""
    logs.configure()
    logging.getLogger("trunkline").setLevel(logging.WARNING)  # what was done is the command's output
    settings = read_settings(data_dir)

    async def done() -> T:
        async with _registry(settings) as (registry, database):
            return await work(registry, database)

    try:
        return finished(done(), CannotChange)
    except Mistaken as error:
        raise click.UsageError(str(error)) from None


@asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[tuple[TenantRegistry, Database]]:
    async with opened(settings) as database:
        yield TenantRegistry(settings, database), database
