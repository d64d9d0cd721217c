"""What programs read: JSON, its description, the stream, and how trouble is told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from web_rig import (
    EVIL_NAME,
    HOOK,
    OTHER_TENANT,
    TOKEN,
    WITHIN_S,
    Backstage,
    Office,
    Ring,
    begun_and_over,
    delivery,
    until,
)

from company import TENANT

PAGE = {"accept": "text/html,application/xhtml+xml"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


def problem_of(answer: httpx.Response, status: int) -> str:
    """The sentence of an error answer, which must be problem details and nothing more."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    detail = body["detail"]
    assert isinstance(detail, str)
    assert "\n" not in detail
    assert "Traceback" not in detail
    assert 0 < len(detail) < 200
    return detail


# Lookup -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{d}", "+1{d}", "1-{d}", "%2B1{d}", "{d} x12", "({a}) {b}-{c}", "%20{a}.{b}.{c}"])
def test_a_customer_is_found_however_the_number_is_written(office: Office, backstage: Backstage, spelling: str) -> None:
    jane = backstage.people.jane
    d = jane.dialled
    card = office.get(f"/api/v1/lookup?number={spelling.format(d=d, a=d[:3], b=d[3:6], c=d[6:])}").json()
    assert card["number"] == jane.number
    assert card["match"]["kind"] == "single"
    customer = card["match"]["candidates"][0]["customer"]
    assert (customer["id"], customer["name"]) == (jane.customer_id, "Jane Example")
    assert "number" in card["match"]["candidates"][0]["reasons"]


def test_plain_digits_are_answered_as_any_other_spelling(office: Office, backstage: Backstage) -> None:
    d = backstage.people.jane.dialled
    plain, written = (
        office.get(f"/api/v1/lookup?number={text}") for text in (f"{d}&tenant={TENANT}", f"{d[:3]}-{d[3:]}")
    )
    assert plain.content == written.content
    assert set(plain.headers.items()) - {("date", plain.headers["date"])} <= set(written.headers.items())
    assert plain.headers.keys() == written.headers.keys()


def test_several_owners_of_a_number_are_all_given(office: Office, backstage: Backstage) -> None:
    match = office.get(f"/api/v1/lookup?number={backstage.people.shared.dialled}").json()["match"]
    assert (match["kind"], match["candidate_count"], len(match["candidates"])) == ("ambiguous", 2, 2)
    assert all("shared_number" in one["reasons"] for one in match["candidates"])


def test_a_colleague_is_no_customer(office: Office, backstage: Backstage) -> None:
    match = office.get(f"/api/v1/lookup?number={backstage.people.colleague.dialled}").json()["match"]
    assert (match["kind"], match.get("candidates", [])) == ("staff", [])
    assert match["staff"][0]["name"]


def test_a_number_that_nobody_has_is_an_answer_and_no_error(office: Office, backstage: Backstage) -> None:
    stranger = backstage.people.stranger
    answer = office.get(f"/api/v1/lookup?number={stranger.dialled}")
    assert answer.status_code == 200
    card = answer.json()
    assert (card["number"], card["match"]) == (stranger.number, {"kind": "unknown"})


@pytest.mark.parametrize(
    "text", ["12", "555-0142", "", "%20", "nobody", "9" * 400, "%00", "%FF%FE", "%E2%98%8E", "%3Cscript%3E", "1" * 9000]
)
def test_what_is_no_number_is_told_in_one_sentence(office: Office, text: str) -> None:
    assert problem_of(office.get(f"/api/v1/lookup?number={text}"), 400).endswith(
        "is not a whole phone number; write it with its area code, like 437-555-0142."
    )


def test_a_lookup_without_a_number_says_what_is_missing(office: Office) -> None:
    assert "'number'" in problem_of(office.get("/api/v1/lookup"), 400)


