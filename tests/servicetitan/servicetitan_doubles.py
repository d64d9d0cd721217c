"""What the client's tests share: a server that says what a test tells it to, over real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from company import TLS, Unlimited
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.servicetitan import Credentials, Environment, ServiceTitan

TENANT = 1_000_001
CREDENTIALS = Credentials("cid.example", "cs1.example-secret", "ak1.example")
THINGS = "crm/v2/tenant/{tenant}/things"

LOST = b""  # the connection ends without a reply
SILENCE = None  # no reply, and the connection stays open


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire; header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def reply(status: int, body: object = b"", **headers: str) -> bytes:
    """An HTTP answer; what is no bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Whatever",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def cut_off() -> bytes:
    """An answer of which only a part arrives."""
    return reply(200, {"id": 7}).replace(b"Content-Length: 9", b"Content-Length: 900")


def token(name: str = "token-1", expires_in: float = 900) -> bytes:
    """What the sign-in answers."""
    return reply(200, {"access_token": name, "expires_in": expires_in, "token_type": "Bearer"})


class ScriptedServer:
    """Answers requests with `script`, in order, and sign-ins with `sign_ins`, the last of these again and again."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.sign_ins = [token()]
        self.requests: list[Received] = []
        self.token_requests: list[Received] = []
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            request = await _read(reader)
            answer = self._answer(request)
            if answer is SILENCE:
                await reader.read()  # until the client gives up
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, request: Received) -> bytes | None:
        if request.path == "/connect/token":
            self.token_requests.append(request)
            return self.sign_ins.pop(0) if len(self.sign_ins) > 1 else self.sign_ins[0]
        self.requests.append(request)
        return self.script.pop(0)


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    address = urlsplit(target)
    return Received(method, address.path, dict(parse_qsl(address.query)), headers, body)


@contextmanager
def closed_door() -> Iterator[str]:
    """A base URL that refuses connections: the port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def connected(
    environment: Environment | str, credentials: Credentials = CREDENTIALS, limiter: Unlimited | None = None
) -> AsyncIterator[ServiceTitan]:
    """A client for `environment`, or for what is served at a base URL."""
    environment = Environment.at(environment) if isinstance(environment, str) else environment
    async with httpx.AsyncClient(verify=TLS) as http:
        yield ServiceTitan(environment, TENANT, credentials, limiter=limiter or Unlimited(), http=http)


@asynccontextmanager
async def scripted(*script: bytes | None) -> AsyncIterator[tuple[ScriptedServer, ServiceTitan]]:
    """A server that says `script`, and a client of it."""
    async with ScriptedServer(*script) as server, connected(server.base_url) as client:
        yield server, client


@asynccontextmanager
async def sandboxed(options: SandboxOptions | None = None) -> AsyncIterator[tuple[SandboxServer, ServiceTitan]]:
    """A sandbox with ten customers, unless `options` says otherwise, and a client of it."""
    options = options or SandboxOptions(customers=10)
    async with SandboxServer(options) as server, connected(server.base_url) as client:
        yield server, client
