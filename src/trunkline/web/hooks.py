"""Where phone systems deliver their webhooks: verified before anything reads them, durable before the answer."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath

from trunkline.phone_systems.base import Refused
from trunkline.web.api import Received
from trunkline.web.office import TheOffice


@post("/hooks/{account:str}", status_code=202, request_max_body_size=2 * 1024 * 1024, tags=["Webhooks"])
async def hook(request: Request[Any, Any, Any], office: TheOffice, account: FromPath[str]) -> Received:
    """Take one delivery. Answers 202 once it is on disk; 503 says that the sender should try again."""
    found = office.hooks.get(account)
    if found is None:
        raise NotFoundException("No phone system with this name takes webhooks here.")
    now = datetime.now(UTC)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        message = found.adapter.verify(headers, await request.body(), now=now)
    except Refused as refused:
        raise HTTPException(str(refused), status_code=refused.status) from None
    await found.receive([message])
    return Received(now)
