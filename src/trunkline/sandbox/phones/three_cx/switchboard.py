"""Call Control of a 3CX on this machine: participants to read, and a WebSocket that tells which of them changed."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from litestar import Request, Response, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.types.asgi_types import WebSocketResponseBodyEvent, WebSocketResponseStartEvent

from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx.call_control import TYPES, Step, frame, steps_of

AnyRequest = Request[Any, Any, Any]
AnySocket = WebSocket[Any, Any, Any]


class Switchboard:
    """What is going on, and who listens.

    `types` are the extensions that the API client may see. `loses` are participants that are gone before anyone can
    read them, by name; `refuses` are statuses with which the next sockets are turned away. `opened` counts sockets.
    """

    def __init__(self) -> None:
        self.types = dict(TYPES)
        self.loses: set[int] = set()
        self.refuses: list[int] = []
        self.opened = 0
        self._there: dict[tuple[str, int], dict[str, Any]] = {}
        self._listening: set[asyncio.Queue[str | None]] = set()
        self._sequence = 0

    def take(self, step: Step, *, is_told: bool = True) -> None:
        """One step happens; without `is_told` while the line is down."""
        self._there.pop((step.dn, step.name), None)
        if step.held is not None and step.name not in self.loses:
            self._there[step.dn, step.name] = step.held
        if is_told:
            self._sequence += 1
            self.send(json.dumps(frame(self._sequence, step)))

    def play(self, scenario: str, call: Dialled) -> None:
        """A whole call at once: whoever reads a participant may find it changed, or gone."""
        for step in steps_of(scenario, call):
            self.take(step)

    def send(self, text: str) -> None:
        """Send text as it is, as a broken peer might."""
        for queue in self._listening:
            queue.put_nowait(text)

    def drop_connections(self) -> None:
        """Close every socket."""
        for queue in self._listening:
            queue.put_nowait(None)

    def handlers(
        self, refusal: Callable[[AnyRequest], Response[Any] | None], is_signed: Callable[[str | None], bool]
    ) -> list[BaseRouteHandler]:
        """Its part of the API; `refusal` answers requests that are not to be served, `is_signed` knows the token."""

        @get("/callcontrol")
        async def everybody(request: AnyRequest) -> Response[Any]:
            return refusal(request) or Response(self._list())

        @get("/callcontrol/{dn:str}/participants/{name:int}")
        async def one(request: AnyRequest, dn: FromPath[str], name: FromPath[int]) -> Response[Any]:
            if refused := refusal(request):
                return refused
            held = self._there.get((dn, name))
            return Response(held) if held else Response({}, status_code=404)

        @websocket("/callcontrol/ws")
        async def listen(socket: AnySocket) -> None:
            await self._serve(socket, is_signed=is_signed(socket.headers.get("authorization")))

        return [everybody, one, listen]

    def _list(self) -> list[dict[str, Any]]:
        return [
            {
                "dn": dn,
                "type": kind,
                "devices": [],
                "participants": [held for (there, _), held in self._there.items() if there == dn],
            }
            for dn, kind in self.types.items()
        ]

    async def _serve(self, socket: AnySocket, *, is_signed: bool) -> None:
        status = 401 if not is_signed else self.refuses.pop(0) if self.refuses else None
        if status is not None:
            await socket.send(
                WebSocketResponseStartEvent(type="websocket.http.response.start", status=status, headers=[])
            )
            await socket.send(
                WebSocketResponseBodyEvent(type="websocket.http.response.body", body=b"", more_body=False)
            )
            return
        await socket.accept()
        self.opened += 1
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listening.add(queue)
        gone = asyncio.create_task(_until_gone(socket, queue))
        try:
            while (text := await queue.get()) is not None:
                await socket.send_text(text)
        finally:
            self._listening.discard(queue)
            gone.cancel()
        await socket.close()


async def _until_gone(socket: AnySocket, queue: "asyncio.Queue[str | None]") -> None:
    """Whoever hangs up is not told any more."""
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        queue.put_nowait(None)
