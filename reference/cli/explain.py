"""The command ``explain``: a config of another framework in the words of this course."""

import argparse
import json
from pathlib import Path

from reference.cli.output import emit


def add_explain(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "explain",
        help="say what a config of TRL, verl or another framework amounts to",
        description=(
            "Read a config as it stands - a shell script, a YAML file, a Python script, a notebook - and say which algorithm "
            "it amounts to: the advantage, the KL and its place, the clip, what losses are divided by, every default that it "
            "leaves silent, and what would surprise its author. Nothing in it is run. With two configs: where they differ."
        ),
        epilog="Examples: python -m reference explain run_grpo.sh; python -m reference explain mine.yaml theirs.sh --json",
    )
    parser.add_argument(
        "configs", nargs="+", type=Path, metavar="CONFIG", help="one file to explain, or two to compare"
    )
    parser.add_argument(
        "--framework", metavar="F", help="whose config it is, where the file does not say: trl, verl, ..."
    )
    parser.add_argument(
        "--framework-version", metavar="V", help="whose defaults count; none: the newest that is recorded"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also name the options that say nothing about these questions, and say what defaults mean that wait for another option",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def explain_command(args: argparse.Namespace) -> int:
    from reference.configs.read_config import read_config
    from reference.frameworks.explain import explain
    from reference.frameworks.told import as_json, side_by_side, told
    from reference.objectives.shapes import InputError

    if len(args.configs) > 2:
        raise InputError(f"explain takes one config, or two to compare: {len(args.configs)} were given")
    explained = [
        explain(read_config(path, args.framework), name=path.name, version=args.framework_version)
        for path in args.configs
    ]
    if args.json:
        found = [as_json(one) for one in explained]
        emit(json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False, indent=1, default=str))
    else:
        emit(told(explained[0], all_options=args.all) if len(explained) == 1 else side_by_side(*explained))
    return 0
