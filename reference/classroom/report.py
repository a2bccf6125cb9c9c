"""The report for the teacher: which exercises are solved, which mistakes are made, and what to look at by hand."""

import csv as csv_files
from collections.abc import Iterable
from dataclasses import asdict, fields
from html import escape
from pathlib import Path

from reference.classroom.look_at import to_look_at
from reference.classroom.results import Result, not_graded, results_of
from reference.classroom.without_grade import why_no_grade

Table = tuple[str, list[tuple[str, ...]]]  # a heading, and rows of cells

STYLE = """:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }"""


def report(course: Path, *, csv: Path | None = None, html: Path | None = None) -> str:
    """The report as text; with ``csv`` and ``html`` also written there."""
    results = results_of(course)
    tables = [*exercise_tables(results), *hand_table(course, results)]
    if csv:
        write_csv(csv, results)
    if html:
        html.write_text(page(course.resolve().name, tables), encoding="utf-8")
    return "\n\n".join(as_text(table) for table in tables)


def exercise_tables(results: list[Result]) -> Iterable[Table]:
    """One per exercise: how many learners got which verdict, and who. The most frequent verdict comes first."""
    for assignment, exercise in dict.fromkeys((result.assignment, result.exercise) for result in results):
        here = [result for result in results if (result.assignment, result.exercise) == (assignment, exercise)]
        mean = sum(result.points for result in here) / len(here)
        passed = sum(result.verdict == "passed" for result in here)
        heading = (
            f"{assignment} · {exercise}: {passed} of {len(here)} passed, {mean:.1f} of {here[0].of:g} points on average"
        )
        verdicts = sorted({result.verdict for result in here}, key=lambda verdict: (-count(here, verdict), verdict))
        rows: list[tuple[str, ...]] = [(str(count(here, v)), v, names(here, v)) for v in verdicts]
        yield heading, rows


def count(results: list[Result], verdict: str) -> int:
    return sum(result.verdict == verdict for result in results)


def names(results: list[Result], verdict: str) -> str:
    return ", ".join(result.learner for result in results if result.verdict == verdict)


def hand_table(course: Path, results: list[Result]) -> Iterable[Table]:
    """What no verdict says: submissions that were not graded, and code that could change its own grade."""
    without = not_graded(course)
    rows: list[tuple[str, ...]] = [(*each, why_no_grade(course, *each)) for each in without]
    graded = dict.fromkeys((result.learner, result.assignment) for result in results)
    for learner, assignment in [*without, *graded]:
        rows += [(learner, assignment, what) for what in to_look_at(course, learner, assignment)]
    if rows:
        yield "To look at by hand", rows


def write_csv(path: Path, results: list[Result]) -> None:
    """A row for each learner and exercise."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv_files.DictWriter(file, [field.name for field in fields(Result)])
        writer.writeheader()
        writer.writerows(asdict(result) for result in results)


def as_text(table: Table) -> str:
    heading, rows = table
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([heading, *(f"  {line}" for line in lines)])


def page(name: str, tables: list[Table]) -> str:
    """All tables on one page that needs nothing else."""
    body = "\n".join(as_html(table) for table in tables)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(name)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{STYLE}\n</style>\n</head>\n'
        f"<body>\n<h1>{escape(name)}</h1>\n{body}\n</body>\n</html>\n"
    )


def as_html(table: Table) -> str:
    heading, rows = table
    titles = ("learner", "assignment", "what") if heading == "To look at by hand" else ("learners", "verdict", "who")
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<h2>{escape(heading)}</h2>\n<table>\n<tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>"
