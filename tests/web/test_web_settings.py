"""The settings pages: companies come, pause and go while the service runs, and no secret comes out."""

import itertools
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from web_rig import (
    HOOK,
    NEEDS_CHROMIUM,
    OTHER_TENANT,
    TOKEN,
    Backstage,
    Office,
    Visit,
    over,
    serving,
    started,
    until,
)

from company import TENANT, TENANT_TOML, WEBHOOK_TOML
from databases import fresh_database
from trunkline.mirror.feeds import FEEDS

NAME = "Example Plumbing & Heating"
CLIENT_SECRET, APP_KEY = "cs1.example-secret", "ak1.example"
MAPPED_DID = "+14375550101"
NETWORK = f"""
[[networks]]
name = "Example Group"
tenants = [{TENANT}, {OTHER_TENANT}]

[networks.dids]
"437-555-0101" = {OTHER_TENANT}
""" + WEBHOOK_TOML.format(account=HOOK).replace("tenants.phone_systems", "networks.phone_systems")
BEARER = {"authorization": f"Bearer {TOKEN}"}
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def company(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A service whose file names a network of two companies, and describes the second only."""
    folder = tmp_path_factory.mktemp("company") / "data"
    filed = TENANT_TOML.format(id=OTHER_TENANT, name="Other Example", sandbox=backstage.other.base_url)
    with fresh_database(postgres) as url, serving(folder, NETWORK + filed, url) as running:
        yield running


@pytest.fixture
def added(company: Office, backstage: Backstage) -> Iterator[str]:
    """The first company, added by its form and copied; the path of its page. It is erased afterwards."""
    answer = send(company, "/settings/companies", form(backstage))
    assert answer == (303, f"/settings/companies/{TENANT}")
    until(lambda: is_copied(company))
    yield answer[1]
    send(company, f"{answer[1]}/remove", {"name": NAME})


def form(backstage: Backstage, **typed: str) -> dict[str, str]:
    """What a person types."""
    return {
        "tenant_id": str(TENANT),
        "name": NAME,
        "timezone": "America/Toronto",
        "region": "US",
        "links_base": "https://go.servicetitan.com",
        "environment": backstage.servicetitan.base_url,
        "client_id": "cid.example",
        "client_secret": CLIENT_SECRET,
        "app_key": APP_KEY,
        "booking_provider": "1234",
        **typed,
    }


def send(office: Office, path: str, data: dict[str, str], **headers: str) -> tuple[int, str]:
    """Submit a form as a browser does; the status, and where it leads or what it says."""
    with office.client(**PAGE, origin=f"http://127.0.0.1:{office.port}", **headers) as client:
        answer = client.post(path, data=data)
    return answer.status_code, answer.headers.get("location") or answer.text


def is_copied(office: Office) -> bool:
    counted = "select count(*) from mirror.feeds where complete and tenant_id = %s and feed = any(%s)"
    return office.execute(counted, TENANT, [feed.name for feed in FEEDS]) == [(len(FEEDS),)]


def type_in(page: Page, typed: dict[str, str]) -> None:
    for name, value in typed.items():
        page.locator(f"#{name}").fill(value)


# In a browser, without scripts ------------------------------------------------------------------------------------


@pytest.mark.browser
@NEEDS_CHROMIUM[1]
def test_a_company_is_added_tested_paused_and_erased_without_scripts(
    company: Office, backstage: Backstage, visit: Visit
) -> None:
    page = visit(f"{company.base_url}/settings", java_script_enabled=False)
    expect(page.get_by_role("link", name="Settings", exact=True)).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Add a company").click()
    # The id and the secret have changed places: told at once, and neither is shown again.
    type_in(page, form(backstage, client_id=CLIENT_SECRET, client_secret="cid.example"))
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved or sent")
    expect(page.locator("#client_id-said")).to_contain_text("This looks like a client secret, not like a client id")
    expect(page.locator("#client_id")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#client_id")).to_have_value("")
    expect(page.locator("#name")).to_have_value(NAME)
    assert CLIENT_SECRET not in page.content()
    type_in(page, form(backstage))
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_text("1234", exact=True)).to_be_visible()
    # The running service takes it up.
    until(lambda: is_copied(company))
    # With two companies to choose from the bar still fits on every screen.
    for width in (320, 390, 820, 940, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{company.base_url}/?tenant={TENANT}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{company.base_url}/settings/companies/{TENANT}")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#outcome")).to_contain_text("The connection works")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    page.locator("#name").fill("Example Plumbing")
    page.get_by_role("button", name="Erase everything").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was erased")
    page.locator("#name").fill(NAME)
    page.get_by_role("button", name="Erase everything").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NAME} was erased")
    expect(page.get_by_role("row").filter(has_text="mirror.customers")).to_contain_text("300")
    page.get_by_role("link", name="Back to the settings").click()
    expect(page.get_by_text(NAME)).to_have_count(0)
    assert company.execute("select count(*) from mirror.customers where tenant_id = %s", TENANT) == [(0,)]


# What runs --------------------------------------------------------------------------------------------------------


def test_nothing_of_a_paused_company_runs_until_it_is_resumed(
    company: Office, backstage: Backstage, added: str
) -> None:
    tokens = backstage.servicetitan.sandbox.tokens_given
    assert tokens > 0
    assert send(company, f"{added}/pause", {}) == (303, added)
    number = f"+1{backstage.people.jane.dialled}"
    ring_until(company, OTHER_TENANT, "paused", number)  # the network goes on with the other company
    assert "This company is paused." in until(lambda: company.get(f"/?tenant={TENANT}", **PAGE).text)
    held = "select count(*) from pg_locks where locktype = 'advisory' and granted"
    (paused,) = until(lambda: company.execute(held))
    assert send(company, f"{added}/resume", {}) == (303, added)
    until(lambda: company.execute(held)[0] > paused)  # its data are copied again
    ring_until(company, TENANT, "resumed", number)


def ring_until(office: Office, tenant: int, name: str, number: str) -> None:
    """A change of who is served takes a moment: call until the calls are this company's."""
    keys = (f"{name}-{place}" for place in itertools.count(1))

    def rings() -> bool:
        key = next(keys)
        office.post(started(key, number, did="+14375550199"))
        theirs = until(lambda: [one for one in (TENANT, OTHER_TENANT) if call_of(office, one, key)])
        office.post(over(key))
        return theirs == [tenant]

    until(rings)


def call_of(office: Office, tenant: int, key: str) -> dict[str, Any] | None:
    """A tenant's call, once it is there."""
    return next((one for one in office.calls(tenant) if one["call"]["call_key"] == key), None)


def test_a_networks_call_goes_to_the_company_it_is_for_and_its_card_names_the_others(
    company: Office, backstage: Backstage, added: str
) -> None:
    jane = backstage.people.jane
    number = f"+1{jane.dialled}"
    company.post(started("certain", number, did="+14375550199"))
    found = until(lambda: call_of(company, TENANT, "certain"))
    assert found is not None
    assert found["card"]["match"]["candidates"][0]["customer"]["name"] == "Jane Example"
    company.post(started("dialled", number, did=MAPPED_DID))
    found = until(lambda: call_of(company, OTHER_TENANT, "dialled"))
    assert found is not None
    (other,) = found["card"]["elsewhere"]
    assert (other["tenant_id"], other["company"]) == (TENANT, NAME)
    assert other["match"]["candidates"][0]["customer"]["name"] == "Jane Example"
    board = company.get(f"/?tenant={OTHER_TENANT}", **PAGE).text
    assert "Also at Example Plumbing &amp; Heating" in board
    answer = company.get(f"/api/v1/networks/Example%20Group/lookup?number={jane.dialled}").json()
    assert (answer["tenant_id"], answer["company"]) == (TENANT, NAME)
    assert company.get("/api/v1/networks/none/lookup?number=4375550142").status_code == 404
    for key in ("certain", "dialled"):
        company.post(over(key))


def test_a_call_of_a_network_is_logged_at_the_company_it_is_for(
    company: Office, backstage: Backstage, added: str
) -> None:
    jane = backstage.people.jane
    company.post(started("to-log", f"+1{jane.dialled}", did="+14375550199"))
    company.post(over("to-log"))

    def logged() -> dict[str, Any] | None:
        found = call_of(company, TENANT, "to-log")
        return found if found and found.get("log", {}).get("state") == "logged" else None

    found = until(logged)
    assert found is not None
    written = [note["target_id"] for note in backstage.notes() if f"[call:{found['ref']}]" in note["text"]]
    assert jane.customer_id in written


# What is wrong ----------------------------------------------------------------------------------------------------


def test_a_connection_that_does_not_work_says_why_on_the_page(
    company: Office, backstage: Backstage, added: str
) -> None:
    assert send(company, f"{added}/change", form(backstage, client_secret="cs1.other", app_key=""))[0] == 303
    status, text = send(company, f"{added}/test", {})
    assert status == 200
    assert "the client secret is not its own: copy both again" in text
    assert send(company, f"{added}/change", form(backstage, app_key="ak1.other"))[0] == 303
    assert "ServiceTitan refuses the app key" in send(company, f"{added}/test", {})[1]
    assert send(company, f"{added}/change", form(backstage))[0] == 303
    assert "The connection works" in send(company, f"{added}/test", {})[1]


def test_a_company_from_the_file_is_shown_as_such_and_cannot_be_changed(company: Office, backstage: Backstage) -> None:
    path = f"/settings/companies/{OTHER_TENANT}"
    text = company.get(path, **PAGE).text
    assert "This company stands in trunkline.toml" in text
    for word in ("Pause", "Erase everything", "/change"):
        assert word not in text
    for action in ("change", "pause", "resume", "remove"):
        status, said = send(company, f"{path}/{action}", form(backstage, name="Other Example"))
        assert (status, "change it there" in said) == (409, True)
    assert company.get(f"{path}/change", **PAGE).status_code == 409
    assert "The connection works" in send(company, f"{path}/test", {})[1]


@pytest.mark.parametrize("typed", [{"timezone": APP_KEY}, {"name": CLIENT_SECRET}, {"environment": CLIENT_SECRET}])
def test_a_secret_that_was_typed_into_another_field_is_not_shown_again(
    company: Office, backstage: Backstage, typed: dict[str, str]
) -> None:
    status, text = send(company, "/settings/companies", form(backstage, **typed))
    assert status == 400
    assert CLIENT_SECRET not in text
    assert f'"{APP_KEY}"' not in text


@pytest.mark.parametrize(
    "path", ["/settings/companies", "/settings/companies/{id}/remove", "/settings/companies/{id}/pause"]
)
def test_another_site_cannot_send_the_forms(company: Office, backstage: Backstage, added: str, path: str) -> None:
    data = form(backstage)
    with company.client(**PAGE, origin="http://evil.example") as client:
        answer = client.post(path.format(id=TENANT), data=data)
    assert answer.status_code == 403
    assert "Running" in company.get(added, **PAGE).text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/settings"),
        ("GET", "/settings/companies/new"),
        ("GET", f"/settings/companies/{TENANT}"),
        ("GET", f"/settings/companies/{TENANT}/change"),
        ("POST", "/settings/companies"),
        ("POST", f"/settings/companies/{TENANT}/change"),
        ("POST", f"/settings/companies/{TENANT}/pause"),
        ("POST", f"/settings/companies/{TENANT}/resume"),
        ("POST", f"/settings/companies/{TENANT}/test"),
        ("POST", f"/settings/companies/{TENANT}/remove"),
    ],
)
def test_with_an_access_token_the_settings_ask_for_it(guarded: Office, method: str, path: str) -> None:
    with guarded.client(origin=f"http://127.0.0.1:{guarded.port}") as client:
        assert client.request(method, path).status_code == 401
        assert client.request(method, path, headers=BEARER).status_code != 401


