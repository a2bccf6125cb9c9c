"""The lessons, in the order in which they are taken. Each is a folder with its notebook's name and, as far as it has them:

    exercises.py     what the learner writes: the inputs it is tried on, and the hints
    mistakes/        wrong solutions, with what to say about them: EXERCISE.py (EXERCISE_*.py beside it where they are many)
    questions.py     what ``quiz`` asks
    widgets.py       what ``play`` shows
    figures.py       pictures: pure functions from numbers to a matplotlib Figure (figures_*.py where they are many)
    experiments.py   the recorded runs that the lesson shows: name in figures/runs -> options of train; and the recorded
                     completions, if it has any: name in figures/completions -> options of complete

A new lesson takes its folder, its notebook and its name in LESSONS.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from reference.teaching.bug import Bug, bugs_of

LESSONS = (
    "masking",
    "alignment",
    "kl",
    "value",
    "clipping",
    "advantages",
    "aggregation",
    "kl_place",
    "preference",
    "tool_use",
    "evaluation",
    "over_optimisation",
    "debug_lab",
    "codebases",
)

Entry = TypeVar("Entry")


def file_of(lesson: str, *names: str) -> ModuleType | None:
    """file_of("kl", "mistakes", "kl_k3"): that module; None where the lesson has no such file."""
    if not Path(__file__).parent.joinpath(lesson, *names).with_suffix(".py").is_file():
        return None
    return import_module(".".join([__name__, lesson, *names]))


def files(name: str) -> list[ModuleType]:
    """The file of that name of every lesson that has one."""
    return [file for lesson in LESSONS if (file := file_of(lesson, name))]


def union(tables: Iterable[dict[str, Entry]]) -> dict[str, Entry]:
    """All entries of all tables. A name stands for one thing in all lessons."""
    found: dict[str, Entry] = {}
    for table in tables:
        if twice := found.keys() & table.keys():
            raise ValueError(f"two lessons have an entry {', '.join(sorted(twice))}: rename one of them")
        found |= table
    return found


def experiments() -> dict[str, str]:
    """Every recipe of the README's table, and what the lessons add."""
    from reference.runs import recorded_runs

    return union([recorded_runs.EXPERIMENTS, *(file.EXPERIMENTS for file in files("experiments"))])


def recorded_files() -> dict[str, str]:
    """The files that lessons show: name -> the command that writes it. No name is that of a run: ``record`` takes both."""
    kinds = {"complete": "COMPLETIONS", "best-of-n": "BEST_OF_N"}
    found = union(
        {name: f"{command} {options}" for name, options in getattr(file, table, {}).items()}
        for command, table in kinds.items()
        for file in files("experiments")
    )
    union([found, experiments()])
    return found


def bugs() -> list[Bug]:
    """The mistakes of all exercises."""
    found = []
    for lesson in LESSONS:
        for path in sorted(Path(__file__).parent.joinpath(lesson, "mistakes").glob("[!_]*.py")):
            found += bugs_of(import_module(f"{__name__}.{lesson}.mistakes.{path.stem}"))
    return found


TABLES: dict[str, Callable[[], Any]] = {
    "EXERCISES": lambda: union(file.EXERCISES for file in files("exercises")),
    "QUESTIONS": lambda: union(file.QUESTIONS for file in files("questions")),
    "WIDGETS": lambda: union(file.WIDGETS for file in files("widgets")),
    "EXPERIMENTS": experiments,
    "FILES": recorded_files,
    "BUGS": bugs,
}


def __getattr__(name: str) -> Any:
    # Each is made when it is asked for: a command that lists experiments loads no widgets.
    if name in TABLES:
        globals()[name] = TABLES[name]()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
