"""A vendor's REST API for tests, spoken over HTTP: notes what is asked, checks credentials, fails as it is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from litestar import HttpMethod, Litestar, Request, Response, route

Reply = Callable[["Asked"], Response[Any]]


@dataclass(frozen=True)
class Asked:
    """One request. Of repeated parameters all values are kept."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    body: bytes

    def one(self, name: str) -> str | None:
        """A parameter of the query."""
        return self.query.get(name, [None])[0]  # type: ignore[list-item]


@dataclass
class VendorRest:
    """`replies` answer by path. `faults` are answered first, one a request; `lost` replies are carried out and cut."""

    authorization: str
    replies: dict[str, Reply]
    faults: list[Response[Any]] = field(default_factory=list)
    lost: int = 0
    asked: list[Asked] = field(default_factory=list)

    def app(self) -> Any:
        """The API, as an ASGI application."""

        @route("/{path:path}", http_method=[HttpMethod.GET, HttpMethod.POST])
        async def anything(request: Request[Any, Any, Any]) -> Response[Any]:
            return await self._answer(request)

        inner = Litestar([anything], openapi_config=None)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            async def cut(message: Any) -> None:
                if self.lost and message["type"] == "http.response.body":
                    self.lost -= 1
                    raise ConnectionResetError("cut by the test")
                await send(message)

            await inner(scope, receive, cut)

        return outer

    async def _answer(self, request: Request[Any, Any, Any]) -> Response[Any]:
        if request.headers.get("authorization") != self.authorization:
            return Response({"message": "Authenticate"}, status_code=401)
        body = await request.body()
        query = parse_qs(request.url.query, keep_blank_values=True)
        asked = Asked(request.method, request.url.path, query, parse_qs(body.decode()), body)
        self.asked.append(asked)
        if self.faults:
            return self.faults.pop(0)
        reply = self.replies.get(f"{request.method} {request.url.path}")
        return reply(asked) if reply else Response({"message": "not found"}, status_code=404)
