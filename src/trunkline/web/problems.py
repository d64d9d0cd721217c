"""What people and programs read when something went wrong: one sentence, never a stack trace."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Template
from litestar.types import ExceptionHandlersMap

from trunkline.store.database import DatabaseUnavailable
from trunkline.web.guard import Gate, Refusal, asked_path, role_of, sign_in_address
from trunkline.web.rendering import page
from trunkline.web.rights import Role

_Request = Request[Any, Any, Any]
_Response = Response[Any]

log = structlog.get_logger(__name__)

_TITLES = {
    400: "That cannot be done",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    421: "Wrong address",
    500: "Something went wrong here",
    503: "Not at the moment",
}


def _answer(request: _Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> _Response:
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    if _wants_page(request):
        # Whoever lacks a right may know the token that has it.
        lacks_right = status == HTTPStatus.FORBIDDEN and role_of(request.scope) is Role.DISPATCHER
        context = {"title": title, "sentence": sentence, "may_sign_in": lacks_right}
        answer: Template = page("message.html", None, context, status=status)
        answer.headers.update(headers or {})
        return answer
    body = {"type": "about:blank", "title": title, "status": status, "detail": sentence}
    return Response(body, status_code=status, media_type="application/problem+json", headers=headers)


def _wants_page(request: _Request) -> bool:
    api = asked_path(request.scope).startswith(("/api/", "/hooks/", "/stream"))
    return not api and "text/html" in request.headers.get("accept", "")


def refused(request: _Request, refusal: Refusal) -> _Response:
    """Whoever may not come in; people are led to the sign-in page."""
    if refusal.sign_in:
        query = request.scope["query_string"].decode("latin-1")
        address = sign_in_address(request.scope["path"] + (f"?{query}" if query else ""))
        if "hx-request" in request.headers:
            return Response(None, status_code=refusal.status, headers={"hx-redirect": address})
        return Redirect(address, status_code=303)
    headers = {"www-authenticate": "Bearer"} if refusal.status == HTTPStatus.UNAUTHORIZED else None
    return _answer(request, refusal.status, str(refusal), headers)


def database_away(request: _Request, _: DatabaseUnavailable) -> _Response:
    """Nothing can be shown or stored; senders try again."""
    sentence = "The database does not answer at the moment. Nothing is lost; try again in a few seconds."
    return _answer(request, 503, sentence, {"retry-after": "5"})


def bad_request(request: _Request, error: HTTPException) -> _Response:
    """What was wrong with the request."""
    gate: Gate = request.app.state.gate
    try:
        gate.check(request.scope)
    except Refusal as refusal:  # an address that leads to no route has not come by the guard
        return refused(request, refusal)
    extra = error.extra if isinstance(error.extra, list) else []
    details = [f"{one['key']}: {one['message']}" for one in extra if "key" in one and "message" in one]
    sentence = "; ".join(details) or error.detail or HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.NOT_FOUND and sentence == "Not Found":
        sentence = "There is no page at this address."
    return _answer(request, error.status_code, sentence, dict(error.headers or {}))


def failed(request: _Request, error: Exception) -> _Response:
    """A mistake of ours."""
    log.error("a request failed", path=asked_path(request.scope), exc_info=error)
    return _answer(request, 500, "This is a mistake in Trunkline, not yours. It is in the log; please report it.")


HANDLERS: ExceptionHandlersMap = {
    Refusal: refused,
    DatabaseUnavailable: database_away,
    HTTPException: bad_request,
    Exception: failed,
}
