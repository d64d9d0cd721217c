"""Decisions about numbers, as people make them on pages and programs through the API."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import Body, JSONBody, PathParameter, QueryParameter
from litestar.response import Redirect, Template

from trunkline.calls.desk import read_number
from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.numbers.book import DecisionRefused
from trunkline.numbers.views import Entry
from trunkline.web.api import Tenant, problems
from trunkline.web.guard import safe_next
from trunkline.web.office import Office, TheOffice
from trunkline.web.ports import TenantInfo
from trunkline.web.rendering import page
from trunkline.web.rights import Right

AT_THE_DESK = "the desk"  # people cannot sign in by name yet
MOST_DECISIONS = 500

Number = Annotated[str, PathParameter(description="A whole phone number, as people write it, or E.164.")]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Fields = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


async def about(office: Office, info: TenantInfo, text: str) -> dict[str, object]:
    """What templates need to show a number and what was decided about it.

    Raises:
        ValueError: with one sentence: it is no phone number.
    """
    card = await office.desk.lookup(info.tenant_id, text, region=info.region)
    entries = await office.numbers.about(info.tenant_id, str(card.number))
    return {"card": card, "entries": entries, "remembered": office.numbers.is_remembering(info.tenant_id)}


class NumberPages(Controller):
    """The buttons on the lookup page and the call page."""

    include_in_schema = False
    path = "/numbers"

    @post("/mark", right=Right.DESK)
    async def mark(self, request: Request[Any, Any, Any], office: TheOffice, data: Fields) -> Template | Redirect:
        """A decision: its kind, and whom it is about."""
        info, problem = _company(office, data), None
        try:
            number = read_number(data.get("number", ""), info.region)
            kind, owner = _decision(data.get("decision", ""))
            await office.numbers.mark(info.tenant_id, number, kind, owner, by=AT_THE_DESK)
        except ValueError as error:
            problem = str(error)
        return await _answer(request, office, info, data, problem)

    @post("/forget", right=Right.DESK)
    async def forget(self, request: Request[Any, Any, Any], office: TheOffice, data: Fields) -> Template | Redirect:
        """Undo a decision; one that somebody else has undone meanwhile is no trouble."""
        info, problem = _company(office, data), None
        try:
            number = read_number(data.get("number", ""), info.region)
            await office.numbers.forget(info.tenant_id, number, _owner(data.get("owner", "")))
        except ValueError as error:
            problem = str(error)
        return await _answer(request, office, info, data, problem)


async def _answer(
    request: Request[Any, Any, Any], office: Office, info: TenantInfo, data: dict[str, str], problem: str | None
) -> Template | Redirect:
    is_piece = "hx-request" in request.headers
    if problem is None and not is_piece:
        return Redirect(safe_next(data.get("back", "/")), status_code=303)
    shown = {"problem": problem} if problem else {"problem": None, **await about(office, info, data["number"])}
    context = {"here": "Lookup", "card": None, "piece": is_piece, **shown}
    status = 400 if problem and not is_piece else 200
    return page("_found.html" if is_piece else "lookup.html", info, context, status=status)


def _company(office: Office, data: dict[str, str]) -> TenantInfo:
    tenant = data.get("tenant", "")
    return office.tenant(int(tenant) if tenant.isdecimal() else None, guess=False)


def _decision(text: str) -> tuple[DecisionKind, Owner | None]:
    """A decision as the buttons name it: ``direct_line customer 7``."""
    kind, _, owner = text.partition(" ")
    if kind not in set(DecisionKind):
        raise DecisionRefused("This page is out of date: open it again.")
    return DecisionKind(kind), _owner(owner)


def _owner(text: str) -> Owner | None:
    """An owner as the forms write it: ``customer 7``; nothing is the number itself."""
    kind, _, owner_id = text.partition(" ")
    if not text:
        return None
    if kind not in set(OwnerKind) or not owner_id.isdecimal() or int(owner_id) >= 2**63:
        raise DecisionRefused("This page is out of date: open it again.")
    return Owner(OwnerKind(kind), int(owner_id))


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision: a direct line or a number that moved away names the customer or location, the others need none."""

    kind: DecisionKind
    customer: Id | None = None
    location: Id | None = None
    by: Name = "API"


class Forget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose decision to undo: one about this customer or location, or else the one about the number itself."""

    customer: Id | None = None
    location: Id | None = None


class DecisionPage(msgspec.Struct, frozen=True):
    """Decisions, the newest first; go on with `before` = `next`, until it is null."""

    decisions: list[Entry]
    next: datetime | None = None


class NumberApi(Controller):
    """Version 1."""

    path = "/api/v1/numbers"
    tags = ("Numbers",)

    @get("/", summary="What people decided about numbers", responses=problems(400, 401, 404, 503), right=Right.DESK)
    async def decisions(
        self,
        office: TheOffice,
        tenant: Tenant = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_DECISIONS, description="How many.")] = 100,
        before: Annotated[
            datetime | None, QueryParameter(description="Go on after the decision made at this time.")
        ] = None,
    ) -> DecisionPage:
        """The decisions that hold. `copy` says how each stands in ServiceTitan. Times are UTC."""
        info = office.tenant(tenant, guess=False)
        found = await office.numbers.latest(info.tenant_id, limit=limit, before=before)
        return DecisionPage(list(found), found[-1].decided_at if len(found) == limit else None)

    @post(
        "/{number:str}/mark",
        status_code=200,
        summary="Decide",
        responses=problems(400, 401, 403, 404, 503),
        right=Right.DESK,
    )
    async def mark(self, office: TheOffice, number: Number, data: JSONBody[Mark], tenant: Tenant = None) -> Entry:
        """Decide; a later decision about the same owner replaces this one. Later calls follow at once."""
        info = office.tenant(tenant, guess=False)
        try:
            wanted, owner = read_number(number, info.region), _named(data.customer, data.location)
            return await office.numbers.mark(info.tenant_id, wanted, data.kind, owner, by=data.by)
        except ValueError as error:
            raise ValidationException(str(error)) from None

    @post(
        "/{number:str}/forget",
        status_code=204,
        summary="Undo",
        responses=problems(400, 401, 403, 404, 503),
        right=Right.DESK,
    )
    async def forget(self, office: TheOffice, number: Number, data: JSONBody[Forget], tenant: Tenant = None) -> None:
        """Undo a decision; the match is then as it was without it."""
        info = office.tenant(tenant, guess=False)
        try:
            wanted, owner = read_number(number, info.region), _named(data.customer, data.location)
        except ValueError as error:
            raise ValidationException(str(error)) from None
        if not await office.numbers.forget(info.tenant_id, wanted, owner):
            raise NotFoundException("Nothing of the kind was decided about this number.")


def _named(customer: int | None, location: int | None) -> Owner | None:
    if customer is not None and location is not None:
        raise DecisionRefused("Name the customer or the location, not both.")
    if location is not None:
        return Owner(OwnerKind.LOCATION, location)
    return Owner(OwnerKind.CUSTOMER, customer) if customer is not None else None
