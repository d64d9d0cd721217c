"""The pages people look at."""

import time
from collections import Counter
from typing import Annotated, Any

from litestar import Controller, HttpMethod, Request, get, post, route
from litestar.datastructures import Cookie
from litestar.enums import MediaType, RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body, FromQuery, PathParameter, QueryParameter
from litestar.response import Redirect, Stream, Template

from trunkline.mirror.health import State
from trunkline.web.guard import COOKIE, role_of, safe_next
from trunkline.web.numbers import about
from trunkline.web.office import Office, TheOffice
from trunkline.web.rendering import page
from trunkline.web.rights import Right, may
from trunkline.web.tokens import SIGNED_IN_S
from trunkline.web.words import progress

PAGE_OF_CALLS = 50

_WORST_FIRST: tuple[State, ...] = ("failing", "late", "waiting", "fresh")

Tenant = Annotated[int | None, QueryParameter(name="tenant", description="ServiceTitan tenant id.")]
Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]
CallId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]


class Pages(Controller):
    """Board, list of calls, one call, lookup, health, scopes, sign-in and sign-out."""

    include_in_schema = False

    @get("/", right=Right.DESK)
    async def board(
        self, request: Request[Any, Any, Any], office: TheOffice, tenant: Tenant = None
    ) -> Template | Redirect:
        """The board: calls in progress and those that just ended."""
        if not office.tenants and may(role_of(request.scope), Right.ADMINISTRATION):
            return Redirect("/settings", status_code=303)
        info = office.tenant(tenant)
        calls = await office.desk.board(info.tenant_id)
        lists = office.board(info).lists(calls)
        return page("board.html", info, {"here": "Board", **lists, **await _status(office, info.tenant_id)})

    @get("/status", cache_control=None, right=Right.DESK)
    async def status(self, office: TheOffice, tenant: Tenant = None) -> Template:
        """The status lines above the board."""
        info = office.tenant(tenant)
        return page("_status.html", info, await _status(office, info.tenant_id))

    @get("/stream", right=Right.DESK)
    async def stream(self, office: TheOffice, tenant: Tenant = None) -> Stream:
        """The board's changes as server-sent events."""
        info = office.tenant(tenant)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(office.board(info).events(), media_type="text/event-stream", headers=headers)

    @get("/calls", right=Right.DESK)
    async def calls(self, office: TheOffice, tenant: Tenant = None, before: Before = None) -> Template:
        """All calls, a page at a time."""
        info = office.tenant(tenant)
        found = await office.desk.recent(info.tenant_id, limit=PAGE_OF_CALLS, before_id=before)
        rows = [office.board(info).fragment(view, listed=True) for view in found]
        more = found[-1].id if len(found) == PAGE_OF_CALLS else None
        return page("calls.html", info, {"here": "Calls", "rows": rows, "before": more})

    @get("/calls/{call_id:int}", right=Right.DESK)
    async def call(self, office: TheOffice, call_id: CallId, tenant: Tenant = None) -> Template:
        """One call: who, what happened, what was written where."""
        info = office.tenant(tenant)
        detail = await office.desk.detail(info.tenant_id, call_id)
        if detail is None:
            raise NotFoundException("There is no such call here; it may belong to another company.")
        try:
            now = await about(office, info, detail.view.call.external_number or "")
        except ValueError:  # withheld, or an extension
            now = {"card": None}
        return page("call.html", info, {"here": "Calls", "detail": detail, "phones": office.phones is not None, **now})

    @get("/lookup", right=Right.DESK)
    async def lookup(
        self, request: Request[Any, Any, Any], office: TheOffice, number: FromQuery[str] = "", tenant: Tenant = None
    ) -> Template:
        """Who has a number: a page, or the piece that the search field asks for."""
        info = office.tenant(tenant)
        is_piece = "hx-request" in request.headers
        try:
            found = {"problem": None, **await about(office, info, number)}
        except ValueError as error:
            found = {"problem": str(error), "card": None}
        return page("_found.html" if is_piece else "lookup.html", info, {"here": "Lookup", "piece": is_piece, **found})

    @get("/health", right=Right.DESK)
    async def health(self, office: TheOffice, tenant: Tenant = None) -> Template:
        """How fresh the copy of ServiceTitan's data is."""
        info = office.tenant(tenant)
        found = await office.health(info.tenant_id)
        count = Counter(one.state for one in found)
        states = [(state, count[state]) for state in _WORST_FIRST]
        found = sorted(found, key=lambda one: _WORST_FIRST.index(one.state))
        differing = [one for one in found if one.drift]
        phones = await office.phones.inspector.phones(info.tenant_id) if office.phones else None
        shown = {"found": found, "states": states, "differing": differing, "phones": phones}
        return page("health.html", info, {"here": "Health", **shown})

    @get("/scopes", right=Right.ADMINISTRATION)
    async def scopes(self, office: TheOffice, tenant: Tenant = None) -> Template:
        """What the features need of ServiceTitan's scopes, and what this company has approved."""
        info = office.tenant(tenant)
        report, known = await office.scopes(info.tenant_id)
        return page("scopes.html", info, {"here": "Health", "summary": report.summary(), "known": known})

    @get("/sign-in")
    async def sign_in(self, next: FromQuery[str] = "/") -> Template:  # noqa: A002 - the query parameter's name
        """Ask for a token."""
        return page("sign_in.html", None, {"next": safe_next(next), "problem": None})

    @post("/sign-in")
    async def signed_in(
        self,
        request: Request[Any, Any, Any],
        office: TheOffice,
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Template | Redirect:
        """Keep whoever knows a token signed in with its role, for two weeks."""
        target = safe_next(data.get("next", "/"))
        if office.keeper is None:
            return Redirect(target, status_code=303)
        role = office.keeper.role_of_token(data.get("token", ""))
        if role is None:
            said = {"next": target, "problem": "This is not the token."}
            return page("sign_in.html", None, said, status=401)
        cookie = Cookie(
            COOKIE,
            value=office.keeper.cookie(role, time.time()),
            max_age=SIGNED_IN_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return Redirect(target, status_code=303, cookies=[cookie])

    @post("/sign-out")
    async def signed_out(self) -> Redirect:
        """Forget at this browser who is signed in; whoever comes next is asked for a token."""
        gone = Cookie(COOKIE, value="", max_age=0, httponly=True, samesite="lax")
        return Redirect("/sign-in", status_code=303, cookies=[gone])


async def _status(office: Office, tenant_id: int) -> dict[str, object]:
    feeds = await office.progress(tenant_id)
    return {
        "trouble": office.desk.trouble,
        "connections": await office.desk.connections(tenant_id, office.shared_accounts(tenant_id)),
        "hooks": bool(office.hooks),
        "feeds": feeds,
        "percent": progress(feeds),
    }


@route("/healthz", http_method=[HttpMethod.GET, HttpMethod.HEAD], media_type=MediaType.TEXT, include_in_schema=False)
async def healthz() -> str:
    """The process lives."""
    return "ok"
