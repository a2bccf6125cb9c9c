"""A lesson as HTML: its texts, its code, and the outputs that are committed with it."""

import base64
import json
import re
import struct
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from website.badges import links
from website.code import highlighted
from website.links import LIVE, address, relative
from website.markdown import Rewrite, html

WIDGET = re.compile(r"^play\.\w+\(", re.M)
Save = Callable[[str, bytes], str]  # a name and the bytes of a picture: its address for the page


def notebook_page(path: Path, rewrite: Rewrite, save: Save, live: str) -> str:
    """All cells of a notebook. ``live`` is where the page says how to open the lesson."""
    taken: list[str] = []
    cells = json.loads(path.read_text())["cells"]
    return "\n".join(cell_html(cell, rewrite, save, live, taken) for cell in cells)


def cell_html(cell: dict[str, Any], rewrite: Rewrite, save: Save, live: str, taken: list[str]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        text = html(source, rewrite, taken, formulas=True)
        note = f'<p class="live"><a href="{live}">Open this lesson live</a> to run and change its cells.</p>\n'
        return text + note if "<h1" in text else text
    outputs = [output_html(output, f"{cell['id']}-{i}", rewrite, save) for i, output in enumerate(cell["outputs"])]
    if WIDGET.search(source) and any("<img" in output for output in outputs):
        outputs.append(f'<p class="live">This is a picture of a widget. <a href="{live}">Open the lesson live</a> '
                       "to move its controls.</p>\n")  # fmt: skip
    inner = highlighted(source, "python") + "".join(outputs)
    return f'<div class="cell" id="{cell["id"]}">\n{inner}</div>\n'


def output_html(output: dict[str, Any], name: str, rewrite: Rewrite, save: Save) -> str:
    """What a cell has shown: a picture, a quiz, a table, or plain text."""
    if output["output_type"] == "stream":
        return printed("".join(output["text"]))
    data = {kind: "".join(value) for kind, value in output["data"].items()}
    if "image/png" in data:
        return picture(base64.b64decode(data["image/png"]), name, data["text/plain"], save)
    if "text/markdown" in data:
        return f'<div class="output quiz">{html(data["text/markdown"], rewrite, [])}</div>\n'
    if "text/html" in data:
        return f'<div class="output scroll">{data["text/html"]}</div>\n'
    return printed(data["text/plain"])


def printed(text: str) -> str:
    return f'<pre class="output scroll">{escape(text, quote=False)}</pre>\n'


def picture(png: bytes, name: str, words: str, save: Save) -> str:
    """A picture with its description, which holds its numbers, and its size, so that nothing moves when it arrives."""
    width, height = struct.unpack(">II", png[16:24])
    image = (
        f'<img src="{save(f"{name}.png", png)}" alt="{escape(words)}" width="{width}" height="{height}" loading="lazy">'
    )
    told = f"<details><summary>The picture in words</summary><p>{escape(words, quote=False)}</p></details>"
    return f'<figure class="output">{image}{told}</figure>\n'


def live_page(lessons: dict[str, str], root: Path, repository: str | None) -> str:
    """How to open each lesson live: links to the hosts, and a command. ``lessons``: file -> title.

    ``repository``: owner/name on GitHub, None where it has no address. The links are words: no page loads a badge.
    """
    hosts = (
        "<p>Each lesson opens in the browser on Colab, Kaggle, Binder and Codespaces. On Colab and Kaggle its first cell "
        "installs the package, which takes less than a minute. Nothing is left there when the session ends, unless you "
        "save a copy.</p>"
    )
    parts = [
        "<h1>Open a lesson live</h1>",
        "<p>A lesson is a notebook. Live, you can run its cells, write its functions and move its widgets.</p>",
        hosts if repository else "",
        "<p>On your computer you need Python 3.11 or newer, <code>make</code>, and a copy of the repository. The first "
        "command sets up everything, which takes some minutes, and opens lesson 00:</p>",
        highlighted("make lab\n", "bash"),
        "<p>Afterwards one command opens one lesson:</p>",
    ]
    page = address(LIVE, root)
    for file, title in lessons.items():
        link = f'<a href="{relative(address(file, root), page)}">{escape(title)}</a>'
        command = highlighted(f".venv/bin/python -m jupyter lab {file}\n", "bash")
        parts.append(f'<h2 id="{Path(file).stem[:2]}">{link}</h2>\n{opened(repository, file)}{command}')
    return "\n".join(parts)


def opened(repository: str | None, file: str) -> str:
    """The hosts that open a lesson, as links; nothing where the repository has no address."""
    if not repository:
        return ""
    found = [f'<a href="{escape(link)}">{host}</a>' for host, link in links(repository, file).items()]
    return f'<p class="hosts">Open it on {", ".join(found[:-1])} or {found[-1]}.</p>\n'
