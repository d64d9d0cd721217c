"""The dispatcher's desk in a real browser: what pops, what is heard and seen, and what happens when the line breaks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect
from web_rig import (
    DID,
    EVIL_NAME,
    NEEDS_CHROMIUM,
    OTHER_TENANT,
    TOKEN,
    Backstage,
    Caller,
    Line,
    Office,
    Ring,
    Visit,
    over,
    started,
    until,
)

from company import TENANT

pytestmark = NEEDS_CHROMIUM


@contextmanager
def staying(page: Page) -> Iterator[None]:
    """The page is not loaded anew meanwhile."""
    page.evaluate("window.stayed = true")
    yield
    assert page.evaluate("window.stayed") is True


def live(page: Page, caller: Caller) -> Locator:
    """The card of a call in progress."""
    return page.locator("#live article").filter(has_text=caller.shown)


def ended(page: Page, caller: Caller) -> Locator:
    """The latest row of a call that is over."""
    return page.locator("#ended article").filter(has_text=caller.shown).first


# The board ----------------------------------------------------------------------------------------------------------


def test_the_right_customer_pops_while_the_phone_rings_and_moves_down_when_the_call_is_over(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    jane = backstage.people.jane
    page = visit(office.base_url)
    expect(page.locator("#quiet")).to_be_visible()
    expect(page.locator("#status")).to_have_text(re.compile(r"^\s*front-desk connected\s*$"))
    with staying(page):
        call = ring(jane)
        card = live(page, jane)
        expect(card.get_by_role("heading", name="Jane Example")).to_be_visible()
        expect(card).to_contain_text("Ringing")
        expect(card).to_contain_text("Dana Desk (201)")
        expect(card).to_contain_text("Next visit")
        expect(card).to_contain_text(f"({DID[:3]}) {DID[3:6]}-{DID[6:]}")
        expect(card.get_by_role("link", name="ServiceTitan")).to_have_attribute(
            "href", re.compile(rf"/#/Customer/{jane.customer_id}$")
        )
        expect(page.locator("#live-count")).to_have_text("1")
        expect(page.locator("#quiet")).to_be_hidden()
        expect(page.locator("#said")).to_have_text(re.compile("^(Coming in|Ringing): Jane Example$"))
        expect(page).to_have_title(re.compile(r"^\(\d\) Board · Trunkline$"))
        call.answer()
        expect(card).to_contain_text("Connected")
        expect(card.locator(".timer")).to_have_text(re.compile(r"^0:0\d$"))
        expect(page).to_have_title("Board · Trunkline")
        call.hang_up()
        expect(card).to_have_count(0)
        expect(ended(page, jane)).to_contain_text("Answered")
        expect(ended(page, jane)).to_contain_text("Jane Example")
        expect(page.locator("#live-count")).to_have_text("0")
        expect(page.locator("#quiet")).to_be_visible()


def test_a_page_that_is_opened_while_it_rings_shows_the_card_at_once_and_without_scripts(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    ring(backstage.people.banned)
    until(lambda: office.call_of(backstage.people.banned, state="ringing"))
    page = visit(office.base_url, java_script_enabled=False)
    expect(live(page, backstage.people.banned).get_by_role("heading", level=3)).to_have_text("Bob Banned")


def test_the_newest_call_stands_first_and_a_call_keeps_its_place(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    people = backstage.people
    page = visit(office.base_url)
    cards = page.locator("#live article")
    first = ring(people.banned)
    expect(cards).to_have_count(1)
    second = ring(people.stranger)
    expect(cards).to_have_count(2)
    in_order = [re.compile(re.escape(people.stranger.shown)), re.compile(re.escape(people.banned.shown))]
    expect(cards).to_contain_text(in_order)
    first.answer()
    expect(live(page, people.banned)).to_contain_text("Connected")
    expect(cards).to_contain_text(in_order)
    first.hang_up()
    second.hang_up()
    expect(cards).to_have_count(0)


def test_a_customer_who_is_not_to_be_served_is_marked(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    banned = backstage.people.banned
    page = visit(office.base_url)
    call = ring(banned)
    expect(live(page, banned).get_by_text("Do not service")).to_be_visible()
    call.hang_up()
    page.goto(f"{office.base_url}/lookup?number={banned.dialled}")
    expect(page.get_by_text("Do not service")).to_be_visible()


def test_a_shared_number_is_never_shown_as_one_customer(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    shared = backstage.people.shared
    page = visit(office.base_url)
    call = ring(shared)
    card = live(page, shared)
    expect(card.get_by_role("heading", level=3)).to_have_text(["2 possible customers"])
    expect(card).to_contain_text("Ask who is calling")
    expect(card.locator(".candidates li")).to_have_count(2)
    expect(card.locator(".candidates")).to_contain_text("number shared with others")
    expect(card.get_by_role("link", name="ServiceTitan", exact=True)).to_have_count(0)
    call.hang_up()
    office.logged(shared)
    page.reload()
    expect(ended(page, shared)).to_contain_text("Needs review")


def test_a_withheld_number_is_told_as_such(office: Office, visit: Visit) -> None:
    page = visit(office.base_url)
    office.post(started("withheld-1", "anonymous"))
    card = page.locator("#live article")
    expect(card.get_by_role("heading", level=3)).to_have_text(["Number withheld"])
    expect(card).to_contain_text("The caller withheld the number.")
    expect(card.get_by_role("link", name="ServiceTitan")).to_have_count(0)
    office.post(over("withheld-1"))
    row = page.locator("#ended article").filter(has_text="Number withheld")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Number withheld")


def test_someone_unknown_is_shown_by_what_the_phone_system_says(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    stranger = backstage.people.stranger
    page = visit(office.base_url)
    call = ring(stranger)
    expect(live(page, stranger).get_by_role("heading", name="Wireless Caller")).to_be_visible()
    expect(live(page, stranger)).to_contain_text("Nobody in ServiceTitan has this number.")
    call.hang_up()
    expect(live(page, stranger)).to_have_count(0)


def test_a_transferred_call_is_one_call(office: Office, backstage: Backstage, visit: Visit) -> None:
    colleague = backstage.people.colleague
    page = visit(office.base_url)
    rows = page.locator("#ended article").filter(has_text=colleague.shown)
    earlier = rows.count()
    backstage.play("attended_transfer", colleague)
    expect(ended(page, colleague)).to_contain_text("Sam Second")
    expect(page.locator("#live article")).to_have_count(0)
    expect(rows).to_have_count(earlier + 1)


def test_names_with_markup_are_text_everywhere(office: Office, backstage: Backstage, visit: Visit, ring: Ring) -> None:
    evil = backstage.people.evil
    page = visit(office.base_url)
    call = ring(evil)
    expect(live(page, evil).get_by_role("heading", level=3)).to_have_text([EVIL_NAME])
    unknown = page.locator("article").filter(has_text="(437) 555-0199")
    office.post(
        started("markup-1", "+14375550199", external_name=EVIL_NAME, did="<i>7</i>", queue=EVIL_NAME, text=EVIL_NAME)
    )
    expect(unknown).to_contain_text(re.compile(re.escape("<b id=evil>Bold</b> & Sons"), re.IGNORECASE))
    office.post(over("markup-1"))
    expect(unknown).to_have_attribute("data-place", "ended")
    call.hang_up()
    expect(ended(page, evil)).to_contain_text(EVIL_NAME)
    office.logged(evil)
    ended(page, evil).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(EVIL_NAME)
    for address in (f"/lookup?number={evil.dialled}", "/calls", "/lookup?number=<b id=evil>", "/calls/<b id=evil>"):
        page.goto(office.base_url + address, wait_until="load")
        assert page.locator("#evil, img").count() == 0, address
        assert page.evaluate("window.pwned") is None


# The call page ------------------------------------------------------------------------------------------------------


def test_the_call_page_tells_what_happened_and_what_was_logged_where(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    jane = backstage.people.jane
    page = visit(office.base_url)
    call = ring(jane)
    expect(live(page, jane)).to_have_count(1)
    call.answer()
    call.hang_up()
    ref = office.logged(jane)["ref"]
    ended(page, jane).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jane Example")
    expect(page.locator(".crumb")).to_contain_text(f"Call {ref}")
    happened = page.locator(".events li")
    for kind in ("Ringing", "Answered", "Left"):
        expect(happened.filter(has_text=kind).first).to_be_visible()
    expect(happened.filter(has_text="Answered").first).to_contain_text("Dana Desk")
    notes = [note for note in backstage.notes() if f"[call:{ref}]" in note["text"]]
    assert ("customer", jane.customer_id) in {(note["kind"], note["target_id"]) for note in notes}
    assert page.locator("figure.write pre").all_inner_texts() == [note["text"] for note in notes]
    written = page.locator("figure.write").first
    expect(written).to_contain_text("Note on customer")
    expect(written).to_contain_text("written")
    expect(written.get_by_role("link")).to_have_attribute("href", re.compile(rf"/#/Customer/{jane.customer_id}$"))
    page.get_by_role("link", name="Board", exact=True).last.click()
    expect(ended(page, jane)).to_be_visible()


# The keyboard -------------------------------------------------------------------------------------------------------


def test_a_number_is_looked_up_with_the_keyboard_alone(office: Office, backstage: Backstage, visit: Visit) -> None:
    jane = backstage.people.jane
    page = visit(office.base_url)
    with staying(page):
        page.keyboard.press("/")
        expect(page.get_by_label("Look up a phone number")).to_be_focused()
        page.keyboard.type(jane.shown)
        page.keyboard.press("Enter")
        found = page.get_by_role("region", name="Lookup")
        expect(found).to_contain_text("Jane Example")
        expect(found).to_contain_text(jane.shown)
        page.keyboard.press("Escape")
        expect(found).to_have_count(0)
        expect(page.get_by_label("Look up a phone number")).not_to_be_focused()
        page.keyboard.press("/")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("t?jk/")  # keys with a meaning are letters in a field
        expect(page.get_by_label("Look up a phone number")).to_have_value("t?jk/")
        page.keyboard.press("Enter")
        expect(found).to_contain_text("'t?jk/' is not a whole phone number")
        assert page.evaluate("document.documentElement.dataset.theme") is None
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_calls_are_walked_through_and_opened_with_the_keyboard(
    office: Office, backstage: Backstage, visit: Visit
) -> None:
    people = backstage.people
    for caller in (people.stranger, people.banned):
        backstage.play("missed", caller)
        office.logged(caller)
    page = visit(office.base_url)
    rows = page.locator("article[data-href]")
    expect(ended(page, people.banned)).to_be_visible()
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")
    expect(rows.nth(0)).to_be_focused()
    name = rows.nth(0).get_by_role("link").inner_text()
    address = rows.nth(0).get_attribute("data-href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_the_keys_are_listed_on_demand(office: Office, visit: Visit) -> None:
    page = visit(office.base_url)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("look up a number")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def test_a_card_that_has_the_focus_keeps_it_while_the_call_changes(
    office: Office, backstage: Backstage, visit: Visit, ring: Ring
) -> None:
    stranger = backstage.people.stranger
    page = visit(office.base_url)
    call = ring(stranger)
    expect(live(page, stranger)).to_have_count(1)
    page.keyboard.press("j")
    expect(live(page, stranger)).to_be_focused()
    call.answer()
    expect(live(page, stranger)).to_contain_text("Connected")
    expect(live(page, stranger)).to_be_focused()
    call.hang_up()
    expect(ended(page, stranger)).to_be_focused()


# What it looks like -------------------------------------------------------------------------------------------------


def ground(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def test_the_theme_is_the_systems_until_another_is_chosen_and_then_stays(office: Office, visit: Visit) -> None:
    page = visit(office.base_url, color_scheme="dark")
    dark = ground(page)
    page.emulate_media(color_scheme="light")
    light = ground(page)
    assert light != dark
    page.get_by_role("button", name="Light or dark").click()
    assert ground(page) == dark
    page.reload()
    assert ground(page) == dark
    page.goto(f"{office.base_url}/calls")
    assert ground(page) == dark
    page.keyboard.press("t")
    assert ground(page) == light
    page.emulate_media(color_scheme="dark")
    page.reload()
    assert ground(page) == light


# The line -----------------------------------------------------------------------------------------------------------


def test_when_the_line_was_cut_the_board_says_so_and_is_right_again_afterwards(
    office: Office, backstage: Backstage, browser: Browser, ring: Ring
) -> None:
    people = backstage.people
    line = Line(backstage, office.port)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(line.address)
        staying_on = ring(people.stranger)
        leaving = ring(people.banned)
        expect(page.locator("#live article")).to_have_count(2)
        live(page, people.stranger).focus()
        with staying(page):
            line.cut()
            expect(page.locator("#broken")).to_be_visible()
            leaving.hang_up()
            office.logged(people.banned)
            coming = ring(people.jane)
            assert live(page, people.banned).count() == 1
            line.mend()
            expect(page.locator("#broken")).to_be_hidden()
            expect(live(page, people.jane)).to_have_count(1)
            expect(live(page, people.stranger)).to_be_focused()
            expect(live(page, people.banned)).to_have_count(0)
            expect(ended(page, people.banned)).to_contain_text("Missed")
            coming.answer()
            expect(live(page, people.jane)).to_contain_text("Connected")
        coming.hang_up()
        staying_on.hang_up()
        expect(page.locator("#live article")).to_have_count(0)
    finally:
        context.close()
        line.cut()


# Signing in ---------------------------------------------------------------------------------------------------------


def test_signing_in_leads_to_the_page_that_was_asked_for(guarded: Office, visit: Visit) -> None:
    here = f"http://127.0.0.1:{guarded.port}"
    page = visit(f"{here}/calls")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_label("Access token")).to_be_focused()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{here}/calls")
    expect(page.get_by_role("heading", level=1)).to_have_text("Calls")
    assert page.evaluate("document.cookie") == ""
    page.goto(here)
    with page.expect_response("**/stream?*") as stream:
        page.reload()
    assert stream.value.status == 200


def test_one_company_of_several_is_chosen_on_the_page(guarded: Office, backstage: Backstage, visit: Visit) -> None:
    here = f"http://127.0.0.1:{guarded.port}"
    page = visit(here, extra_http_headers={"authorization": f"Bearer {TOKEN}"})
    page.get_by_label("Company").select_option(label="Other Example")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(f"{here}/?tenant={OTHER_TENANT}")
    guarded.post(started("company-1", backstage.people.banned.number))
    other = visit(f"{here}/?tenant={TENANT}", extra_http_headers={"authorization": f"Bearer {TOKEN}"})
    expect(live(other, backstage.people.banned)).to_have_count(1)
    expect(page.locator("article")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type(backstage.people.jane.dialled)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Lookup")).to_contain_text(backstage.other.world.rows.name(0))
