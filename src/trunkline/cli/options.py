"""What several commands share. Settings are loaded when they are read: some commands need none."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from trunkline.settings import Settings, TenantSettings
    from trunkline.store.database import Database

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


async def choose_tenant(
    settings: "Settings", database: "Database", tenant_id: int | None, *, connecting: bool = False
) -> "TenantSettings":
    """The tenant asked for, or the only one there is; one that is to be connected to has secrets that can be read.

    Raises:
        DatabaseUnavailable: nobody can say who there is.
    """
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
