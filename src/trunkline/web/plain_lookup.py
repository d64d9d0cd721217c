"""The usual lookup, answered before the framework takes the request apart.

Digits, and a company where there are several: what wallboards, dialplans and scripts ask thousands of times. Whatever
else a request says, and whatever goes wrong, is the endpoint's, which describes both (docs/decisions/0008).
"""

import re
from typing import cast

from litestar import MediaType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from trunkline.phone_systems.delivery import Answer
from trunkline.web.hooks import send_plainly
from trunkline.web.office import Office

_PLAIN = re.compile(rb"number=(%2B)?([0-9]{7,15})(?:&tenant=([0-9]{1,18}))?")


class PlainLookup:
    """Middleware of the lookup's endpoint."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on; raises as the endpoint does."""
        card = await _look_up(scope["litestar_app"].state.office, cast("HTTPScope", scope)["query_string"])
        if card is None:
            await self._app(scope, receive, send)
        else:
            await send_plainly(send, Answer(200, card, MediaType.JSON))


async def _look_up(office: Office, query: bytes) -> bytes | None:
    asked = _PLAIN.fullmatch(query)
    if asked is None:
        return None
    plus, digits, tenant = asked.groups()
    number = ("+" if plus else "") + digits.decode()
    try:
        info = office.tenant(int(tenant) if tenant else None, guess=False)
        return await office.desk.lookup_json(info.tenant_id, number, region=info.region)
    except (HTTPException, ValueError):
        return None  # the endpoint says so again, in its own way
