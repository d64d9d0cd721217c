"""What tests of streams share: an adapter at work, what it hands on, and a clock that does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from trunkline.domain.events import LiveCalls
from trunkline.phone_systems import streams
from trunkline.phone_systems.base import LinkState, Parsed, RawMessage, StreamAdapter

ENOUGH_S = 20


class Follower:
    """An adapter at work, and what it hands on."""

    def __init__(self, adapter: StreamAdapter) -> None:
        self.adapter = adapter
        self.messages: list[RawMessage] = []
        self.batches: list[int] = []
        self.links: list[LinkState] = []
        self._changed = asyncio.Condition()

    async def deliver(self, messages: Sequence[RawMessage]) -> None:
        async with self._changed:
            self.messages.extend(messages)
            self.batches.append(len(messages))
            self._changed.notify_all()

    async def report(self, link: LinkState) -> None:
        async with self._changed:
            self.links.append(link)
            self._changed.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that was handed on makes `condition` true."""
        async with asyncio.timeout(ENOUGH_S), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))

    async def until_state(self, state: str, times: int = 1) -> LinkState:
        """Wait until `state` was reported so many times; the last report of it."""
        await self.until(lambda: [link.state for link in self.links].count(state) >= times)
        return [link for link in self.links if link.state == state][-1]

    @property
    def sentences(self) -> list[str]:
        """Why it was disconnected, each time."""
        return [link.detail or "" for link in self.links if link.state == "disconnected"]

    @property
    def parsed(self) -> list[Parsed]:
        """All that its messages say."""
        return [item for message in self.messages for item in self.adapter.parse(message)]

    @property
    def lists(self) -> list[LiveCalls]:
        """Each list of live calls."""
        return [item for item in self.parsed if isinstance(item, LiveCalls)]


AnyFollower = TypeVar("AnyFollower", bound=Follower)


@asynccontextmanager
async def at_work(follower: AnyFollower) -> AsyncIterator[AnyFollower]:
    """It follows its phone system, and does not give up."""
    task = asyncio.create_task(follower.adapter.run(follower.deliver, follower.report))
    try:
        yield follower
        assert not task.done(), "the adapter gave up"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class PatientClock:
    """Stands in for `asyncio` where attempts pause: notes the pauses, and does not wait for them."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        self.pauses.append(delay)
        await asyncio.sleep(0)


def patient_clock(monkeypatch: pytest.MonkeyPatch) -> PatientClock:
    """No waiting between attempts, and no dice."""
    patient = PatientClock()
    monkeypatch.setattr(streams, "asyncio", patient)
    monkeypatch.setattr(streams, "random", SimpleNamespace(uniform=lambda _least, most: most))
    return patient
