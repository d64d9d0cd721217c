"""Who calls? Phone systems ask while the phone rings, and no phone may wait for us."""

import asyncio
from contextlib import suppress
from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from trunkline.domain.label import phone_label
from trunkline.phone_systems.base import Caller, Question
from trunkline.phone_systems.delivery import Answer, Refused
from trunkline.store.database import DatabaseUnavailable
from trunkline.web.hooks import as_response, read_delivery
from trunkline.web.office import Office, TheOffice
from trunkline.web.ports import Asking

# After this the phone rings with the number alone. Far below what any phone system waits; a lookup takes milliseconds.
DEADLINE_S = 0.5


@get("/caller-id/{account:str}", tags=["Phone systems"], summary="Who calls, for a phone's display")
async def caller_id(request: Request[Any, Any, Any], office: TheOffice, account: FromPath[str]) -> ASGIResponse:
    """The answer in the phone system's own form; nobody is known where it would take too long to find out."""
    found = office.phones.asking.get(account) if office.phones else None
    if found is None:
        raise NotFoundException("No phone system with this name asks who calls here.")
    try:
        question = found.adapter.question(await read_delivery(request.scope, request.receive, ""))
    except Refused as refused:
        found.refused(str(refused))
        # No body: a phone would show it as the caller's name.
        return as_response(Answer(refused.status, headers={"x-refused": str(refused)}))
    telling = asyncio.create_task(_tell_of_ring(found, question))
    try:
        async with asyncio.timeout(DEADLINE_S):
            caller = await _look_up(office, found, question.number)
    except (TimeoutError, DatabaseUnavailable, ValueError):
        caller = None
    await telling
    return as_response(found.adapter.tell(question, caller))


async def _tell_of_ring(found: Asking, question: Question) -> None:
    """That the phone rings is worth knowing, but no reason to let it wait: the journal tells of the call again."""
    if question.message is None:
        return
    with suppress(TimeoutError, DatabaseUnavailable):
        async with asyncio.timeout(DEADLINE_S):
            await found.receive([question.message])


async def _look_up(office: Office, found: Asking, number: str) -> Caller | None:
    if len(found.tenants) == 1:
        (tenant_id,) = found.tenants
        card = await office.desk.lookup(tenant_id, number, region=found.region)
    else:
        card = (await office.desk.lookup_network(found.tenants, number, region=found.region)).card
    label = phone_label(card)
    if not label:
        return None
    customer = card.match.customer
    return Caller(card, label, f"{found.links_base}/#/Customer/{customer.id}" if customer else None)
