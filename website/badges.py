"""Hosted notebooks: the badges of every lesson, and the address that a lesson installs its package from.

    make badges REPOSITORY=owner/name

One place knows the address of the repository: ``Repository`` in ``[project.urls]`` of pyproject.toml. The command writes
it there, and from there into everything that holds it: the badges of the README and of each lesson, and the first code
cell of each lesson. It can be run again, with the same name or another one, so a fork needs one command.

Until somebody publishes, the place holds ``PLACEHOLDER``, and a badge would lead nowhere. So the lessons have no badges,
and the README has a sentence with the command in their place. The first cell of a lesson then installs ``..``: the copy
of the repository that the notebook lies in, which is there wherever an unpublished lesson can be. The site is built from
the variable GITHUB_REPOSITORY instead, where GitHub's workflows set it (``published``), so its page of live lessons has
badges on GitHub before anybody runs the command.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLACEHOLDER = "OWNER/REPOSITORY"
BRANCH = "main"
PLACE = re.compile(r'^Repository = "https://github\.com/([^"]+)"$', re.M)
# GitHub's rules: an owner has letters and digits, and single hyphens (of companies: underscores) between them; a name also dots.
NAME = re.compile(r"[A-Za-z0-9](?:[-_]?[A-Za-z0-9]){0,38}/(?!\.{1,2}$)(?![\w.-]*\.git$)[\w.-]{1,100}", re.A)
TABLE = re.compile(r"(?<=<!-- hosts -->\n).*?(?=<!-- end of hosts -->)", re.S)
ROW = re.compile(r"\n\n\[!\[Colab\]\([^\n]*")  # the badges of a lesson, behind its title
IMPORTS = """import importlib.util
import sys

if not importlib.util.find_spec("reference"):  # a hosted notebook begins without the package of the course"""
READY = re.compile(rf"\A{re.escape(IMPORTS)}.*?\n\n", re.S)
PICTURES = {
    "Colab": "https://colab.research.google.com/assets/colab-badge.svg",
    "Kaggle": "https://kaggle.com/static/images/open-in-kaggle.svg",
    "Binder": "https://mybinder.org/badge_logo.svg",
    "Codespaces": "https://github.com/codespaces/badge.svg",
}
NO_ADDRESS = """This copy of the course does not know its address on GitHub yet, so it has no badges. Whoever publishes it runs this once:

```bash
make badges REPOSITORY=owner/name
```

Then each lesson has a badge for Colab, Kaggle, Binder and Codespaces, here and below its title.
"""


def named(root: Path) -> str:
    """owner/name as pyproject.toml has it, or the placeholder."""
    found = PLACE.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError('pyproject.toml has no line Repository = "https://github.com/..." in [project.urls]')
    return found[1]


def published(root: Path, environment: Mapping[str, str] = os.environ) -> str | None:
    """owner/name for the site: what pyproject.toml says, else what GitHub says, else None."""
    name = named(root)
    return name if name != PLACEHOLDER else environment.get("GITHUB_REPOSITORY") or None


def links(name: str, notebook: str) -> dict[str, str]:
    """Host -> the address that opens a notebook there. ``notebook``: notebooks/04_clipping.ipynb."""
    return {
        "Colab": f"https://colab.research.google.com/github/{name}/blob/{BRANCH}/{notebook}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src=https://github.com/{name}/blob/{BRANCH}/{notebook}",
        "Binder": f"https://mybinder.org/v2/gh/{name}/{BRANCH}?urlpath=lab/tree/{notebook}",
        "Codespaces": f"https://codespaces.new/{name}?quickstart=1",  # one for the repository: it opens lesson 00
    }


def badge(host: str, link: str) -> str:
    return f"[![{host}]({PICTURES[host]})]({link})"


def row(name: str, notebook: str) -> str:
    """The four badges of a lesson, on one line, and the glossary: Colab and Kaggle follow whole addresses only."""
    badges = [badge(host, link) for host, link in links(name, notebook).items()]
    return " ".join([*badges, f"[Glossary](https://github.com/{name}/blob/{BRANCH}/docs/GLOSSARY.md)"])


def table(name: str, lessons: Mapping[str, str]) -> str:
    """What the README says. ``lessons``: file -> title."""
    if name == PLACEHOLDER:
        return NO_ADDRESS
    rows = [
        f"| {title} | {' | '.join(badge(host, link) for host, link in links(name, file).items())} |"
        for file, title in lessons.items()
    ]
    return "\n".join([f"| | {' | '.join(PICTURES)} |", f"|---|{'---|' * len(PICTURES)}", *rows, ""])


def source_of(name: str) -> str:
    """What pip is told to install: the archive of the branch, or the copy of the repository around the notebook."""
    return ".." if name == PLACEHOLDER else f"https://github.com/{name}/archive/{BRANCH}.zip"


def ready(source: str) -> str:
    """The first lines of a lesson. They do nothing where the package is installed."""
    command = f"""f'"{{sys.executable}}" -m pip install -qq {source}'"""
    call = f"    get_ipython().system({command})"
    if len(call) > 120:  # as ruff format writes it
        call = f"    get_ipython().system(\n        {command}\n    )"
    return f"{IMPORTS}\n{call}\n\n"


def with_source(notebook: dict[str, Any], source: str) -> dict[str, Any]:
    """The notebook whose first code cell installs the package from ``source``."""
    cells = [dict(cell) for cell in notebook["cells"]]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    first["source"] = lines(ready(source) + READY.sub("", "".join(first["source"])))
    return {**notebook, "cells": cells}


def with_address(notebook: dict[str, Any], name: str, file: str) -> dict[str, Any]:
    """The notebook with the badges and the first lines of this repository in the place of any others."""
    made = with_source(notebook, source_of(name))
    title, newline, rest = ROW.sub("", "".join(made["cells"][0]["source"]), count=1).partition("\n")
    badges = "" if name == PLACEHOLDER else f"\n\n{row(name, file)}"
    made["cells"][0]["source"] = lines(title + badges + newline + rest)
    return made


def lines(text: str) -> list[str]:
    """A text as notebooks hold it."""
    return text.splitlines(keepends=True)


def lessons_of(root: Path) -> dict[str, str]:
    """File -> title: notebooks/04_clipping.ipynb is 04 Clipping."""
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        found[f"notebooks/{path.name}"] = first.partition("\n")[0].removeprefix("# ").replace(" · ", " ")
    return found


def write(root: Path, name: str) -> None:
    """Write owner/name, or the placeholder, into every place that holds the address."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no repository of GitHub: say its owner and its name, as in {PLACEHOLDER.lower()}"
        )
    texts = {
        "pyproject.toml": lambda text: PLACE.sub(f'Repository = "https://github.com/{name}"', text),
        "README.md": lambda text: TABLE.sub(lambda _: table(name, lessons_of(root)), text),
    }
    for file, changed in texts.items():
        path = root / file
        path.write_text(changed(path.read_text(encoding="utf-8")), encoding="utf-8")
    for file in lessons_of(root):
        path = root / file
        notebook = with_address(json.loads(path.read_text(encoding="utf-8")), name, file)
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or not arguments[0]:
        sys.exit("Say which repository of GitHub this is: make badges REPOSITORY=owner/name")
    try:
        write(ROOT, arguments[0])
    except ValueError as error:
        sys.exit(str(error))
    print(f"README.md, pyproject.toml and the lessons name {arguments[0]} now. Commit what git status shows.")


if __name__ == "__main__":
    main(sys.argv[1:])
