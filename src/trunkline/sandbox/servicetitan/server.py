"""The sandbox as a web server: tokens, app key, scopes, the request limit, faults, and a ledger for whoever checks."""

import asyncio
import base64
import contextlib
import secrets
import socket
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from trunkline.sandbox.servicetitan.exchange import Call, Problem
from trunkline.sandbox.servicetitan.faults import Fault, Faults, parse_fault
from trunkline.sandbox.servicetitan.invented import today
from trunkline.sandbox.servicetitan.operations import SCOPES, Operation, find
from trunkline.sandbox.servicetitan.rows import Rows
from trunkline.sandbox.servicetitan.world import World

TOKEN_LIFE_S = 900
REQUESTS_PER_SECOND = 60
_SECTIONS = {400: "6.5.1", 404: "6.5.4", 500: "6.6.1"}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class SandboxOptions:
    """How many customers, made from which seed, for which tenant and app, with which faults from the start."""

    customers: int = 5_000
    seed: int = 1
    tenant_id: int = 1_000_001
    client_id: str = "cid.example"
    client_secret: str = "cs1.example-secret"  # noqa: S105 - the sandbox's invented secret
    app_key: str = "ak1.example"
    page_size: int = 5_000
    scopes: tuple[str, ...] = SCOPES
    faults: tuple[Fault, ...] = ()
    requests_per_second: int = REQUESTS_PER_SECOND


@dataclass(frozen=True)
class Request:
    """What a client sent, for tests that check it against the contract."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    lost: bool = False


class Sandbox:
    """An ASGI application."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.world = World(Rows(options.customers, options.seed, today()), options.page_size)
        self.faults = Faults(active=list(options.faults))
        self.requests: list[Request] | None = None
        self.statuses: Counter[int] = Counter()
        self.most_per_second = 0
        self.tokens_given = 0
        self._tokens: dict[str, float] = {}
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        request = Request(scope["method"], scope["path"], _query(scope["query_string"]), body)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = await self._reply(request, headers)
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [
                    (b"content-type", reply.content_type.encode()),
                    (b"content-length", str(len(reply.body)).encode()),
                    *((name.encode(), value.encode()) for name, value in reply.headers.items()),
                ],
            }
        )
        if reply.lost:  # the web server ends the connection before the body
            raise ConnectionAbortedError("lost-reply")
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, request: Request, headers: dict[str, str]) -> Reply:
        if request.path.startswith("/sandbox/"):
            return self._control(request)
        if request.path == "/connect/token":
            return self._token(request)
        if self.requests is not None:
            self.requests.append(request)
        reply = await self._serve(request, headers)
        self.statuses[reply.status] += 1
        reply.lost = reply.status < 300 and self.faults.draw("lost-reply", request.method) > 0
        return reply

    async def _serve(self, request: Request, headers: dict[str, str]) -> Reply:
        if refused := self._refusal(request, headers):
            return refused
        found = find(request.method, request.path)
        if found is None:
            return _gateway(404, "No operation matches this request.")
        operation, parameters = found
        if parameters["tenant"] != str(self.options.tenant_id) or operation.scope not in self.options.scopes:
            return _gateway(403, "Access to this resource is not allowed.")
        if limited := self._limit(headers["st-app-key"]):
            return limited
        if delay := self.faults.draw("delay", request.method):
            await asyncio.sleep(delay)
        if fault := self._fault(request.method):
            return fault
        return self._answer(operation, parameters, request)

    def _answer(self, operation: Operation, parameters: dict[str, Any], request: Request) -> Reply:
        try:
            return Reply(200, operation.answer(Call(self.world, parameters, request.query, request.body)))
        except Problem as problem:
            return _problem(problem)

    def _refusal(self, request: Request, headers: dict[str, str]) -> Reply | None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.faults.draw("expired-token", request.method):
            self._tokens.pop(token, None)
        if self._tokens.get(token, 0.0) < time.monotonic():
            return _gateway(401, "Unauthorized. Access token is missing or invalid.")
        if headers.get("st-app-key") != self.options.app_key:
            return _gateway(401, "Access denied due to missing or invalid application key.")
        return None

    def _limit(self, app_key: str) -> Reply | None:
        now, recent = time.monotonic(), self._recent[app_key]
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self.options.requests_per_second:
            return _too_many()
        recent.append(now)
        self.most_per_second = max(self.most_per_second, len(recent))
        return None

    def _fault(self, method: str) -> Reply | None:
        if self.faults.draw("429", method):
            return _too_many()
        if self.faults.draw("500", method):
            return _problem(Problem(500, "An unexpected error occurred."))
        if self.faults.draw("html", method):
            return Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", content_type="text/html")
        return None

    def _token(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode("latin-1")))
        given = (form.get("client_id"), form.get("client_secret"))
        if form.get("grant_type") != "client_credentials":
            return Reply(400, b'{"error":"unsupported_grant_type"}')
        if given != (self.options.client_id, self.options.client_secret):
            return Reply(400, b'{"error":"invalid_client"}')
        now = int(time.time())
        claims = {
            "nbf": now,
            "exp": now + TOKEN_LIFE_S,
            "client_id": given[0],
            "tenant": str(self.options.tenant_id),
            "jti": secrets.token_hex(8),
            "scope": list(self.options.scopes),
        }
        parts = ({"alg": "none", "typ": "at+jwt"}, claims)
        token = (
            ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts) + ".x"
        )
        self._tokens[token] = time.monotonic() + TOKEN_LIFE_S
        self.tokens_given += 1
        answer = {
            "access_token": token,
            "expires_in": TOKEN_LIFE_S,
            "token_type": "Bearer",
            "scope": " ".join(self.options.scopes),
        }
        return Reply(200, msgspec.json.encode(answer))

    # What ServiceTitan does not have: switches and books for demos and tests.

    def _control(self, request: Request) -> Reply:
        if request.path == "/sandbox/faults" and request.method == "POST":
            try:
                self.faults.active = [parse_fault(text) for text in msgspec.json.decode(request.body)["faults"]]
            except (ValueError, KeyError, TypeError) as error:
                return Reply(400, msgspec.json.encode({"error": str(error)}))
            return Reply(204)
        if request.path == "/sandbox/ledger":
            return Reply(200, msgspec.json.encode(self.ledger()))
        if request.path == "/sandbox/callers":
            return Reply(200, msgspec.json.encode(self.world.callers(int(request.query.get("n", "40")))))
        return Reply(404)

    def ledger(self) -> dict[str, Any]:
        """All notes, how requests were answered, and the most requests in any one second."""
        notes = [
            {"kind": kind, "target_id": target, "text": note["text"]}
            for (kind, target), written in self.world.notes.items()
            for note in written
        ]
        return {"notes": notes, "statuses": dict(self.statuses), "most_per_second": self.most_per_second}


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body


