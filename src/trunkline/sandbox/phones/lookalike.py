"""One function as a web application, for look-alikes of vendors' REST APIs."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response, route

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]

_METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PATCH, HttpMethod.DELETE]


def lookalike(reply: Callable[[AnyRequest], Awaitable[AnyResponse]]) -> Litestar:
    """An application that has `reply` answer every request."""

    @route("/{path:path}", http_method=_METHODS)
    async def anything(request: AnyRequest) -> AnyResponse:
        return await reply(request)

    return Litestar([anything], openapi_config=None)


def shown(request: AnyRequest) -> str:
    """Method, path and query of a request, for a list of what was asked."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.method} {request.url.path}{query}"
