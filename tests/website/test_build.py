"""The whole site, built once: every link and anchor is there, and nothing comes from elsewhere."""

import re
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from website.build import INDEX, build, empty
from website.links import is_external
from website.page import LOOK_UP, MORE

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    build(ROOT, out)
    return out


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, str]:
    return {path: path.read_text() for path in sorted(site.rglob("*.html"))}


def attributes(html: str, name: str) -> list[str]:
    return [unescape(value) for value in re.findall(rf'<[^>]*\s{name}="([^"]*)"', html)]


@cache
def anchors(path: Path) -> set[str]:
    return set(attributes(path.read_text(), "id"))


def dead(path: Path, html: str) -> list[str]:
    """Of all links of a page into the site: those to a file or an anchor that does not exist."""
    found = []
    for link in attributes(html, "href"):
        if is_external(link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / unquote(file)).resolve() if file else path
        if not target.is_file() or (anchor and unquote(anchor) not in anchors(target)):
            found.append(link)
    return found


def test_every_lesson_and_every_page_to_look_up_is_there(pages, site):
    lessons = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
    assert [path.stem for path in sorted((site / "notebooks").glob("*.html"))] == lessons
    labels = re.findall(r">([^<]+)</a></li>", pages[site / "index.html"])
    assert {*LOOK_UP.values(), *MORE.values()} < set(labels)


def test_every_link_leads_somewhere(pages):
    assert {path.name: found for path, html in pages.items() if (found := dead(path, html))} == {}


def malformed(link: str) -> bool:
    """A link out of the site that no browser could follow, or that a sentence around it has spoilt."""
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return not re.fullmatch(r"[^@\s]+@[\w-]+(\.[\w-]+)+", parts.path)
    named = re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}", parts.netloc)
    return parts.scheme not in ("https", "http") or not named or bool(re.search(r"[\s<>{}|\\^`\"]|[.,;:!]$", link))


def test_every_link_out_of_the_site_has_the_form_of_one(pages):
    links = {link for html in pages.values() for link in attributes(html, "href") if is_external(link)}
    links.discard("data:,")  # the icon of no page
    assert len(links) > 100 and sorted(filter(malformed, links)) == []


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("https://arxiv.org/abs/2402.03300", False),
        ("http://joschu.net/blog/kl-approx.html#a", False),
        ("https://github.com/huggingface/trl/pull/3029.", True),
        ("https://x/y", True),
        ("http//x.org", True),
        ("https://x.org/a b", True),
        ("https://x.org/{name}", True),
        ("file:///tmp/x", True),
    ],
)
def test_a_malformed_link_would_be_found(link, wrong):
    assert malformed(link) is wrong


def test_a_dead_link_would_be_found(tmp_path):
    page = tmp_path / "a.html"
    html = '<p id="here"></p><a href="a.html#here"></a><a href="#there"></a><a href="b.html"></a><a href="https://x.org"></a>'
    page.write_text(html)
    assert dead(page, html) == ["#there", "b.html"]


def test_no_anchor_stands_twice_on_a_page(pages):
    for path, html in pages.items():
        ids = attributes(html, "id")
        assert len(ids) == len(set(ids)), path


def test_a_page_loads_nothing_from_elsewhere(pages):
    for path, html in pages.items():
        loaded = attributes(html, "src") + re.findall(r'<link[^>]*href="([^"]*)"', html)
        assert all(link == "data:," or (path.parent / link).is_file() for link in loaded), path


def test_every_picture_has_words(pages):
    for path, html in pages.items():
        for image in re.findall(r"<img[^>]*>", html):
            assert len(attributes(image, "alt")[0]) > 20, (path, image)


def test_lessons_lead_to_their_neighbours(pages, site):
    first, second, *_, last = sorted((site / "notebooks").glob("*.html"))
    parts = {path: html.partition('<nav class="neighbours"')[2].partition("</nav>")[0] for path, html in pages.items()}
    assert attributes(parts[first], "href") == [second.name]
    assert len(attributes(parts[second], "href")) == 2
    assert len(attributes(parts[last], "href")) == 1
    assert parts[site / "index.html"] == ""


def test_the_index_knows_functions_terms_and_lessons(site):
    text = (site / "static" / "search-index.js").read_text()
    for address in ("README.html#kl_k3-row", "docs/GLOSSARY.html#advantage", "notebooks/04_clipping.html#"):
        assert address in text


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ValueError, match="no site of this course"):
        build(ROOT, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_an_older_site_is_removed(tmp_path):
    older = tmp_path / "site"
    (older / "static").mkdir(parents=True)
    (older / "static" / INDEX).touch()
    (older / "old.html").touch()
    empty(older)
    assert not older.exists()
