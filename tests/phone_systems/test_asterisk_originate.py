"""Click to call through Asterisk: over a connection of its own, never asked for twice."""

import httpx
import pytest

from trunkline.phone_systems.asterisk.adapter import AsteriskAdapter
from trunkline.phone_systems.base import Originated
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.phone_systems.registry import adapter
from trunkline.sandbox.asterisk import AmiServer


def asterisk(server: AmiServer, **options: object) -> AsteriskAdapter:
    """The adapter of an Asterisk."""
    known = {"host": server.host, "port": server.port, "username": server.username, "secret": server.secret}
    made = adapter("asterisk", "main", {**known, **options})
    assert isinstance(made, AsteriskAdapter)
    return made


async def call(made: AsteriskAdapter, agent: str = "201", number: str = "+14375550142") -> Originated:
    async with httpx.AsyncClient() as http:
        return await made.originate(http, agent, number, caller_id="+14375550100")


async def test_the_agents_phone_rings_first_and_the_calls_id_is_ours() -> None:
    async with AmiServer() as server:
        made = await call(asterisk(server, dial_prefix="9", originate_channel="Local/{agent}@from-internal"))
        (asked,) = server.originated
    assert made.call_key == asked["channelid"]
    told = {name: asked[name] for name in ("channel", "context", "exten", "priority", "callerid", "async")}
    assert told == {
        "channel": "Local/201@from-internal",
        "context": "from-internal",
        "exten": "914375550142",
        "priority": "1",
        "callerid": "14375550100",
        "async": "true",
    }


@pytest.mark.parametrize(
    ("agent", "number"), [("201\r\nAction: Reboot", "+14375550142"), ("201,x", "+14375550142"), ("201", "911;x")]
)
async def test_what_is_no_extension_or_number_is_not_asked_for(agent: str, number: str) -> None:
    async with AmiServer() as server:
        with pytest.raises(NeedsFixing):
            await call(asterisk(server), agent, number)
        assert server.originated == []


async def test_a_refusal_is_told_in_the_words_of_asterisk() -> None:
    async with AmiServer() as server:
        server.refuses_calls = "Extension does not exist."
        with pytest.raises(GivenUp, match=r"Extension does not exist\.$"):
            await call(asterisk(server))
        server.refuses_calls = "Permission denied"
        with pytest.raises(NeedsFixing, match="write = originate"):
            await call(asterisk(server))


async def test_a_wrong_secret_is_told_and_not_repeated() -> None:
    async with AmiServer() as server:
        with pytest.raises(NeedsFixing, match="refused the login") as caught:
            await call(asterisk(server, secret="not-a-real-secret"))
        assert "not-a-real-secret" not in str(caught.value)
        assert server.originated == []


async def test_a_reply_that_was_lost_leaves_it_unknown_and_is_not_asked_for_again() -> None:
    async with AmiServer() as server:
        server.loses_replies = True
        with pytest.raises(OutcomeUnknown):
            await call(asterisk(server))
        assert len(server.originated) == 1


async def test_an_asterisk_that_is_away_can_be_asked_later() -> None:
    async with AmiServer() as server:
        made = asterisk(server)
    with pytest.raises(RetryLater):
        await call(made)
