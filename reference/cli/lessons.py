"""The command ``lessons``: the notebooks, copied into a folder of one's own."""

import argparse
from importlib.util import find_spec

from reference.cli.output import emit
from reference.cli.values import folder


def add_lessons(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "lessons",
        help="copy the notebooks into a folder of your own",
        description=(
            "Copy the notebooks of the course into FOLDER, with the pages that they link to. The recorded runs that they show "
            "come with the package. A file of FOLDER that differs is never overwritten without --force."
        ),
        epilog="Example: python -m reference lessons course",
    )
    parser.add_argument("folder", metavar="FOLDER", type=folder, help="where they go; it is made if it is not there")
    parser.add_argument("--force", action="store_true", help="overwrite what differs, your own work too")
    return parser


def lessons_command(args: argparse.Namespace) -> int:
    from reference.lessons.copying import copy_files, how_to_open, lesson_files

    notebooks = copy_files(lesson_files(), args.folder, force=args.force)
    opened = how_to_open(notebooks[0], lab=find_spec("jupyterlab") is not None)
    emit(f"{len(notebooks)} notebooks are in {notebooks[0].parent}. Open the first with: {opened}")
    return 0
