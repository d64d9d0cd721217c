"""What connections that stay open have in common: pauses between attempts, and what people are told of them."""

import asyncio
import random
from collections.abc import Coroutine

import structlog

from trunkline.phone_systems.base import LinkState, Report

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Pauses:
    """Between attempts: each twice as long as the one before, up to half a minute, with dice so that not all come back
    at once."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def begin_anew(self) -> None:
        """There was a connection: the next pause is short."""
        self._next_s = FIRST_PAUSE_S

    def be_long(self) -> None:
        """Somebody has to mend something first: the next pause is long."""
        self._next_s = LONGEST_PAUSE_S

    async def wait(self) -> None:
        """Let one pause pass."""
        pause_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(LONGEST_PAUSE_S, self._next_s * 2)
        await asyncio.sleep(pause_s)


class Teller:
    """Reports how the connection to `system` stands; attempt after attempt is still the same trouble, and told once."""

    def __init__(self, system: str, report: Report) -> None:
        self._system = system
        self._report = report
        self._last: str | None = None

    @property
    def was_connected(self) -> bool:
        """Whether that was told last."""
        return self._last == "connected"

    async def say(self, state: str, detail: str | None = None) -> None:
        """The connection is in this state now, for this reason."""
        if state == "connecting" and self._last is not None:
            return
        if state != self._last:
            log.info(self._system, state=state, detail=detail)
        self._last = state
        await self._report(LinkState(state, detail))


async def first_of(*coroutines: Coroutine[None, None, None]) -> None:
    """Run side by side until the first ends or fails, then stop the others."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def why(error: BaseException) -> str:
    """A few words about trouble of a connection."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
