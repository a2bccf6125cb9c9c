"""Where a file of the repository stands on the site, and the address of one page as seen from another."""

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

HOME = "README.md"
LIVE = "live"  # the one page that no file of the repository stands behind
PICTURES = (".png", ".svg", ".jpg")


def address(file: str, root: Path) -> str:
    """The page of a file or folder: ``docs/GLOSSARY.md`` is docs/GLOSSARY.html, a picture stays what it is."""
    if file == HOME:
        return "index.html"
    if file == LIVE:
        return "live.html"
    path = PurePosixPath(file)
    if path.suffix in (".md", ".ipynb"):
        return str(path.with_suffix(".html"))
    if path.suffix in PICTURES:
        return file
    return f"{file}/index.html" if (root / file).is_dir() else f"{file}.html"


def relative(target: str, page: str) -> str:
    """An address as a page writes it, so that the site works in any folder and from a disk."""
    return os.path.relpath(target, os.path.dirname(page) or ".")


def is_external(link: str) -> bool:
    return bool(urlsplit(link).scheme)


def target_of(link: str, file: str, root: Path) -> str:
    """The file of the repository that a link in ``file`` leads to; a folder with a README leads to that."""
    path = unquote(link.partition("#")[0])
    found = os.path.normpath(os.path.join(os.path.dirname(file), path)) if path else file
    if found.startswith("..") or not (root / found).exists():
        raise ValueError(f"{file} links to {link}, and there is no such file. Mend the link.")
    readme = f"{found}/README.md".removeprefix("./")
    return readme if (root / found).is_dir() and (root / readme).exists() else found


def rewritten(link: str, file: str, root: Path, met: list[str]) -> str:
    """A link of a file as its page writes it. The file that it leads to is added to ``met``."""
    if is_external(link):
        return link
    target = target_of(link, file, root)
    met.append(target)
    _, mark, anchor = link.partition("#")
    page = address(file, root)
    if target == file and anchor:
        return f"#{anchor}"
    return relative(address(target, root), page) + mark + anchor


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading: letters, digits, hyphens and underscores of its text."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def numbered(name: str, taken: list[str]) -> str:
    """An anchor that is not taken yet, and is from now on. The second of a name ends in -1, as on GitHub."""
    count, free = 0, name
    while free in taken:
        count += 1
        free = f"{name}-{count}"
    taken.append(free)
    return free
