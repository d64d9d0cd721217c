"""A vendor's REST API on this machine: any ASGI application, or one function, served on a free port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from litestar import HttpMethod, Litestar, Request, Response, route

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]

_METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PATCH, HttpMethod.DELETE]


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The base URL of `app` while the body runs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


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
