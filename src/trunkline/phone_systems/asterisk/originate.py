"""Click to call: the Originate action, over a short AMI connection of its own, so that any process can do it."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

from trunkline.phone_systems.asterisk.connection import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    READ_SIZE,
    Login,
    challenge_key,
)
from trunkline.phone_systems.asterisk.wire import Frame, FramingLost, Splitter, read_frame, write_frame
from trunkline.phone_systems.base import Originated
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, PhoneSystemError, RetryLater

_AGENT = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_NUMBER = re.compile(r"\+?\d{3,20}")
_RING_MS = "30000"
_NOT_ALLOWED = "Asterisk does not let us set up calls: the user in manager.conf needs write = originate,call."


@dataclass(frozen=True)
class Dialling:
    """How this shop's dialplan is called: a channel with `{agent}` in it, then prefix and number in a context."""

    channel: str = "PJSIP/{agent}"
    context: str = "from-internal"
    prefix: str = ""


class _Session:
    """One signed-in connection, on which one thing is asked after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = Splitter()
        self._frames: list[Frame] = []

    async def ask(self, **fields: str) -> Frame:
        """Send an action, and wait for its answer; events in between are passed over."""
        action_id = uuid4().hex
        self._writer.write(write_frame({**fields, "ActionID": action_id}))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if not frame.event and frame.get("actionid") == action_id:
                        return frame
                data = await self._reader.read(READ_SIZE)
                if not data:
                    raise EOFError("Asterisk closed the connection")
                self._frames += [read_frame(body) for body in self._splitter.feed(data)]


async def originate(login: Login, dialling: Dialling, agent: str, number: str, caller_id: str | None) -> Originated:
    """Ring `agent`, then call `number` (E.164). The first channel's id is ours, so that its events are known again.

    Raises:
        NeedsFixing: an agent or a number that cannot be dialled, a login or a right that is refused.
        RetryLater: Asterisk cannot be reached; nothing was set up.
        OutcomeUnknown: the connection broke after Asterisk was asked.
        GivenUp: Asterisk refuses.
    """
    if not _AGENT.fullmatch(agent):
        raise NeedsFixing(f"{agent[:40]!r} is no extension that Asterisk could ring.")
    if not _NUMBER.fullmatch(number) or (caller_id and not _NUMBER.fullmatch(caller_id)):
        raise NeedsFixing("The number, or the caller's number, is nothing that Asterisk could dial.")
    key = f"trunkline-{uuid4().hex}"
    is_asked = False
    try:
        async with _signed_in(login) as session:
            is_asked = True
            answer = await session.ask(**_action(dialling, key, agent, number, caller_id))
    except (OSError, EOFError, FramingLost, TimeoutError):
        trouble = "Asterisk did not answer to the end; nobody knows whether the phone rings."
        raise (OutcomeUnknown(trouble) if is_asked else RetryLater("Asterisk cannot be reached.")) from None
    if answer.get("response") != "Success":
        raise _refusal(answer.get("message"))
    return Originated(key)


@contextlib.asynccontextmanager
async def _signed_in(login: Login) -> AsyncIterator[_Session]:
    context = ssl.create_default_context(cafile=login.ca_file) if login.tls else None
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(login.host, login.port, ssl=context)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await reader.readline()  # the banner
        session = _Session(reader, writer)
        challenge = (await session.ask(Action="Challenge", AuthType="MD5")).get("challenge")
        proof = (
            {"AuthType": "MD5", "Key": challenge_key(challenge, login.secret)}
            if challenge
            else {"Secret": login.secret}
        )
        answer = await session.ask(Action="Login", Username=login.username, Events="off", **proof)
        if answer.get("response") != "Success":
            raise NeedsFixing(f"Asterisk refused the login of {login.username!r}: check username and secret.")
        yield session
    finally:
        writer.transport.abort()


def _action(dialling: Dialling, key: str, agent: str, number: str, caller_id: str | None) -> dict[str, str]:
    dialled = f"{dialling.prefix}{number.removeprefix('+')}"
    return {
        "Action": "Originate",
        "Channel": dialling.channel.replace("{agent}", agent),
        "Context": dialling.context,
        "Exten": dialled,
        "Priority": "1",
        "CallerID": (caller_id or dialled).removeprefix("+"),
        "Timeout": _RING_MS,
        "ChannelId": key,
        "Async": "true",
    }


def _refusal(message: str) -> PhoneSystemError:
    if "permission" in message.lower():
        return NeedsFixing(_NOT_ALLOWED)
    return GivenUp(f"Asterisk did not set up the call: {message.rstrip('.') or 'it does not say why'}.")
