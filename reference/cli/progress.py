"""The command ``progress``: what the learner has solved, as ``progress()`` shows it in a notebook."""

import argparse

from reference.cli.output import emit


def add_progress(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "progress",
        help="which exercises you have solved, which you have tried, and what is next",
        description=(
            "Read the verdicts that check has given in your notebooks. They are kept in one file of this computer, whose name is "
            "printed at the end, and sent nowhere. The environment variable REFERENCE_PROGRESS names another file; with the "
            "value off, nothing is kept."
        ),
        epilog="Example: python -m reference progress",
    )
    parser.add_argument(
        "--reset", action="store_true", help="delete the file: every exercise counts as not tried again"
    )
    return parser


def progress_command(args: argparse.Namespace) -> int:
    from reference.lessons.tools import exercises_by_notebook
    from reference.teaching.progress import forget, report

    emit(forget() if args.reset else report(exercises_by_notebook()).text)
    return 0
