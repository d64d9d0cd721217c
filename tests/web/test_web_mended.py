"""What the board, the sign-in and the pages get right once they are mended."""

import pytest
from playwright.sync_api import Browser, expect
from web_rig import NEEDS_CHROMIUM, OTHER_TENANT, TOKEN, Backstage, Line, Office, Ring, Visit

pytestmark = NEEDS_CHROMIUM


def test_an_open_board_shows_by_itself_how_a_call_was_logged(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    jane = backstage.people.jane
    page = visit(office.base_url)
    call = ring(jane)
    expect(page.locator("#live article")).to_have_count(1)
    expect(page).to_have_title("(1) Board · Trunkline")
    call.hang_up()
    expect(page.locator("#ended article").filter(has_text=jane.shown).first).to_contain_text("Logged")


def test_escape_closes_the_list_of_keys(office: Office, visit: Visit) -> None:
    page = visit(office.base_url)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_board_survives_a_proxy_that_answered_for_the_service(
    office: Office, backstage: Backstage, browser: Browser, ring: Ring
) -> None:
    line = Line(backstage, office.port)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(line.address)
        with page.expect_response(lambda answer: "/stream" in answer.url and answer.status == 502):
            line.answer_only("502 Bad Gateway")
        expect(page.locator("#broken")).to_be_visible()
        line.mend()
        ring(backstage.people.banned)
        expect(page.locator("#live article")).to_have_count(1)
        expect(page.locator("#broken")).to_be_hidden()
    finally:
        context.close()
        line.cut()


@pytest.mark.parametrize("other", ['x={"a":1}', 'x="a"b', "x=a b", "b@d=1", "x=\xe9", "trunkline2=1"])
def test_other_programs_cookies_do_not_sign_anyone_out(guarded: Office, other: str) -> None:
    with guarded.client() as client:
        value = client.post("/sign-in", data={"token": TOKEN}).cookies["trunkline"]
    cookies = f"{other}; trunkline={value}; z=1".encode("latin-1")
    with guarded.client() as client:
        assert client.get("/calls", headers=[(b"cookie", cookies)]).status_code == 200


def test_sign_in_leads_back_with_the_query(guarded: Office) -> None:
    answer = guarded.get(f"/calls?tenant={OTHER_TENANT}&before=7", accept="text/html")
    assert answer.headers["location"] == f"/sign-in?next=/calls%3Ftenant%3D{OTHER_TENANT}%26before%3D7"


@pytest.mark.parametrize("path", ["/calls", "/api/v1/calls"])
def test_an_id_beyond_all_calls_is_refused(office: Office, path: str) -> None:
    assert office.get(f"{path}?before={9 * 10**30}").status_code == 400
