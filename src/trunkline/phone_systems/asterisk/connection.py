"""The connection: login, what to send us, is it alive, and what happened while we were away."""

import asyncio
import contextlib
import hashlib
import itertools
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trunkline.phone_systems.asterisk.parse import SNAPSHOT, is_relevant
from trunkline.phone_systems.asterisk.wire import Frame, FramingLost, Splitter, read_frame, write_frame
from trunkline.phone_systems.base import Deliver, RawMessage, Report
from trunkline.phone_systems.streams import Pauses, Teller, first_of, why

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 10.0
PING_EVERY_S = 15.0
READ_SIZE = 64 * 1024
_CLASSES = "system,call,agent,dialplan"
# Asterisk drops events that match these before they reach the wire. An account without the right to filter gets all.
_MASKED = ("!Event: RTCP", "!Event: Newstate", "!Event: DeviceStateChange", "!Event: ChallengeSent")


class _LoginRefused(Exception):
    """Username or secret are wrong."""


class _ListRefused(Exception):
    """The account may not list the channels."""


@dataclass(frozen=True)
class Login:
    """Where, as whom, and over what."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    tls: bool = False
    ca_file: str | None = None


class Connection:
    """One AMI connection, made anew whenever it breaks."""

    def __init__(self, login: Login, deliver: Deliver, report: Report) -> None:
        self._login = login
        self._deliver = deliver
        self._teller = Teller("asterisk", report)
        self._ids = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._channels: dict[str, list[str]] = {}

    async def run(self) -> None:
        """Stay connected until cancelled; pauses between attempts grow to half a minute."""
        pauses = Pauses()
        while True:
            await self._teller.say("connecting")
            try:
                await self._once()
            except _LoginRefused:
                who = self._login.username
                reason = f"Asterisk refused the login of {who!r}: check username and secret here and in manager.conf."
                pauses.be_long()
            except _ListRefused:
                who = self._login.username
                reason = f"Asterisk does not let {who!r} list calls: give it read and write = system,reporting,call."
                pauses.be_long()
            # ValueError: an impossible host name, or a banner without end; OverflowError: an impossible port.
            except (OSError, FramingLost, EOFError, ValueError, OverflowError) as error:
                reason = (
                    f"Asterisk at {self._login.host}:{self._login.port} does not answer ({why(error)}); trying again."
                )
            else:
                reason = "Asterisk closed the connection; trying again."
            if self._teller.was_connected:
                pauses.begin_anew()
            await self._teller.say("disconnected", reason)
            await pauses.wait()

    async def _once(self) -> None:
        context = ssl.create_default_context(cafile=self._login.ca_file) if self._login.tls else None
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self._login.host, self._login.port, ssl=context)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await reader.readline()  # the banner is one line, without an empty one after it
            await first_of(self._read(reader), self._talk(writer))
        finally:
            for answer in self._answers.values():
                answer.cancel()
            self._answers.clear()
            self._channels.clear()
            writer.transport.abort()  # over TLS, a farewell waits half a minute for a peer that is gone
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        splitter = Splitter()
        while data := await reader.read(READ_SIZE):
            now = datetime.now(UTC)
            batch = []
            for body in splitter.feed(data):
                frame = read_frame(body)
                if frame.event:
                    self._note_channel(frame)
                    if is_relevant(frame):
                        batch.append(RawMessage(body, now))
                else:
                    self._answer(frame)
            if batch:
                await self._deliver(batch)

    async def _talk(self, writer: asyncio.StreamWriter) -> None:
        await self._sign_in(writer)
        for pattern in _MASKED:
            await self._ask(writer, Action="Filter", Operation="Add", Filter=pattern)
        await self._snapshot(writer)
        await self._teller.say("connected")
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._ask(writer, Action="Ping")

    async def _sign_in(self, writer: asyncio.StreamWriter) -> None:
        """By MD5 challenge, so that the secret does not cross the wire; in the clear where there is no challenge."""
        challenge = (await self._ask(writer, Action="Challenge", AuthType="MD5")).get("challenge")
        if challenge:
            key = challenge_key(challenge, self._login.secret)
            proof = {"AuthType": "MD5", "Key": key}
        else:
            proof = {"Secret": self._login.secret}
        answer = await self._ask(writer, Action="Login", Username=self._login.username, Events=_CLASSES, **proof)
        if answer.get("response") != "Success":
            raise _LoginRefused

    async def _snapshot(self, writer: asyncio.StreamWriter) -> None:
        """Which calls live now; all others ended while we were away."""
        as_of = datetime.now(UTC)
        action_id = str(next(self._ids))
        self._channels[action_id] = []
        complete = asyncio.get_running_loop().create_future()
        self._answers[f"{action_id}:complete"] = complete
        try:
            answer = await self._ask(writer, action_id=action_id, Action="CoreShowChannels")
            if answer.get("response") == "Error":
                raise _ListRefused
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await complete
        finally:
            self._answers.pop(f"{action_id}:complete", None)
        live = "".join(f"Live: {key}\r\n" for key in dict.fromkeys(self._channels.pop(action_id)))
        body = f"Event: {SNAPSHOT}\r\nTimestamp: {as_of.timestamp():.6f}\r\n{live}".encode()
        await self._deliver([RawMessage(body, as_of)])

    def _note_channel(self, frame: Frame) -> None:
        action_id = frame.get("actionid")
        if frame.event == "CoreShowChannel" and action_id in self._channels:
            system = frame.get("systemname")
            key = frame.get("linkedid")
            self._channels[action_id].append(f"{system}:{key}" if system else key)
        elif frame.event == "CoreShowChannelsComplete":
            self._settle(f"{action_id}:complete", frame)

    async def _ask(self, writer: asyncio.StreamWriter, *, action_id: str | None = None, **fields: str) -> Frame:
        action_id = action_id or str(next(self._ids))
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[action_id] = answer
        writer.write(write_frame({**fields, "ActionID": action_id}))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        finally:
            self._answers.pop(action_id, None)

    def _answer(self, frame: Frame) -> None:
        self._settle(frame.get("actionid"), frame)

    def _settle(self, action_id: str, frame: Frame) -> None:
        answer = self._answers.get(action_id)
        if answer is not None and not answer.done():
            answer.set_result(frame)


def challenge_key(challenge: str, secret: str) -> str:
    """The proof of knowing `secret`: AMI knows MD5 only."""
    return hashlib.md5(f"{challenge}{secret}".encode(), usedforsecurity=False).hexdigest()
