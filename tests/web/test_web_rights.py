"""Who may do what: every route was decided about, numbers stay masked for dispatchers, no role becomes another."""

import hashlib
import hmac
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from playwright.sync_api import Page, expect
from web_rig import EVERY_ADDRESS, HOOK, NEEDS_CHROMIUM, TOKEN, Backstage, Office, Visit, over, serving, started, until

from company import TENANT, TENANT_TOML, WEBHOOK_TOML
from databases import fresh_database
from trunkline.web.application import create_web
from trunkline.web.rights import Right, Role, may, needed
from trunkline.web.tokens import Keeper

DISPATCHER_TOKEN = "another-token-for-those-at-the-desk"
PBX = '\n[[tenants.phone_systems]]\naccount = "office-pbx"\nsystem = "3cx"\nsecrets = ["env:TEST_CALLER_ID"]\n'
PAGE = {"accept": "text/html,application/xhtml+xml"}
ADMINISTRATOR = {"authorization": f"Bearer {TOKEN}"}
DISPATCHER = {"authorization": f"Bearer {DISPATCHER_TOKEN}"}
COOKIE = "trunkline"

# Each route is decided about here: who needs no token, what dispatchers may, and what only administrators may.
FOR_ANYBODY = {
    "/hooks",
    "GET /caller-id/{account:str}",
    "GET /healthz",
    "HEAD /healthz",
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
}
FOR_DISPATCHERS = {
    "GET /", "GET /status", "GET /stream", "GET /calls", "GET /calls/{call_id:int}",
    "GET /calls/{call_id:int}/recordings/{place:int}", "GET /lookup", "POST /numbers/mark", "POST /numbers/forget",
    "GET /health", "GET /phone-systems/{account:str}", "GET /phone-systems/{account:str}/messages/{message_id:int}",
    "GET /api/v1/calls", "POST /api/v1/calls/originate", "GET /api/v1/lookup", "GET /api/v1/networks/{name:str}/lookup",
    "GET /api/v1/numbers", "POST /api/v1/numbers/{number:str}/mark", "POST /api/v1/numbers/{number:str}/forget",
    "GET /api/v1/health", "GET /api/v1/ping", "GET /api/v1/phone-systems",
    "GET /api/v1/phone-systems/{account:str}/messages", "GET /api/openapi.json", "GET /api", "GET /api/{path:str}",
    "GET /static/{file_path:path}", "HEAD /static/{file_path:path}",
}  # fmt: skip
FOR_ADMINISTRATORS = {
    "GET /settings", "GET /settings/companies/new", "POST /settings/companies",
    "GET /settings/companies/{tenant_id:int}", "GET /settings/companies/{tenant_id:int}/change",
    "POST /settings/companies/{tenant_id:int}/change", "POST /settings/companies/{tenant_id:int}/pause",
    "POST /settings/companies/{tenant_id:int}/resume", "POST /settings/companies/{tenant_id:int}/test",
    "POST /settings/companies/{tenant_id:int}/remove", "GET /scopes", "GET /api/v1/scopes",
    "POST /phone-systems/{account:str}/set-up-file", "POST /calls/{call_id:int}/rebuild",
    "POST /calls/{call_id:int}/apart", "POST /api/v1/calls/{call_id:int}/rebuild",
    "POST /api/v1/calls/{call_id:int}/apart",
}  # fmt: skip
# None of these is there: what may be asked for is answered with 404 at worst.
FILLED = {"account": HOOK, "file_path": "board.js", "number": "4375550142"}


