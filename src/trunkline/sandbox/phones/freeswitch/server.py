"""An event socket on this machine: greeting, password, list of channels, and events to everyone who asked for them."""

import asyncio
import json
from typing import Self
from urllib.parse import quote

from trunkline.sandbox.phones.freeswitch.speaker import SPEAKER, is_record
from trunkline.sandbox.phones.freeswitch.stage import Fields, as_json
from trunkline.sandbox.phones.speaker import Dialled


def event_message(fields: Fields, form: str = "json") -> bytes:
    """One event as it stands on the wire, `form` being json or plain."""
    body = as_json(fields) if form == "json" else _plain(fields)
    return message({"Content-Length": str(len(body)), "Content-Type": f"text/event-{form}"}, body)


def message(headers: dict[str, str], body: bytes = b"") -> bytes:
    """Any message of the event socket."""
    return "".join(f"{name}: {value}\n" for name, value in headers.items()).encode() + b"\n" + body


def _plain(fields: Fields) -> bytes:
    inner = str(fields.get("_body", "")).encode()
    told = {name: str(value) for name, value in fields.items() if name != "_body"}
    if inner:
        told["Content-Length"] = str(len(inner))
    return "".join(f"{name}: {quote(value, safe='/')}\n" for name, value in told.items()).encode() + b"\n" + inner


class EventSocketServer:
    """``async with EventSocketServer() as server`` listens on a free port of this machine.

    `live` are the rows of `show channels`, `asked` every command that came, `result` what becomes of a background job
    (nothing: it is never told), `form` how events are written whatever the client asked for.
    """

    def __init__(self, password: str = "not-a-real-secret", *, form: str = "") -> None:  # noqa: S107 - invented
        self.password, self.form = password, form
        self.host, self.port = "127.0.0.1", 0
        self.live: list[dict[str, str]] = []
        self.asked: list[str] = []
        self.result: str | None = None
        self.turns_away, self.may_list, self.may_originate = False, True, True
        self._server: asyncio.Server | None = None
        self._listening: dict[asyncio.StreamWriter, str] = {}
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop_connections()
        if self._server:
            self._server.close()

    def emit(self, fields: Fields) -> None:
        """Send an event to all who asked for events, in the form they asked for."""
        for writer, form in self._listening.items():
            writer.write(event_message(fields, self.form or form))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, as a broken peer or a network might."""
        for writer in self._listening:
            writer.write(data)

    def drop_connections(self) -> None:
        """Break every connection, as a network does."""
        for writer in self._open:
            writer.transport.abort()

    def say_farewell(self) -> None:
        """Close every connection as FreeSWITCH does when it shuts down."""
        body = b"Disconnected, goodbye.\n"
        for writer in self._open:
            writer.write(message({"Content-Type": "text/disconnect-notice", "Content-Length": str(len(body))}, body))
            writer.close()

    def play(self, scenario: str, call: Dialled) -> None:
        """Tell a whole call, event after event; its records go another way."""
        for said in SPEAKER.play(scenario, call):
            if not is_record(said.body):
                self.emit(json.loads(said.body))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.turns_away:
                body = b"Access Denied, go away.\n"
                writer.write(message({"Content-Type": "text/rude-rejection", "Content-Length": str(len(body))}, body))
                return
            writer.write(message({"Content-Type": "auth/request"}))
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            self._listening.pop(writer, None)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_in = False
        while True:
            command = (await reader.readuntil(b"\n\n")).decode().strip()
            self.asked.append(command)
            verb, _, rest = command.partition(" ")
            if verb == "auth":
                is_in = rest == self.password
                self._reply(writer, "+OK accepted" if is_in else "-ERR invalid")
                if not is_in:
                    return
            elif not is_in:
                self._reply(writer, "-ERR command not found")
            elif verb == "event":
                self._listening[writer] = rest.partition(" ")[0]
                self._reply(writer, f"+OK event listener enabled {self._listening[writer]}")
            elif verb == "api":
                self._api(writer, rest)
            elif verb == "bgapi":
                self._background(writer)
            else:
                self._reply(writer, "-ERR command not found")

    @staticmethod
    def _reply(writer: asyncio.StreamWriter, text: str, **more: str) -> None:
        writer.write(message({"Content-Type": "command/reply", "Reply-Text": text, **more}))

    def _api(self, writer: asyncio.StreamWriter, command: str) -> None:
        body = b"-ERR no such command\n"
        if command == "show channels as json" and self.may_list:
            rows = {"rows": self.live} if self.live else {}
            body = as_json({"row_count": len(self.live), **rows})
        elif command == "strepoch":
            body = b"1772463600"
        writer.write(message({"Content-Type": "api/response", "Content-Length": str(len(body))}, body))

    def _background(self, writer: asyncio.StreamWriter) -> None:
        if not self.may_originate:
            self._reply(writer, "-ERR permission denied")
            return
        job = "9f0b7f6e-0000-4000-8000-000000000001"
        self._reply(writer, f"+OK Job-UUID: {job}", **{"Job-UUID": job})
        if self.result is not None:
            self.emit({"Event-Name": "BACKGROUND_JOB", "Job-UUID": job, "_body": f"{self.result}\n"})
