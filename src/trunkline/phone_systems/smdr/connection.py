"""The connection, either way: we call the PBX, or it calls us."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from trunkline.phone_systems.base import Deliver, LinkState, Report
from trunkline.phone_systems.smdr.lines import Receiver, without_telnet
from trunkline.phone_systems.streams import Pauses, why

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
PROMPT_TIMEOUT_S = 5.0
READ_SIZE = 16 * 1024
# A PBX says nothing all night; only the operating system can tell whether it is still there.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
# Asked again is refused, too.
_REFUSALS = (b"incorrect", b"invalid", b"denied", b"fail", b"wrong", b"refused", b"password:")

NewReceiver = Callable[[], Receiver]
Allowed = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


class _LoginRefused(Exception):
    """The PBX does not take this password."""


@dataclass(frozen=True)
class Login:
    """What a Telnet server of a PBX asks for."""

    username: str
    password: str = field(repr=False)


class _Teller:
    """Tells how the connection stands, each thing once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.last: LinkState | None = None

    async def say(self, state: str, detail: str | None = None) -> None:
        told = LinkState(state, detail)
        if told != self.last:
            log.info("smdr", state=state, detail=detail)
            self.last = told
            await self._report(told)


class Caller:
    """We connect to the PBX, and again whenever the connection breaks."""

    def __init__(
        self, where: tuple[str, int], login: Login | None, new: NewReceiver, deliver: Deliver, report: Report
    ) -> None:
        self._host, self._port = where
        self._login = login
        self._new = new
        self._deliver = deliver
        self._teller = _Teller(report)

    async def run(self) -> None:
        """Stay connected until cancelled; pauses between attempts grow to half a minute."""
        pauses = Pauses()
        where = f"{self._host}:{self._port}"
        await self._teller.say("connecting")
        while True:
            try:
                await self._once()
            except _LoginRefused:
                reason = f"The phone system at {where} refused the sign-in: check username and password."
                pauses.be_long()
            # ValueError: an impossible host name; OverflowError: an impossible port.
            except (OSError, EOFError, ValueError, OverflowError) as error:
                reason = f"The phone system at {where} does not answer ({why(error)}); trying again."
            else:
                reason = f"The phone system at {where} closed the connection; trying again."
            if self._teller.last and self._teller.last.state == "connected":
                pauses.begin_anew()
            await self._teller.say("disconnected", reason)
            await pauses.wait()

    async def _once(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            _keep_alive(writer)
            first = await _sign_in(reader, writer, self._login) if self._login else b""
            await self._teller.say("connected")
            await _read(reader, self._new(), self._deliver, first)
        finally:
            await _hang_up(writer)


class Listener:
    """The PBX connects to us. Whom we do not expect is hung up on at once."""

    def __init__(
        self, where: tuple[str, int], allowed: Allowed, new: NewReceiver, deliver: Deliver, report: Report
    ) -> None:
        self._host, self._port = where
        self._allowed = allowed
        self._new = new
        self._deliver = deliver
        self._teller = _Teller(report)
        self._calls: set[asyncio.Task[None]] = set()
        self._connected = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Listen until cancelled; where the port is taken, try again."""
        pauses = Pauses()
        while True:
            try:
                server = await asyncio.start_server(self._called, self._host, self._port)
            except (OSError, ValueError, OverflowError) as error:
                reason = f"Nothing can be received at {self._host}:{self._port} ({why(error)}); trying again."
                await self._teller.say("disconnected", reason)
                await pauses.wait()
                continue
            try:
                await self._teller.say("connecting", f"Waiting for the phone system to connect to port {self._port}.")
                await self._failed  # trouble of ours, not of a connection: whoever runs us starts anew
            finally:
                server.close()
                for task in self._calls:
                    task.cancel()
                await asyncio.gather(*self._calls, return_exceptions=True)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs as a task
        self._calls.add(task)
        try:
            await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # we stop; nobody waits for this task's outcome
        except Exception as error:  # noqa: BLE001 - raised where the listener runs
            if not self._failed.done():
                self._failed.set_exception(error)
        finally:
            self._calls.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername", ("",))[0])
        if not self._is_allowed(peer):
            log.warning("smdr: a connection was refused", peer=peer)
            if not self._connected:
                await self._teller.say(
                    "disconnected", f"{peer} connected, but the option allow does not name it; still waiting."
                )
            return
        _keep_alive(writer)
        self._connected += 1
        reason = "The phone system closed the connection; waiting for it to come back."
        try:
            await self._teller.say("connected")
            await _read(reader, self._new(), self._deliver)
        except OSError as error:
            reason = f"The connection from the phone system broke ({why(error)}); waiting for it to come back."
        finally:
            self._connected -= 1
        if not self._connected:
            await self._teller.say("disconnected", reason)

    def _is_allowed(self, peer: str) -> bool:
        if not self._allowed:
            return True
        address = ipaddress.ip_address(peer.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._allowed)


async def _read(reader: asyncio.StreamReader, receiver: Receiver, deliver: Deliver, first: bytes = b"") -> None:
    """Deliver line after line until the other side ends, then what is left of a line.

    Raises:
        OSError: the connection broke.
    """
    trouble = None
    data = first
    while True:
        if messages := receiver.feed(data, datetime.now(UTC)):
            await deliver(messages)
        try:
            data = await reader.read(READ_SIZE)
        except OSError as error:
            trouble, data = error, b""
        if not data:
            break
    if messages := receiver.close(datetime.now(UTC)):
        await deliver(messages)
    if trouble:
        raise trouble


async def _sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, login: Login) -> bytes:
    """Answer what looks like a question; gives what came after it.

    Prompts differ by model: whatever ends without a line's end is one, and so is silence.
    """
    await _until_asked(reader)
    writer.write(f"{login.username}\r\n".encode())
    await _until_asked(reader)
    writer.write(f"{login.password}\r\n".encode())
    await writer.drain()
    answer = await _some(reader)
    while b"\n" not in answer and b"\r" not in answer and (more := await _some(reader)):
        answer += more
    if any(word in answer.lower() for word in _REFUSALS):
        raise _LoginRefused
    first, end, rest = answer.partition(b"\n")
    # What we typed is echoed, as stars or as it is; it must not become a message.
    is_echo = not first.strip(b"*\r\x00 ") or login.password.encode() in first
    return rest if end and is_echo else answer.replace(login.password.encode(), b"")


async def _until_asked(reader: asyncio.StreamReader) -> None:
    asked = b""
    while more := await _some(reader):
        asked = without_telnet(asked + more)
        if asked.strip() and not asked.endswith((b"\r", b"\n")):
            return


async def _some(reader: asyncio.StreamReader) -> bytes:
    """What comes next; nothing where it is silent for a while.

    Raises:
        EOFError: the other side hung up.
    """
    try:
        async with asyncio.timeout(PROMPT_TIMEOUT_S):
            data = await reader.read(READ_SIZE)
    except TimeoutError:
        return b""
    if not data:
        raise EOFError("it hung up during the sign-in")
    return data


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
