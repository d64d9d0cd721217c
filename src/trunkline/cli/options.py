"""What several commands share. Settings are loaded when they are read: some commands need none."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from trunkline.settings import Settings, TenantSettings

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


def choose_tenant(settings: "Settings", tenant_id: int | None) -> "TenantSettings":
    """The tenant asked for, or the only one there is."""
    if not settings.tenants:
        raise click.UsageError(
            f"No tenant is set up: describe one in {settings.data_dir / 'trunkline.toml'} (see docs/settings.md)."
        )
    if tenant_id is None and len(settings.tenants) == 1:
        return settings.tenants[0]
    for tenant in settings.tenants:
        if tenant.id == tenant_id:
            return tenant
    known = ", ".join(f"{tenant.id} ({tenant.name})" for tenant in settings.tenants)
    raise click.UsageError(f"Say which tenant with --tenant: {known}.")
