"""The parser of the command line: every command with its options. Loads nothing heavy, so that --help appears at once."""

import argparse
import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

from reference.cli_types import finite, optional, positive, seed
from reference.training.recipes import ROWS, Recipe, options_of

DEFAULTS = argparse.ArgumentDefaultsHelpFormatter
POSITIVE = {"steps", "minibatches", "inner_epochs", "max_rounds", "prompts_per_step", "group_size", "max_new_tokens",
        "micro_batch_size", "lr", "critic_lr", "max_grad_norm", "temperature", "top_k", "top_p", "beta"}  # fmt: skip
BENCHED = ("grpo", "dr-grpo", "gspo", "cispo", "rloo")  # what TRL runs as it stands in the table


class Parser(argparse.ArgumentParser):
    """Names the nearest word for one that does not exist."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"invalid choice: '([^']+)'|unrecognized arguments: (\S+)", message)
        if unknown:
            word = next(part for part in unknown.groups() if part).split("=")[0]
            if near := difflib.get_close_matches(word, sorted(set(words(self))), n=2):
                message += f". Did you mean {' or '.join(near)}?"
        super().error(message)


def words(parser: argparse.ArgumentParser) -> list[str]:
    """Every command, recipe and option below this parser."""
    found = []
    for action in parser._actions:
        found += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            found += list(action.choices)
            found += [word for child in action.choices.values() for word in words(child)]
        elif action.choices:
            found += [str(choice) for choice in action.choices]
    return found


def build_parser(commands: dict[str, Callable[[argparse.Namespace], int]]) -> Parser:
    """``commands``: what to call for each command."""
    told = "Train and pretrain the small model of the course, or any causal LM, with the course's own objectives."
    parser = Parser(prog="python -m reference", description=told)
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
    return parser


def add_recipe(rows: argparse._SubParsersAction, recipe: Recipe) -> argparse.ArgumentParser:
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
            "Ctrl-C finishes the step, saves and stops; --resume RUN goes on exactly where it stopped. "
            f"Example: python -m reference train {recipe.name} --steps 20 --out runs/first"
        ),
        formatter_class=DEFAULTS,
    )
    add = parser.add_argument_group("the run").add_argument
    add_model(add)
    add_folders(add, recipe.name)
    add_seed(add, "decides problems, samples and minibatches of every step")
    add_device(add)
    add("--engine", choices=("native", "trl"), default="native",
        help="our own loop, or TRL's trainer (also under torchrun or accelerate launch, for more than one machine)")  # fmt: skip
    add_save_every(add, 10)
    add("--eval-problems", type=positive(int), default=400, metavar="N", help="held-out problems for the accuracy")
    add("--eval-samples", type=positive(int), default=8, metavar="K",
        help="samples per held-out problem, also the k of pass@k")  # fmt: skip
    add = parser.add_argument_group("the recipe").add_argument
    for column in options_of(recipe.kind):
        add_option(add, column, getattr(recipe, column.name))
    return parser


def add_option(add: Callable, column: Any, default: Any) -> None:
    """One column of the recipe table as an option."""
    flag, told = "--" + column.name.replace("_", "-"), column.metadata["help"]
    if column.type is bool:
        add(flag, action=argparse.BooleanOptionalAction, default=default, help=told)
        return
    kinds = set(get_args(column.type)) or {column.type}
    kind = float if float in kinds else int if int in kinds else str
    parse = kind if kind is str else positive(kind) if column.name in POSITIVE else finite(kind)
    choices = column.metadata["choices"]
    if type(None) in kinds:
        parse = optional(parse)
        choices = (*choices, None) if choices else ()
    shown = "{" + ",".join("none" if c is None else c for c in choices) + "}" if choices else kind.__name__.upper()
    add(flag, type=parse, default=default, choices=choices or None, metavar=shown, help=told)


def add_pretrain(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    pretrain = subparsers.add_parser(
        "pretrain",
        help="rebuild the shipped base model from nothing",
        description=(
            "Train the tokenizer, then the small model on drawn solutions, half of them careful, the rest hasty or "
            "sloppy. This is the command that made the checkpoint in reference/world/base."
        ),
        epilog="Ctrl-C finishes the step, saves and stops; --resume RUN goes on exactly where it stopped.",
        formatter_class=DEFAULTS,
    )
    add = pretrain.add_argument
    add_folders(add, "pretrain")
    add("--steps", type=positive(int), default=3000, help="batches to train on")
    add("--batch-size", type=positive(int), default=64, metavar="N", help="chats per batch")
    add("--lr", type=positive(float), default=1e-3, help="peak learning rate")
    add_seed(add, "decides the corpus and the initial weights")
    add_device(add)
    add_save_every(add, 200)
    return pretrain


def add_evaluate(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    evaluate = subparsers.add_parser(
        "evaluate",
        help="measure a run or a model on held-out problems, and read what it writes",
        description=(
            "Sampled and greedy accuracy and pass@k on held-out problems, with 95 % intervals; then some completions, "
            "marked right or wrong. RUN is a run folder (its newest checkpoint), a model folder, a hub name, or 'base'."
        ),
        epilog="Examples: python -m reference evaluate runs/grpo-1; python -m reference evaluate base --show 10",
        formatter_class=DEFAULTS,
    )
    add = evaluate.add_argument
    add("run", metavar="RUN", help="run folder, model folder, hub name, or 'base'")
    add("--problems", type=positive(int), default=400, metavar="N", help="held-out problems")
    add("--samples", type=positive(int), default=8, metavar="K", help="samples per problem, also the k of pass@k")
    add("--max-new-tokens", type=positive(int), default=96, metavar="N", help="budget of a completion")
    add("--show", type=int, default=4, metavar="N", help="completions to print")
    add_seed(add, "decides the problems and the samples", default=12345)
    add_device(add)
    return evaluate


def add_bench(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    bench = subparsers.add_parser(
        "bench",
        help="the speed of our RL step beside TRL's",
        description=(
            "One step of ours, one of TRL's GRPOTrainer, and so on, on the same model, prompts and settings. Prints "
            "seconds per step, rollouts and tokens per second, the share of the machine's matrix-product peak, and the "
            "ratio of the two with its spread."
        ),
        formatter_class=DEFAULTS,
    )
    add = bench.add_argument
    add("--recipe", choices=BENCHED, default="grpo", metavar="RECIPE", help="one of " + ", ".join(BENCHED))
    add_model(add)
    add("--turns", type=positive(int), default=10, metavar="N", help="steps of each that are counted")
    rows = "rows per forward pass of {}'s training; none: {}"
    add("--micro-batch-size", type=optional(positive(int)), metavar="N",
        help=rows.format("our", "16 on a CPU, a whole minibatch elsewhere"))  # fmt: skip
    add("--trl-micro-batch-size", type=optional(positive(int)), metavar="N",
        help=rows.format("TRL", "32 on a CPU, where it is TRL's fastest, a whole minibatch elsewhere"))  # fmt: skip
    add_seed(add, "decides prompts and samples")
    add_device(add)
    return bench


def add_model(add: Callable) -> None:
    add("--model", metavar="NAME_OR_PATH", default="base",
        help="causal LM: a folder, a hub name, or 'base', the shipped one")  # fmt: skip


def add_folders(add: Callable, recipe: str) -> None:
    add("--out", metavar="FOLDER", type=Path, help=f"run folder; default runs/{recipe}-N with the first free N")
    add("--resume", metavar="RUN", type=Path, help="continue this run with the options it was started with")


def add_seed(add: Callable, told: str, *, default: int = 0) -> None:
    add("--seed", type=seed, default=default, help=told)


def add_device(add: Callable) -> None:
    add("--device", default="auto", help="auto, cpu, cuda or mps")


def add_save_every(add: Callable, steps: int) -> None:
    add("--save-every", type=positive(int), default=steps, metavar="STEPS", help="steps between checkpoints")


def add_recipes(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    recipes = subparsers.add_parser(
        "recipes",
        help="the comparison table of all algorithms, or what differs between some",
        description="Without names: every recipe, and PPO, GRPO and DPO side by side. With names: what differs between them.",
        epilog="Example: python -m reference recipes grpo dr-grpo",
    )
    recipes.add_argument("names", nargs="*", metavar="RECIPE", help="recipes to compare")
    return recipes


def add_figures(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    figures = subparsers.add_parser(
        "figures",
        help="redraw the pictures and the results table of the README",
        description=(
            "Draw the README's pictures from the recorded runs in FOLDER/runs and the shipped model, and write the "
            "results table into the README beside FOLDER."
        ),
        formatter_class=DEFAULTS,
    )
    figures.add_argument("--folder", metavar="FOLDER", type=Path, default=Path("figures"), help="where they go")
    return figures


def add_record(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    record = subparsers.add_parser(
        "record",
        help="list the recorded runs with their commands, or make some again",
        description="The runs behind pictures and tables. Without names: all of them, with the command that makes each.",
        epilog="Example: python -m reference record grpo ppo-seed-0",
        formatter_class=DEFAULTS,
    )
    record.add_argument("names", nargs="*", metavar="NAME", help="a run, or its name without -seed-N for every seed")
    record.add_argument("--folder", metavar="FOLDER", type=Path, default=Path("figures/runs"), help="where they are")
    return record


def add_formulas(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    formulas = subparsers.add_parser(
        "formulas",
        help="look a formula up",
        description="Print the functions that mention the words, best match first. An exact name: its whole docstring.",
        epilog="Examples: python -m reference formulas clip higher; python -m reference formulas ppo_clip_loss",
    )
    formulas.add_argument("words", nargs="*", metavar="WORD", help="words to look for, such as: kl reward")
    formulas.add_argument("--write", action="store_true", help="write the index reference/objectives/README.md instead")
    return formulas
