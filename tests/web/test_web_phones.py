"""Several phone systems at once: their messages, their ledger, who calls, what is joined, what is only learned."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import hypothesis
import msgspec
import pytest
import schemathesis
from hypothesis import strategies as st
from playwright.sync_api import expect
from web_rig import NEEDS_CHROMIUM, Backstage, Office, Visit, delivery, over, serving, started, until

from company import ASTERISK_TOML, TENANT, TENANT_TOML, WEBHOOK_TOML
from databases import fresh_database

_scalars = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=12)
json_like = st.dictionaries(
    st.sampled_from(["kind", "call_id", "occurred_at", "direction", "external_number", "agent", "events", "leg_id"]),
    _scalars
    | st.sampled_from(["started", "ended", "inbound", "2026-03-02T15:00:00Z"])
    | st.lists(_scalars, max_size=2)
    | st.dictionaries(st.sampled_from(["extension", "name"]), _scalars, max_size=2),
    max_size=6,
)
TOKEN = "an-example-of-a-caller-id-token"
RECORDS = """
[[tenants.phone_systems]]
account = "records"
system = "cdr-file"
path = "{path}"
preset = "asterisk"
trunk_endpoints = ["trunk"]
time_zone = "America/Toronto"
"""
PBX = """
[[tenants.phone_systems]]
account = "office-pbx"
system = "3cx"
secrets = ["env:TEST_CALLER_ID"]
"""
ROW = (
    '"","{caller}","{did}","from-trunk","""EXAMPLE"" <{caller}>","PJSIP/trunk-0000000{n}","PJSIP/201-0000000{n}",'
    '"Dial","PJSIP/201,20","{at}","","{end}",20,0,"NO ANSWER","DOCUMENTATION","{id}.{n}",""\n'
)


def cdr(folder: Path, callers: list[str]) -> Path:
    """What an Asterisk wrote down an hour ago: calls that nobody answered."""
    at = datetime.now(ZoneInfo("America/Toronto")) - timedelta(hours=1)
    end = at + timedelta(seconds=20)
    path = folder / "Master.csv"
    rows = [
        ROW.format(
            caller=f"+1{caller}", did="14375550100", n=n, at=f"{at:%Y-%m-%d %H:%M:%S}", end=f"{end:%Y-%m-%d %H:%M:%S}",
            id=int(at.timestamp()),
        )
        for n, caller in enumerate(callers)
    ]  # fmt: skip
    path.write_text("".join([*rows, '"a broken line\n']))
    return path


