"""One connection to an event socket: signing in, asking, and hearing events. Of long and short ones alike."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from trunkline.phone_systems.freeswitch.wire import FramingLost, Message, Splitter

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 10.0
SILENCE_S = 60.0  # a HEARTBEAT comes every 20 s
READ_SIZE = 64 * 1024
_EVENTS = {"text/event-json", "text/event-plain"}
_ANSWERS = {"command/reply", "api/response"}


class LoginRefused(Exception):
    """The password is wrong."""


class TurnedAway(Exception):
    """The list of allowed addresses has not ours."""


class Silent(Exception):
    """Nothing was heard for too long, not even a HEARTBEAT."""


# What can go wrong with a connection without anybody's fault. ValueError: an impossible host name; OverflowError: an
# impossible port.
TROUBLE = (OSError, FramingLost, EOFError, ValueError, OverflowError, Silent)


@dataclass(frozen=True)
class Login:
    """Where, and with what."""

    host: str
    port: int
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session:
    """A connection that is open. Nothing is heard unless :meth:`pump` runs."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_events: Callable[[Sequence[bytes]], Awaitable[None]],
    ) -> None:
        self._reader, self._writer, self._on_events = reader, writer, on_events
        self._greeted = asyncio.Event()
        self._is_in = False
        self._asked: deque[asyncio.Future[Message]] = deque()  # answers come in the order of questions

    async def pump(self) -> None:
        """Hear everything until the peer closes; what arrives in one read is handed on at once.

        Raises:
            LoginRefused, TurnedAway: the peer does not want us.
            Silent, FramingLost, OSError: the connection is of no use any more.
        """
        splitter = Splitter()
        is_open = True
        while is_open:
            data = await self._read()
            heard: list[bytes] = []
            try:
                is_open = bool(data)
                for message in splitter.feed(data):
                    if message.kind in _EVENTS:
                        heard.append(message.body)
                    elif message.kind == "text/disconnect-notice":
                        is_open = False
                    else:
                        self._take(message)
            finally:
                if heard:
                    await self._on_events(heard)

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(SILENCE_S):
                return await self._reader.read(READ_SIZE)
        except TimeoutError:
            raise Silent(f"it said nothing for {SILENCE_S:.0f} seconds") from None

    def _take(self, message: Message) -> None:
        if message.kind == "auth/request":
            self._greeted.set()
        elif message.kind == "text/rude-rejection":
            raise TurnedAway
        elif message.kind in _ANSWERS:
            # A refusal is followed by the end of the connection, often in the same read.
            if not self._is_in and not message.reply.startswith("+OK"):
                raise LoginRefused
            self._is_in = True
            if self._asked and not (answer := self._asked.popleft()).done():
                answer.set_result(message)

    async def sign_in(self, password: str) -> None:
        """Wait to be asked for the password, and give it; :meth:`pump` tells where it is refused."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._greeted.wait()
        await self.ask(f"auth {password}")

    async def ask(self, command: str) -> Message:
        """The answer to a command; line breaks would smuggle in further ones, so they are taken out."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._writer.write(command.replace("\r", " ").replace("\n", " ").encode() + b"\n\n")
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await answer

    async def close(self) -> None:
        """Without a farewell: a peer that is gone would let us wait for one."""
        for answer in self._asked:
            answer.cancel()
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def opened(login: Login, on_events: Callable[[Sequence[bytes]], Awaitable[None]]) -> Session:
    """A new connection, not yet signed in.

    Raises:
        OSError, ValueError, OverflowError: there is none.
    """
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(login.host, login.port)
    return Session(reader, writer, on_events)
