"""What several commands share. Settings are loaded when they are read: some commands need none."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from trunkline.settings import Settings, TenantSettings
    from trunkline.store.database import Database

T = TypeVar("T")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TRUNKLINE_DATA_DIR",
    help="Where trunkline.toml and the embedded PostgreSQL live (default: .trunkline).",
)
tenant_option = click.option("--tenant", type=int, help="ServiceTitan tenant id; needed where there are several.")


def read_settings(data_dir: Path | None) -> "Settings":
    """The settings, or one clear sentence and exit status 2."""
    from trunkline.settings import SettingsError, load  # noqa: PLC0415

    try:
        return load(data_dir)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def finished(work: Coroutine[Any, Any, T], *also: type[Exception]) -> T:
    """What `work` comes to, or one clear sentence and exit status 1: where the installation does not allow it, or for
    errors that are expected `also`."""
    from trunkline.resources import Refusal  # noqa: PLC0415
    from trunkline.store.database import DatabaseUnavailable  # noqa: PLC0415

    expected: tuple[type[Exception], ...] = (Refusal, DatabaseUnavailable, *also)
    try:
        return asyncio.run(work)
    except expected as error:
        raise click.ClickException(str(error)) from None


@asynccontextmanager
async def at_tenant(
    settings: "Settings", tenant_id: int | None, *, connecting: bool = False
) -> AsyncIterator[tuple["TenantSettings", "Database"]]:
    """The tenant asked for, and the database while the body runs. One that is to be connected to has secrets that can
    be read.

    Raises:
        Refusal, DatabaseUnavailable: there is no working without it.
    """
    from trunkline.resources import opened  # noqa: PLC0415

    async with opened(settings) as database:
        yield await _choose_tenant(settings, database, tenant_id, connecting=connecting), database


async def _choose_tenant(
    settings: "Settings", database: "Database", tenant_id: int | None, *, connecting: bool
) -> "TenantSettings":
    """The tenant asked for, or the only one there is."""
    from trunkline.tenants.registry import TenantRegistry  # noqa: PLC0415

    tenants = await TenantRegistry(settings, database).read()
    if not tenants:
        raise click.UsageError(
            "No tenant is set up: add one with `trunkline tenants add`, or describe it in"
            f" {settings.data_dir / 'trunkline.toml'} (see docs/settings.md)."
        )
    if tenant_id is None and len(tenants) == 1:
        tenant_id = next(iter(tenants))
    if tenant_id is not None and tenant_id in tenants:
        chosen = tenants[tenant_id]
        if connecting and chosen.trouble is not None:
            raise click.ClickException(chosen.trouble)
        return chosen.settings
    known = ", ".join(f"{tenant.id} ({tenant.settings.name})" for tenant in tenants.values())
    raise click.UsageError(f"Say which tenant with --tenant: {known}.")
