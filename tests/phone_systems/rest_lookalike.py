"""A vendor's REST API for tests: checks credentials, notes what is asked, and fails as told."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Asked:
    """One request that had the right credentials."""

    method: str
    path: str
    params: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Said:
    """An answer; `is_cut` breaks the connection in the middle of it, after the request was carried out."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


Handler = Callable[[Asked], Said]


class Lookalike:
    """An ASGI application; `routes` are method, pattern of the path, and what answers. `faults` are answered first."""

    def __init__(self, authorization: str, routes: Sequence[tuple[str, str, Handler]]) -> None:
        self.authorization = authorization
        self.routes = routes
        self.asked: list[Asked] = []
        self.faults: list[Said] = []

    def paths(self) -> list[str]:
        """What was asked, as `GET /calls`."""
        return [f"{one.method} {one.path}" for one in self.asked]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        params = dict(parse_qsl(scope["query_string"].decode()))
        asked = Asked(scope["method"], scope["path"], params, json.loads(body) if body else None, headers)
        await self._answer(send, self._said(asked))

    def _said(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != self.authorization:
            return Said(401, {"error": "unauthorized"})
        self.asked.append(asked)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not fault.is_cut:
            return fault
        said = self._routed(asked)
        return Said(200, said.body or b"cut off", said.headers, is_cut=True) if fault else said

    def _routed(self, asked: Asked) -> Said:
        for method, pattern, handler in self.routes:
            if method == asked.method and re.fullmatch(pattern, asked.path):
                return handler(asked)
        return Said(404, {"error": "not found"})

    async def _answer(self, send: Any, said: Said) -> None:
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        headers = {"content-type": "application/json", **said.headers, "content-length": str(len(body))}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": pairs})
        if said.is_cut:
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionResetError("cut by the test")
        await send({"type": "http.response.body", "body": body})
