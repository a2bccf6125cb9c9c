"""The frame around every page: header, navigation, previous and next lesson."""

import re
from html import escape, unescape
from pathlib import Path
from string import Template

from website.links import LIVE, address, relative

NAME = "The engineering of LLM post-training"
LOOK_UP = {
    "reference/objectives/README.md": "Formulas",
    "tests/oracles/README.md": "Oracle table",
    "docs/FRAMEWORKS.md": "Defaults of frameworks",
    "docs/GLOSSARY.md": "Glossary",
    "findings/README.md": "Findings",
    "docs/REFERENCES.md": "Threads that are cited",
}
MORE = {
    LIVE: "Open a lesson live",
    "docs/ACCESSIBILITY.md": "With a keyboard, with a screen reader",
    "docs/ARCHITECTURE.md": "Architecture",
    "CONTRIBUTING.md": "Contributing",
    "CHANGELOG.md": "Changes",
}
FRAME = Template((Path(__file__).parent / "static" / "frame.html").read_text())
BLOCK = re.compile(r"</?(?:td|th|tr|p|li|h\d|div|pre|summary|br)\b[^>]*>")  # words on both sides of these are two
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.S)


def text_of(html: str) -> str:
    """The words of a piece of HTML, on one line."""
    html = re.sub(r"<math.*?</math>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", BLOCK.sub(" ", html))).split())


def title_of(html: str, file: str) -> str:
    found = re.search(r"<h1.*?>(.*?)</h1>", html, re.S)
    return text_of(found[1]) if found else file


def framed(file: str, html: str, lessons: dict[str, str], root: Path) -> str:
    """A whole page. ``lessons``: file -> title, in their order."""
    page = address(file, root)
    title = title_of(html, file)
    return FRAME.substitute(
        title=escape(title if file == "README.md" else f"{title} · {NAME}"),
        name=NAME,
        base=relative(".", page),
        content=html,
        neighbours=neighbours(file, lessons, root),
        navigation=navigation(file, html, lessons, root),
    )


def link(target: str, label: str, file: str, root: Path) -> str:
    current = ' aria-current="page"' if target == file else ""
    return f'<a href="{relative(address(target, root), address(file, root))}"{current}>{escape(label)}</a>'


def navigation(file: str, html: str, lessons: dict[str, str], root: Path) -> str:
    """All lessons, with the sections of the one that is open, and the pages to look things up in."""
    groups = {"Lessons": {"README.md": "Start", **lessons}, "Look up": LOOK_UP, "More": MORE}
    lines = []
    for heading, entries in groups.items():
        items = "".join(
            f"<li>{link(target, label, file, root)}{sections(html) if target == file and file in lessons else ''}</li>\n"
            for target, label in entries.items()
        )
        lines.append(f"<h2>{heading}</h2>\n<ul>\n{items}</ul>")
    return "\n".join(lines)


def sections(html: str) -> str:
    items = "".join(
        f'<li><a href="#{anchor}">{escape(text_of(words))}</a></li>' for anchor, words in HEADING.findall(html)
    )
    return f"<ul>{items}</ul>"


def neighbours(file: str, lessons: dict[str, str], root: Path) -> str:
    """Links to the lesson before and the lesson after, nothing on other pages."""
    order = list(lessons)
    if file not in order:
        return ""
    at = order.index(file)
    before = (
        f"<span>Before: {link(order[at - 1], lessons[order[at - 1]], file, root)}</span>" if at else "<span></span>"
    )
    after = order[at + 1 : at + 2]
    nxt = f"<span>Next: {link(after[0], lessons[after[0]], file, root)}</span>" if after else ""
    return f'<nav class="neighbours" aria-label="Lessons before and after">{before}{nxt}</nav>'
