"""Real SIP calls through a real Asterisk, followed by the adapter as it runs in production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from call_stories import STORIES, all_ended, calls, story
from lab_asterisk import Lab, restart, running_lab

from trunkline.domain.events import LiveCalls
from trunkline.phone_systems.base import LinkState, Parsed, RawMessage, StreamAdapter
from trunkline.phone_systems.registry import adapter

pytestmark = [pytest.mark.pbx, pytest.mark.xdist_group("pbx")]
PATIENCE_S = 10


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab() as running:
        yield running


class Follower:
    """Keeps what the adapter delivers and reports."""

    def __init__(self, lab: Lab, secret: str | None = None) -> None:
        options = {
            "host": lab.host,
            "port": lab.ami_port,
            "username": lab.username,
            "secret": secret or lab.secret,
        }
        made = adapter("asterisk", "main", options)
        assert isinstance(made, StreamAdapter)
        self.adapter = made
        self.messages: list[RawMessage] = []
        self.links: list[LinkState] = []
        self._changed = asyncio.Condition()

    async def deliver(self, messages: Sequence[RawMessage]) -> None:
        async with self._changed:
            self.messages.extend(messages)
            self._changed.notify_all()

    async def report(self, link: LinkState) -> None:
        async with self._changed:
            self.links.append(link)
            self._changed.notify_all()

    def parsed(self) -> list[Parsed]:
        return [item for message in self.messages for item in self.adapter.parse(message)]

    def snapshots(self) -> list[LiveCalls]:
        return [item for item in self.parsed() if isinstance(item, LiveCalls)]

    def states(self) -> list[str]:
        return [link.state for link in self.links]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)


@asynccontextmanager
async def following(lab: Lab, secret: str | None = None) -> AsyncIterator[Follower]:
    follower = Follower(lab, secret)
    task = asyncio.create_task(follower.adapter.run(follower.deliver, follower.report))
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("scenario", STORIES)
async def test_a_real_call_is_one_call_as_people_would_tell_it(lab: Lab, scenario: str) -> None:
    async with following(lab) as follower:
        await follower.until(lambda: "connected" in follower.states())
        await lab.play(scenario)
        await follower.until(lambda: all_ended(follower.parsed()))
    assert [story(call) for call in calls(follower.parsed())] == [STORIES[scenario]]


async def test_whoever_connects_in_the_middle_of_a_call_learns_that_it_lives(lab: Lab) -> None:
    async with following(lab) as early:
        await early.until(lambda: "connected" in early.states())
        playing = asyncio.create_task(lab.play("direct"))
        await early.until(lambda: any(call.answered_at for call in calls(early.parsed())))
        async with following(lab) as late:
            await late.until(lambda: "connected" in late.states())
        await playing
        await early.until(lambda: all_ended(early.parsed()))
    (call,) = calls(early.parsed())
    assert [snapshot.call_keys for snapshot in late.snapshots()] == [{call.call_key}]


async def test_a_caller_who_hides_the_number_stays_without_one(lab: Lab) -> None:
    async with following(lab) as follower:
        await follower.until(lambda: "connected" in follower.states())
        await lab.play("direct", caller="anonymous")
        await follower.until(lambda: all_ended(follower.parsed()))
    (call,) = calls(follower.parsed())
    assert story(call) == replace(STORIES["direct"], external_number=None)


async def test_after_a_restart_of_the_pbx_the_connection_comes_back_and_no_call_is_left(lab: Lab) -> None:
    async with following(lab) as follower:
        await follower.until(lambda: "connected" in follower.states())
        await asyncio.to_thread(restart)
        await follower.until(lambda: follower.states().count("connected") == 2)
    assert list(dict.fromkeys(follower.states())) == ["connecting", "connected", "disconnected"]
    assert {snapshot.call_keys for snapshot in follower.snapshots()} == {frozenset()}


async def test_asterisk_s_refusal_of_a_login_is_told_in_one_sentence(lab: Lab) -> None:
    async with following(lab, secret="wrong") as follower:
        await follower.until(lambda: "disconnected" in follower.states())
    assert "refused the login of 'trunkline': check username and secret" in str(follower.links[-1].detail)
