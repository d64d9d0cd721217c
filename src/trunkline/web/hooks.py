"""Where phone systems deliver their webhooks: verified before anything reads them, durable before the answer."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from trunkline.phone_systems.delivery import LARGEST_BODY, Answer, Delivery, Refused
from trunkline.web.office import TheOffice

Incoming = Request[Any, Any, Any]


@post(
    ["/hooks/{account:str}", "/hooks/{account:str}/{kind:str}"],
    status_code=200,
    request_max_body_size=2 * LARGEST_BODY,
    tags=["Webhooks"],
)
async def hook(
    request: Incoming, office: TheOffice, account: FromPath[str], kind: FromPath[str | None] = None
) -> ASGIResponse:
    """Take one delivery. Answers with success once it is on disk; 503 says that the sender should try again."""
    found = office.hooks.get(account)
    if found is None:
        raise NotFoundException("No phone system with this name takes webhooks here.")
    if found.standstill is not None:
        raise HTTPException(found.standstill, status_code=503, headers={"retry-after": "60"})
    try:
        taken = found.adapter.verify(await read_delivery(request, kind or ""))
    except Refused as refused:
        found.refused()
        raise HTTPException(str(refused), status_code=refused.status) from None
    if isinstance(taken, Answer):
        return as_response(taken)
    await found.receive([taken])
    return as_response(found.adapter.acknowledgement)


async def read_delivery(request: Incoming, kind: str) -> Delivery:
    """The request as it came in.

    Raises:
        Refused: its body is too large.
    """
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise Refused("The body is larger than 1 MiB.", status=413)
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.scope["headers"]
    )
    query = request.scope.get("query_string", b"").decode("latin-1")
    return Delivery(body, datetime.now(UTC), headers, query, kind, request.method)


def as_response(answer: Answer) -> ASGIResponse:
    """What an adapter answers, as HTTP."""
    return ASGIResponse(
        body=answer.body, status_code=answer.status, media_type=answer.media_type, headers=answer.headers
    )
