"""The connection that stays: what to send us, is it alive, and what happened while we were away."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from trunkline.phone_systems.base import Deliver, RawMessage, Report
from trunkline.phone_systems.freeswitch.parse import EVENTS, LIVE_CALLS
from trunkline.phone_systems.freeswitch.session import (
    TROUBLE,
    Login,
    LoginRefused,
    Session,
    TurnedAway,
    opened,
)
from trunkline.phone_systems.freeswitch.wire import Event, read_event, text_of, whole
from trunkline.phone_systems.streams import Pauses, Teller, first_of, why

log = structlog.get_logger(__name__)


class _ListRefused(Exception):
    """We may not list the channels."""


class Connection:
    """One event socket, connected anew whenever it breaks."""

    def __init__(self, login: Login, is_relevant: Callable[[Event], bool], deliver: Deliver, report: Report) -> None:
        self._login = login
        self._is_relevant = is_relevant
        self._deliver = deliver
        self._teller = Teller("freeswitch", report)
        self._core = ""
        self._restarted = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled; pauses between attempts grow to half a minute."""
        pauses = Pauses()
        while True:
            await self._teller.say("connecting")
            needs_fixing = False
            try:
                await self._once()
            except (LoginRefused, TurnedAway, _ListRefused) as error:
                reason, needs_fixing = self._refusal(error), True
            except TROUBLE as error:
                reason = f"FreeSWITCH at {self._login} does not answer ({why(error)}); trying again."
            else:
                reason = "FreeSWITCH closed the connection; trying again."
            if self._teller.was_connected:
                pauses.begin_anew()
            if needs_fixing:
                pauses.be_long()
            await self._teller.say("disconnected", reason)
            await pauses.wait()

    def _refusal(self, error: Exception) -> str:
        if isinstance(error, LoginRefused):
            return "FreeSWITCH refused the password: check it here and in event_socket.conf.xml."
        if isinstance(error, TurnedAway):
            return (
                f"FreeSWITCH at {self._login} turns this machine away:"
                " add its address to the list that apply-inbound-acl in event_socket.conf.xml names."
            )
        return "FreeSWITCH does not let us list its calls: mod_commands must be loaded, and show channels allowed."

    async def _once(self) -> None:
        session = await opened(self._login, self._take)
        try:
            await first_of(session.pump(), self._talk(session))
        finally:
            await session.close()

    async def _talk(self, session: Session) -> None:
        await session.sign_in(self._login.password)
        await session.ask(f"event json {EVENTS}")
        await self._list_calls(session)
        await self._teller.say("connected")
        while True:
            await self._restarted.wait()
            await self._list_calls(session)

    async def _take(self, bodies: Sequence[bytes]) -> None:
        now = datetime.now(UTC)
        batch = []
        for body in bodies:
            try:
                event = read_event(body)
            except ValueError:
                log.warning("freeswitch", detail="an event could not be read", size=len(body))
                continue
            self._note_core(event.get("Core-UUID"))
            if self._is_relevant(event):
                batch.append(RawMessage(body, now))
        if batch:
            await self._deliver(batch)

    def _note_core(self, core: str) -> None:
        """Another core is another life: what lived in the one before is over, and the new list says so."""
        if core and self._core and core != self._core:
            self._restarted.set()
        self._core = core or self._core

    async def _list_calls(self, session: Session) -> None:
        """Which calls live now; all others ended while we were away."""
        self._restarted.clear()
        as_of = await self._clock(session)
        answer = await session.ask("api show channels as json")
        try:
            listed = msgspec.json.decode(answer.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _ListRefused from None
        rows = listed.get("rows")  # left out where there are none
        keys = [
            text_of(row.get(column))
            for row in _as_list(rows)
            if isinstance(row, dict)
            for column in ("call_uuid", "uuid")
        ]
        body = msgspec.json.encode(
            {
                "Event-Name": LIVE_CALLS,
                "Event-Date-Timestamp": str(round(as_of.timestamp() * 1_000_000)),
                "Live": list(dict.fromkeys(key for key in keys if key)),
            }
        )
        await self._deliver([RawMessage(body, datetime.now(UTC))])

    async def _clock(self, session: Session) -> datetime:
        """The PBX's own time, since its calls are dated by it; ours where it does not say."""
        answer = await session.ask("api strepoch")
        second = whole(answer.body.decode("utf-8", errors="replace").strip())
        try:
            return datetime.fromtimestamp(second, UTC) if second else datetime.now(UTC)
        except (OverflowError, ValueError, OSError):
            return datetime.now(UTC)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
