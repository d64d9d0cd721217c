"""`trunkline lookup`: the caller card without a browser."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from trunkline import logs
from trunkline.calls.desk import read_number
from trunkline.calls.identify import Identification
from trunkline.cli.options import choose_tenant, data_dir_option, read_settings, tenant_option
from trunkline.domain.caller import CallerCard, CustomerFacts, MatchKind
from trunkline.resources import Refusal, opened
from trunkline.settings import Settings, TenantSettings
from trunkline.store.database import DatabaseUnavailable
from trunkline.web import words


@click.command()
@click.argument("number")
@data_dir_option
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="The card as GET /api/v1/lookup gives it.")
def lookup(number: str, data_dir: Path | None, tenant: int | None, *, as_json: bool) -> None:
    """Who has this phone NUMBER."""
    logs.configure()
    settings = read_settings(data_dir)
    chosen = choose_tenant(settings, tenant)
    try:
        card = asyncio.run(_card(settings, chosen, read_number(number, chosen.region)))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NUMBER") from None
    except (Refusal, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from None
    click.echo(msgspec.json.encode(card).decode() if as_json else "\n".join(_lines(card, chosen)))


async def _card(settings: Settings, tenant: TenantSettings, number: str) -> CallerCard:
    async with opened(settings) as database:
        return await Identification(database, {tenant.id: tenant.timezone}).card(tenant.id, number)


def _lines(card: CallerCard, tenant: TenantSettings) -> Iterator[str]:
    zone = ZoneInfo(tenant.timezone)
    match = card.match
    yield words.number(card.number)
    for one in match.staff:
        at = f", now at {one.current_job.number}" if one.current_job else ""
        yield f"{one.name}: {words.staff_kind(one.kind)}{at}"
    if match.kind not in {MatchKind.SINGLE, MatchKind.STAFF}:
        yield words.match_line(match)
    for candidate in match.candidates:
        yield f"{candidate.customer.name} ({words.reasons(candidate.reasons)})"
        yield from (f"  {line}" for line in _customer(candidate.customer, zone))
    for customer in match.former:
        yield f"{customer.name} (moved away)"
    for call in card.past_calls:
        when = f"{words.day(call.started_at, zone)}, {words.clock(call.started_at, zone)}"
        yield f"Earlier call: {when} {call.outcome or ''}".rstrip()


def _customer(customer: CustomerFacts, zone: ZoneInfo) -> Iterator[str]:
    if customer.do_not_service:
        yield "DO NOT SERVICE"
    if not customer.active:
        yield "inactive in ServiceTitan"
    if visit := customer.next_appointment:
        yield f"Next visit: {words.window(visit, zone)} {', '.join(visit.technicians)}".rstrip()
    for job in customer.open_jobs:
        yield f"Open job {job.number}: {job.job_type or ''} {job.status}"
    for place in customer.locations:
        yield f"Location: {place.address or place.name}"
    if customer.balance is not None:
        yield f"Balance: {words.money(customer.balance)}"
    if customer.tags:
        yield f"Tags: {', '.join(customer.tags)}"
