"""Settings and peers that cannot work.."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_ami_connection import (
    BANNER,
    Peer,
    RawServer,
    certificate,
    clock,  # noqa: F401 - a fixture
    follower_of,
    following,
    frame,
)

from trunkline.calls.account import PhoneAccount
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox
from trunkline.calls.tracker import Tracker
from trunkline.domain.events import CallEvent
from trunkline.phone_systems.asterisk import connection as connection_module
from trunkline.phone_systems.base import RawMessage
from trunkline.store.database import Database


@pytest.mark.usefixtures("clock")
async def test_a_banner_without_end_means_a_new_connection() -> None:
    async def babble(peer: Peer) -> None:
        peer.writer.write(b"x" * 200_000)
        await peer.gone()

    async with RawServer(babble) as server, following(server.port) as follower:
        await follower.until_state("disconnected", times=2)
    assert "does not answer (" in follower.sentences[0]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("host", "port"), [("a" * 64 + ".example", 5038), ("a..b", 5038), ("127.0.0.1", 70_000), ("127.0.0.1", -1)]
)
async def test_an_address_that_cannot_be_is_told_in_one_sentence(host: str, port: int) -> None:
    async with following(port, host=host) as follower:
        await follower.until_state("disconnected", times=2)
    assert follower.sentences[0].startswith("Asterisk at ")


@pytest.mark.usefixtures("clock")
async def test_an_account_that_may_not_list_calls_is_told_what_it_lacks() -> None:
    async def deny(peer: Peer) -> None:
        peer.writer.write(BANNER)
        while True:
            request = await peer.request()
            peer.answer(request, "Error" if request["action"] == "CoreShowChannels" else "Success")

    async with RawServer(deny) as server, following(server.port) as follower:
        await follower.until_state("disconnected")
    assert "does not let 'trunkline' list calls" in follower.sentences[0]


async def test_a_tls_peer_that_fell_silent_is_left_without_a_farewell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path, "ours")
    monkeypatch.setattr(connection_module, "CONNECT_TIMEOUT_S", 1.0)
    over = asyncio.Event()

    async def fall_silent(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()

    async with (
        RawServer(fall_silent, tls=context) as server,
        following(server.port, tls=True, ca_file=str(trusted)) as follower,
    ):
        await follower.until_state("disconnected")  # waits 20 s at most; a farewell takes 30
        over.set()


async def test_a_list_of_live_calls_ends_calls_that_came_in_the_same_batch(database: Database) -> None:
    follower = follower_of(5038)
    account = PhoneAccount(1_000_001, "main", "US", follower.adapter)
    ended: list[int] = []

    async def on_ended(_tenant_id: int, call_id: int) -> None:
        ended.append(call_id)

    def message(**fields: str) -> RawMessage:
        return RawMessage(frame(**fields).strip(), datetime.now(UTC))

    def begins(linkedid: str) -> RawMessage:
        return message(
            Event="Newchannel", Timestamp="1772463600.0", Channel=f"PJSIP/trunk-0000000{linkedid[-1]}",
            Context="from-trunk", CallerIDNum="4375550142", Uniqueid=linkedid, Linkedid=linkedid,
        )  # fmt: skip

    batch: Sequence[RawMessage] = [
        begins("1.1"),
        begins("1.2"),
        message(Event="TrunklineSnapshot", Timestamp="1772463601.0", Live="1.2"),
        begins("1.3"),
    ]
    assert isinstance(follower.adapter.parse(batch[0])[0], CallEvent)
    tracker = Tracker(database, Identification(database, {}), on_ended)
    await tracker.take(account, await Inbox(database).append(account, batch))
    async with database.connection() as connection:
        cursor = await connection.execute("select call_key, state from calls.calls order by 1")
        assert await cursor.fetchall() == [("1.1", "ended"), ("1.2", "new"), ("1.3", "new")]
    assert len(ended) == 1