@pytest.fixture(scope="module")
def desk(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The service with a token for each role, for a company with webhooks and a 3CX."""
    folder = tmp_path_factory.mktemp("desk") / "data"
    company = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=backstage.servicetitan.base_url)
    tokens = {"TRUNKLINE_ACCESS_TOKEN": TOKEN, "TRUNKLINE_DISPATCHER_TOKEN": DISPATCHER_TOKEN}
    options = ("--host", EVERY_ADDRESS)
    with (
        fresh_database(postgres) as url,
        serving(
            folder,
            company + WEBHOOK_TOML.format(account=HOOK) + PBX,
            url,
            *options,
            TEST_CALLER_ID="an-example-of-a-caller-id-token",
            **tokens,
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def call(desk: Office, backstage: Backstage) -> dict[str, Any]:
    """A call that is over; its key holds the caller's number, as some vendors' keys do."""
    number = backstage.people.jane.number
    for event in (started(f"call:{number}:1", number), over(f"call:{number}:1")):
        desk.post(event)

    def ended() -> dict[str, Any] | None:
        calls = desk.get("/api/v1/calls", **ADMINISTRATOR).json()["calls"]
        return next((one for one in calls if one["call"].get("state") == "ended"), None)

    found = until(ended)
    assert found is not None
    return found


# Every route ------------------------------------------------------------------------------------------------------


def empty() -> Litestar:
    """The application, before any company is set up."""
    nothing: Any = None
    return create_web(
        desk=nothing, feed=nothing, numbers=nothing, tenants={}, progress=nothing, health=nothing, scopes=nothing,
        hooks={}, access_token=TOKEN, dispatcher_token=DISPATCHER_TOKEN,
    )  # fmt: skip


def routes() -> set[str]:
    """All that the application answers to; OPTIONS says what it would answer to, and nothing else."""
    app = empty()
    found = {route.path for route in app.routes if not isinstance(route, HTTPRoute)}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            found |= {f"{method} {route.path}" for method in set(route.methods) - {"OPTIONS"}}
    return found


def test_every_route_was_decided_about() -> None:
    decided = [FOR_ANYBODY, FOR_DISPATCHERS, FOR_ADMINISTRATORS]
    assert routes() == set().union(*decided)
    assert sum(map(len, decided)) == len(routes())


def test_a_route_that_names_no_right_is_for_administrators() -> None:
    for options in ({}, {"right": None}, {"right": "desk"}, {"rights": Right.DESK}):
        assert needed(options) is Right.ADMINISTRATION
    assert [right for right in Right if may(Role.DISPATCHER, right)] == [Right.DESK]
    assert all(may(Role.ADMINISTRATOR, right) for right in Right)
    assert not any(may(None, right) for right in Right)


def status(office: Office, route: str, **headers: str) -> int:
    """What a request there is answered with; a stream is not waited for."""
    method, _, template = route.partition(" ")
    path = re.sub(r"\{(\w+):\w+\}", lambda found: FILLED.get(found[1], "7"), template)
    here = f"http://127.0.0.1:{office.port}"
    with office.client(origin=here, **headers) as client, client.stream(method, path) as answer:
        return answer.status_code


@pytest.mark.parametrize("route", sorted(FOR_DISPATCHERS))
def test_dispatchers_may_work_at_the_desk(desk: Office, route: str) -> None:
    assert status(desk, route, **DISPATCHER) not in {401, 403}
    assert status(desk, route, **ADMINISTRATOR) not in {401, 403}
    assert status(desk, route) == 401


@pytest.mark.parametrize("route", sorted(FOR_ADMINISTRATORS))
def test_dispatchers_may_not_do_what_administrators_do(desk: Office, route: str) -> None:
    assert status(desk, route, **DISPATCHER) == 403
    assert status(desk, route, **ADMINISTRATOR) not in {401, 403}
    assert status(desk, route) == 401


def test_without_a_token_whoever_is_at_this_machine_may_do_everything(office: Office) -> None:
    assert [route for route in FOR_DISPATCHERS | FOR_ADMINISTRATORS if status(office, route) in {401, 403}] == []


def test_where_no_dispatcher_token_is_set_nothing_stands_in_for_it(guarded: Office) -> None:
    assert status(guarded, "GET /calls", **DISPATCHER) == 401
    assert status(guarded, "GET /calls", cookie=f"{COOKIE}={forged('dispatcher', '')}") == 401


def test_before_a_company_is_set_up_administrators_are_led_to_the_settings_and_dispatchers_are_not() -> None:
    with TestClient(empty()) as client:
        led = client.get("/", headers=ADMINISTRATOR, follow_redirects=False)
        told = client.get("/", headers=DISPATCHER, follow_redirects=False)
    assert (led.status_code, led.headers["location"], told.status_code) == (303, "/settings", 404)
    assert told.json()["detail"].startswith("No company is set up yet")


# What is said -----------------------------------------------------------------------------------------------------


def test_people_are_told_on_a_page_and_programs_by_problem_details(desk: Office) -> None:
    page = desk.get("/settings", **PAGE, **DISPATCHER)
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "This is for administrators only." in page.text
    for path, headers in (("/settings", {"hx-request": "true"}), ("/api/v1/scopes", PAGE), ("/scopes", {})):
        answer = desk.get(path, **headers, **DISPATCHER)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert answer.json()["detail"] == "This is for administrators only."


def test_the_description_says_where_403_can_happen(desk: Office) -> None:
    paths = desk.get("/api/openapi.json", **DISPATCHER).json()["paths"]
    described = {
        f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "403" in operation["responses"]
    }
    posts = {f"POST {path}" for path, operations in paths.items() if "post" in operations}
    assert described == posts | {"GET /api/v1/scopes", "GET /api/v1/phone-systems/{account}/messages"}
    (asked,) = [
        one
        for one in paths["/api/v1/phone-systems/{account}/messages"]["get"]["parameters"]
        if one["name"] == "numbers"
    ]
    assert "administrators" in asked["description"]


# Numbers in raw messages ------------------------------------------------------------------------------------------

INSPECTED = (
    f"/api/v1/phone-systems/{HOOK}/messages",
    f"/phone-systems/{HOOK}",
    f"/phone-systems/{HOOK}/messages/{{id}}",
)
UNMASKED = "Numbers in raw messages are shown whole to administrators only."


def message_id(desk: Office) -> int:
    found: int = desk.get(f"/api/v1/phone-systems/{HOOK}/messages?limit=1", **ADMINISTRATOR).json()[0]["id"]
    return found


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("path", INSPECTED)
def test_a_dispatcher_sees_raw_messages_with_their_numbers_masked(
    desk: Office, backstage: Backstage, path: str
) -> None:
    path, number = path.format(id=message_id(desk)), backstage.people.jane.dialled
    for query in ("", "?numbers=false", "?numbers=0", f"?tenant={TENANT}"):
        answer = desk.get(path + query, **DISPATCHER)
        assert (answer.status_code, number in answer.text) == (200, False)
        assert f"…{number[-2:]}" in answer.text
    assert number in desk.get(f"{path}?numbers=true", **ADMINISTRATOR).text


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("path", INSPECTED)
@pytest.mark.parametrize("query", ["numbers=true", "numbers=1", "numbers=True", "%6eumbers=true"])
def test_a_dispatcher_cannot_have_them_whole(desk: Office, path: str, query: str) -> None:
    answer = desk.get(f"{path.format(id=message_id(desk))}?{query}", **DISPATCHER)
    assert (answer.status_code, answer.json()["detail"]) == (403, UNMASKED)


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("path", INSPECTED)
@pytest.mark.parametrize(
    "query", ["numbers=false&numbers=true", "numbers=true&numbers=false", "numbers[]=true", "Numbers=1", "numbers=on"]
)
def test_no_way_of_asking_shows_them_to_a_dispatcher(desk: Office, backstage: Backstage, path: str, query: str) -> None:
    answer = desk.get(f"{path.format(id=message_id(desk))}?{query}", **DISPATCHER)
    assert backstage.people.jane.dialled not in answer.text


# Cookies ----------------------------------------------------------------------------------------------------------


def sign_in(desk: Office, token: str) -> httpx.Response:
    with desk.client(**PAGE) as client:
        return client.post("/sign-in", data={"token": token})


def forged(role: str, token: str) -> str:
    """A cookie made for `role` by somebody who knows `token`."""
    claim = f"{role}.{int(time.time()) + 3600}"
    key = hashlib.sha256(b"trunkline sign-in\0" + token.encode()).digest()
    return f"{claim}.{hmac.new(key, claim.encode(), hashlib.sha256).hexdigest()}"


def test_each_token_signs_in_with_its_role_and_stays_out_of_the_cookie(desk: Office) -> None:
    for token, seen in ((TOKEN, 200), (DISPATCHER_TOKEN, 403)):
        answer = sign_in(desk, token)
        assert (answer.status_code, token in str(answer.headers)) == (303, False)
        cookie = f"{COOKIE}={answer.cookies[COOKIE]}"
        assert desk.get("/calls", cookie=cookie).status_code == 200
        assert desk.get("/settings", cookie=cookie).status_code == seen


def test_a_cookie_of_one_role_cannot_be_turned_into_the_others(desk: Office) -> None:
    genuine = sign_in(desk, DISPATCHER_TOKEN).cookies[COOKIE]
    role, expires, digest = genuine.split(".")
    assert role == "dispatcher"
    for value in (
        f"administrator.{expires}.{digest}", f"administrator.{genuine}", f"{expires}.{digest}",
        f"dispatcher.administrator.{expires}.{digest}", forged("administrator", DISPATCHER_TOKEN),
        forged("dispatcher", TOKEN), forged("nobody", DISPATCHER_TOKEN),
    ):  # fmt: skip
        assert desk.get("/calls", cookie=f"{COOKIE}={value}").status_code == 401, value


def test_a_token_that_changes_hands_brings_no_cookie_of_its_former_role_along() -> None:
    first, second = "a-first-token-of-some-length", "a-second-token-of-some-length"
    before = Keeper({Role.ADMINISTRATOR: first, Role.DISPATCHER: second})
    after = Keeper({Role.ADMINISTRATOR: second, Role.DISPATCHER: first})
    for role in Role:
        cookie = before.cookie(role, 0)
        assert before.role_of_cookie(cookie, 1) is role
        assert after.role_of_cookie(cookie, 1) is None


# In a browser -----------------------------------------------------------------------------------------------------


def signed_in(desk: Office, visit: Visit, token: str, path: str) -> Page:
    address = f"http://127.0.0.1:{desk.port}{path}"
    page = visit(address)
    page.get_by_label("Access token").fill(token)
    page.keyboard.press("Enter")
    page.wait_for_url(address)
    return page


@pytest.mark.browser
@NEEDS_CHROMIUM[1]
@pytest.mark.parametrize(("token", "offered"), [(TOKEN, 1), (DISPATCHER_TOKEN, 0)])
def test_pages_offer_what_their_reader_may_do(
    desk: Office, visit: Visit, call: dict[str, Any], token: str, offered: int
) -> None:
    here = f"http://127.0.0.1:{desk.port}"
    page = signed_in(desk, visit, token, f"/phone-systems/{HOOK}")
    navigation = page.get_by_role("navigation", name="Pages")
    expect(navigation.get_by_role("link", name="Health")).to_have_count(1)
    expect(navigation.get_by_role("link", name="Settings")).to_have_count(offered)
    expect(page.get_by_role("link", name="Show numbers")).to_have_count(offered)
    expect(page.get_by_text("Numbers are masked.")).to_have_count(1 - offered)
    expect(page.get_by_role("article").first).to_contain_text("…")
    page.get_by_role("article").get_by_role("link").first.click()
    expect(page.get_by_role("link", name="Its call")).to_have_count(1)
    expect(page.get_by_role("link", name="Show numbers")).to_have_count(offered)
    expect(page.get_by_role("button", name="Build this call anew")).to_have_count(offered)
    page.goto(f"{here}/phone-systems/office-pbx")
    expect(page.get_by_role("button", name="Download the template for 3CX")).to_have_count(offered)
    page.goto(f"{here}/calls/{call['id']}")
    expect(page.get_by_role("button", name="Build anew from its messages")).to_have_count(offered)
    expect(page.get_by_text("Decide whose number this is")).to_be_visible()
    page.goto(f"{here}/health")
    expect(page.get_by_role("link", name="Scopes")).to_have_count(offered)


@pytest.mark.browser
@NEEDS_CHROMIUM[1]
def test_a_dispatcher_who_is_turned_away_may_sign_in_with_another_token(desk: Office, visit: Visit) -> None:
    page = signed_in(desk, visit, DISPATCHER_TOKEN, "/settings")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("link", name="Sign in with another token").click()
    page.get_by_label("Access token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"http://127.0.0.1:{desk.port}/")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
