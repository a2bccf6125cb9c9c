"""Look a formula up: every objective with its one-line meaning, formula and sources, from the docstrings themselves.

``python -m reference formulas clip higher`` searches them; ``--write`` makes the index in ``objectives/README.md``.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference import objectives
from reference.objectives.shapes import InputError

INDEX = Path(__file__).parent / "objectives" / "README.md"
ROW = re.compile(r"^\| (?!file )(\w+) \|", re.MULTILINE)  # of the table that says what each file answers
FILES = (*(f"objectives.{name}" for name in ROW.findall(objectives.__doc__ or "")), "evaluation.statistics")


HEADER = """# Formulas

Every function here, with its formula. Made from the docstrings by `python -m reference formulas --write`; shapes,
gradients, conventions and who does it differently are in the docstrings themselves. To search them:
`python -m reference formulas clip higher`. What each was compared with: [oracles](../../tests/oracles/README.md).
"""


HOW = "An exact name prints the whole docstring: python -m reference formulas gae"
SMALL = {"a", "and", "for", "in", "is", "of", "the"}


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


def formula_of(function: Callable, file: str) -> Formula:
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
    for file in FILES:
        module = importlib.import_module(f"reference.{file}")
        for name, value in vars(module).items():
            defined_here = inspect.isfunction(value) and value.__module__ == module.__name__
            if defined_here and (name in objectives.__all__ or file.startswith("evaluation")):
                found.append(formula_of(value, file))
    return found


def search(words: list[str]) -> tuple[list[Formula], list[str]]:
    """The formulas that mention most of the words, best first, and the words that the best of them do not mention.

    A hit in the name counts most, then one in the first sentence, the formula, the docstring, the signature, and
    last in the heading of the file; a whole word counts more than a beginning.
    """
    terms = [word for word in normal(" ".join(words)).split() if word not in SMALL]
    found = []
    for place, formula in enumerate(formulas()):
        file = importlib.import_module(f"reference.{formula.file}").__doc__ or ""
        texts = (formula.name, formula.summary, " ".join(formula.lines), formula.text, formula.signature, file)
        ranks = [distance(word, [normal(text) for text in texts]) for word in terms]
        missing = [word for word, rank in zip(terms, ranks, strict=True) if rank is None]
        if len(missing) < len(terms) or not terms:
            found.append((len(missing), sum(rank or 0 for rank in ranks), place, formula, missing))
    found.sort(key=lambda entry: entry[:3])
    fewest = found[0][0] if found else 0
    return [entry[3] for entry in found if entry[0] == fewest], found[0][4] if found else terms


def normal(text: str) -> str:
    """Lower case, British spelling, and nothing but words: reward-to-go is reward to go, kl_k3 is kl k3."""
    return re.sub(r"[^a-z0-9+@]+", " ", text.lower().replace("iz", "is").replace("ior", "iour"))


def distance(word: str, texts: list[str]) -> int | None:
    """How far back the word is found: two for each text, one more if only its stem begins a word there."""
    for place, text in enumerate(texts):
        if f" {word} " in f" {text} ":
            return 2 * place
        if re.search(r"(?<!\S)" + re.escape(stem(word)), text):
            return 2 * place + 1
    return None


def stem(word: str) -> str:
    """A word without its ending, roughly: clipping and clipped are clip, ties is tie."""
    for ending in ("isation", "ations", "ation", "ping", "ped", "ing", "ion", "ed", "er", "es", "e", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def matches(words: list[str]) -> str:
    """What the command line prints: the docstring of an exact name, that of a file and its functions, or a list."""
    everything = formulas()
    if not words:
        return "\n".join(f"{f.name:42} {f.summary}" for f in everything) + f"\n\n{HOW}"
    name = words[0].lower().split(".")[-1] if len(words) == 1 else ""
    exact = [f for f in everything if f.name == name]
    if exact:
        return f"reference.{exact[0].file}.{exact[0].name}{exact[0].signature}\n\n{exact[0].text}"
    found, missing = search(words)
    if not found:
        raise InputError(f"no formula mentions {' or '.join(words)}: try other words, or none for the list of all")
    heading = next(
        (inspect.getdoc(importlib.import_module(f"reference.{f.file}")) for f in found if f.file.endswith(f".{name}")),
        "",
    )
    note = f"Nothing mentions every word. These do not mention {' and '.join(missing)}:" if missing else ""
    entries = [
        "\n".join([f"reference.{f.file}.{f.name}", f"  {f.summary}", *(f"      {line}" for line in f.lines)])
        for f in found
    ]
    return "\n\n".join(part for part in [heading, note, *entries, HOW] if part)


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
