"""Looks like RingCentral's REST API: it signs in, counts requests, pages, tests addresses, and fails on demand."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Litestar, Request, Response, delete, get, post, put
from litestar.params import FromPath

from trunkline.sandbox.phones.ringcentral.words import ACCOUNT, DANA, MENU, QUEUE, instant, written
from trunkline.sandbox.phones.speaker import Letter

_Scope = dict[str, Any]
_Asked = Request[Any, Any, Any]
# What our address answers when it is knocked at: its status and its headers.
Knock = Callable[[Letter], tuple[int, Mapping[str, str]]]

_EXTENSIONS: Sequence[Mapping[str, object]] = (
    {"id": int(MENU.id), "extensionNumber": MENU.number, "name": MENU.name, "type": "IvrMenu"},
    {"id": int(QUEUE.id), "extensionNumber": QUEUE.number, "name": QUEUE.name, "type": "Department"},
    {"id": int(DANA.id), "extensionNumber": DANA.number, "name": DANA.name, "type": "User"},
)


@dataclass
class Fault:
    """How the next request whose path ends with `path` goes wrong; with `status` 0 its work is done, the reply lost."""

    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)
    method: str = ""  # any

    def hits(self, method: str, path: str) -> bool:
        """Whether this request is the one."""
        return path.endswith(self.path) and self.method in ("", method)


@dataclass
class Cloud:
    """One account. `asked` has each request's method and path, in order; `given` is each order's verification token."""

    client_id: str
    client_secret: str
    jwt: str
    knock: Knock = lambda letter: (200, dict(letter.headers))
    life_s: float = 630_720_000
    records: list[Mapping[str, object]] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    extensions: list[Mapping[str, object]] = field(default_factory=lambda: list(_EXTENSIONS))
    sounds: dict[str, bytes] = field(default_factory=dict)
    messages: dict[str, Mapping[str, object]] = field(default_factory=dict)
    ring_outs: list[Mapping[str, Any]] = field(default_factory=list)
    ring_out_id: str = "s-000000000000000f000000000000000f"
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def app(self) -> Any:
        """The ASGI application."""
        routes = [self._token(), self._listed(), self._ordered(), self._renewed(), self._cancelled()]
        routes += [self._extensions(), self._call_log(), self._ring_out(), self._sound(), self._message()]
        return _Unreliable(self, Litestar(routes, openapi_config=None, logging_config=None))

    def count(self, method: str, path: str) -> int:
        """How often something was asked."""
        return sum(1 for one in self.asked if one[0] == method and one[1].endswith(path))

    # Routes -----------------------------------------------------------------------------------------------------

    def _token(self) -> Any:
        @post("/restapi/oauth/token", status_code=200)
        async def token(request: _Asked) -> Response[Any]:
            basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
            form = await request.form()
            if request.headers.get("authorization") != f"Basic {basic}":
                return _refusal(401, "OAU-101", "Invalid client.")
            if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" or form["assertion"] != self.jwt:
                return Response({"error": "invalid_grant", "error_description": "Invalid assertion"}, status_code=400)
            self.tokens.append(f"token-{len(self.tokens) + 1}")
            return Response({"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": 3600})

        return token

    def _listed(self) -> Any:
        @get("/restapi/v1.0/subscription")
        async def listed() -> Mapping[str, object]:
            return {"records": list(self.orders.values())}

        return listed

    def _ordered(self) -> Any:
        @post("/restapi/v1.0/subscription", status_code=200)
        async def ordered(request: _Asked) -> Response[Any]:
            return self._write(f"order-{self.count('POST', '/subscription')}", await request.json())

        return ordered

    def _renewed(self) -> Any:
        @put("/restapi/v1.0/subscription/{order:str}")
        async def renewed(request: _Asked, order: FromPath[str]) -> Response[Any]:
            if order not in self.orders:
                return _refusal(404, "CMN-102", "Resource for parameter [subscriptionId] is not found")
            return self._write(order, await request.json())

        return renewed

    def _write(self, order: str, wish: Mapping[str, Any]) -> Response[Any]:
        """An order is taken once the address has echoed what it was asked."""
        asked = "00000000-0000-4000-8000-0000000000bb"
        status, headers = self.knock(Letter(b"", (("Validation-Token", asked),)))
        if status != 200 or {name.lower(): value for name, value in headers.items()}.get("validation-token") != asked:
            return _refusal(400, "SUB-525", "WebHook responds with incorrect HTTP status.")
        life_s = min(self.life_s, wish["expiresIn"])
        self.orders[order] = {
            "id": order,
            "status": "Active",
            "eventFilters": [one.replace("~", ACCOUNT) for one in wish["eventFilters"]],
            "expirationTime": instant(datetime.now(UTC) + timedelta(seconds=life_s)),
            "deliveryMode": {
                "transportType": "WebHook", "address": wish["deliveryMode"]["address"], "encryption": False,
            },
        }  # fmt: skip
        self.given[order] = wish["deliveryMode"]["verificationToken"]
        return Response(self.orders[order])

    def _cancelled(self) -> Any:
        @delete("/restapi/v1.0/subscription/{order:str}", status_code=204)
        async def cancelled(order: FromPath[str]) -> None:
            self.orders.pop(order, None)

        return cancelled

    def _extensions(self) -> Any:
        @get("/restapi/v1.0/account/~/extension")
        async def extensions(request: _Asked) -> Mapping[str, object]:
            kinds = request.query_params.getall("type", [])
            return {"records": [one for one in self.extensions if one["type"] in kinds]}

        return extensions

    def _call_log(self) -> Any:
        @get("/restapi/v1.0/account/~/call-log")
        async def call_log(request: _Asked) -> Response[Any]:
            query = request.query_params
            if query.get("view") != "Detailed" or query.get("type") != "Voice" or int(query["perPage"]) > 250:
                return _refusal(400, "CMN-101", "Parameter value is invalid")
            found = [one for one in self.records if query["dateFrom"] <= str(one["startTime"]) <= query["dateTo"]]
            page, size = int(query["page"]), 2  # so that a few records fill pages
            shown = found[(page - 1) * size : page * size]
            more = (
                {"nextPage": {"uri": f"https://elsewhere.example.com/?page={page + 1}"}} if found[page * size :] else {}
            )
            return Response({"records": shown, "paging": {"page": page, "perPage": size}, "navigation": more})

        return call_log

    def _ring_out(self) -> Any:
        @post("/restapi/v1.0/account/~/extension/~/ring-out", status_code=200)
        async def ring_out(request: _Asked) -> Response[Any]:
            wish = await request.json()
            if not str(wish["from"]["phoneNumber"]).startswith("+"):
                return _refusal(400, "CMN-101", "Parameter [from.phoneNumber] value is invalid.")
            self.ring_outs.append(wish)
            return Response({"id": self.ring_out_id, "status": {"callStatus": "InProgress"}})

        return ring_out

    def _sound(self) -> Any:
        @get("/sound/{name:str}")
        async def sound(name: FromPath[str]) -> Response[bytes]:
            return Response(self.sounds[name], media_type="audio/mpeg")

        return sound

    def _message(self) -> Any:
        @get("/message/{name:str}")
        async def message(name: FromPath[str]) -> Mapping[str, object]:
            return self.messages[name]

        return message


def _refusal(status: int, code: str, message: str) -> Response[Any]:
    return Response({"errorCode": code, "message": message}, status_code=status)


class _Unreliable:
    """Asks for a token, and goes wrong as told."""

    def __init__(self, cloud: Cloud, app: Any) -> None:
        self._cloud = cloud
        self._app = app

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        path = scope["path"]
        self._cloud.asked.append((scope["method"], path))
        fault = next((one for one in self._cloud.faults if one.hits(scope["method"], path)), None)
        if fault is not None:
            self._cloud.faults.remove(fault)
            if fault.status:
                await _reply(send, fault.status, fault.body, fault.headers)
            else:
                await self._lose(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if not path.endswith("/oauth/token") and given not in {f"Bearer {one}" for one in self._cloud.tokens[-1:]}:
            await _reply(send, 401, {"errorCode": "OAU-213", "message": "Token not found"}, {})
            return
        await self._app(scope, receive, send)

    async def _lose(self, scope: _Scope, receive: Any, send: Any) -> None:
        async def nowhere(message: object) -> None:
            """What is said here is not heard."""

        await self._app(scope, receive, nowhere)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


async def _reply(send: Any, status: int, body: Mapping[str, object], headers: Mapping[str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": written(body)})
