"""What the web's tests share: two running services, one of them with an access token, and a browser to look at them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from web_rig import (
    CHROMIUM,
    EVERY_ADDRESS,
    TENANT,
    TOKEN,
    Backstage,
    Caller,
    Office,
    Ring,
    RingingCall,
    Visit,
    serving,
    settings_text,
    until,
)

from databases import fresh_database

_CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PAGE_WAITS_MS = 10_000
_DRIFT = (
    "insert into mirror.drift values (%s, 'campaigns', 'sinceYesterday', 'field', '', now(), now(), 1234)"
    " on conflict do nothing"
)


@pytest.fixture(scope="session")
def backstage() -> Iterator[Backstage]:
    """ServiceTitan's and Asterisk's look-alikes."""
    with Backstage(customers=300) as running:
        yield running


@pytest.fixture(scope="session")
def office(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The service as it runs by default: on 127.0.0.1, without a token, for one company with an Asterisk."""
    folder = tmp_path_factory.mktemp("office") / "data"
    with fresh_database(postgres) as url, serving(folder, settings_text(backstage), url) as running:
        backstage.run(backstage.ami.logged_in.wait())
        yield running


@pytest.fixture(scope="session")
def guarded(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The service as others reach it: on every address, with a token, for two companies."""
    folder = tmp_path_factory.mktemp("guarded") / "data"
    settings = settings_text(backstage, several=True)
    with (
        fresh_database(postgres) as url,
        serving(folder, settings, url, "--host", EVERY_ADDRESS, TRUNKLINE_ACCESS_TOKEN=TOKEN) as running,
    ):
        yield running


@pytest.fixture
def undecided(request: pytest.FixtureRequest) -> Iterator[None]:
    """No decision about a number that one test makes is there in the next."""
    yield
    for name in {"office", "guarded"}.intersection(request.fixturenames):
        request.getfixturevalue(name).execute("delete from calls.number_decisions")


@pytest.fixture
def ring(office: Office, backstage: Backstage) -> Iterator[Ring]:
    """Rings Dana's phone; whatever the test leaves ringing is over when it ends, and the board quiet."""
    calls: list[RingingCall] = []

    def ring(caller: Caller | None) -> RingingCall:
        calls.append(backstage.ring(caller.dialled if caller else ""))
        return calls[-1]

    yield ring
    for call in calls:
        call.hang_up()
    until(office.is_quiet)


@pytest.fixture
def troubled(office: Office) -> Iterator[None]:
    """A resource that fails, and one that differs from the contract."""
    until(lambda: office.execute("select 1 from mirror.feeds where feed = 'forms' and tried_at is not null"))
    office.execute("update mirror.feeds set error = 'The tide is out.' where feed = 'forms'")
    office.execute(_DRIFT, TENANT)
    yield
    office.execute("delete from mirror.drift where resource = 'campaigns'")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: Playwright's event loop must be gone before other tests start theirs."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_OPTIONS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a page in a browser of its own; no page may complain on its console or ask another host for anything."""
    complaints: list[str] = []
    contexts = []

    def visit(address: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        home = urlsplit(address).netloc
        context.on("console", lambda said: complaints.extend(_complaint(said)))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("request", lambda request: complaints.extend(_foreign(request.url, home)))
        page = context.new_page()
        page.set_default_timeout(_PAGE_WAITS_MS)
        page.goto(address)
        return page

    expect.set_options(timeout=_PAGE_WAITS_MS)
    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _complaint(said: ConsoleMessage) -> list[str]:
    """What a page says in red or yellow; that the page itself is an error page is no complaint."""
    is_error_page = (
        said.text.startswith("Failed to load resource") and said.page and said.location["url"] == said.page.url
    )
    return [said.text] if said.type in {"error", "warning"} and not is_error_page else []


def _foreign(address: str, home: str) -> list[str]:
    parts = urlsplit(address)
    return [address] if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != home else []
