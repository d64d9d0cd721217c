"""`trunkline lookup`: the caller card without a browser."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from trunkline import logs
from trunkline.calls.desk import network_card, read_number
from trunkline.calls.identify import Identification
from trunkline.calls.views import NetworkCard
from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.domain.caller import CallerCard, CustomerFacts, Match, MatchKind
from trunkline.resources import opened
from trunkline.settings import Settings
from trunkline.tenants.registry import TenantRegistry
from trunkline.web import words


@click.command()
@click.argument("number")
@data_dir_option
@tenant_option
@click.option("--network", metavar="NAME", help="Look in every tenant of this network.")
@click.option("--json", "as_json", is_flag=True, help="The card as the API gives it.")
def lookup(number: str, data_dir: Path | None, tenant: int | None, network: str | None, *, as_json: bool) -> None:
    """Who has this phone NUMBER."""
    logs.configure()
    settings = read_settings(data_dir)
    try:
        found, lines = finished(
            _in_network(settings, network, number) if network else _at_one(settings, tenant, number)
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NUMBER") from None
    click.echo(msgspec.json.encode(found).decode() if as_json else "\n".join(lines))


async def _at_one(settings: Settings, tenant_id: int | None, text: str) -> tuple[CallerCard, list[str]]:
    async with at_tenant(settings, tenant_id) as (tenant, database):
        number = read_number(text, tenant.region)
        card = await Identification(database, {tenant.id: tenant.timezone}).card(tenant.id, number)
    return card, list(_lines(card, tenant.timezone))


async def _in_network(settings: Settings, name: str, text: str) -> tuple[NetworkCard, list[str]]:
    async with opened(settings) as database:
        tenants = await TenantRegistry(settings, database).read()
        wanted = next((one.tenants for one in settings.networks if one.name == name), [])
        members = {key: tenants[key].settings for key in wanted if key in tenants and tenants[key].runs}
        if not members:
            known = ", ".join(one.name for one in settings.networks) or "none"
            raise click.UsageError(f"Say which network with --network: {known}.")
        number = read_number(text, next(iter(members.values())).region)
        identification = Identification(database, {key: one.timezone for key, one in members.items()})
        cards = {key: await identification.card(key, number) for key in members}
    found = network_card({key: one.name for key, one in members.items()}, cards)
    return found, [found.company, *_lines(found.card, members[found.tenant_id].timezone)]


def _lines(card: CallerCard, timezone: str) -> Iterator[str]:
    zone = ZoneInfo(timezone)
    yield words.number(card.number)
    yield from _match(card.match, zone)
    for one in card.elsewhere:
        yield f"Also at {one.company}:"
        yield from (f"  {line}" for line in _match(one.match, zone))
    for call in card.past_calls:
        when = f"{words.day(call.started_at, zone)}, {words.clock(call.started_at, zone)}"
        yield f"Earlier call: {when} {call.outcome or ''}".rstrip()


def _match(match: Match, zone: ZoneInfo) -> Iterator[str]:
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
