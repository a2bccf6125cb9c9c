"""The command ``frameworks``: what other frameworks do when nothing is said."""

import argparse
import json
from pathlib import Path

from reference.cli.output import emit

PAGE = Path(__file__).parents[2] / "docs" / "FRAMEWORKS.md"


def add_frameworks(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "frameworks",
        help="what TRL, verl and others do when nothing is said",
        description=(
            "The defaults of other frameworks, slot by slot, with the file and line of the version that they were read "
            "from: what do they divide by, where is the KL, which options do nothing? Without names: what there is."
        ),
        epilog=(
            "Examples: python -m reference frameworks skyrl; python -m reference frameworks --slot aggregation; "
            "python -m reference frameworks trl verl --slot kl --json"
        ),
    )
    parser.add_argument("names", nargs="*", metavar="FRAMEWORK", help="as trl or skyrl; none with --slot: all")
    parser.add_argument(
        "--slot", action="append", metavar="SLOT", help="one choice, such as kl; several times for several"
    )
    parser.add_argument("--version", metavar="V", help="of one framework, a recorded version that is not the newest")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--write", action="store_true", help="write the page docs/FRAMEWORKS.md instead")
    return parser


def frameworks_command(args: argparse.Namespace) -> int:
    from reference.frameworks.defaults import framework_named, newest, slot_named
    from reference.frameworks.slots import SLOTS
    from reference.frameworks.text import as_json, overview, page, report
    from reference.objectives.shapes import InputError

    if args.write:
        PAGE.write_text(page(), encoding="utf-8")
        emit(PAGE)
        return 0
    if args.version and len(args.names) != 1:
        raise InputError("--version belongs to one framework: name it, as in frameworks trl --version 1.16.0")
    slots = [slot_named(name) for name in args.slot or SLOTS]
    names = args.names or sorted(newest())
    frameworks = [framework_named(name, args.version) for name in names]
    if args.json:
        emit(json.dumps(as_json(frameworks, slots), ensure_ascii=False, indent=1))
    else:
        emit(report(frameworks, slots) if args.names or args.slot else overview())
    return 0
