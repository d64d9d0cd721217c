"""What was heard of lately is only a hint: a call is one however much was forgotten."""

import pytest
from calls_kit import Room, answered, event, inbound, message, webhook

from trunkline.calls import lately as module
from trunkline.calls.lately import Lately
from trunkline.store.database import Database

ACCOUNT, ANOTHER = webhook("main"), webhook("branch")


def test_keys_are_known_where_they_were_heard() -> None:
    lately = Lately()
    lately.heard(ACCOUNT, ["c1", "c2"])
    assert lately.knows_any(ACCOUNT, ["c9", "c2"])
    assert not lately.knows_any(ACCOUNT, ["c9"])
    assert not lately.knows_any(ANOTHER, ["c1"])


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_MEMORY", 3)
    lately = Lately()
    lately.heard(ACCOUNT, ["c1", "c2", "c3", "c4"])
    assert [key for key in ("c1", "c2", "c3", "c4") if lately.knows_any(ACCOUNT, [key])] == ["c2", "c3", "c4"]


@pytest.mark.parametrize("remembered", [0, 1, 20_000])
async def test_a_call_is_one_and_has_its_card_whatever_is_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    monkeypatch.setattr(module, "LONGEST_MEMORY", remembered)
    room = Room(database)
    await room.customer(7, "Jane Example")
    for one in answered():
        await room.hear(ACCOUNT, one)
    await room.hear(
        ACCOUNT, message(inbound(100, "c2")), message(inbound(101, "c3")), message(event("ringing", 102, "c3"))
    )
    calls = await room.calls()
    assert sorted(one.call.call_key for one in calls) == ["c1", "c2", "c3"]
    assert all(one.card and one.card.match.customer and one.card.match.customer.id == 7 for one in calls)
