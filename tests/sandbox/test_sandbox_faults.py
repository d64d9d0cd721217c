"""The sandbox's bad days: faults that can be switched on, the request limit, tokens and scopes."""

import base64
import json
from types import SimpleNamespace

import httpx
import pytest
from sandbox_kit import SMALL, TENANT, path, rows, sandbox, sign_in

from trunkline.sandbox.servicetitan import Fault, SandboxOptions, SandboxServer, parse_fault
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER

CUSTOMERS = path("crm/customers")
NOTES = path(f"crm/customers/{FIRST_CUSTOMER}/notes")


class Clock:
    """The sandbox's clock, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1_770_000_000 + self.now)
        for module in ("server", "clients"):
            monkeypatch.setattr(f"trunkline.sandbox.servicetitan.{module}.time", clock)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def failing(*faults: str) -> SandboxOptions:
    return SandboxOptions(customers=10, requests_per_second=10_000, faults=tuple(map(parse_fault, faults)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("delay=2.5", Fault("delay", 2.5)),
        ("429=0.1", Fault("429", 0.1)),
        ("500", Fault("500", 1.0)),
        ("lost-reply=0.05@POST", Fault("lost-reply", 0.05, "POST")),
        ("html=1@GET", Fault("html", 1.0, "GET")),
        ("expired-token=0", Fault("expired-token", 0.0)),
        ("truncated=1@/export/jobs#2", Fault("truncated", 1.0, "/export/jobs", 2)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("404=1", "There is no fault '404'"),
        ("500=often", "needs a number"),
        ("500=2", "between 0 and 1"),
        ("delay=-1", "between 0 and 1"),
        ("500=1@FETCH", "after the .@. stands GET"),
        ("500=1#0", "after the .#. stands how many"),
    ],
)
def test_what_is_no_fault_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_fault(text)


async def test_a_delay_comes_before_the_answer() -> None:
    async with sandbox(failing("delay=0.05")) as (_, http):
        answer = await http.get(CUSTOMERS)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.05


async def test_a_429_says_when_to_come_back_and_writes_nothing() -> None:
    async with sandbox(failing("429=1")) as (server, http):
        answer = await http.post(NOTES, json={"text": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert server.sandbox.ledger()["notes"] == []


async def test_a_500_writes_nothing() -> None:
    async with sandbox(failing("500=1")) as (server, http):
        answer = await http.post(NOTES, json={"text": "x"})
        assert (answer.status_code, answer.json()["status"]) == (500, 500)
        assert server.sandbox.ledger()["notes"] == []


async def test_html_comes_where_json_was_asked_for() -> None:
    async with sandbox(failing("html=1")) as (server, http):
        answer = await http.post(NOTES, json={"text": "x"})
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
        assert answer.text.startswith("<html>")
        assert server.sandbox.ledger()["notes"] == []


async def test_a_lost_reply_has_written_all_the_same() -> None:
    async with sandbox(failing("lost-reply=1@POST")) as (server, http):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(NOTES, json={"text": "Called about a leak."})
        assert [note["text"] for note in await rows(http, f"crm/customers/{FIRST_CUSTOMER}/notes")] == [
            "Called about a leak."
        ]
        assert server.sandbox.statuses[200] == 2


async def test_a_reply_that_is_a_refusal_is_not_lost() -> None:
    async with sandbox(failing("lost-reply=1")) as (_, http):
        assert (await http.post(NOTES, json={})).status_code == 400


async def test_an_expired_token_is_worth_nothing_any_more() -> None:
    async with sandbox(failing("expired-token=1")) as (server, http):
        assert (await http.get(CUSTOMERS)).status_code == 401
        server.sandbox.faults.active = []
        assert (await http.get(CUSTOMERS)).status_code == 401
        await sign_in(http)
        assert (await http.get(CUSTOMERS)).status_code == 200
        assert server.sandbox.tokens_given == 2


async def test_a_fault_may_hit_only_one_method() -> None:
    async with sandbox(failing("500=1@POST")) as (_, http):
        assert (await http.get(CUSTOMERS)).status_code == 200
        assert (await http.post(NOTES, json={"text": "x"})).status_code == 500


async def test_a_share_of_requests_fails_and_the_same_ones_in_every_run() -> None:
    runs = []
    for _ in range(2):
        async with sandbox(failing("500=0.3", "429=0.2")) as (_, http):
            runs.append([(await http.get(CUSTOMERS, params={"pageSize": 1})).status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert {status: runs[0].count(status) > 5 for status in (200, 429, 500)} == dict.fromkeys((200, 429, 500), True)


async def test_faults_are_switched_on_and_off_over_the_wire() -> None:
    async with sandbox() as (_, http):
        for faults, status in ((["500"], 500), ([], 200)):
            assert (await http.post("/sandbox/faults", json={"faults": faults})).status_code == 204
            assert (await http.get(CUSTOMERS)).status_code == status
        for nonsense in ({"faults": ["404"]}, {"faults": 7}, [], {}):
            refused = await http.post("/sandbox/faults", json=nonsense)
            assert refused.status_code == 400
            assert refused.json()["error"]
        assert (await http.get("/sandbox/nothing")).status_code == 404


async def test_sixty_requests_a_second_are_answered_and_no_more(clock: Clock) -> None:
    async with sandbox() as (server, http):
        query = {"pageSize": 1}
        statuses = [(await http.get(CUSTOMERS, params=query)).status_code for _ in range(60)]
        assert set(statuses) == {200}
        refused = await http.get(CUSTOMERS, params=query)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        clock.now += 0.999
        assert (await http.get(CUSTOMERS, params=query)).status_code == 429
        clock.now += 0.002
        assert (await http.get(CUSTOMERS, params=query)).status_code == 200
        assert server.sandbox.ledger()["most_per_second"] == 60
        assert server.sandbox.ledger()["statuses"] == {200: 61, 429: 2}


async def test_a_token_lasts_fifteen_minutes(clock: Clock) -> None:
    async with sandbox() as (_, http):
        clock.now += 899
        assert (await http.get(CUSTOMERS)).status_code == 200
        clock.now += 2
        assert (await http.get(CUSTOMERS)).status_code == 401


async def test_a_token_names_its_tenant_and_scopes() -> None:
    async with sandbox() as (_, http):
        part = http.headers["Authorization"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["tenant"] == str(TENANT)
    assert claims["exp"] - claims["nbf"] == 900
    assert claims["scope"] == list(SMALL.scopes)


async def test_reading_and_writing_are_different_scopes() -> None:
    reader = SandboxOptions(customers=10, scopes=("tn.crm.customers:r",))
    async with sandbox(reader) as (server, http):
        assert (await http.get(NOTES)).status_code == 200
        assert (await http.post(NOTES, json={"text": "x"})).status_code == 403
        assert (await http.get(path("jpm/jobs"))).status_code == 403
        assert server.sandbox.ledger()["notes"] == []


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer made.up.token"}, {"ST-App-Key": "ak1.wrong"}])
async def test_a_wrong_token_or_app_key_reads_and_writes_nothing(headers: dict[str, str]) -> None:
    async with sandbox() as (server, http):
        assert (await http.get(CUSTOMERS, headers=headers)).status_code == 401
        assert (await http.post(NOTES, json={"text": "x"}, headers=headers)).status_code == 401
        assert server.sandbox.ledger()["notes"] == []


async def test_two_sandboxes_know_nothing_of_each_other() -> None:
    async with sandbox() as (_, http), SandboxServer(SMALL) as other:
        answer = await http.get(f"{other.base_url}{CUSTOMERS}")
    assert answer.status_code == 401


# Answers that are not what the contract says ----------------------------------------------------------------------

EXPORT = path("crm/export/customers")


async def spoil(http: httpx.AsyncClient, fault: str) -> httpx.Response:
    """The one answer that a fault hits; the next one is as ever."""
    assert (await http.post("/sandbox/faults", json={"faults": [f"{fault}=1@/export/#1"]})).status_code == 204
    assert (await http.get(CUSTOMERS)).json()["data"]
    spoilt = await http.get(EXPORT, params={"from": "2020-01-01"})
    fine = await http.get(EXPORT, params={"from": "2020-01-01"})
    assert fine.json()["data"][0]["type"] in {"Residential", "Commercial"}
    assert "unpublishedField" not in fine.json()["data"][0]
    return spoilt


async def test_an_answer_is_cut_off() -> None:
    async with sandbox() as (_, http):
        answer = await spoil(http, "truncated")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_a_continuation_token_is_refused() -> None:
    async with sandbox() as (_, http):
        answer = await spoil(http, "rejected-token")
        assert (answer.status_code, answer.json()["errors"].keys()) == (400, {"from"})
        await http.post("/sandbox/faults", json={"faults": ["rejected-token"]})
        assert (await http.get(EXPORT)).status_code == 200


async def test_rows_have_fields_that_nobody_published() -> None:
    async with sandbox() as (_, http):
        page = (await spoil(http, "extra-fields")).json()
    assert all("unpublishedField" in row for row in page["data"])
    assert page.keys() == {"hasMore", "continueFrom", "data"}


async def test_rows_have_null_where_a_value_is_required_but_keep_their_ids() -> None:
    async with sandbox() as (_, http):
        page = (await spoil(http, "null-required")).json()
    assert {row["name"] for row in page["data"]} == {None}
    assert all(row["id"] for row in page["data"])
    assert page["continueFrom"]


async def test_rows_have_words_that_nobody_published() -> None:
    async with sandbox() as (_, http):
        page = (await spoil(http, "unknown-word")).json()
    assert {row["type"] for row in page["data"]} == {"Unpublished"}