def _query(text: bytes) -> dict[str, str]:
    """A parameter that comes several times is a list, for which others put commas between values."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(text.decode("utf-8", "replace")):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def _gateway(status: int, text: str) -> Reply:
    return Reply(status, msgspec.json.encode({"statusCode": status, "message": text}))


def _too_many() -> Reply:
    reply = _gateway(429, "Rate limit is exceeded. Try again in 1 seconds.")
    reply.headers["retry-after"] = "1"
    return reply


def _problem(problem: Problem) -> Reply:
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    body = {
        "type": f"https://tools.ietf.org/html/rfc7231#section-{_SECTIONS[problem.status]}",
        "title": problem.title,
        "status": problem.status,
        "traceId": trace,
        "errors": problem.errors,
        "data": {},
    }
    return Reply(problem.status, msgspec.json.encode(body))


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop, and stops when told to instead of at the next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Without uvicorn's pause for clients that still read: those of a sandbox have gone before."""
        for server in self.servers:
            server.close()
        unfinished = list(self.server_state.tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Answer nobody any more."""
        self.should_exit = self.force_exit = True
        self._told_to_stop.set()


class SandboxServer:
    """A sandbox on a free port of this machine, inside the running event loop: ``async with SandboxServer() as s``."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.sandbox = Sandbox(options or SandboxOptions())
        self._server = _Server(_config(self.sandbox, "127.0.0.1", 0))
        self._task: asyncio.Task[None] | None = None

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def base_url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.stop()
        if self._task:
            await self._task


def _config(sandbox: Sandbox, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(sandbox, host=host, port=port, log_level="critical", access_log=False, lifespan="off")


def run(options: SandboxOptions, *, host: str, port: int) -> None:
    """Serve until stopped; says where on standard output once it listens."""
    server = uvicorn.Server(_config(Sandbox(options), host, port))

    async def serve() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            if task.done():
                return
            await asyncio.sleep(0.005)
        bound = server.servers[0].sockets[0].getsockname()[1]
        print(f"ServiceTitan sandbox: http://{host}:{bound}", flush=True)  # noqa: T201 - the command's output
        await task

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
