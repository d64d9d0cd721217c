"""The WebSocket of Call Control: kept open, opened anew when it breaks, and what happened meanwhile.

An event names a participant; it is read at once and in turn, so that what is read last is newest. One that is not there
any more (404) has gone meanwhile. There is no replay: after each opening, and in every minute of silence, the list of
all participants is read. Whether a socket outlives its token is documented nowhere, so with a new token comes a new
socket.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from trunkline.phone_systems.base import Deliver, Report
from trunkline.phone_systems.errors import NeedsFixing, PhoneSystemError
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.streams import Pauses, Teller, why
from trunkline.phone_systems.three_cx.api import NOT_ALLOWED, Api
from trunkline.phone_systems.three_cx.floor import Floor, Place

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 60.0
LIST = "/callcontrol"
_PARTICIPANT = re.compile(r"/callcontrol/([\w*#+-]+)/participants/([\w-]+)/?")
# `event_type`, a number in what 3CX sends. Others - digits that a caller dials among them - are not even kept.
_CHANGED, _REMOVED = frozenset({"0", "upset", "upsert"}), frozenset({"1", "remove"})


class Connection:
    """One PBX's, opened anew whenever it breaks."""

    def __init__(self, api: Api, floor: Floor, deliver: Deliver, report: Report) -> None:
        self._api = api
        self._floor = floor
        self._deliver = deliver
        self._teller = Teller("3cx", report)

    async def run(self) -> None:
        """Stay connected until cancelled; pauses between attempts grow to half a minute."""
        pauses = Pauses()
        async with httpx.AsyncClient() as http:
            while True:
                await self._teller.say("connecting")
                needs_fixing = False
                try:
                    await self._once(http)
                    continue
                except NeedsFixing as error:
                    reason, needs_fixing = str(error), True
                except ConnectionClosed:
                    reason = "3CX closed the connection; trying again."
                except PhoneSystemError as error:
                    reason = f"{str(error).removesuffix('.')}; trying again."
                # ValueError: an impossible address.
                except (OSError, TimeoutError, WebSocketException, ValueError) as error:
                    reason = f"3CX does not open Call Control ({_why(error)}); trying again."
                if self._teller.was_connected:
                    pauses.begin_anew()
                if needs_fixing:
                    pauses.be_long()
                await self._teller.say("disconnected", reason)
                await pauses.wait()

    async def _once(self, http: httpx.AsyncClient) -> None:
        """One socket, until it breaks; returns where it is to be replaced."""
        socket, signed = await self._opened(http)
        try:
            await self._look(http)
            if not self._teller.was_connected:  # a new socket is no news
                await self._teller.say("connected")
            while True:
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        frame = await socket.recv()
                except TimeoutError:
                    if await self._api.signed(http) != signed:
                        return
                    await self._look(http)
                else:
                    await self._take(http, frame)
        finally:
            await socket.close()

    async def _opened(self, http: httpx.AsyncClient) -> tuple[ClientConnection, Mapping[str, str]]:
        """The socket, and what it was opened with; a token that was refused is replaced once."""
        signed = await self._api.signed(http)
        try:
            return await self._api.open_socket(signed), signed
        except InvalidStatus as refused:
            if refused.response.status_code != httpx.codes.UNAUTHORIZED:
                raise _explained(refused) from None
        signed = await self._api.signed(http, fresh=True)
        try:
            return await self._api.open_socket(signed), signed
        except InvalidStatus as refused:
            raise _explained(refused) from None

    async def _look(self, http: httpx.AsyncClient) -> None:
        """Who is in a call now; calls that are not there ended while nobody listened."""
        as_of = datetime.now(UTC)
        entities = await self._api.now(http, LIST)
        if not isinstance(entities, list):
            raise NeedsFixing(NOT_ALLOWED.format(status="no list of extensions"))
        await self._deliver(self._floor.listed(entities, as_of, datetime.now(UTC)))

    async def _take(self, http: httpx.AsyncClient, frame: str | bytes) -> None:
        read = _read(frame)
        if read is None:
            return
        what, place, event = read
        dn, name = (quote(part, safe="") for part in place)
        held = await self._api.now(http, f"{LIST}/{dn}/participants/{name}") if what in _CHANGED else None
        now = datetime.now(UTC)
        if isinstance(held, dict):
            message = self._floor.seen(place, held, event, now)
        elif held is None:
            message = self._floor.gone(place, event, now)
        else:
            log.warning("3cx", detail="a participant could not be read")
            return
        await self._deliver([message])


def _read(frame: str | bytes) -> tuple[str, Place, Any] | None:
    """What happened to which participant, with the event whole; `None` where it is about none."""
    try:
        told = Fields(msgspec.json.decode(frame))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        log.warning("3cx", detail="an event could not be read", size=len(frame))
        return None
    event = Fields(told.held.get("event"))
    what = (event.text("event_type") or "").lower()
    entity = _PARTICIPANT.fullmatch(event.id("entity") or "")
    if entity is None or what not in _CHANGED | _REMOVED:
        return None
    return what, (entity[1], entity[2]), told.held


def _explained(refused: InvalidStatus) -> Exception:
    status = refused.response.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return NeedsFixing(NOT_ALLOWED.format(status=status))
    return refused


def _why(error: Exception) -> str:
    return str(error.response.status_code) if isinstance(error, InvalidStatus) else why(error)
