"""The static site in a real browser, opened from the disk: a phone and a desk, light and dark, search and keyboard."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe import violations
from labs import MARKS, PATIENCE, chromium
from PIL import Image

from website.build import build

ROOT = Path(__file__).parents[2]
PHONE, DESK = 390, 1280
LESSON = "notebooks/02_three_things_called_kl.html"
PAGES = ["index.html", "live.html", "docs/GLOSSARY.html", "reference/objectives/README.html", "tests/oracles/README.html",
         "docs/FRAMEWORKS.html", "findings/README.html", "docs/REFERENCES.html", "reference/objectives/kl.py.html",
         *(f"notebooks/{path.stem}.html" for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))]  # fmt: skip

# Texts whose contrast with what is behind them is below WCAG's AA: 4.5, or 3 for large letters. One line for each.
TOO_FAINT = """() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => {
        const [r, g, b] = numbers(colour).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if ((numbers(colour)[3] ?? 1) === 1) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const found = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const [low, high] = [luminance(style.color), luminance(behind(element))].sort((a, b) => a - b);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if ((high + 0.05) / (low + 0.05) < (large ? 3 : 4.5))
            found.add(`${element.tagName}.${element.className} ${style.color} on ${behind(element)}`);
    }
    return [...found];
}"""

pytestmark = MARKS


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    build(ROOT, out)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(site, browser) -> Iterator:
    """opened("index.html", width=390): the page. Afterwards nothing may have been asked of a network, or have failed."""
    contexts, requests, errors = [], [], []

    def opened(address: str, *, width: int = DESK, theme: str = "light", scripts: bool = True):
        viewport = {"width": width, "height": 800}
        contexts.append(browser.new_context(viewport=viewport, color_scheme=theme, java_script_enabled=scripts))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{site.as_uri()}/{address}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
    assert requests and all(url.startswith(("file:", "data:")) for url in requests)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_page_scrolls_sideways(opened, site, width):
    page = opened("index.html", width=width)
    wide = {}
    for address in PAGES:
        page.goto(f"{site.as_uri()}/{address}")
        wide[address] = page.evaluate("document.documentElement.scrollWidth")
    assert {address: found for address, found in wide.items() if found > width} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(opened, site, theme):
    page = opened("index.html", theme=theme)
    faint = {}
    for address in ("index.html", LESSON, "notebooks/11_overoptimisation.html", "reference/objectives/README.html"):
        page.goto(f"{site.as_uri()}/{address}")
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        faint[address] = page.evaluate(TOO_FAINT)
    assert {address: found for address, found in faint.items() if found} == {}


# One page of each kind: with many tables, with formulas, with the outputs of each kind, with code
KINDS = ["index.html", "live.html", LESSON, "notebooks/11_overoptimisation.html", "notebooks/12_debug_lab.html",
         "docs/GLOSSARY.html",
         "reference/objectives/README.html", "reference/objectives/kl.py.html"]  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), [(PHONE, "dark"), (DESK, "light")])
def test_axe_finds_nothing_wrong_with_any_kind_of_page(opened, site, width, theme):
    page = opened("index.html", width=width, theme=theme)
    wrong = {}
    for address in KINDS:
        page.goto(f"{site.as_uri()}/{address}")
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        wrong[address] = violations(page, "html")
    assert {address: found for address, found in wrong.items() if found} == {}


def test_axe_finds_nothing_wrong_with_what_the_search_box_found(opened):
    page = opened("index.html", width=PHONE)
    page.get_by_label("Search").fill("kl")
    page.locator("#results a").first.wait_for()
    assert violations(page, "html") == []


def test_a_faint_text_would_be_found(opened):
    page = opened("live.html")
    assert page.evaluate(TOO_FAINT) == []
    page.evaluate("document.querySelector('h1').style.color = '#aaa'")  # 2.3 on white
    assert page.evaluate(TOO_FAINT) == ["H1. rgb(170, 170, 170) on rgb(255, 255, 255)"]


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize(("theme", "paper"), [("light", (255, 255, 255)), ("dark", (21, 24, 28))])
def test_a_screenshot_has_the_paper_of_its_theme_and_letters_on_it(opened, tmp_path, width, theme, paper):
    shot = opened(LESSON, width=width, theme=theme).screenshot(path=tmp_path / f"{width}-{theme}.png")
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    assert picture.size == (width, 800)
    colours = {colour: count for count, colour in picture.getcolors(width * 800)}
    assert max(colours, key=colours.__getitem__) == paper
    assert 0.02 < 1 - colours[paper] / (width * 800) < 0.5


def test_the_search_box_finds_a_formula_with_the_keyboard_alone(opened):
    page = opened(LESSON, width=PHONE)
    box = page.get_by_label("Search")
    box.focus()
    page.keyboard.type("kl_k3")
    results = page.locator("#results a")
    results.first.wait_for()
    assert results.first.locator("small").inner_text() == "Formulas"
    assert "found" in page.get_by_role("status").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/objectives/README.html#kl_k3-row")
    assert page.locator("#kl_k3-row").bounding_box()["y"] < 800


def test_the_search_box_says_what_it_does_not_find_and_closes(opened):
    page = opened("index.html")
    page.get_by_label("Search").fill("qqqq")
    page.get_by_text("Nothing found.").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("#results").is_visible()


def test_the_theme_can_be_switched_and_stays(opened):
    page = opened("index.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Dark theme").press("Enter")
    assert page.evaluate(colour) == "rgb(21, 24, 28)"
    page.reload()
    assert page.evaluate(colour) == "rgb(21, 24, 28)"
    assert page.get_by_role("button", name="Light theme").is_visible()


def test_the_first_tab_leads_past_the_header(opened):
    page = opened(LESSON)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_it_can_be_read_without_scripts(opened):
    page = opened(LESSON, width=PHONE, scripts=False)
    assert not page.locator("form.search").is_visible()
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="03 · What the value head fits").click()
    assert page.locator("h1").inner_text() == "03 · What the value head fits"
