"""The sandbox as a web application: tokens, app key, scopes, the request limit, faults, and a ledger for checks."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.contract.operations import details
from trunkline.sandbox.servicetitan.choices import LENIENT, Choices
from trunkline.sandbox.servicetitan.clients import (
    DEFAULT_TENANT,
    SCOPES,
    TOKEN_LIFE_S,
    Client,
    Clients,
    Token,
    new_token,
)
from trunkline.sandbox.servicetitan.drift import spoilt
from trunkline.sandbox.servicetitan.exchange import Call, Content, Problem, invalid
from trunkline.sandbox.servicetitan.faults import Fault, Faults, parse_fault
from trunkline.sandbox.servicetitan.generic.base import base_rows
from trunkline.sandbox.servicetitan.invented import today
from trunkline.sandbox.servicetitan.operations import HIDDEN, Route, find
from trunkline.sandbox.servicetitan.replies import Reply, gateway, problem_details, too_many
from trunkline.sandbox.servicetitan.rows import Rows
from trunkline.sandbox.servicetitan.world import World

REQUESTS_PER_SECOND = 60

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class SandboxOptions:
    """How many customers, made from which seed, for which tenant and app, with which faults from the start.

    `clients` may sign in beside the one that `client_id`, `client_secret`, `tenant_id` and `scopes` describe; a tenant
    of theirs that is another has data of its own. `table_rows` is the length of tables made from schemas alone.
    """

    customers: int = 5_000
    seed: int = 1
    tenant_id: int = DEFAULT_TENANT
    client_id: str = "cid.example"
    client_secret: str = "cs1.example-secret"  # noqa: S105 - the sandbox's invented secret
    app_key: str = "ak1.example"
    page_size: int = 5_000
    scopes: tuple[str, ...] = SCOPES
    clients: tuple[Client, ...] = ()
    choices: Choices = LENIENT
    faults: tuple[Fault, ...] = ()
    requests_per_second: int = REQUESTS_PER_SECOND
    table_rows: int = 60


@dataclass(frozen=True)
class Request:
    """What a client sent, for tests that check it against the contract."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


