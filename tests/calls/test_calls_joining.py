"""One physical call told of by two phone systems: joined where one was declared to be in front of the other."""

from datetime import timedelta
from typing import Any

import pytest
from calls_kit import DANA, START, TENANT, Room, event, inbound, message, webhook

from trunkline.calls.account import PhoneAccount
from trunkline.calls.joiner import Joiner
from trunkline.calls.tracker import Tracker
from trunkline.domain.call import Outcome
from trunkline.store.database import Database

TRACKING, PBX, OTHER = webhook("tracking"), webhook("pbx"), webhook("other")
NUMBER_SHOWN = "+14375550190"
IN_FRONT = {"tracking": ["pbx"]}


class Shop(Room):
    """A call-tracking number in front of a PBX, and a third system that was declared to be in front of nothing."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.tracker = Tracker(database, self.identification, self.on_ended, IN_FRONT)
        accounts = {(TENANT, one.name): one for one in (TRACKING, PBX, OTHER)}
        self.joiner = Joiner(database, self.tracker, accounts, IN_FRONT)

    async def tell(self, account: PhoneAccount, *events: dict[str, Any]) -> None:
        await self.hear(account, *(message(one) for one in events))
        await self.joiner.look(account)


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def put_through(call: str = "t1", second: float = 0, talk_s: float = 60, **more: Any) -> list[dict[str, Any]]:
    """As a tracking service tells it: it put the call through, and says it was answered."""
    told = {"did": NUMBER_SHOWN, **more}
    return [
        inbound(second, call, **told),
        event("answered", second + 2, call),
        event("ended", second + 2 + talk_s, call),
    ]


def at_the_pbx(call: str = "p1", second: float = 3, talk_s: float = 58, **more: Any) -> list[dict[str, Any]]:
    return [
        inbound(second, call, **more),
        event("ringing", second + 1, call, agent=DANA, leg_id=f"{call}-a"),
        event("answered", second + 5, call, agent=DANA, leg_id=f"{call}-a"),
        event("ended", second + 5 + talk_s, call),
    ]


async def test_both_are_one_call_with_what_each_knows(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through()[:1])
    await shop.tell(PBX, *at_the_pbx())
    await shop.tell(TRACKING, *put_through()[1:])
    call = (await shop.call()).call
    assert (call.did, call.outcome, call.answered_at) == (NUMBER_SHOWN, Outcome.ANSWERED, START + timedelta(seconds=8))
    assert call.answered_by is not None
    assert call.answered_by.extension == "201"


async def test_that_it_was_put_through_is_no_answer(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through(talk_s=20))
    missed = at_the_pbx(talk_s=20)
    await shop.tell(PBX, missed[0], missed[1], event("ended", 22, "p1"))
    assert (await shop.call()).call.outcome is Outcome.MISSED


async def test_a_system_in_front_may_show_its_own_number(shop: Shop) -> None:
    await shop.tell(PBX, *at_the_pbx(external_number=NUMBER_SHOWN))
    await shop.tell(TRACKING, *put_through())
    assert (await shop.call()).call.external_number == "+14375550142"


@pytest.mark.parametrize(
    "behind",
    [
        at_the_pbx(external_number="+14375550177"),
        at_the_pbx(second=31),
        at_the_pbx(talk_s=40),
        at_the_pbx(direction="outbound"),
        at_the_pbx(external_number="anonymous"),
    ],
    ids=["another number", "begun too late", "talked shorter", "another direction", "withheld"],
)
async def test_what_may_be_another_call_is_shown_apart(shop: Shop, behind: list[dict[str, Any]]) -> None:
    await shop.tell(TRACKING, *put_through())
    await shop.tell(PBX, *behind)
    assert len(await shop.calls()) == 2


async def test_what_was_not_declared_is_shown_apart(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through())
    await shop.tell(OTHER, *at_the_pbx())
    assert len(await shop.calls()) == 2


async def test_two_that_it_might_be_are_both_shown_apart(shop: Shop) -> None:
    await shop.hear(PBX, *(message(one) for one in at_the_pbx("p1") + at_the_pbx("p2", 6)))
    await shop.tell(TRACKING, *put_through(talk_s=59))
    assert len(await shop.calls()) == 3


async def test_a_joined_call_takes_no_further_one(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through())
    await shop.tell(PBX, *at_the_pbx())
    await shop.tell(PBX, *at_the_pbx("p2", 20))
    assert len(await shop.calls()) == 2


async def test_the_same_id_at_two_systems_is_two_calls(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through("same"))
    await shop.tell(OTHER, *at_the_pbx("same", external_number="+14375550177"))
    assert len(await shop.calls()) == 2


async def test_a_person_parts_them_for_good_with_what_came_in_since(shop: Shop) -> None:
    await shop.tell(TRACKING, *put_through()[:1])
    await shop.tell(PBX, *at_the_pbx()[:2])
    joined = await shop.call()
    await shop.tell(PBX, *at_the_pbx()[2:])
    await shop.tell(TRACKING, *put_through()[1:])
    assert await shop.joiner.part(TENANT, joined.id)
    front, behind = [one.call for one in await shop.calls()]
    assert (front.did, front.answered_at) == (NUMBER_SHOWN, START + timedelta(seconds=2))
    assert (behind.did, behind.answered_at, behind.events) == ("+14375550100", START + timedelta(seconds=8), 4)
    await shop.joiner.look(PBX)
    assert len(await shop.calls()) == 2
    assert not await shop.joiner.part(TENANT, joined.id)
    assert not await shop.joiner.part(TENANT + 1, joined.id)
