"""What an answer means: both shapes of errors, and bodies that are neither."""

import inspect
import re
from pathlib import Path

import httpx
import pytest
from servicetitan_doubles import TENANT, THINGS, reply, sandboxed, scripted

from trunkline.sandbox.servicetitan import SandboxOptions
from trunkline.servicetitan import errors, models
from trunkline.servicetitan.answers import error_of
from trunkline.servicetitan.errors import (
    AppKeyRefused,
    Conflict,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ScopeMissing,
    ServerTrouble,
    ServiceTitanError,
    UnexpectedAnswer,
)

PROBLEM = {
    "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
    "title": "One or more validation errors occurred.",
    "status": 400,
    "traceId": "00-example-01",
    "errors": {"from": ["The token is not valid."]},
    "data": {},
}
GATEWAY = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}
DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ServiceTitanError)]


def meaning(status: int, body: object, *, writing: bool = False) -> ServiceTitanError:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return error_of(httpx.Response(status, **content), writing=writing)  # type: ignore[arg-type]


@pytest.mark.parametrize("writing", [True, False])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (401, AppKeyRefused),
        (403, ScopeMissing),
        (404, NotFound),
        (405, UnexpectedAnswer),
        (409, Conflict),
        (422, InvalidRequest),
        (429, RateLimited),
    ],
)
def test_a_status_has_its_error_whether_reading_or_writing(
    status: int, error: type[ServiceTitanError], *, writing: bool
) -> None:
    assert type(meaning(status, {}, writing=writing)) is error


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_a_failure_of_the_server_leaves_open_what_became_of_a_write(status: int) -> None:
    assert type(meaning(status, {}, writing=False)) is ServerTrouble
    assert type(meaning(status, {}, writing=True)) is OutcomeUnknown


def test_problem_details_are_told_with_their_fields_and_trace_id() -> None:
    error = meaning(400, PROBLEM)
    assert isinstance(error, InvalidRequest)
    assert (error.status, error.trace_id) == (400, "00-example-01")
    assert error.errors == {"from": ["The token is not valid."]}
    assert error.message == "ServiceTitan found the request wrong (from: The token is not valid.)."


def test_what_the_gateway_says_is_told_too() -> None:
    error = meaning(429, GATEWAY)
    assert error.message == f"ServiceTitan asks us to slow down ({GATEWAY['message']})."
    assert error.trace_id is None


def test_keys_may_be_written_in_any_case() -> None:
    error = meaning(400, {"Errors": {"Ids": ["At most 50.", "No letters."]}, "TraceId": "00-example-02"})
    assert isinstance(error, InvalidRequest)
    assert (error.errors, error.trace_id) == ({"Ids": ["At most 50.", "No letters."]}, "00-example-02")
    assert error.message.endswith("(Ids: At most 50. No letters.).")


def test_a_title_stands_in_where_no_field_is_named() -> None:
    assert meaning(404, {**PROBLEM, "title": "No such customer.", "errors": {}}).message == (
        "ServiceTitan knows no such record (No such customer.)."
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body><h1>Bad Gateway</h1></body></html>",
        b"\xff\xfe\x00",
        b'{"title": "cut o',
        b"null",
        b"[1, 2]",
        b'"text"',
        b'{"title": 7, "errors": "all", "traceId": [], "message": ""}',
    ],
)
def test_a_body_that_says_nothing_leaves_our_own_sentence(body: bytes) -> None:
    error = meaning(500, body)
    assert (error.message, error.trace_id) == ("ServiceTitan has trouble (status 500).", None)


def test_errors_of_an_odd_shape_are_told_as_they_are() -> None:
    error = meaning(400, {"errors": {"name": "too long", "ids": [1, None]}})
    assert isinstance(error, InvalidRequest)
    assert error.errors == {"name": ["too long"], "ids": ["1", "None"]}


def test_an_endless_message_is_shortened() -> None:
    assert len(meaning(400, {"title": "x" * 10_000}).message) < 400


async def test_the_sandbox_is_understood_over_the_wire() -> None:
    async with sandboxed() as (_, client):
        with pytest.raises(InvalidRequest) as invalid:
            await client.get("crm/v2/tenant/{tenant}/customers", dict, {"pageSize": "none"})
        with pytest.raises(NotFound, match="no record with id 1"):
            await client.get("crm/v2/tenant/{tenant}/customers/1", dict)
        with pytest.raises(NotFound, match="No operation matches"):
            await client.get("crm/v2/tenant/{tenant}/nothing", dict)
    assert invalid.value.errors == {"pageSize": ["'none' is not valid."]}
    assert invalid.value.trace_id


async def test_a_missing_scope_is_told_as_something_to_fix() -> None:
    async with sandboxed(SandboxOptions(customers=10, scopes=())) as (_, client):
        with pytest.raises(
            ScopeMissing,
            match=r"it needs the scope Customers \(View\), in a version of the app that the tenant has approved",
        ):
            await client.get("crm/v2/tenant/{tenant}/customers", dict)


async def test_another_tenants_data_are_refused() -> None:
    async with sandboxed() as (_, client):
        with pytest.raises(ScopeMissing):
            await client.get(f"crm/v2/tenant/{TENANT + 1}/customers", dict)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": "seven"}', b"[]", b"\xff", b'{"id": 7'])
async def test_an_answer_of_another_shape_is_given_up_without_another_try(body: bytes) -> None:
    async with scripted(reply(200, body)) as (server, client):
        with pytest.raises(UnexpectedAnswer, match="answer cannot be read"):
            await client.get(THINGS, models.Row)
    assert len(server.requests) == 1


async def test_fields_that_nobody_announced_are_passed_over() -> None:
    async with scripted(reply(200, {"id": 7, "brandNew": {"deep": [1]}, "hourlyRate": 80.0})) as (_, client):
        row = await client.get(THINGS, models.Technician)
    assert row == models.Technician(id=7)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_documented_with_what_the_caller_does(kind: type[ServiceTitanError]) -> None:
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    (row,) = [cells for cells in rows if f"`{kind.__name__}`" in cells[1]]
    assert all(cell.strip() for cell in row[2:-1])


def test_no_error_is_documented_that_does_not_exist() -> None:
    section = DOCUMENT.read_text().partition("## ServiceTitan")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    assert documented == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_under_its_parent(kind: type[ServiceTitanError]) -> None:
    tree = [line for line in (errors.__doc__ or "").splitlines() if "+--" in line or "ServiceTitanError" in line]
    names = [re.findall(r"\w+", line)[0] for line in tree]
    depths = [line.index(name) for line, name in zip(tree, names, strict=True)]
    place = names.index(kind.__name__)
    parents = [name for name, depth in zip(names[:place], depths[:place], strict=True) if depth < depths[place]]
    expected = kind.__base__.__name__ if kind is not ServiceTitanError else None
    assert (parents[-1] if parents else None) == expected