# Several companies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/lookup?number=4375550142", "/api/v1/calls"])
def test_where_there_are_several_companies_one_must_be_named(guarded: Office, path: str) -> None:
    assert problem_of(guarded.get(path, **BEARER), 400) == "Say which company with tenant=ID."


def test_each_company_knows_its_own_customers_only(guarded: Office, backstage: Backstage) -> None:
    number = backstage.people.jane.dialled
    names = [
        guarded.get(f"/api/v1/lookup?number={number}&tenant={tenant}", **BEARER).json()["match"]["candidates"][0][
            "customer"
        ]["name"]
        for tenant in (TENANT, OTHER_TENANT)
    ]
    assert names == ["Jane Example", backstage.other.world.rows.name(0)]
    assert names[0] != names[1]


def test_a_call_of_one_company_is_not_shown_to_the_other(guarded: Office, backstage: Backstage) -> None:
    body, headers = delivery(begun_and_over("tenancy-1", backstage.people.jane.number))
    with guarded.client() as client:
        client.post(f"/hooks/{HOOK}", content=body, headers=headers).raise_for_status()

    def calls(tenant: int) -> list[dict[str, Any]]:
        page: dict[str, Any] = guarded.get(f"/api/v1/calls?tenant={tenant}", **BEARER).json()
        found: list[dict[str, Any]] = page["calls"]
        return found

    call = until(lambda: next((one for one in calls(TENANT) if one["call"]["call_key"] == "tenancy-1"), None))
    assert call is not None
    assert calls(OTHER_TENANT) == []
    assert guarded.get(f"/calls/{call['id']}?tenant={TENANT}", **BEARER).status_code == 200
    assert guarded.get(f"/calls/{call['id']}?tenant={OTHER_TENANT}", **BEARER).status_code == 404


@pytest.mark.parametrize(("tenant", "status"), [("7", 404), ("9" * 40, 404), ("-1", 404), ("all", 400), ("1.5", 400)])
def test_a_company_that_is_not_there_is_told_in_one_sentence(office: Office, tenant: str, status: int) -> None:
    for path in ("/api/v1/calls?", "/api/v1/lookup?number=4375550142&"):
        problem_of(office.get(f"{path}tenant={tenant}"), status)


# Calls ------------------------------------------------------------------------------------------------------------


def test_calls_are_paged_through_until_next_is_null(office: Office, backstage: Backstage) -> None:
    with office.client() as client:
        for turn in range(5):
            body, headers = delivery(begun_and_over(f"paging-{turn}", backstage.people.stranger.number))
            client.post(f"/hooks/{HOOK}", content=body, headers=headers).raise_for_status()
    until(lambda: sum(one["call"]["call_key"].startswith("paging-") for one in office.calls()) == 5)

    def ids(limit: int) -> Iterator[int]:
        address = f"/api/v1/calls?limit={limit}"
        before = ""
        while True:
            page = office.get(address + before).json()
            assert len(page["calls"]) <= limit
            yield from (one["id"] for one in page["calls"])
            if page["next"] is None:
                return
            before = f"&before={page['next']}"

    everything = list(ids(200))
    assert everything == sorted(everything, reverse=True)
    assert len(everything) >= 5
    for limit in (1, 2, len(everything), 199):
        assert list(ids(limit)) == everything


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=many", "before=soon"])
def test_a_page_of_absurd_size_is_refused_in_one_sentence(office: Office, query: str) -> None:
    assert problem_of(office.get(f"/api/v1/calls?{query}"), 400).startswith(query.partition("=")[0])


# The description --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document(office: Office) -> dict[str, Any]:
    answer = office.get("/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def check(document: dict[str, Any], answer: httpx.Response, path: str, method: str = "get") -> None:
    """The answer is as described: every field it must have, and no field that is not described."""
    described = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    schema = {**described[answer.headers["content-type"]]["schema"], "components": _closed(document["components"])}
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json())


