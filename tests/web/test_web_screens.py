"""Every page on every screen: narrow and wide, light and dark, with the keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from web_rig import NEEDS_CHROMIUM, Backstage, Office, Visit, until

from company import TENANT

pytestmark = NEEDS_CHROMIUM
PHONE = {"width": 320, "height": 700}  # the narrowest that WCAG asks for


@pytest.fixture(scope="module")
def busy(office: Office, backstage: Backstage) -> Iterator[int]:
    """A board with calls of every kind on it; the id of one that is over and logged."""
    people = backstage.people
    for scenario in ("queue_answered", "voicemail", "outbound", "internal"):
        backstage.play(scenario, people.evil)
    backstage.play("missed", people.banned)
    calls = [backstage.ring(one.dialled) for one in (people.jane, people.shared, people.evil, people.colleague)]
    calls.append(backstage.ring(""))
    calls[0].answer()
    yield int(office.logged(people.banned)["id"])
    for call in calls:
        call.hang_up()
    until(office.is_quiet)


PAGES = (
    "/", "/calls", "/health", "/scopes", "/calls/{call}", "/lookup?number={jane}", "/lookup?number={shared}",
    "/lookup?number=12", "/sign-in", "/nowhere", "/settings", "/settings/companies/new",
    f"/settings/companies/{TENANT}", "/phone-systems/front-desk", "/phone-systems/front-desk?numbers=true",
)  # fmt: skip


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_as_it_should_be_on_every_screen(
    office: Office, backstage: Backstage, visit: Visit, busy: int, address: str
) -> None:
    people = backstage.people
    path = address.format(call=busy, jane=people.jane.dialled, shared=people.shared.dialled)
    page = visit(office.base_url + path, viewport=PHONE)
    if path == "/":
        expect(page.locator("#live article")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(TWICE) == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title().endswith("Trunkline")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate(FAINT) == []


UNLABELLED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")]
    .filter((one) => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim()))
    .map((one) => one.outerHTML)"""
TWICE = """() => [...document.querySelectorAll("[id]")].map((one) => one.id)
    .filter((id, at, all) => all.indexOf(id) !== at)"""
# Contrast as WCAG 2 reckons it: 4.5 to 1, or 3 to 1 where the letters are large.
FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest(".hidden, .skip, script, style")) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const below = paint(["white", ...grounds]), above = paint(["white", ...grounds, style.color]);
    const [low, high] = [light(below), light(above)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.add(`${text.slice(0, 40)}: ${ratio.toFixed(2)} ${style.color} on ${below}`);
  }
  return [...found];
}"""


FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {
    name: one === document.body ? "" : one.outerHTML.slice(0, 120),
    seen: one.matches(":focus-visible") && outlined && box.width > 0 && box.right > 0 && box.bottom > 0,
  };
}"""


@pytest.mark.parametrize("path", ["/", "/lookup?number=4375550142", "/settings/companies/new"])
def test_whatever_tab_reaches_is_seen_to_have_the_focus(office: Office, visit: Visit, busy: int, path: str) -> None:
    page = visit(office.base_url + path)
    reached = []
    while True:
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        if not now["name"] or now["name"] in reached:
            break
        assert now["seen"], now["name"]
        reached.append(now["name"])
    assert reached[0].startswith('<a class="skip" href="#main"')
    assert any('id="theme"' in one for one in reached)
    assert len(reached) >= 4
