"""The command ``class``: a class of nbgrader from the lessons, and what its learners have done."""

import argparse
from collections.abc import Callable
from pathlib import Path

from reference.cli.options import Defaults
from reference.cli.output import emit
from reference.cli.parser import Parser
from reference.cli.values import folder, positive

NEXT = """{count} assignments are in {folder}/source.

Next, where nbgrader 0.9.6 is installed (python -m venv nbgrader && nbgrader/bin/pip install nbgrader==0.9.6), with its
environment first in PATH, and with a kernel python3 that has this course (docs/CLASS.md says how):

    cd {folder}
    nbgrader generate_assignment {first}    # what learners get is then in release/
    nbgrader autograde {first}              # after their notebooks are in submitted/LEARNER/{first}/
    nbgrader generate_feedback {first}
    python -m reference class report {folder}"""


def add_class(subparsers: argparse._SubParsersAction, command: Callable[[argparse.Namespace], int]) -> None:
    parser = subparsers.add_parser(
        "class",
        help="make a course of nbgrader from the lessons, and see which mistakes a class makes",
        description="For teachers. docs/CLASS.md goes through a whole class.",
    )
    rows = parser.add_subparsers(required=True, metavar="WHAT", parser_class=Parser)
    add_new(rows).set_defaults(command=command, what="new")
    add_report(rows).set_defaults(command=command, what="report")


def add_new(rows: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = rows.add_parser(
        "new",
        help="write a course of nbgrader into a folder",
        description=(
            "Write a source notebook for each lesson, with solutions that nbgrader takes out, and checks that give points: as "
            "many as the exercise has minutes, shared out by cases. nbgrader itself is not needed here."
        ),
        epilog="Example: python -m reference class new course --lesson 00 --lesson 04",
        formatter_class=Defaults,
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder that is not there yet")
    add("--lesson", action="append", metavar="NN", help="a number such as 04, several times for several; left out: all")
    add("--timeout", type=positive(int), default=60, metavar="SECONDS",
        help="that an exercise has; other cells of a submission have five times as many")  # fmt: skip
    add("--grading-seed", type=positive(int), default=1, metavar="N",
        help="draws the inputs that functions are graded on; the learners' check has others")  # fmt: skip
    add("--notebooks", type=folder, metavar="FOLDER", help="of the lessons, where they are not beside this package")
    return parser


def add_report(rows: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = rows.add_parser(
        "report",
        help="which exercises are solved, which mistakes are made, and what to look at by hand",
        description=(
            "Read the notebooks that nbgrader has graded, in FOLDER/autograded. Points that were changed by hand are not in "
            "them: nbgrader export has those."
        ),
        epilog="Example: python -m reference class report course --csv grades.csv --html progress.html",
    )
    add = parser.add_argument
    add("folder", type=folder, metavar="FOLDER", help="the folder of class new")
    add("--csv", type=Path, metavar="FILE", help="also write a row for each learner and exercise")
    add("--html", type=Path, metavar="FILE", help="also write the report as a page")
    return parser


def class_command(args: argparse.Namespace) -> int:
    if args.what == "report":
        from reference.classroom.report import report

        emit(report(args.folder, csv=args.csv, html=args.html))
        return 0
    from reference.classroom.course import new_course

    names = new_course(
        args.folder, lessons=args.lesson or [], seed=args.grading_seed, timeout=args.timeout, notebooks=args.notebooks
    )
    emit(NEXT.format(count=len(names), folder=args.folder, first=names[0]))
    return 0