def _closed(components: dict[str, Any]) -> dict[str, Any]:
    return {
        "schemas": {
            name: {**schema, "additionalProperties": False} if "properties" in schema else schema
            for name, schema in components["schemas"].items()
        }
    }


def test_the_description_lists_what_there_is_and_no_pages(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    numbers = {f"/api/v1/numbers{rest}" for rest in ("", "/{number}/mark", "/{number}/forget")}
    assert set(document["paths"]) == numbers | {
        "/api/v1/lookup", "/api/v1/networks/{name}/lookup", "/api/v1/calls", "/api/v1/health", "/api/v1/scopes",
        "/api/v1/ping", "/api/v1/calls/originate", "/api/v1/calls/{call_id}/rebuild", "/api/v1/calls/{call_id}/apart",
        "/api/v1/phone-systems", "/api/v1/phone-systems/{account}/messages", "/caller-id/{account}",
    }  # fmt: skip
    for path in document["paths"].values():
        for operation in path.values():
            assert all(one.get("description") or one["in"] == "path" for one in operation.get("parameters", []))


@pytest.mark.parametrize("who", ["jane", "evil", "banned", "shared", "colleague", "stranger"])
def test_a_real_card_is_as_described(office: Office, backstage: Backstage, document: dict[str, Any], who: str) -> None:
    number = getattr(backstage.people, who).dialled
    check(document, office.get(f"/api/v1/lookup?number={number}"), "/api/v1/lookup")


@pytest.mark.parametrize(
    "scenario", ["queue_answered", "missed", "voicemail", "blind_transfer", "outbound", "internal"]
)
def test_real_calls_are_as_described(
    office: Office, backstage: Backstage, document: dict[str, Any], scenario: str
) -> None:
    seen = {one["id"] for one in office.calls()}
    backstage.play(scenario, backstage.people.evil)
    until(lambda: any(one["call"].get("state") == "ended" for one in office.calls() if one["id"] not in seen))
    check(document, office.get("/api/v1/calls"), "/api/v1/calls")


@pytest.mark.usefixtures("undecided")
def test_decisions_and_the_card_they_change_are_as_described(
    office: Office, backstage: Backstage, document: dict[str, Any]
) -> None:
    shared = backstage.people.shared
    card = office.get(f"/api/v1/lookup?number={shared.dialled}").json()
    ids = [one["customer"]["id"] for one in card["match"]["candidates"]]
    with office.client() as client:
        for decision in (
            {"kind": "direct_line", "customer": ids[0]},
            {"kind": "moved_away", "customer": ids[1]},
            {"kind": "spam"},
        ):
            made = client.post(f"/api/v1/numbers/{shared.dialled}/mark", json=decision)
            check(document, made, "/api/v1/numbers/{number}/mark", "post")
    check(document, office.get("/api/v1/numbers"), "/api/v1/numbers")
    check(document, office.get("/api/v1/numbers?limit=3"), "/api/v1/numbers")
    check(document, office.get(f"/api/v1/lookup?number={shared.dialled}"), "/api/v1/lookup")


def test_the_other_answers_are_as_described(office: Office, document: dict[str, Any]) -> None:
    check(document, office.get("/api/v1/ping"), "/api/v1/ping")
    check(document, office.get("/api/v1/phone-systems"), "/api/v1/phone-systems")
    messages = "/api/v1/phone-systems/{account}/messages"
    check(document, office.get(messages.format(account=HOOK)), messages)


# The stream -------------------------------------------------------------------------------------------------------


@contextmanager
def stream(office: Office) -> Iterator[Iterator[tuple[str, str]]]:
    """The board's stream: (event, data) as a browser reads them."""
    with office.client(accept="text/event-stream") as client, client.stream("GET", "/stream") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert "content-encoding" not in answer.headers
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name, data = "", []
    deadline = time.monotonic() + 2 * WITHIN_S
    for line in lines:
        assert time.monotonic() < deadline, "the stream lives, but what was waited for did not come"
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif not line and name:
            yield name, "\n".join(data)
            name, data = "", []


def test_every_watcher_is_sent_the_whole_board_and_then_each_change(
    office: Office, backstage: Backstage, ring: Ring
) -> None:
    jane = backstage.people.jane
    with stream(office) as one, stream(office) as other:
        assert [next(one)[0], next(other)[0]] == ["board", "board"]
        call = ring(jane)
        pops = [
            next(data for name, data in watcher if name == "call" and "Jane Example" in data)
            for watcher in (one, other)
        ]
        assert pops[0] == pops[1]
        assert 'data-place="live"' in pops[0]
        with stream(office) as late:
            name, board = next(late)
            assert name == "board"
            assert "Jane Example" in board
        call.hang_up()
        for watcher in (one, other):
            assert any(name == "call" and 'data-place="ended"' in data and jane.shown in data for name, data in watcher)


def test_a_call_that_became_part_of_another_leaves_the_stream(office: Office, backstage: Backstage) -> None:
    with stream(office) as events:
        assert next(events)[0] == "board"
        backstage.play("attended_transfer", backstage.people.banned)
        gone = next(data for name, data in events if name == "gone")
    assert gone not in {str(one["id"]) for one in office.calls()}


def test_markup_in_a_name_stays_text_in_the_stream(office: Office, backstage: Backstage, ring: Ring) -> None:
    with stream(office) as events:
        assert next(events)[0] == "board"
        ring(backstage.people.evil)
        card = next(data for name, data in events if name == "call" and "Bold" in data)
    assert EVIL_NAME not in card
    assert "&lt;b id=evil&gt;Bold&lt;/b&gt; &amp; Sons" in card


# Trouble ----------------------------------------------------------------------------------------------------------

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200), ("/status", 200), ("/calls", 200), ("/lookup?number=12", 200), ("/sign-in", 200), ("/healthz", 200),
        ("/api/v1/ping", 200), ("/api/openapi.json", 200), ("/static/app.css", 200), ("/nowhere", 404),
        ("/api/v1/lookup", 400), (f"/hooks/{HOOK}", 405),
    ],
)  # fmt: skip
def test_every_answer_carries_the_security_headers(office: Office, path: str, status: int) -> None:
    answer = office.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/nowhere", "/calls/999999999", "/calls/none", "/static/none.js", "/static/%2e%2e/pages.py"]
)
def test_what_is_not_there_is_a_page_to_people_and_a_problem_to_programs(office: Office, path: str) -> None:
    problem_of(office.get(path), 404)
    page = office.get(path, **PAGE)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not found</h1>" in page.text


