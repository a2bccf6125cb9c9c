"""Markdown as GitHub reads it: anchors, tables, links; and formulas where a notebook has them."""

import re
from pathlib import Path

import pytest

from website.links import address, numbered, relative, rewritten, slug, target_of
from website.markdown import html

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "findings", "reference", "tests", "website")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]


def plain(text: str, *, formulas: bool = False) -> str:
    return html(text, lambda link: link, [], formulas=formulas)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("beta (β)", "beta-β"),
        ("k1, k2, k3", "k1-k2-k3"),
        ("pass@k", "passk"),
        ("A framework (oracle)", "a-framework-oracle"),
    ],
)
def test_an_anchor_is_the_one_that_github_gives(heading, anchor):
    assert slug(heading) == anchor
    assert f'id="{anchor}"' in plain(f"## {heading}")


def test_a_second_heading_of_the_same_name_has_a_number():
    taken: list[str] = []
    assert [numbered("mask", taken) for _ in range(3)] == ["mask", "mask-1", "mask-2"]
    assert 'id="mask-3"' in html("# Mask", lambda link: link, taken)


def test_a_table_has_a_box_of_its_own_and_keeps_a_bar_in_code():
    drawn = plain("| a |\n|---|\n| `x \\| y` |\n")
    assert drawn.startswith('<div class="scroll"><table>') and drawn.strip().endswith("</table></div>")
    assert "<code>x | y</code>" in drawn


def test_code_has_classes_and_its_signs_are_escaped():
    assert '<span class="k">return</span>' in plain("```python\nreturn a < b\n```")
    assert "a &lt; b" in plain("```\na < b\n```")


def test_code_in_a_sentence_is_broken_at_dots_and_not_in_an_option():
    assert "<code>a.<wbr>b_c</code>" in plain("`a.b_c`")
    assert '<code>x <span class="word">--no-y</span> 1-2</code>' in plain("`x --no-y 1-2`")


def test_a_formula_is_read_before_its_underscores_and_only_in_a_notebook():
    assert "<msub><mi>y</mi><mi>a</mi></msub>" in plain("see $y_a$ and $z_a$", formulas=True)
    assert 'display="block"' in plain("$$a_1 \\\\ _b$$".replace("\\\\ _b", "+ b"), formulas=True)
    assert "<math" not in plain("`$x$`", formulas=True)
    assert "<math" not in plain("it costs $5 and $6", formulas=True)
    assert "<math" not in plain("$x$")


def test_links_are_rewritten():
    drawn = html("[a](b.md#c) [d](https://example.org)", lambda link: link.replace(".md", ".html"), [])
    assert '<a href="b.html#c">' in drawn
    assert '<a href="https://example.org">' in drawn


def test_a_badge_is_a_link_of_words_so_that_no_page_loads_a_picture_from_elsewhere():
    drawn = plain("[![Colab](https://example.org/a.svg)](https://example.org/b) ![ours](x.png)")
    assert '<a href="https://example.org/b">Colab</a>' in drawn
    assert drawn.count("<img") == 1 and 'src="x.png"' in drawn and "a.svg" not in drawn


def test_a_file_has_its_place_on_the_site(tmp_path):
    (tmp_path / "docs").mkdir()
    names = ("README.md", "docs/A.md", "n/00_b.ipynb", "x.png", "x.py", "docs")
    expected = ["index.html", "docs/A.html", "n/00_b.html", "x.png", "x.py.html", "docs/index.html"]
    assert [address(name, tmp_path) for name in names] == expected
    assert relative("static/site.css", "docs/A.html") == "../static/site.css"


def test_a_link_leads_to_the_page_of_its_file(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "A.md").touch()
    (tmp_path / "README.md").touch()
    met: list[str] = []
    assert rewritten("../README.md#b", "docs/A.md", tmp_path, met) == "../index.html#b"
    assert rewritten("#b", "docs/A.md", tmp_path, met) == "#b"
    assert rewritten("docs", "README.md", tmp_path, met) == "docs/index.html"
    assert met == ["README.md", "docs/A.md", "docs"]
    (tmp_path / "docs" / "README.md").touch()
    assert target_of("docs", "README.md", tmp_path) == "docs/README.md"


@pytest.mark.parametrize("link", ["no.md", "../outside.md"])
def test_a_dead_link_stops_the_build(tmp_path, link):
    (tmp_path.parent / "outside.md").touch()
    with pytest.raises(ValueError, match=r"README\.md links to .* no such file"):
        target_of(link, "README.md", tmp_path)


def test_the_corner_of_a_table_is_no_heading():
    page = plain("| | a |\n|---|---|\n| b | 1 |\n")
    assert "<th></th>" not in page and "<td></td>\n<th>a</th>" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_headings_leave_no_level_out(page):
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", plain(page.read_text()))]
    assert [after for before, after in zip([0, *levels], levels, strict=False) if after > before + 1] == []
