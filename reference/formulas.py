"""Look a formula up: every objective with its one-line meaning, formula and sources, from the docstrings themselves.

``python -m reference formulas clip higher`` searches them; ``--write`` makes the index in ``objectives/README.md``.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference.objectives.shapes import InputError

INDEX = Path(__file__).parent / "objectives" / "README.md"
FILES = (
    "objectives.logprobs", "objectives.masking", "objectives.supervised", "objectives.returns", "objectives.advantages",
    "objectives.policy", "objectives.value", "objectives.kl", "objectives.preference", "objectives.preference_variants",
    "objectives.steering", "objectives.scalars", "evaluation.statistics",
)  # fmt: skip


HEADER = """# Formulas

Every function here, with its formula. Made from the docstrings by `python -m reference formulas --write`; shapes,
gradients, conventions and who does it differently are in the docstrings themselves. To search them:
`python -m reference formulas clip higher`. What each was compared with: [oracles](../../tests/oracles/README.md).
"""


@dataclass(frozen=True)
class Formula:
    """One function, as its docstring tells it."""

    name: str
    file: str  # "objectives.kl"
    signature: str
    summary: str  # the first sentence
    lines: tuple[str, ...]  # the formula: the first indented block
    papers: tuple[str, ...]  # arXiv numbers
    text: str  # the whole docstring


def read(function: Callable, file: str) -> Formula:
    """What a docstring says, taken apart."""
    text = inspect.getdoc(function) or ""
    first = text.split("\n\n")[0].replace("\n", " ")
    summary = re.match(r".*?\.(?=\s|$)", first)
    block = re.search(r"(?:^ {4}.*\n?)+", text, flags=re.MULTILINE)
    return Formula(
        name=function.__name__,
        file=file,
        signature=str(inspect.signature(function)).replace("jaxtyping.", ""),
        summary=(summary.group() if summary else first).rstrip(".:"),
        lines=tuple(line.strip() for line in block.group().splitlines()) if block else (),
        papers=tuple(dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", text))),
        text=text,
    )


def formulas() -> list[Formula]:
    """All of them, in the order of the files and of the functions in each."""
    found = []
    shown = importlib.import_module("reference.objectives").__all__
    for file in FILES:
        module = importlib.import_module(f"reference.{file}")
        for name, value in vars(module).items():
            defined_here = inspect.isfunction(value) and value.__module__ == module.__name__
            if defined_here and (name in shown or file.startswith("evaluation")):
                found.append(read(value, file))
    return found


def search(words: list[str]) -> list[Formula]:
    """Formulas with a word that begins with each of ``words``; names first, then first sentences, then the rest."""

    def distance(formula: Formula) -> int | None:
        places = (f"{formula.name} {formula.name.replace('_', ' ')}", formula.summary, formula.text)
        hits = [next((i for i, place in enumerate(places) if begins(word, place)), None) for word in words]
        return None if None in hits else sum(hits)

    found = [(distance(formula), formula) for formula in formulas()]
    return [formula for rank, formula in sorted(found, key=lambda pair: pair[0] or 0) if rank is not None]


def begins(word: str, text: str) -> bool:
    """Whether a word of the text begins with ``word``, in British or American spelling."""
    word, text = (x.lower().replace("iz", "is") for x in (word, text))
    return re.search(r"(?<![a-z0-9])" + re.escape(word), text) is not None


def told(words: list[str]) -> str:
    """What the command line prints: the whole docstring of an exact name or a single match, else a list."""
    found = search(words)
    if not found:
        raise InputError(f"no formula mentions {' and '.join(words)}: try fewer or shorter words")
    exact = [formula for formula in found if words == [formula.name]]
    if exact or len(found) == 1:
        formula = (exact or found)[0]
        return f"reference.{formula.file}.{formula.name}{formula.signature}\n\n{formula.text}"
    return "\n\n".join(
        "\n".join([f"reference.{f.file}.{f.name}", f"  {f.summary}", *(f"      {line}" for line in f.lines)])
        for f in found
    )


def index() -> str:
    """The page ``objectives/README.md``."""
    return HEADER + "".join(map(section, FILES))


def section(file: str) -> str:
    """The table of one file."""
    floor, name = file.split(".")
    path = f"{name}.py" if floor == "objectives" else f"../{floor}/{name}.py"
    title = (importlib.import_module(f"reference.{file}").__doc__ or "").splitlines()[0]
    rows = []
    for formula in formulas():
        if formula.file == file:
            lines = "<br>".join(f"`{line}`" for line in formula.lines if line)
            papers = ", ".join(f"[{paper}](https://arxiv.org/abs/{paper})" for paper in formula.papers)
            cells = (f"`{formula.name}`", formula.summary.replace("``", "`"), lines, papers)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return (
        f"\n## [{name}.py]({path})\n\n{title}\n\n| function | what | formula | source |\n|---|---|---|---|\n"
        + "".join(rows)
    )
