"""`trunkline numbers`: what people decided about phone numbers."""

import getpass
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import httpx
import msgspec

from trunkline import logs
from trunkline.calls.desk import read_number
from trunkline.calls.identify import Identification
from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.numbers.book import DecisionRefused, NumberBook
from trunkline.numbers.keeper import Keeper
from trunkline.numbers.views import Entry
from trunkline.resources import client_for
from trunkline.servicetitan.errors import ServiceTitanError
from trunkline.settings import TenantSettings
from trunkline.store.database import Database
from trunkline.web import words

T = TypeVar("T")

_KINDS = {kind.value.replace("_", "-"): kind for kind in DecisionKind}


class _OwnerType(click.ParamType[Owner]):
    name = "owner"

    def convert(self, value: str | Owner, param: click.Parameter | None, ctx: click.Context | None) -> Owner:
        if isinstance(value, Owner):
            return value
        kind, _, number = value.partition(":")
        if kind not in {"customer", "location"} or not number.isdecimal():
            self.fail("Write customer:ID or location:ID, with the id that ServiceTitan shows.", param, ctx)
        return Owner(OwnerKind(kind), int(number))


_owner_option = click.option(
    "--of", "owner", type=_OwnerType(), metavar="customer:ID|location:ID", help="Whose number it is, or was."
)


@click.group()
def numbers() -> None:
    """What people decided about phone numbers: direct line, shared, moved away, spam."""


@numbers.command("list")
@click.argument("number", required=False)
@data_dir_option
@tenant_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One decision on a line.")
def list_(number: str | None, data_dir: Path | None, tenant: int | None, limit: int, *, as_json: bool) -> None:
    """The decisions that hold, the newest first, or those about one NUMBER."""

    async def read(one: _Chosen) -> list[str]:
        if number:
            entries = await one.book.about(one.tenant.id, one.number(number))
        else:
            entries = await one.book.latest(one.tenant.id, limit=limit)
        return [msgspec.json.encode(entry).decode() if as_json else _line(entry, one.tenant) for entry in entries]

    for line in _with_tenant(data_dir, tenant, read):
        click.echo(line)


@numbers.command()
@click.argument("number")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@data_dir_option
@tenant_option
@_owner_option
@click.option("--by", default=getpass.getuser, help="Who decides (default: the name you are signed in with).")
def mark(number: str, kind: str, data_dir: Path | None, tenant: int | None, owner: Owner | None, *, by: str) -> None:
    """Decide that NUMBER is a direct line, shared, moved away from its owner, or spam. Later calls follow at once."""

    async def decide(one: _Chosen) -> str:
        decided_by = by.strip() or "somebody"
        entry = await one.book.mark(one.tenant.id, one.number(number), _KINDS[kind], owner, by=decided_by)
        return _line(entry, one.tenant)

    click.echo(_with_tenant(data_dir, tenant, decide))


@numbers.command()
@click.argument("number")
@data_dir_option
@tenant_option
@_owner_option
def forget(number: str, data_dir: Path | None, tenant: int | None, owner: Owner | None) -> None:
    """Undo what was decided about NUMBER and a customer or location, or else about NUMBER itself."""

    async def undo(one: _Chosen) -> bool:
        return await one.book.forget(one.tenant.id, one.number(number), owner)

    if not _with_tenant(data_dir, tenant, undo):
        raise click.ClickException("Nothing of the kind was decided; `trunkline numbers list` shows what was.")


@numbers.command()
@data_dir_option
@tenant_option
def restore(data_dir: Path | None, tenant: int | None) -> None:
    """Read back from ServiceTitan what was decided; what was decided here stays.

    A fresh installation does so by itself.
    """

    async def read(one: _Chosen) -> int:
        guid = one.tenant.servicetitan.application_guid
        if guid is None:
            raise click.UsageError(
                "Set the tenant's application GUID first (see docs/settings.md): keys are found by it."
            )
        async with httpx.AsyncClient() as http:
            return await Keeper(one.database, client_for(one.tenant, one.database, http), guid).restore()

    click.echo(f"{_with_tenant(data_dir, tenant, read, connecting=True)} decisions were read back.")


@dataclass(frozen=True)
class _Chosen:
    """The tenant that a command is about, and what it works with."""

    tenant: TenantSettings
    database: Database

    @property
    def book(self) -> NumberBook:
        """The decisions about the tenant's numbers."""
        identification = Identification(self.database, {self.tenant.id: self.tenant.timezone})
        return NumberBook(self.database, identification.card)

    def number(self, text: str) -> str:
        """What was typed as the NUMBER, in E.164."""
        try:
            return read_number(text, self.tenant.region)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="NUMBER") from None


def _with_tenant(
    data_dir: Path | None, tenant_id: int | None, work: Callable[[_Chosen], Awaitable[T]], *, connecting: bool = False
) -> T:
    """Do `work`; what goes wrong is one sentence."""
    logs.configure()
    settings = read_settings(data_dir)

    async def done() -> T:
        async with at_tenant(settings, tenant_id, connecting=connecting) as (tenant, database):
            return await work(_Chosen(tenant, database))

    return finished(done(), DecisionRefused, ServiceTitanError)


def _line(entry: Entry, tenant: TenantSettings) -> str:
    remembered = tenant.servicetitan.application_guid is not None
    parts: Sequence[str] = (
        words.number(entry.number),
        words.decision(entry.kind),
        "" if entry.owner.kind is OwnerKind.NUMBER else f"{entry.owner.kind.value} {entry.owner.id}",
        f"{entry.decided_by}, {entry.decided_at:%Y-%m-%d}",
        words.kept(entry, remembered=remembered),
    )
    return "  ".join(filter(None, parts))
