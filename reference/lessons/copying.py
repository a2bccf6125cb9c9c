"""The lessons in a folder of the learner's own: notebooks, and the pages and files that they link to.

The recorded runs are not copied: a notebook asks the package for them, wherever it lies.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from reference.lessons import LESSONS, file_of
from reference.objectives.shapes import InputError
from reference.runs.course import COURSE
from reference.runs.files import shell_path

PATTERNS = ("notebooks/[0-9]*.ipynb", "docs/*.md", "findings/*.md", "findings/*.sh")
CODE = "code"  # not "reference": Python would take a folder of that name for the package
# What begins with ../ or is a file of these kinds: code in a notebook, as in table[row](x), is no link.
LINK = re.compile(r"\[([^\[\]]*)\]\((\.\./[^()#\s]+|[\w./-]+\.(?:ipynb|md|sh|py))(#[^()\s]*)?\)")


def copy_files(files: Mapping[str, bytes], folder: Path, *, force: bool = False) -> list[Path]:
    """Write ``files`` into ``folder`` and return the notebooks among them. A file that is there as it is wanted is left.

    Raises ``InputError``, before anything is written, for a file that differs, unless ``force`` is on.
    """
    changed = [folder / name for name, content in files.items() if differs(folder / name, content)]
    if changed and not force:
        others = f" (one of {len(changed)} such files)" if len(changed) > 1 else ""
        raise InputError(
            f"{changed[0]} differs from the file of the course{others}: your work may be there. "
            "Name another folder, or add --force to overwrite what differs"
        )
    for name, content in files.items():
        path = folder / name
        if path in changed or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return [folder / name for name in files if name.endswith(".ipynb")]


def differs(path: Path, content: bytes) -> bool:
    """Whether there is something else in the place of the file. A broken link counts as something."""
    if not path.exists():
        return path.is_symlink()
    return not path.is_file() or path.read_bytes() != content


def lesson_files(course: Path = COURSE) -> dict[str, bytes]:
    """Name in the learner's folder -> what is in it."""
    if not (course / "notebooks").is_dir():
        raise InputError(f"the notebooks are not at {course}: work in a clone of the repository, or install its wheel")
    package = Path(__file__).parents[1]
    copied = {
        path.relative_to(course).as_posix(): path for pattern in PATTERNS for path in sorted(course.glob(pattern))
    }
    linked = {target for name in copied if name.endswith(".ipynb") for target in targets(copied[name], name)}
    for target in sorted(name for name in linked if name.startswith("reference/")):
        for path in files_at(package.parent / target):
            copied[f"{CODE}/{path.relative_to(package.parent).as_posix()}"] = path
    texts = (".ipynb", ".md")
    files = {
        name: relinked(path.read_text(encoding="utf-8"), name, set(copied) | {"README.md"}).encode()
        if name.endswith(texts)
        else path.read_bytes()
        for name, path in copied.items()
    }
    return {**files, "README.md": readme(course).encode()}


def files_at(path: Path) -> list[Path]:
    """The file, or the files of the folder; none where nothing is there."""
    return [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())


def targets(path: Path, name: str) -> set[str]:
    """What a file links to, as names in the folder of the course."""
    return {resolved(name, link[2]) for link in LINK.finditer(path.read_text(encoding="utf-8"))}


def resolved(name: str, link: str) -> str:
    """resolved("docs/A.md", "../README.md") is README.md."""
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / link).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def relinked(text: str, name: str, copied: set[str]) -> str:
    """The text of a page, in which every relative link leads somewhere: to a copy, or else its words stand alone."""
    up = "../" * (len(PurePosixPath(name).parts) - 1)

    def link(match: re.Match) -> str:
        words, place, section = match[1], match[2], match[3] or ""
        target = resolved(name, place)
        if there(target, copied):
            return match[0]
        return f"[{words}]({up}{CODE}/{target}{section})" if there(f"{CODE}/{target}", copied) else words

    return LINK.sub(link, text)


def there(target: str, copied: set[str]) -> bool:
    """Whether the copy has that file, or files in that folder."""
    return target in copied or any(name.startswith(f"{target.rstrip('/')}/") for name in copied)


def readme(course: Path = COURSE) -> str:
    """The first page of the learner's folder: the lessons by their titles, and the commands."""
    stems = [file_of(lesson, "__init__").NOTEBOOK for lesson in LESSONS]
    rows = [f"- [{title(course / 'notebooks' / f'{stem}.ipynb')}](notebooks/{stem}.ipynb)" for stem in stems]
    return "\n".join([HEAD, *rows, TAIL])


HEAD = """# The lessons

These notebooks are yours: write in them. They need the package `reference`, which is installed already if
`python -m reference lessons` made this folder.
"""
TAIL = """
`python -m reference progress` tells what you have solved, and what is next. `python -m reference --help` lists the other
commands. Terms are explained in the [glossary](docs/GLOSSARY.md).
"""


def title(notebook: Path) -> str:
    """The first heading of a notebook: 06 · Aggregation."""
    first = "".join(json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["source"])
    return next(line.removeprefix("# ") for line in first.splitlines() if line.startswith("# "))


def how_to_open(notebook: Path, *, lab: bool) -> str:
    """The command that opens a notebook; ``lab``: whether JupyterLab is installed."""
    install = "" if lab else "python -m pip install jupyterlab, and then "
    return f"{install}python -m jupyter lab {shell_path(notebook)}"
