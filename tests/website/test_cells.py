"""The cells of a lesson as HTML, and what the search box finds in them."""

import base64
import json

from website.badges import links
from website.notebooks import live_page, notebook_page
from website.page import text_of
from website.search import entries, index

# The smallest PNG header: signature, length and name of the first chunk, then width 300 and height 2
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (300).to_bytes(4, "big") + (2).to_bytes(4, "big")


def code(source: str, **output: object) -> dict:
    return {"cell_type": "code", "id": "kl-020", "source": [source], "outputs": [output] if output else []}


def data(**kinds: str) -> dict:
    return {"output_type": "display_data", "data": {kind.replace("_", "/"): [text] for kind, text in kinds.items()}}


def drawn(tmp_path, *cells: dict, saved: dict | None = None) -> str:
    path = tmp_path / "02_x.ipynb"
    path.write_text(json.dumps({"cells": list(cells)}))

    def save(name: str, png: bytes) -> str:
        (saved if saved is not None else {})[name] = png
        return f"pictures/{name}"

    return notebook_page(path, lambda link: link, save, "../live.html#02")


def test_a_picture_is_a_file_with_its_words_and_its_size(tmp_path):
    saved: dict[str, bytes] = {}
    picture = data(image_png=base64.b64encode(PNG).decode(), text_plain='KL 0.006, "k1" mean')
    page = drawn(tmp_path, code("show(figure)", **picture), saved=saved)
    assert saved == {"kl-020-0.png": PNG}
    assert 'src="pictures/kl-020-0.png" alt="KL 0.006, &quot;k1&quot; mean" width="300" height="2"' in page
    assert '<p>KL 0.006, "k1" mean</p>' in page
    assert "live.html" not in page


def test_the_picture_of_a_widget_leads_to_the_live_lesson(tmp_path):
    page = drawn(tmp_path, code("play.kl()", **data(image_png=base64.b64encode(PNG).decode(), text_plain="KL 0")))
    assert "picture of a widget" in page and 'href="../live.html#02"' in page


def test_what_was_printed_is_escaped_and_a_quiz_is_markdown(tmp_path):
    page = drawn(tmp_path, code("print(1)", output_type="stream", name="stdout", text=["a < b\n"]))
    assert '<pre class="output scroll">a &lt; b\n</pre>' in page
    page = drawn(tmp_path, code('quiz("x")', **data(text_markdown="**Which?**\n\n- one", text_plain="Which?")))
    assert "<strong>Which?</strong>" in page and "<li>one</li>" in page


def test_the_first_cell_says_how_to_open_the_lesson(tmp_path):
    page = drawn(tmp_path, {"cell_type": "markdown", "source": ["# 02 · X\n", "Text."]}, code("1"))
    assert page.index("</h1>") < page.index('href="../live.html#02"') < page.index('id="kl-020"')


def test_the_live_page_has_a_command_for_each_lesson(tmp_path):
    page = live_page({"notebooks/02_x.ipynb": "02 · X"}, tmp_path, None)
    assert '<h2 id="02"><a href="notebooks/02_x.html">02 · X</a></h2>' in page
    assert "jupyter lab notebooks/02_x.ipynb" in page.replace("</span>", "").replace('<span class="w">', "")
    assert "Colab" not in page


def test_with_an_address_the_live_page_opens_each_lesson_on_each_host(tmp_path):
    page = live_page({"notebooks/02_x.ipynb": "02 · X"}, tmp_path, "ada/course")
    for host, link in links("ada/course", "notebooks/02_x.ipynb").items():
        assert f'<a href="{link}">{host}</a>' in page
    assert "<img" not in page


def test_an_entry_of_the_index_is_a_section_without_what_was_printed():
    page = (
        '<h1 id="t">Title</h1><p>Why</p><h2 id="a">A <code>b</code></h2><p>one &lt; two</p><pre class="output">9</pre>'
        '<table><tr id="f-row">\n<td><code>f</code></td>\n<td>what</td></tr></table>'
    )
    assert entries("x.md", "x.html", page, whole=True) == [
        ["x.html#t", "Title", "Title", "Why"],
        ["x.html#a", "Title", "A b", "one < two"],
        ["x.html#f-row", "Title", "f", "what"],
    ]
    assert entries("x.py", "x.py.html", page, whole=False) == [["x.py.html", "Title", "Title", ""]]
    assert index([["a", "β"]]) == 'searchIndex([["a","β"]]);\n'


def test_words_of_two_blocks_stay_two_and_a_name_in_code_stays_one():
    assert text_of("<p>one</p><p>two<br>three</p>") == "one two three"
    assert text_of("a.<wbr>b <em>c</em>d <math><mi>x</mi></math>") == "a.b cd"
