"""Where phone systems deliver their webhooks: verified before anything reads them, durable before the answer.

Spoken in plain ASGI: a thousand deliveries a second leave no time for what pages need. docs/webhook.md describes it.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import cast

from litestar import asgi
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Receive, Scope, Send

from trunkline.phone_systems.delivery import LARGEST_BODY, Answer, Delivery, Refused
from trunkline.web.office import Office


@asgi("/hooks", is_mount=True, copy_scope=False)
async def hooks(scope: Scope, receive: Receive, send: Send) -> None:
    """Take one delivery at /hooks/ACCOUNT or /hooks/ACCOUNT/KIND.

    Answers with success once it is on disk; 503 says that the sender should try again.
    """
    request = cast("HTTPScope", scope)
    if request.get("method") != "POST":
        raise MethodNotAllowedException("Webhooks are delivered by POST.")
    office: Office = request["litestar_app"].state.office
    await send_plainly(send, await _take(office, request, receive))


async def _take(office: Office, scope: HTTPScope, receive: Receive) -> Answer:
    account, _, kind = scope["path"].strip("/").partition("/")
    found = office.hooks.get(account)
    if found is None or "/" in kind:
        raise NotFoundException("No phone system with this name takes webhooks here.")
    if found.standstill is not None:
        raise HTTPException(found.standstill, status_code=503, headers={"retry-after": "60"})
    try:
        taken = found.adapter.verify(await read_delivery(scope, receive, kind))
    except Refused as refused:
        found.refused(str(refused))
        raise HTTPException(str(refused), status_code=refused.status) from None
    if isinstance(taken, Answer):
        return taken
    await found.receive([taken])
    return found.adapter.acknowledgement


async def read_delivery(scope: HTTPScope, receive: Receive, kind: str) -> Delivery:
    """The request as it came in.

    Raises:
        Refused: its body is too large, or was cut off.
    """
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused("The body was cut off.", status=400)
        body += message["body"]
        more = message["more_body"]
        if len(body) > LARGEST_BODY:
            raise Refused("The body is larger than 1 MiB.", status=413)
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    return Delivery(
        body, datetime.now(UTC), headers, scope["query_string"].decode("latin-1"), kind, str(scope["method"])
    )


async def send_plainly(send: Send, answer: Answer) -> None:
    """Answer in two messages; a response object costs as much as everything else that a delivery takes of the web."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers += [(b"content-type", answer.media_type.encode()), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def as_response(answer: Answer) -> ASGIResponse:
    """What an adapter answers, as HTTP."""
    return ASGIResponse(
        body=answer.body, status_code=answer.status, media_type=answer.media_type, headers=answer.headers
    )