class Sandbox:
    """An ASGI application."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        own = Client(options.client_id, options.client_secret, options.scopes, options.tenant_id)
        self.clients = Clients((own, *options.clients))
        self.world = self._new_world(options.tenant_id)
        self.faults = Faults(active=list(options.faults))
        self.requests: list[Request] | None = None
        self.statuses: Counter[int] = Counter()
        self.most_per_second = 0
        self.tokens_given = 0
        self._worlds = {options.tenant_id: self.world}
        self._tokens: dict[str, Token] = {}
        self._recent: defaultdict[int, deque[float]] = defaultdict(deque)

    def world_of(self, tenant_id: int) -> World:
        """The data of one tenant, made up when first asked for."""
        if tenant_id not in self._worlds:
            self._worlds[tenant_id] = self._new_world(tenant_id)
        return self._worlds[tenant_id]

    def _new_world(self, tenant_id: int) -> World:
        options = self.options
        rows = Rows(options.customers, options.seed + tenant_id - options.tenant_id, today())
        return World(rows, options.page_size, partial(base_rows, most=options.table_rows), options.choices)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        request = Request(scope["method"], scope["path"], _query(scope["query_string"]), body)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = await self._reply(request, headers)
        kind = [(b"content-type", reply.content_type.encode())] if reply.body else []
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [
                    *kind,
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
        reply.lost = reply.status < 300 and self._hits("lost-reply", request) > 0
        return reply

    async def _serve(self, request: Request, headers: dict[str, str]) -> Reply:
        token = self._token_of(request, headers)
        if token is None:
            return gateway(401, "Unauthorized. Access token is missing or invalid.")
        if headers.get("st-app-key") != self.options.app_key:
            status = self.options.choices.missing_app_key
            return gateway(status, "Access denied due to missing or invalid application key.")
        found = find(request.method, request.path)
        if found is None:
            return gateway(404, "No operation matches this request.")
        route, parameters = found
        if refused := self._forbidden(route, parameters["tenant"], token) or self._limit(token.tenant_id):
            return refused
        if delay := self._hits("delay", request):
            await asyncio.sleep(delay)
        return self._fault(request) or self._spoilt(
            route, request, self._answer(route, parameters, request, token, headers.get("content-type", ""))
        )

    def _spoilt(self, route: Route, request: Request, reply: Reply) -> Reply:
        if reply.status < 300:
            reply.body = spoilt(route.operation, reply.body, lambda kind: self._hits(kind, request) > 0)
        return reply

    def _answer(
        self, route: Route, parameters: dict[str, str], request: Request, token: Token, content_type: str
    ) -> Reply:
        world = self.world_of(token.tenant_id)
        call = Call(world, parameters, request.query, request.body, content_type)
        try:
            if "from" in request.query and self._hits("rejected-token", request):
                raise invalid("from", "The token is not valid.")
            answer = route.answer(call)
        except Problem as problem:
            return self._refused(route, problem)
        if isinstance(answer, Content):
            return Reply(answer.status or route.status, answer.body, content_type=answer.content_type)
        return Reply(route.status, answer)

    def _refused(self, route: Route, problem: Problem) -> Reply:
        """Problem details, except where a refusal is published as a mere text or as nothing."""
        published = details(route.operation).responses.get(str(problem.status), {})
        if published is None:
            return Reply(problem.status)
        if published.get("type") == "string":
            texts = [f"{field}: {text}" for field, complaints in problem.errors.items() for text in complaints]
            return Reply(problem.status, msgspec.json.encode(" ".join(texts) or problem.title))
        return problem_details(problem)

    def _token_of(self, request: Request, headers: dict[str, str]) -> Token | None:
        text = headers.get("authorization", "").removeprefix("Bearer ")
        if self._hits("expired-token", request):
            self._tokens.pop(text, None)
        token = self._tokens.get(text)
        return token if token and token.expires >= time.monotonic() else None

    def _forbidden(self, route: Route, tenant: str, token: Token) -> Reply | None:
        """A token is worth what it was given for, however its client's scopes have changed since."""
        if tenant != str(token.tenant_id):
            return gateway(self.options.choices.foreign_tenant, "Access to this tenant is not allowed.")
        if not self.clients[token.client_id].connected:
            return gateway(403, "The application is not connected to this tenant.")
        hidden = not self.options.choices.hidden_operations and route.operation.name in HIDDEN
        if hidden or route.grants.isdisjoint(token.scopes):
            return gateway(403, "Access to this resource is not allowed.")
        return None

    def _limit(self, tenant_id: int) -> Reply | None:
        now, recent = time.monotonic(), self._recent[tenant_id]
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self.options.requests_per_second:
            return too_many()
        recent.append(now)
        self.most_per_second = max(self.most_per_second, len(recent))
        return None

    def _hits(self, kind: str, request: Request) -> float:
        return self.faults.draw(kind, request.method, request.path)

    def _fault(self, request: Request) -> Reply | None:
        if self._hits("429", request):
            return too_many()
        if self._hits("500", request):
            return problem_details(Problem(500, "An unexpected error occurred."))
        if self._hits("html", request):
            return Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", content_type="text/html")
        return None

    def _token(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode("latin-1")))
        if self._hits("token-429", request):
            return too_many()
        if form.get("grant_type") != "client_credentials":
            return Reply(400, b'{"error":"unsupported_grant_type"}')
        client = self.clients.sign_in(form.get("client_id", ""), form.get("client_secret", ""))
        if client is None:
            return Reply(400, b'{"error":"invalid_client"}')
        text, token = new_token(client)
        self._tokens[text] = token
        self.tokens_given += 1
        answer = {
            "access_token": text,
            "expires_in": TOKEN_LIFE_S,
            "token_type": "Bearer",
            "scope": " ".join(client.scopes),
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
        """Notes, bookings that clients made, how requests were answered, and the most requests in any one second."""
        notes = [
            {"kind": kind, "target_id": target, "text": note["text"]}
            for (kind, target), written in self.world.notes.items()
            for note in written
        ]
        bookings = [
            {"kind": "booking", "target_id": row["bookingProviderId"], "text": row["summary"]}
            for row in self.world.all_rows("crm/bookings")
            if "summary" in row  # those that were there at first are made up where they are shown
        ]
        return {
            "notes": notes,
            "bookings": bookings,
            "statuses": dict(self.statuses),
            "most_per_second": self.most_per_second,
        }


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