def test_the_api_answers_json_even_to_a_browser(office: Office) -> None:
    problem_of(office.get("/api/v1/lookup?number=12", **PAGE), 400)
    problem_of(office.get("/api/v1/nowhere", **PAGE), 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_method_that_is_not_meant_says_which_are(office: Office, method: str) -> None:
    with office.client() as client:
        answer = client.request(method, "/api/v1/calls")
        problem_of(answer, 405)
        assert "GET" in answer.headers["allow"]
        page = client.request(method, "/", headers=PAGE)
    assert (page.status_code, page.headers["content-type"]) == (405, "text/html; charset=utf-8")


def test_a_mistake_of_ours_is_told_without_its_inside(office: Office, backstage: Backstage) -> None:
    path = f"/lookup?number={backstage.people.jane.dialled}"
    office.execute("alter table mirror.job_types rename to away")
    try:
        problem, page = office.get(f"/api/v1{path}"), office.get(path, **PAGE)
    finally:
        office.execute("alter table mirror.away rename to job_types")
    assert problem_of(problem, 500).startswith("This is a mistake in Trunkline")
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    for secret in ("Traceback", "psycopg", "job_types", "mirror.", ".py"):
        assert secret not in page.text
    assert "UndefinedTable" in office.log.read_text()
    assert office.get(path).status_code == 200
