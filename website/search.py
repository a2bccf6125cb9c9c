"""What the search box looks through: the sections of all pages, in a script, so that it works without a server."""

import json
import re

from website.page import text_of, title_of

CUT = re.compile(r'<(?:h[1-4]|tr) id="([^"]+)"[^>]*>')
HEAD = re.compile(r"(?:<td>)?(.*?)</(?:h[1-4]|td)>", re.S)
OUTPUT = re.compile(r'<pre class="output.*?</pre>', re.S)  # what a program prints is numbers, and nobody searches those


def entries(file: str, page: str, html: str, *, whole: bool) -> list[list[str]]:
    """[address, title of the page, heading, text] of each section. ``whole`` is false for code: its name is enough."""
    title = title_of(html, file)
    if not whole:
        return [[page, title, title, ""]]
    first, *rest = CUT.split(OUTPUT.sub("", html))
    found = [[page, title, title, text_of(first)]] if text_of(first) else []
    for anchor, section in zip(rest[::2], rest[1::2], strict=True):
        head = HEAD.match(section)
        words = head[1] if head else anchor
        found.append([f"{page}#{anchor}", title, text_of(words), text_of(section[head.end() :] if head else section)])
    return found


def index(found: list[list[str]]) -> str:
    """The script: one call with all entries."""
    return f"searchIndex({json.dumps(found, ensure_ascii=False, separators=(',', ':'))});\n"
