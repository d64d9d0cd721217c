"""Click to call, over a connection of its own that lives for seconds."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.phone_systems.base import Originated
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.phone_systems.freeswitch.parse import DIALS
from trunkline.phone_systems.freeswitch.session import (
    TROUBLE,
    Login,
    LoginRefused,
    Session,
    TurnedAway,
    opened,
)
from trunkline.phone_systems.freeswitch.wire import read_event
from trunkline.phone_systems.streams import first_of, why

RESULT_WAIT_S = 2.0  # what cannot be dialled at all is known at once; a phone that rings says nothing yet

_AGENT = re.compile(r"[A-Za-z0-9_.+-]{1,64}(@[A-Za-z0-9.-]{1,128})?")
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_BUSY = {"USER_BUSY", "CALL_REJECTED", "NO_ANSWER", "NO_USER_RESPONSE"}
_NOBODY = {"USER_NOT_REGISTERED", "SUBSCRIBER_ABSENT", "NO_ROUTE_DESTINATION", "UNALLOCATED_NUMBER", "INVALID_URL"}


@dataclass(frozen=True)
class Dialling:
    """How this shop's dialplan is called: `endpoint` with `{agent}` in it, then prefix and number in a context."""

    endpoint: str = "user/{agent}"
    prefix: str = ""
    context: str = "default"


class _Attempt:
    """One call that is set up. `is_asked` once FreeSWITCH may have begun."""

    def __init__(self, login: Login, command: str, agent: str) -> None:
        self._login, self._command, self._agent = login, command, agent
        self.is_asked = self.is_taken = False
        self._results: dict[str, str] = {}  # of jobs; one may be over before we know its id
        self._heard = asyncio.Event()

    async def hear(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            with contextlib.suppress(ValueError):
                event = read_event(body)
                self._results[event.get("Job-UUID")] = event.get("_body")
        self._heard.set()

    async def ask(self, session: Session) -> None:
        await session.sign_in(self._login.password)
        await session.ask("event json BACKGROUND_JOB")
        self.is_asked = True
        answer = await session.ask(self._command)
        if not answer.reply.startswith("+OK"):
            raise NeedsFixing("FreeSWITCH does not let us set up calls: bgapi originate must be allowed.")
        self.is_taken = True
        job = answer.headers.get("job-uuid") or answer.reply.rpartition(" ")[2]
        with contextlib.suppress(TimeoutError):  # the phone rings
            async with asyncio.timeout(RESULT_WAIT_S):
                while job not in self._results:
                    await self._heard.wait()
                    self._heard.clear()
        if job in self._results:
            self._judge(self._results[job].strip())

    def _judge(self, result: str) -> None:
        cause = result.removeprefix("-ERR").strip()
        if result.startswith("+OK"):
            return
        if cause in _BUSY:
            raise RetryLater(f"The phone of {self._agent!r} did not take the call ({cause}).")
        if cause in _NOBODY:
            raise NeedsFixing(f"FreeSWITCH knows no phone of {self._agent!r} that could ring ({cause}).")
        raise GivenUp(f"FreeSWITCH did not set up the call: {cause[:100] or 'it does not say why'}.")


def command_of(dialling: Dialling, call_key: str, agent: str, number: str, caller_id: str | None) -> str:
    """The command that rings `agent` and then dials `number`.

    Raises:
        NeedsFixing: one of them is nothing that can be dialled; it could smuggle in further commands.
    """
    if not _AGENT.fullmatch(agent):
        raise NeedsFixing(f"{agent!r} is no extension that FreeSWITCH could ring.")
    if not _NUMBER.fullmatch(number) or (caller_id and not _NUMBER.fullmatch(caller_id)):
        raise NeedsFixing("The number, or the caller's number, is nothing that FreeSWITCH could dial.")
    variables = {
        "origination_uuid": call_key,
        DIALS: number,
        "ignore_early_media": "true",
        **({"origination_caller_id_number": caller_id.removeprefix("+")} if caller_id else {}),
    }
    told = ",".join(f"{name}={value}" for name, value in variables.items())
    endpoint = dialling.endpoint.replace("{agent}", agent)
    return f"bgapi originate {{{told}}}{endpoint} {dialling.prefix}{number.removeprefix('+')} XML {dialling.context}"


async def originate(login: Login, dialling: Dialling, agent: str, number: str, caller_id: str | None) -> Originated:
    """Ring `agent`, then call `number`. The id of the call is ours, so that its events are known again.

    Raises:
        PhoneSystemError: nothing was set up, or nobody knows.
    """
    call_key = str(uuid.uuid4())
    attempt = _Attempt(login, command_of(dialling, call_key, agent, number, caller_id), agent)
    try:
        session = await opened(login, attempt.hear)
        try:
            await first_of(session.pump(), attempt.ask(session))
        finally:
            await session.close()
    except LoginRefused:
        raise NeedsFixing("FreeSWITCH refused the password.") from None
    except TurnedAway:
        raise NeedsFixing(f"FreeSWITCH at {login} turns this machine away.") from None
    except TROUBLE as error:
        if not attempt.is_asked:
            raise RetryLater(f"FreeSWITCH at {login} does not answer ({why(error)}).") from None
    if not attempt.is_asked:
        raise RetryLater("FreeSWITCH closed the connection before it was asked for the call.")
    if not attempt.is_taken:
        raise OutcomeUnknown("FreeSWITCH did not say whether it set up the call.")
    return Originated(call_key)
