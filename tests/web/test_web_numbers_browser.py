"""Decisions about numbers, made with a browser: with scripts and without, with the keyboard, beside an open board."""

import pytest
from playwright.sync_api import Page, expect
from web_rig import NEEDS_CHROMIUM, Backstage, Office, Ring, Visit, until

pytestmark = [*NEEDS_CHROMIUM, pytest.mark.usefixtures("undecided")]


def open_choices(page: Page) -> None:
    page.get_by_text("Decide whose number this is").click()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_decision_on_the_lookup_page_and_its_undoing(
    office: Office, backstage: Backstage, visit: Visit, *, scripts: bool
) -> None:
    shared = backstage.people.shared
    names = [
        one["customer"]["name"]
        for one in office.get(f"/api/v1/lookup?number={shared.dialled}").json()["match"]["candidates"]
    ]
    page = visit(f"{office.base_url}/lookup?number={shared.dialled}", java_script_enabled=scripts)
    open_choices(page)
    page.get_by_role("button", name=f"Direct line: {names[1]}").press("Enter")
    expect(page.get_by_role("heading", level=3)).to_have_text(names[1])
    decided = page.get_by_role("list", name="What was decided")
    expect(decided).to_contain_text(f"Direct line: {names[1]}")
    expect(decided).to_contain_text("the desk, Today")
    decided.get_by_role("button", name="Undo").click()
    expect(decided).to_have_count(0)
    expect(page.locator(".candidates li")).to_have_count(len(names))


def test_a_decision_in_the_search_field_leaves_the_board_where_it_is(
    office: Office, backstage: Backstage, visit: Visit
) -> None:
    page = visit(office.base_url)
    page.get_by_label("Look up a phone number").fill(backstage.people.stranger.dialled)
    page.keyboard.press("Enter")
    found = page.locator("#found")
    open_choices(page)
    found.get_by_role("button", name="Spam").click()
    expect(found).to_contain_text("This number was marked as spam")
    assert page.url == f"{office.base_url}/"
    found.get_by_role("button", name="Undo").click()
    expect(found).to_contain_text("Nobody in ServiceTitan has this number")


def test_the_call_page_decides_and_this_call_and_the_next_follow_on_an_open_board(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    stranger = backstage.people.stranger
    board = visit(office.base_url)
    live = board.locator("#live article")
    call = ring(stranger)
    expect(live).to_contain_text("Nobody in ServiceTitan has this number")
    first = until(lambda: office.call_of(stranger, state="ringing"))
    page = visit(f"{office.base_url}/calls/{first['id']}")
    open_choices(page)
    page.get_by_role("button", name="Spam").click()
    expect(page.get_by_role("list", name="What was decided")).to_contain_text("Spam")
    expect(page).to_have_url(f"{office.base_url}/calls/{first['id']}?tenant={first['tenant_id']}")
    expect(live).to_contain_text("Marked as spam")
    call.hang_up()
    assert office.logged(stranger)["log"]["state"] == "nothing"
    expect(live).to_have_count(0)
    ring(stranger)
    expect(live).to_contain_text("Marked as spam")