@pytest.fixture(scope="module")
def shop(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A company with six phone systems."""
    folder = tmp_path_factory.mktemp("shop")
    people = backstage.people
    path = cdr(folder, [people.jane.dialled, people.stranger.dialled, people.colleague.dialled])
    settings = (
        'settle_s = 0.5\npublic_url = "https://bridge.example.com"\n'
        + TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=backstage.servicetitan.base_url)
        + ASTERISK_TOML.format(port=backstage.ami.port)
        + 'caller_id_tokens = ["env:TEST_CALLER_ID"]\n'
        + WEBHOOK_TOML.format(account="front-door")
        + WEBHOOK_TOML.format(account="tracking")
        + 'in_front_of = ["front-door"]\n'
        + WEBHOOK_TOML.format(account="trial")
        + "learn = true\n"
        + PBX
        + RECORDS.format(path=path)
    )
    with (
        fresh_database(postgres) as url,
        serving(folder / "data", settings, url, TEST_CALLER_ID=TOKEN) as running,
    ):
        yield running


def phones(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = office.get("/api/v1/phone-systems").json()
    return found


def messages(office: Office, account: str, **chosen: object) -> list[dict[str, Any]]:
    with office.client() as client:
        found: list[dict[str, Any]] = client.get(f"/api/v1/phone-systems/{account}/messages", params=chosen).json()
    return found


def keys(office: Office) -> set[str]:
    return {one["call"]["call_key"] for one in office.calls(TENANT)}


# The ledger -------------------------------------------------------------------------------------------------------


def test_what_the_records_tell_is_taken_in_logged_or_excluded_and_balances(shop: Office) -> None:
    def settled() -> dict[str, Any] | None:
        days = phones(shop)["ledger"]
        return days[0] if days and days[0]["open"] == days[0]["missing"] == 0 else None

    day = until(settled)
    assert day is not None
    assert (day["account"], day["told"], day["ours"], day["missing"]) == ("records", 3, 3, 0)
    assert (day["logged"], day["unknown_caller"], day["nothing_to_log"]) == (1, 1, 1)
    (broken,) = messages(shop, "records", unread=True)
    assert broken["problem"].endswith(".")


# Messages ---------------------------------------------------------------------------------------------------------


def test_messages_stand_beside_what_was_understood_with_numbers_only_where_asked_for(
    shop: Office, backstage: Backstage
) -> None:
    shop.post(started("seen", backstage.people.jane.number), account="front-door")
    until(lambda: "seen" in keys(shop))
    (message,) = messages(shop, "front-door", limit=1)
    assert [(one["kind"], one["call_key"]) for one in message["events"]] == [("started", "seen")]
    assert backstage.people.jane.dialled not in str(message)
    (message,) = messages(shop, "front-door", limit=1, numbers=True)
    assert backstage.people.jane.number in message["raw"]
    assert message["events"][0]["fields"]["number"] == backstage.people.jane.number
    shop.post(over("seen"), account="front-door")


def test_what_was_not_understood_is_listed_with_the_reason(shop: Office) -> None:
    shop.post(b'{"kind": "ended", "token": "not-to-be-seen"', account="front-door")
    (message,) = until(lambda: messages(shop, "front-door", unread=True))
    assert message["problem"].startswith("The webhook's JSON cannot be read")
    assert "not-to-be-seen" not in message["raw"]


def test_a_trial_is_shown_as_it_would_be_and_makes_no_call(shop: Office, backstage: Backstage) -> None:
    for one in (started("tried", backstage.people.jane.number), over("tried")):
        shop.post(one, account="trial")
    with shop.client(accept="text/html") as client:
        page = until(lambda: text if "missed" in (text := client.get("/phone-systems/trial").text) else None)
    assert page is not None
    assert "Learning" in page
    assert "tried" in page
    assert "tried" not in keys(shop)
    assert shop.execute("select count(*) from calls.inbox where account = 'trial' and processed_at is null") == [(0,)]


def test_a_call_is_built_anew_of_its_messages(shop: Office, backstage: Backstage) -> None:
    shop.post(started("mended", backstage.people.jane.number), account="front-door")
    shop.post(over("mended"), account="front-door")
    found = until(lambda: [one for one in shop.calls(TENANT) if one["call"]["call_key"] == "mended"])
    spoilt = 'update calls.events set event = event || \'{"external_number": "+14375550199"}\' where call_id = %s'
    shop.execute(f"with done as ({spoilt} returning 1) select count(*) from done", found[0]["id"])
    with shop.client() as client:
        assert client.post(f"/api/v1/calls/{found[0]['id']}/rebuild").status_code == 204
        again = client.get("/api/v1/calls").json()["calls"]
        assert client.post("/api/v1/calls/999999999/rebuild").status_code == 404
    (call,) = [one["call"] for one in again if one["id"] == found[0]["id"]]
    assert call["external_number"] == backstage.people.jane.number
    assert shop.execute("select event ->> 'external_number' from calls.events where call_id = %s and kind = 'started'",
                        found[0]["id"]) == [(backstage.people.jane.number,)]  # fmt: skip


# One call, two phone systems --------------------------------------------------------------------------------------


def test_a_call_in_front_and_behind_is_one_and_can_be_parted(shop: Office, backstage: Backstage) -> None:
    number = backstage.people.banned.number
    shop.post(started("in-front", number), account="tracking")
    shop.post(started("behind", number), account="front-door")
    joined = until(lambda: [one for one in shop.calls(TENANT) if one["call"].get("aliases") == ["behind"]])
    for key, account in (("in-front", "tracking"), ("behind", "front-door")):
        shop.post(over(key), account=account)
    with shop.client() as client:
        assert "Told of by" in client.get(f"/calls/{joined[0]['id']}", headers={"accept": "text/html"}).text
        assert client.post(f"/api/v1/calls/{joined[0]['id']}/apart").status_code == 204
        assert client.post(f"/api/v1/calls/{joined[0]['id']}/apart").status_code == 404
    until(lambda: {"in-front", "behind"} <= keys(shop))


# Who calls --------------------------------------------------------------------------------------------------------


def test_a_phone_system_with_the_token_is_told_who_calls_and_nobody_else(shop: Office, backstage: Backstage) -> None:
    jane, stranger = backstage.people.jane, backstage.people.stranger

    def ask(number: str, token: str | None = TOKEN, account: str = "front-desk") -> tuple[int, str]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        with shop.client() as client:
            answer = client.get(f"/caller-id/{account}", params={"number": number}, headers=headers)
        return answer.status_code, answer.text

    status, label = ask(jane.dialled)
    assert (status, label.split(" - ")[0]) == (200, jane.name)
    assert ask(stranger.dialled) == (200, "")
    assert ask("anonymous") == (200, "")
    # Nothing that a display could take for a name.
    assert ask(jane.dialled, "another-token-of-the-same-length") == (401, "")
    assert ask(jane.dialled, None) == (401, "")
    assert ask(jane.dialled, account="front-door")[0] == 404


def test_calls_are_set_up_only_through_what_sets_up_calls(shop: Office) -> None:
    with shop.client() as client:
        asked = {"account": "front-door", "agent": "201", "number": "437-555-0142"}
        answers = [
            client.post("/api/v1/calls/originate", json={**asked, **more})
            for more in ({}, {"account": "nobody"}, {"agent": ""}, {"surplus": 1})
        ]
    assert [answer.status_code for answer in answers] == [400, 404, 400, 400]
    assert answers[0].json()["detail"] == "The phone system front-door sets up no calls for us."


def test_the_template_for_3cx_comes_filled_in_and_is_kept_nowhere(shop: Office) -> None:
    page = shop.get(f"/settings/companies/{TENANT}", accept="text/html").text
    assert "Download the template for 3CX" in page
    assert TOKEN not in page
    with shop.client(origin=f"http://127.0.0.1:{shop.port}") as client:
        made = client.post("/phone-systems/office-pbx/set-up-file", data={"tenant": str(TENANT)})
        other = client.post("/phone-systems/front-door/set-up-file", data={"tenant": str(TENANT)})
    assert (made.status_code, made.headers["cache-control"], other.status_code) == (200, "no-store", 404)
    assert "attachment" in made.headers["content-disposition"]
    template = ElementTree.fromstring(made.content)  # noqa: S314 - our own
    parameters = {one.get("Name"): one.get("Default") for one in template.iter("Parameter")}
    assert TOKEN in parameters.values()
    assert "https://bridge.example.com" in str(parameters.values())


# Anything at all --------------------------------------------------------------------------------------------------


def test_whatever_is_sent_is_no_mistake_of_ours(shop: Office) -> None:
    described = schemathesis.openapi.from_url(f"{shop.base_url}/api/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:

        @hypothesis.settings(
            max_examples=12, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(timeout=20)
            assert answer.status_code < 500, (case.method, case.path, answer.text)

        ask()


def test_whatever_a_phone_system_signs_is_kept_and_makes_no_half_call(shop: Office) -> None:
    before = shop.execute("select count(*) from calls.calls where started_at is null")

    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(st.binary(max_size=300) | json_like.map(msgspec.json.encode))
    def deliver(body: bytes) -> None:
        try:
            body.decode()
        except UnicodeDecodeError:  # our own format is text; what is no text cannot be signed
            body = body.hex().encode()
        assert shop.post(body, account="front-door").status_code == 202

    deliver()
    unprocessed = "select count(*) from calls.inbox where processed_at is null and account = 'front-door'"
    until(lambda: shop.execute(unprocessed) == [(0,)])
    assert shop.execute("select count(*) from calls.calls where started_at is null") == before


def test_a_forged_delivery_stores_nothing_and_is_counted(shop: Office) -> None:
    stored = shop.execute("select count(*) from calls.inbox")
    with shop.client() as client:
        for _ in range(3):
            body, headers = delivery(started("forged", "+14375550142"))
            assert client.post("/hooks/tracking", content=body + b" ", headers=headers).status_code == 401
    assert shop.execute("select count(*) from calls.inbox") == stored
    until(lambda: next(one for one in phones(shop)["systems"] if one["account"] == "tracking")["refused"] == 3)


# In a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.browser
@NEEDS_CHROMIUM[1]
def test_the_health_page_leads_to_a_phone_systems_messages(shop: Office, visit: Visit) -> None:
    page = visit(f"{shop.base_url}/health")
    ledger = page.get_by_role("region", name="Ledger")
    expect(ledger.get_by_role("row").nth(1)).to_contain_text("balanced")
    page.get_by_role("link", name="records").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("records")
    page.get_by_role("link", name="Only what was not understood").click()
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_role("link", name="Show numbers").click()
    expect(page.get_by_role("link", name="Hide numbers")).to_be_visible()
    page.get_by_role("article").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Message")
    for address in ("/health", "/phone-systems/records", "/phone-systems/trial"):
        for width in (320, 820, 1400):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(shop.base_url + address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
