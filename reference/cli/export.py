"""The command ``export``: a recipe as a config of another framework."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from reference.algorithms.recipes import ROWS, Recipe, recipe_from
from reference.cli.options import Defaults
from reference.cli.output import emit
from reference.cli.parser import Parser
from reference.cli.recipe_options import add_recipe_options

TARGETS = ("trl", "verl", "openrlhf", "nemo")


def add_export(subparsers: argparse._SubParsersAction, command: Callable[[argparse.Namespace], int]) -> None:
    """A parser for each recipe, with the options that ``train`` has for it where they are columns of the table."""
    parser = subparsers.add_parser(
        "export",
        help="write a recipe as a config of TRL, verl or another framework",
        description=(
            "Write a recipe as a config of another framework. Every option that decides the algorithm is written, also where "
            "it has its default, and what the framework has no option for is refused by name."
        ),
        epilog="Example: python -m reference export grpo --to verl --clip-high 0.28 --out run_grpo.sh",
    )
    rows = parser.add_subparsers(required=True, metavar="RECIPE", parser_class=Parser)
    for recipe in ROWS:
        add_one(rows, recipe).set_defaults(command=command, recipe=recipe.name)


def add_one(rows: argparse._SubParsersAction, recipe: Recipe) -> argparse.ArgumentParser:
    parser = rows.add_parser(
        recipe.name,
        help=recipe.title,
        usage=f"python -m reference export {recipe.name} --to F [options]",
        description=f"{recipe.title} ({recipe.source}) as a config of another framework.",
        epilog=f"Then: python -m reference explain FILE. It says what the file amounts to, which is {recipe.name} again.",
        formatter_class=Defaults,
    )
    add = parser.add_argument_group("the config").add_argument
    add("--to", required=True, choices=TARGETS, help="the framework")
    add("--framework-version", metavar="V", help="of the framework, one that is recorded; left out: the newest")
    add("--out", metavar="FILE", type=Path,
        help="where it goes, a .py or .yaml for TRL, a .sh for verl and OpenRLHF, a .yaml for NeMo-RL; left out: printed")  # fmt: skip
    add("--model", metavar="NAME", help="the model to start from, as the framework takes it; left out: to be filled in")
    add("--json", action="store_true", help="print one JSON object with the options and nothing else")
    add_recipe_options(parser, recipe)
    return parser


def export_command(args: argparse.Namespace) -> int:
    from reference.algorithms.limits import require_limits
    from reference.cli.unread_options import require_read
    from reference.frameworks.export import as_json, export, text_of
    from reference.objectives.shapes import InputError

    recipe = recipe_from(vars(args))
    require_limits(recipe)
    require_read(recipe, args.typed)
    exported = export(recipe, args.to, version=args.framework_version)
    if args.json:
        if args.out:
            raise InputError("--json prints, and --out writes a file: leave one of them out")
        emit(json.dumps(as_json(exported), ensure_ascii=False, indent=1))
        return 0
    text = text_of(exported, args.out.suffix if args.out else None, model=args.model)
    if args.out is None:
        emit(text.rstrip("\n"))
        return 0
    if args.out.exists():
        raise InputError(f"{args.out} is there already: name another file, or remove it")
    args.out.write_text(text, encoding="utf-8")
    emit(args.out)
    return 0
