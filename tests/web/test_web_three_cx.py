"""A 3CX as a shop has it: its CRM template and its Call Control, and the whole service between them."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from web_rig import Backstage, Office, serving, until

from company import TENANT, TENANT_TOML
from databases import fresh_database
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import SPEAKER
from trunkline.sandbox.phones.three_cx.api import CLIENT_ID, CLIENT_SECRET, ThreeCxApi
from trunkline.sandbox.phones.three_cx.call_control import steps_of

PROVIDER = 1
PBX = """
[[tenants.phone_systems]]
account = "office-pbx"
system = "3cx"
secrets = ["env:TEST_3CX_KEY"]
pbx_url = "{url}"
client_id = "{client}"
client_secret = "env:TEST_3CX_CLIENT_SECRET"
call_control = true
"""
_BEARER = {"authorization": f"Bearer {SPEAKER.secret}"}


@pytest.fixture(scope="module")
def pbx(backstage: Backstage) -> Iterator[tuple[ThreeCxApi, str]]:
    """A PBX, and its address."""
    api, stack = ThreeCxApi(), AsyncExitStack()
    yield api, backstage.run(stack.enter_async_context(served(api.app())))
    backstage.run(stack.aclose())


@pytest.fixture(scope="module")
def shop(
    backstage: Backstage, pbx: tuple[ThreeCxApi, str], postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """A company with a 3CX."""
    tenant = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=backstage.servicetitan.base_url)
    text = tenant + f"booking_provider = {PROVIDER}\n" + PBX.format(url=pbx[1], client=CLIENT_ID)
    secrets = {"TEST_3CX_KEY": SPEAKER.secret, "TEST_3CX_CLIENT_SECRET": CLIENT_SECRET}
    folder = tmp_path_factory.mktemp("three_cx") / "data"
    with fresh_database(postgres) as url, serving(folder, text, url, **secrets) as running:
        yield running


def test_one_call_is_told_in_three_ways_and_shown_once(
    shop: Office, backstage: Backstage, pbx: tuple[ThreeCxApi, str]
) -> None:
    api, jane = pbx[0], backstage.people.jane
    call = Dialled(datetime.now(UTC), caller=jane.number)
    until(lambda: api.board.opened)

    def shown() -> dict[str, Any]:
        found: list[dict[str, Any]] = [one["call"] for one in shop.calls(TENANT)]
        assert len(found) <= 1
        return found[0] if found else {}

    rings, answers, leaves = steps_of("answered", call)
    with shop.client() as client:
        asked = client.get("/caller-id/office-pbx", params={"number": jane.number}, headers=_BEARER)
        assert asked.json()["contacts"][0]["first"]
        backstage.do(api.board.take, rings)
        until(lambda: shown().get("direction") == "inbound")
        backstage.do(api.board.drop_connections)
        backstage.do(api.board.take, answers)
        until(lambda: shown()["state"] == "answered")
        until(lambda: api.board.opened == 2)
        backstage.do(api.board.take, leaves)
        until(lambda: shown()["state"] == "ended")
        (part,) = SPEAKER.parts("answered")
        journal = SPEAKER.journal("answered", call, part)
        assert client.post("/hooks/office-pbx/call", json=journal, headers=_BEARER).status_code == 200
    until(lambda: shown()["answered_by"].get("name") == "Dana Desk")
    assert (shown()["outcome"], shown()["external_number"]) == ("answered", jane.number)
    assert shop.execute("select error from calls.inbox where error is not null") == []


def test_a_contact_that_is_made_of_an_unknown_caller_becomes_one_booking(shop: Office, backstage: Backstage) -> None:
    stranger, world = backstage.people.stranger, backstage.servicetitan.world
    call = Dialled(datetime.now(UTC), caller=stranger.number)
    contact = {"number": stranger.dialled, "first": "Jane", "last": "Newcomer"}
    (part,) = SPEAKER.parts("answered")
    with shop.client() as client:
        client.get("/caller-id/office-pbx", params={"number": stranger.number}, headers=_BEARER).raise_for_status()
        for kind, body in (("contact", contact), ("call", SPEAKER.journal("answered", call, part))):
            client.post(f"/hooks/office-pbx/{kind}", json=body, headers=_BEARER).raise_for_status()
        logged = "select c.id from logbook.entries e join calls.calls c on c.id = e.call_id where e.state = 'logged'"
        (call_id,) = until(lambda: shop.execute(f"{logged} and c.call->>'external_number' = %s", stranger.number))[0]
        page = client.get(f"/calls/{call_id}", params={"tenant": TENANT}).text
    ((ref,),) = shop.execute("select ref from calls.calls where id = %s", call_id)
    bookings = backstage.do(lambda: list(world.all_rows("crm/bookings")))
    (booking,) = [one for one in bookings if one.get("source") == "Trunkline"]
    assert (booking["name"], booking["externalId"], booking["bookingProviderId"]) == ("Jane Newcomer", ref, PROVIDER)
    methods = backstage.do(lambda: list(world.all_rows("crm/bookings/contacts")))
    assert [one["value"] for one in methods if one["bookingId"] == booking["id"]] == [stranger.dialled]
    assert booking["summary"].startswith(f"Jane Newcomer, {stranger.number}\nIncoming call answered by Dana Desk")
    assert "Booking in ServiceTitan" in page
    assert '<h1 id="who">Jane Newcomer</h1>' in page
    assert booking["summary"].splitlines()[0] in page
