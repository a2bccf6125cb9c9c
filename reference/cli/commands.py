"""Every command with its options: train and pretrain here, the others in ``other_commands``, or in a file of its name.

Loads nothing heavy, so that --help appears at once.
"""

import argparse
from collections.abc import Callable, Mapping

from reference.algorithms.recipes import CONSTANT_RATE, ROWS, Recipe
from reference.cli.audit import add_audit
from reference.cli.best_of_n import add_best_of_n
from reference.cli.bug import add_bug
from reference.cli.classroom import add_class
from reference.cli.complete import add_complete
from reference.cli.doctor import add_doctor
from reference.cli.explain import add_explain
from reference.cli.export import add_export
from reference.cli.faces import add_faces
from reference.cli.frameworks import add_frameworks
from reference.cli.lessons import add_lessons
from reference.cli.options import Defaults, add_device, add_folders, add_model, add_save_every, add_seed
from reference.cli.other_commands import add_bench, add_evaluate, add_figures, add_formulas, add_recipes, add_record
from reference.cli.parser import Parser
from reference.cli.progress import add_progress
from reference.cli.recipe_options import add_recipe_options
from reference.cli.score import add_score
from reference.cli.trajectories import add_trajectories
from reference.cli.values import positive


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
    add_audit(subparsers).set_defaults(command=commands["audit"])
    add_doctor(subparsers).set_defaults(command=commands["doctor"])
    add_explain(subparsers).set_defaults(command=commands["explain"])
    add_export(subparsers, commands["export"])
    add_lessons(subparsers).set_defaults(command=commands["lessons"])
    add_progress(subparsers).set_defaults(command=commands["progress"])
    add_frameworks(subparsers).set_defaults(command=commands["frameworks"])
    add_trajectories(subparsers).set_defaults(command=commands["trajectories"])
    add_complete(subparsers).set_defaults(command=commands["complete"])
    add_best_of_n(subparsers).set_defaults(command=commands["best-of-n"])
    add_class(subparsers, commands["class"])
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
            "Ctrl-C, SIGTERM, or a terminal that is closed, finishes the step, saves and stops; --resume RUN goes on exactly "
            "where it stopped. "
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
    add_bug(add, recipe)
    add_save_every(add, 10)
    add("--eval-problems", type=positive(int), default=300 if tools else 400, metavar="N",
        help="held-out problems for the accuracy")  # fmt: skip
    add("--eval-samples", type=positive(int), default=4 if tools else 8, metavar="K",
        help="samples per held-out problem, also the k of pass@k")  # fmt: skip
    add_recipe_options(parser, recipe)
    return parser


def add_pretrain(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    pretrain = subparsers.add_parser(
        "pretrain",
        help="rebuild the shipped base model from nothing",
        description=(
            "Train the tokenizer, then the small model on drawn solutions, half of them careful, the rest hasty or "
            "sloppy. This is the command that made the checkpoint in reference/world/base."
        ),
        epilog="Ctrl-C, SIGTERM, or a terminal that is closed, finishes the step, saves and stops; --resume RUN goes on exactly "
        "where it stopped.",
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