def test_what_is_not_there_is_not_found(company: Office) -> None:
    assert company.get("/settings/companies/7", **PAGE).status_code == 404
    for action in ("test", "pause", "remove", "change"):
        assert send(company, f"/settings/companies/7/{action}", {})[0] == 404


# Secrets ----------------------------------------------------------------------------------------------------------


def test_no_page_answer_or_log_line_shows_a_secret(company: Office, backstage: Backstage, added: str) -> None:
    said = [send(company, f"{added}/test", {})[1], send(company, f"{added}/change", form(backstage, name=""))[1]]
    seen: set[str] = set()
    left = [
        "/", "/settings", f"{added}/change", f"/api/v1/calls?tenant={TENANT}", "/api/openapi.json",
        f"/lookup?tenant={TENANT}&number={backstage.people.jane.dialled}", "/status", "/nowhere", "/api/v1/nowhere",
        f"/api/v1/lookup?tenant={TENANT}&number={backstage.people.jane.dialled}",
    ]  # fmt: skip
    while left:
        path = left.pop().replace("&amp;", "&")
        if path in seen or path.startswith(("/static/", "/stream")):
            continue
        seen.add(path)
        text = company.get(path, **PAGE).text
        said.append(text)
        left += [link for link in re.findall(r'href="([^"]+)"', text) if not urlsplit(link).netloc]
    assert {"/settings", added, f"{added}/change", "/settings/companies/new"} <= seen
    said.append(company.log.read_text())
    assert "a tenant was added" in said[-1]
    for text in said:
        assert CLIENT_SECRET not in text
        assert not re.search(re.escape(APP_KEY) + r"\b", text)
    stored = str(company.execute("select to_jsonb(t)::text from ops.tenants t"))
    assert "cid.example" in stored
    assert CLIENT_SECRET not in stored
    assert APP_KEY not in stored
