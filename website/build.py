"""Build the site: walk along the links from the README, the lessons and the navigation, and write a page for each file."""

import re
import shutil
from functools import partial
from pathlib import Path

from website.badges import published
from website.code import file_page, folder_page
from website.links import HOME, LIVE, PICTURES, address, numbered, relative, rewritten
from website.markdown import html
from website.notebooks import live_page, notebook_page
from website.page import LOOK_UP, MORE, framed, title_of
from website.search import entries, index

STATIC = Path(__file__).parent / "static"
INDEX = "search-index.js"
ROW = re.compile(r"<tr>\n<td><code>([\w<>]+)</code></td>")


def build(root: Path, out: Path) -> list[str]:
    """Write the site of the repository ``root`` into ``out``. Gives the pages that were written."""
    empty(out)
    lessons = lessons_of(root)
    queue = [HOME, *lessons, *LOOK_UP, *MORE]
    pages: dict[str, str] = {}
    while queue:
        file = queue.pop(0)
        if file in pages:
            continue
        if Path(file).suffix in PICTURES:
            pages[file] = ""
            copy(root / file, out / file)
        else:
            pages[file] = body(file, root, out, lessons, queue)
    found: list[list[str]] = []
    for file, content in pages.items():
        if content:
            page = address(file, root)
            write(out / page, framed(file, content, lessons, root))
            found += entries(file, page, content, whole=page != f"{file}.html")
    write(out / "static" / INDEX, index(found))
    for path in STATIC.glob("*.[cj]s*"):
        copy(path, out / "static" / path.name)
    return [address(file, root) for file, content in pages.items() if content]


def body(file: str, root: Path, out: Path, lessons: dict[str, str], met: list[str]) -> str:
    """What a page says. The files that it links to are added to ``met``."""
    rewrite = partial(rewritten, file=file, root=root, met=met)
    if file == LIVE:
        return live_page(lessons, root, published(root))
    if (root / file).is_dir():
        return folder_page(file, root, met)
    if file.endswith(".ipynb"):
        live = f"{relative(address(LIVE, root), address(file, root))}#{Path(file).stem[:2]}"
        return notebook_page(root / file, rewrite, partial(save, page=address(file, root), out=out), live)
    if file.endswith(".md"):
        taken: list[str] = []
        return named_rows(html((root / file).read_text(), rewrite, taken), taken)
    return file_page(file, root)


def named_rows(content: str, taken: list[str]) -> str:
    """Rows of a table that begin with the name of a function can be linked to, and found by the search box."""

    def named(row: re.Match[str]) -> str:
        return row[0].replace("<tr>", f'<tr id="{numbered(row[1].replace("<wbr>", "") + "-row", taken)}">', 1)

    return ROW.sub(named, content)


def lessons_of(root: Path) -> dict[str, str]:
    """File -> title of every notebook, in their order."""
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        content = notebook_page(path, lambda link: link, lambda name, png: name, "")
        found[f"notebooks/{path.name}"] = title_of(content, path.name)
    return found


def save(name: str, png: bytes, *, page: str, out: Path) -> str:
    """Write the picture of a cell, and give its address as seen from the page."""
    target = f"pictures/{name}"
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    (out / target).write_bytes(png)
    return relative(target, page)


def empty(out: Path) -> None:
    """Remove an older site. A folder that holds anything else is left alone."""
    if out.exists() and any(out.iterdir()):
        if not (out / "static" / INDEX).exists():
            raise ValueError(f"{out} holds something that is no site of this course. Name another folder.")
        shutil.rmtree(out)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
