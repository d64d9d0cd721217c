"""How fresh the copy of ServiceTitan's data is, for people."""

import re

from playwright.sync_api import expect
from web_rig import NEEDS_CHROMIUM, Office, Visit

from trunkline.mirror.catalog import RESOURCES

pytestmark = NEEDS_CHROMIUM


def test_the_page_shows_state_rows_age_error_and_differences(office: Office, visit: Visit, troubled: None) -> None:
    page = visit(office.base_url)
    page.get_by_role("link", name="Health").click()
    rows = page.get_by_role("region", name="Resources").get_by_role("row")
    expect(rows).to_have_count(len(RESOURCES) + 1)
    customers = rows.filter(has=page.get_by_role("rowheader", name="customers", exact=True))
    expect(customers).to_contain_text("fresh")
    expect(customers).to_contain_text("300")
    expect(customers).to_contain_text(re.compile(r"\d+ \w+ ago"))
    forms = rows.filter(has=page.get_by_role("rowheader", name="forms", exact=True))
    expect(forms).to_contain_text("The tide is out.")
    page.locator("a[href='#differences-campaigns']").click()
    expect(page.get_by_role("row", name=re.compile("sinceYesterday"))).to_contain_text("1,234")
