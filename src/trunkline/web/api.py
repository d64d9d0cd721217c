"""The same facts without a browser: JSON, described by OpenAPI."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Request, get
from litestar.exceptions import ValidationException
from litestar.openapi import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.response.base import ASGIResponse

from trunkline.calls.views import CallView, NetworkCard
from trunkline.domain.caller import CallerCard
from trunkline.mirror.health import ResourceHealth
from trunkline.servicetitan.scopes import ScopeSummary
from trunkline.web.office import Office, TheOffice
from trunkline.web.plain_lookup import PlainLookup
from trunkline.web.rights import Right

Tenant = Annotated[
    int | None, QueryParameter(name="tenant", description="ServiceTitan tenant id; needed where there are several.")
]
Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="Go on after the call with this id.")]
MOST_CALLS = 200


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457): `detail` is one sentence for people."""

    type: str
    title: str
    status: int
    detail: str


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """How trouble is told, for the description of an endpoint."""
    return {
        status: ResponseSpec(Problem, description=HTTPStatus(status).phrase, media_type="application/problem+json")
        for status in statuses
    }


class CallPage(msgspec.Struct, frozen=True):
    """Calls, the newest first; go on with `before` = `next`, until it is null."""

    calls: list[CallView]
    next: int | None = None


class HealthReport(msgspec.Struct, frozen=True):
    """How fresh the mirror is: how many resources are in each state, and every resource."""

    fresh: int
    late: int
    failing: int
    waiting: int
    resources: list[ResourceHealth]


class Pong(msgspec.Struct, frozen=True):
    """The service answers."""

    status: str = "ok"


class Api(Controller):
    """Version 1."""

    path = "/api/v1"
    tags = ("Trunkline",)

    @get(
        "/lookup",
        summary="Who has this phone number",
        responses={200: ResponseSpec(CallerCard), **problems(400, 401, 404, 503)},
        middleware=[PlainLookup],
        right=Right.DESK,
    )
    async def lookup(
        self,
        request: Request[Any, Any, Any],
        number: Annotated[str, QueryParameter(description="A whole phone number, as people write it, or E.164.")],
        tenant: Tenant = None,
    ) -> ASGIResponse:
        """The caller card, as it pops on the board. Amounts are in the tenant's currency, times in UTC."""
        office: Office = request.app.state.office
        info = office.tenant(tenant, guess=False)
        try:
            card = await office.desk.lookup_json(info.tenant_id, number, region=info.region)
        except ValueError as error:
            raise ValidationException(str(error)) from None
        return ASGIResponse(body=card, media_type=MediaType.JSON)

    @get(
        "/networks/{name:str}/lookup",
        summary="Who has this phone number, in a network",
        responses=problems(400, 401, 404, 503),
        right=Right.DESK,
    )
    async def network_lookup(
        self,
        office: TheOffice,
        name: Annotated[str, PathParameter(description="The network's name, as in the settings.")],
        number: Annotated[str, QueryParameter(description="A whole phone number, as people write it, or E.164.")],
    ) -> NetworkCard:
        """The card of the company that the number leads to; `elsewhere` in it lists whom the others know."""
        network = office.network(name)
        try:
            return await office.desk.lookup_network(network.names, number, region=network.members[0].region)
        except ValueError as error:
            raise ValidationException(str(error)) from None

    @get("/calls", summary="Calls, the newest first", responses=problems(400, 401, 404, 503), right=Right.DESK)
    async def calls(
        self,
        office: TheOffice,
        tenant: Tenant = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_CALLS, description="How many.")] = 50,
        before: Before = None,
    ) -> CallPage:
        """Each call with its caller card and how it stands in the logbook. Times are UTC, durations seconds."""
        info = office.tenant(tenant, guess=False)
        found = await office.desk.recent(info.tenant_id, limit=limit, before_id=before)
        return CallPage(list(found), found[-1].id if len(found) == limit else None)

    @get(
        "/health",
        summary="How fresh the copy of ServiceTitan's data is",
        responses=problems(400, 401, 404, 503),
        right=Right.DESK,
    )
    async def health(self, office: TheOffice, tenant: Tenant = None) -> HealthReport:
        """Each resource with its rows, its age against its cadence, what is wrong, and what differs from the contract.

        Times are UTC, ages and cadences seconds.
        """
        found = await office.health(office.tenant(tenant, guess=False).tenant_id)
        count = Counter(one.state for one in found)
        return HealthReport(count["fresh"], count["late"], count["failing"], count["waiting"], list(found))

    @get(
        "/scopes",
        summary="Scopes that are needed and granted",
        responses=problems(400, 401, 403, 404, 503),
        right=Right.ADMINISTRATION,
    )
    async def scopes(self, office: TheOffice, tenant: Tenant = None) -> ScopeSummary:
        """What each feature needs of ServiceTitan's scopes, what of it is missing, and what is granted for nothing."""
        report, _ = await office.scopes(office.tenant(tenant, guess=False).tenant_id)
        return report.summary()

    @get("/ping", summary="Is the service there", right=Right.DESK)
    async def ping(self) -> Pong:
        """Answers without asking anything else: for monitors, and as the yardstick of benches."""
        return Pong()
