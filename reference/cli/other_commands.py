"""The commands that do not train, with their options."""

import argparse
from pathlib import Path

from reference.cli.options import Defaults, add_device, add_model, add_seed
from reference.cli.output import emit
from reference.cli.values import folder, not_negative, optional, positive, source

BENCHED = ("grpo", "dr-grpo", "gspo", "cispo", "rloo")  # what TRL runs as it stands in the table


def add_evaluate(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    evaluate = subparsers.add_parser(
        "evaluate",
        help="measure a run or a model on held-out problems, and read what it writes",
        description=(
            "Sampled and greedy accuracy and pass@k on held-out problems, with 95 % intervals; then some completions, "
            "marked right or wrong. RUN is a run folder (its newest checkpoint), a model folder, a hub name, or 'base'."
        ),
        epilog="Examples: python -m reference evaluate runs/grpo-1; python -m reference evaluate base --show 10",
        formatter_class=Defaults,
    )
    add = evaluate.add_argument
    add("run", metavar="RUN", type=source, help="run folder, model folder, hub name, or 'base'")
    add("--problems", type=positive(int), default=400, metavar="N", help="held-out problems")
    add("--samples", type=positive(int), default=8, metavar="K", help="samples per problem, also the k of pass@k")
    add("--max-new-tokens", type=optional(positive(int)), metavar="N|none",
        help="budget of a completion; none: that of the run, or 96 for a model of no run")  # fmt: skip
    add("--task", choices=("of the run", "chains", "tools"), default="of the run", metavar="TASK",
        help="chains of sums, or tools: problems with a calculator to call; a model of no run is asked chains")  # fmt: skip
    add("--max-calls", type=optional(positive(int)), metavar="N|none",
        help="with tools: calls of a trajectory that are run; none: as many as in the run, or 3 for a model of no run")  # fmt: skip
    add("--show", type=not_negative, default=4, metavar="N", help="completions to print")
    add_seed(add, "decides the problems and the samples", default=12345)
    add_device(add)
    return evaluate


def add_bench(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    bench = subparsers.add_parser(
        "bench",
        help="the speed and the memory of our RL step beside TRL's, or beside another checkout's",
        description=(
            "One step of ours, one of TRL's GRPOTrainer, and so on, on the same model, prompts and settings. Prints "
            "seconds per step with their spread, rollouts and tokens per second, the share of the machine's "
            "matrix-product peak, and the ratio of the two sides. Both sides of a turn meet the same machine, so the "
            "ratio is steadier than the seconds."
        ),
        epilog=(
            "Examples: python -m reference bench --memory; python -m reference bench --device cuda --json > result.json; "
            "git worktree add ../before main, then python -m reference bench --before ../before"
        ),
        formatter_class=Defaults,
    )
    add = bench.add_argument
    add("--recipe", choices=BENCHED, default="grpo", metavar="RECIPE", help="one of " + ", ".join(BENCHED))
    add_model(add)
    add("--turns", type=positive(int), default=10, metavar="N",
        help="steps of each side that are counted; two before them warm up")  # fmt: skip
    rows = "rows per forward pass of {} training; none: {}"
    add("--micro-batch-size", type=optional(positive(int)), metavar="N|none",
        help=rows.format("our", "16 on a CPU, a whole minibatch elsewhere"))  # fmt: skip
    add("--trl-micro-batch-size", type=optional(positive(int)), metavar="N|none",
        help=rows.format("TRL's", "32 on a CPU, where it is TRL's fastest, a whole minibatch elsewhere"))  # fmt: skip
    add("--before", type=folder, metavar="FOLDER",
        help="compare with the loop of another checkout of this repository in FOLDER, in the place of TRL: what did a "
             "change do to the speed? Each side is a process of its own, and every step starts from the same weights")  # fmt: skip
    add("--memory", action="store_true",
        help="also count the tensors that one step of each side holds at its peak, above what is there when it begins; "
             "with as many rows per forward pass on both sides, too. On CPU and CUDA")  # fmt: skip
    add("--busy", type=not_negative, default=0, metavar="N",
        help="let N processes compute beside the turns, each on a core: does the ratio hold on a machine that is not idle?")  # fmt: skip
    add("--json", action="store_true",
        help="print everything that was measured, every turn too, as one JSON object and nothing else")  # fmt: skip
    add_seed(add, "decides prompts and samples")
    add_device(add)
    return bench


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
        formatter_class=Defaults,
    )
    figures.add_argument("--folder", metavar="FOLDER", type=folder, default=Path("figures"), help="where they go")
    return figures


def add_record(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    record = subparsers.add_parser(
        "record",
        help="list the recorded runs with their commands, or make some again",
        description="The runs behind pictures and tables. Without names: all of them, with the command that makes each.",
        epilog="Example: python -m reference record grpo ppo-seed-0",
        formatter_class=Defaults,
    )
    record.add_argument("names", nargs="*", metavar="NAME", help="a run, or its name without -seed-N for every seed")
    record.add_argument("--folder", metavar="FOLDER", type=folder, default=Path("figures/runs"), help="where they are")
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


def recipes_command(args: argparse.Namespace) -> int:
    from reference.algorithms.table import comparison, recipes_overview

    emit(comparison(args.names) if args.names else recipes_overview())
    return 0


def formulas_command(args: argparse.Namespace) -> int:
    from reference.formulas import INDEX, index, matches

    if args.write:
        INDEX.write_text(index())
    emit(INDEX if args.write else matches(args.words))
    return 0
