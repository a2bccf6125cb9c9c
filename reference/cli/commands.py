"""Every command with its options: train and pretrain here, the others in ``other_commands``, or in a file of its name.

Loads nothing heavy, so that --help appears at once.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, get_args

from reference.algorithms.recipes import CONSTANT_RATE, ROWS, Kind, Recipe, options_of
from reference.cli.best_of_n import add_best_of_n
from reference.cli.complete import add_complete
from reference.cli.faces import add_faces
from reference.cli.options import Defaults, OneOrSeveral, add_device, add_folders, add_model, add_save_every, add_seed
from reference.cli.other_commands import add_bench, add_evaluate, add_figures, add_formulas, add_recipes, add_record
from reference.cli.parser import Parser
from reference.cli.score import add_score
from reference.cli.trajectories import add_trajectories
from reference.cli.values import finite, one_of, one_of_or_folder, optional, positive, source

POSITIVE = {"steps", "minibatches", "inner_epochs", "max_rounds", "prompts_per_step", "group_size", "max_new_tokens",
        "micro_batch_size", "lr", "critic_lr", "max_grad_norm", "temperature", "top_k", "top_p", "beta", "pool"}  # fmt: skip
ALWAYS = ("advantage", "aggregation")  # none in recipes of other kinds, never in those that have the option


def build_parser(commands: Mapping[str, Callable[[argparse.Namespace], int]]) -> Parser:
    """``commands``: what to call for each command."""
    description = (
        "Train and pretrain the small model of the course, or any causal LM, with the course's own objectives."
    )
    parser = Parser(prog="python -m reference", description=description)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    train = subparsers.add_parser(
        "train",
        help="train a model with one of the recipes",
        description="Train with a recipe. The table of all of them: python -m reference recipes",
        epilog="Example: python -m reference train grpo --steps 20 --out runs/first",
    )
    rows = train.add_subparsers(required=True, metavar="RECIPE", parser_class=Parser)
    for recipe in ROWS:
        add_recipe(rows, recipe).set_defaults(command=commands["train"], recipe=recipe.name)
    add_pretrain(subparsers).set_defaults(command=commands["train"], recipe="pretrain")
    add_evaluate(subparsers).set_defaults(command=commands["evaluate"])
    add_bench(subparsers).set_defaults(command=commands["bench"])
    add_recipes(subparsers).set_defaults(command=commands["recipes"])
    add_figures(subparsers).set_defaults(command=commands["figures"])
    add_record(subparsers).set_defaults(command=commands["record"])
    add_formulas(subparsers).set_defaults(command=commands["formulas"])
    add_score(subparsers).set_defaults(command=commands["score"])
    add_faces(subparsers).set_defaults(command=commands["faces"])
    add_trajectories(subparsers).set_defaults(command=commands["trajectories"])
    add_complete(subparsers).set_defaults(command=commands["complete"])
    add_best_of_n(subparsers).set_defaults(command=commands["best-of-n"])
    return parser


def add_recipe(rows: argparse._SubParsersAction, recipe: Recipe) -> argparse.ArgumentParser:
    teacher = " --teacher runs/sft-1" if recipe.advantage == "teacher" else ""  # nothing is learned without one
    parser = rows.add_parser(
        recipe.name,
        help=recipe.title,
        usage=f"python -m reference train {recipe.name} [options]",
        description=(
            f"{recipe.title} ({recipe.source}). What goes wrong most often: {recipe.pitfall}. Prints held-out accuracy "
            "before and after. Leaves in the run folder: config.json, metrics.jsonl (a line per step), tensorboard/, "
            "training.png, accuracy.json and checkpoints/step-N, which from_pretrained loads."
        ),
        epilog=(
            "Ctrl-C, or SIGTERM, finishes the step, saves and stops; --resume RUN goes on exactly where it stopped. "
            f"Example: python -m reference train {recipe.name}{teacher} --steps 20 --out runs/first"
        ),
        formatter_class=Defaults,
    )
    add, tools = parser.add_argument_group("the run").add_argument, recipe.task == "tools"
    add_model(add, recipe.start)
    add_folders(add, recipe.name, longer=recipe.kind in CONSTANT_RATE)
    add_seed(add, "decides problems, samples and minibatches of every step")
    add_device(add)
    add("--engine", choices=("native", "trl"), default="native",
        help="our own loop, or TRL's trainer (also under torchrun or accelerate launch, for more than one machine)")  # fmt: skip
    add_save_every(add, 10)
    add("--eval-problems", type=positive(int), default=300 if tools else 400, metavar="N",
        help="held-out problems for the accuracy")  # fmt: skip
    add("--eval-samples", type=positive(int), default=4 if tools else 8, metavar="K",
        help="samples per held-out problem, also the k of pass@k")  # fmt: skip
    add = parser.add_argument_group("the recipe").add_argument
    for column in options_of(recipe.kind):
        add_option(add, column, recipe.kind, getattr(recipe, column.name))
    return parser


def add_option(add: Callable, column: Any, kind: Kind, default: Any) -> None:
    """One column of the recipe table as an option of a recipe of this kind."""
    flag, words = "--" + column.name.replace("_", "-"), words_of(column, kind)
    if column.type is bool:
        add(flag, action=argparse.BooleanOptionalAction, default=default, help=words)
        return
    kinds = set(get_args(column.type)) or {column.type}
    none = type(None) in kinds and column.name not in ALWAYS
    number = float if float in kinds else int if int in kinds else None
    if number is not None:
        metavar = number.__name__.upper() + ("|none" if none else "")
        parse = positive(number) if column.name in POSITIVE else finite(number)
    elif column.name == "teacher":  # a model, as --model
        metavar, parse = "NAME_OR_PATH|none", source
    else:
        choices = choices_of(column, kind) + (("none",) if none else ())
        metavar, parse = "{" + ",".join(choices) + "}", one_of(choices)
        if folder := column.metadata["folder"]:
            add(flag, action=OneOrSeveral, nargs="+", type=one_of_or_folder(choices, folder), default=default,
                metavar=f"{metavar}|FOLDER", help=words)  # fmt: skip
            return
        if len(metavar) > 72:  # argparse would not break it
            metavar, words = "NAME", f"{words}: one of {', '.join(choices)}"
    add(flag, type=optional(parse) if none else parse, default=default, metavar=metavar, help=words)


def words_of(column: Any, kind: Kind) -> str:
    """What a column of the table means, for a recipe of this kind."""
    words = column.metadata["help"]
    return words[kind] if isinstance(words, dict) else words


def choices_of(column: Any, kind: Kind) -> tuple[str, ...]:
    """The names that may stand in a slot of the table, for a recipe of this kind."""
    choices = column.metadata["choices"]
    return choices.get(kind, ()) if isinstance(choices, dict) else choices


def add_pretrain(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    pretrain = subparsers.add_parser(
        "pretrain",
        help="rebuild the shipped base model from nothing",
        description=(
            "Train the tokenizer, then the small model on drawn solutions, half of them careful, the rest hasty or "
            "sloppy. This is the command that made the checkpoint in reference/world/base."
        ),
        epilog="Ctrl-C, or SIGTERM, finishes the step, saves and stops; --resume RUN goes on exactly where it stopped.",
        formatter_class=Defaults,
    )
    add = pretrain.add_argument
    add_folders(add, "pretrain", longer=False)
    add("--steps", type=positive(int), default=3000, help="batches to train on")
    add("--batch-size", type=positive(int), default=64, metavar="N", help="chats per batch")
    add("--lr", type=positive(float), default=1e-3, help="peak learning rate")
    add_seed(add, "decides the corpus and the initial weights")
    add_device(add)
    add_save_every(add, 200)
    return pretrain
