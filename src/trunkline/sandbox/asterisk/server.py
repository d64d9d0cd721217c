"""The AMI server: banner, login by MD5 challenge or in the clear, and events to everyone who is logged in."""

import asyncio
import hashlib
import itertools
import time
from typing import Self

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
CHALLENGE = "840415273"

Fields = dict[str, str]


class _Session:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.listens = False

    def send(self, *pairs: tuple[str, str]) -> None:
        if not self.writer.is_closing():
            self.writer.write(("".join(f"{key}: {value}\r\n" for key, value in pairs) + "\r\n").encode())


class AmiServer:
    """``async with AmiServer() as server`` listens on this machine, at a free port unless one is given."""

    def __init__(
        self,
        username: str = "trunkline",
        secret: str = "ami-example",  # noqa: S107 - invented
        *,
        port: int = 0,
    ) -> None:
        self.username, self.secret = username, secret
        self.host = "127.0.0.1"
        self.port = port
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()
        self._counter = itertools.count(100)
        self.live: dict[str, Fields] = {}
        self.logged_in = asyncio.Event()
        self.originated: list[Fields] = []
        self.refuses_calls = ""
        self.loses_replies = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop_connections()
        if self._server:
            self._server.close()

    def new_id(self) -> str:
        """A Uniqueid as Asterisk makes them: the second, and a counter."""
        return f"{int(time.time())}.{next(self._counter)}"

    def emit(self, event: str, fields: Fields) -> None:
        """Send an event to all sessions that listen."""
        pairs = [("Event", event), ("Privilege", "call,all"), ("Timestamp", f"{time.time():.6f}"), *fields.items()]
        for session in self._sessions:
            if session.listens:
                session.send(*pairs)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, as a broken PBX might."""
        for session in self._sessions:
            session.writer.write(data)

    def drop_connections(self) -> None:
        """Break every connection, as a network does."""
        for session in self._sessions:
            session.writer.transport.abort()
        self.logged_in.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(writer)
        self._sessions.add(session)
        writer.write(BANNER)
        try:
            while not writer.is_closing():
                request = await reader.readuntil(b"\r\n\r\n")
                pairs = (line.partition(":") for line in request.decode().strip().split("\r\n"))
                await self._answer(session, {key.lower(): value.strip() for key, _, value in pairs})
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._sessions.discard(session)
            writer.close()

    async def _answer(self, session: _Session, request: Fields) -> None:
        action, tag = request.get("action", "").lower(), ("ActionID", request.get("actionid", ""))
        if action == "challenge":
            session.send(("Response", "Success"), tag, ("Challenge", CHALLENGE))
        elif action == "login":
            await self._login(session, request, tag)
        elif not session.listens:
            session.send(("Response", "Error"), tag, ("Message", "Permission denied"))
        elif action == "ping":
            session.send(("Response", "Success"), tag, ("Ping", "Pong"))
        elif action == "coreshowchannels":
            self._channels(session, tag)
        elif action == "originate":
            self._originate(session, request, tag)
        else:
            session.send(("Response", "Success"), tag, ("Message", "Done"))

    async def _login(self, session: _Session, request: Fields, tag: tuple[str, str]) -> None:
        key = hashlib.md5((CHALLENGE + self.secret).encode(), usedforsecurity=False).hexdigest()
        proved = request.get("secret") == self.secret or request.get("key") == key
        if not proved or request.get("username") != self.username:
            session.send(("Response", "Error"), tag, ("Message", "Authentication failed"))
            await session.writer.drain()
            session.writer.close()
            return
        session.listens = True
        session.send(("Response", "Success"), tag, ("Message", "Authentication accepted"))
        session.send(
            ("Event", "FullyBooted"), ("Privilege", "system,all"), ("Uptime", "93211"), ("Status", "Fully Booted")
        )
        self.logged_in.set()

    def _originate(self, session: _Session, request: Fields, tag: tuple[str, str]) -> None:
        """As Asterisk answers one that is asynchronous: at once, whatever becomes of the call."""
        self.originated.append(request)
        if self.refuses_calls:
            session.send(("Response", "Error"), tag, ("Message", self.refuses_calls))
        elif self.loses_replies:
            session.writer.transport.abort()
        else:
            session.send(("Response", "Success"), tag, ("Message", "Originate successfully queued"))

    def _channels(self, session: _Session, tag: tuple[str, str]) -> None:
        session.send(("Response", "Success"), tag, ("EventList", "start"), ("Message", "Channels will follow"))
        for fields in self.live.values():
            session.send(("Event", "CoreShowChannel"), tag, *fields.items())
        count = str(len(self.live))
        session.send(("Event", "CoreShowChannelsComplete"), tag, ("EventList", "Complete"), ("ListItems", count))
