"""The command line: python -m reference COMMAND. Each command's --help says what it does and what comes out."""

import argparse
import errno
import math
import sys
from pathlib import Path

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0: done. 2: bad input, said in one sentence. 130: interrupted, and the run can be resumed."""
    args = build_parser().parse_args(arguments)
    try:
        # torch takes a second or two to import: --help and a mistyped option need not wait for it
        from torch import OutOfMemoryError

        from reference.objectives.shapes import InputError

        try:
            return args.command(args)
        except InputError as error:
            print(f"reference: {error}", file=sys.stderr)
        except OutOfMemoryError:
            print(
                "reference: out of memory: lower --micro-batch-size, --group-size or --max-new-tokens", file=sys.stderr
            )
        except OSError as error:
            if error.errno not in DISK_TROUBLE:
                raise
            print(f"reference: {error}: make room or fix the rights, then go on with --resume", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("\nreference: interrupted; a run that has begun can be continued with --resume", file=sys.stderr)
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference",
        description="Train and pretrain the small model of the course, or any causal LM, with the course's own objectives.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train a model with reinforcement learning")
    recipes = train.add_subparsers(required=True, metavar="RECIPE")
    add_grpo(recipes)
    add_pretrain(commands)
    add_figures(commands)
    add_formulas(commands)
    return parser


def add_grpo(recipes: argparse._SubParsersAction) -> None:
    grpo = recipes.add_parser(
        "grpo",
        help="Group Relative Policy Optimization on chain arithmetic with an exact verifier",
        description=(
            "Sample a group of completions for each problem, verify them, and push the model towards those that did "
            "better than their group. Prints held-out accuracy before and after. Leaves in the run folder: config.json, "
            "metrics.jsonl (a line per step), training.png (the six scalars), accuracy.json and checkpoints/step-N, "
            "which from_pretrained loads."
        ),
        epilog=(
            "Ctrl-C finishes the step, saves and stops; --resume RUN goes on exactly where it stopped. "
            "Example: python -m reference train grpo --steps 20 --out runs/first"
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = grpo.add_argument
    add(
        "--model",
        metavar="NAME_OR_PATH",
        default="base",
        help="causal LM: a folder, a hub name, or 'base', the shipped one",
    )
    add("--out", metavar="FOLDER", type=Path, help="run folder; default runs/grpo-N with the first free N")
    add("--resume", metavar="RUN", type=Path, help="continue this run with the options it was started with")
    add("--steps", type=positive(int), default=60, help="rollouts to take")
    add("--seed", type=int, default=0, help="decides problems, samples and minibatches of every step")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    what = grpo.add_argument_group("what is sampled")
    add = what.add_argument
    add("--prompts-per-step", type=positive(int), default=32, metavar="N", help="problems per rollout")
    add("--group-size", type=positive(int), default=8, metavar="G", help="completions per problem")
    add(
        "--max-new-tokens",
        type=positive(int),
        default=96,
        metavar="N",
        help="budget; a completion cut off by it is wrong",
    )
    add("--temperature", type=positive(float), default=1.0, help="of the sampler, and so of every log-prob")
    how = grpo.add_argument_group("how it is learned from")
    add = how.add_argument
    add(
        "--lr",
        type=positive(float),
        default=3e-4,
        help="learning rate of AdamW; too high and greedy accuracy collapses",
    )
    add(
        "--minibatches",
        type=positive(int),
        default=2,
        metavar="N",
        help="optimizer steps per rollout; with 1 the ratio is always 1",
    )
    add(
        "--scale",
        choices=("group", "none"),
        default="group",
        help="divide advantages by the group's std (GRPO) or not (Dr.GRPO)",
    )
    add("--aggregation", choices=("sequence_mean", "token_mean", "fixed_length"), default="sequence_mean",
        help="what token losses are divided by: GRPO, DAPO, Dr.GRPO")  # fmt: skip
    add("--clip-low", type=float, default=0.2, help="lower clip: no further push below ratio 1 - this")
    add("--clip-high", type=float, default=0.2, help="upper clip: no further push above ratio 1 + this")
    add("--kl-coef", type=float, default=0.0, help="weight of k3 to the starting model, in the loss")
    add("--micro-batch-size", type=positive(int), default=64, metavar="ROWS", help="rows per forward pass; memory only")
    keep = grpo.add_argument_group("what is measured and kept")
    add = keep.add_argument
    add("--save-every", type=positive(int), default=10, metavar="STEPS", help="steps between checkpoints")
    add("--eval-problems", type=positive(int), default=400, metavar="N", help="held-out problems for the accuracy")
    add(
        "--eval-samples",
        type=positive(int),
        default=8,
        metavar="K",
        help="samples per held-out problem, also the k of pass@k",
    )
    grpo.set_defaults(command=train_command, recipe="grpo")


def add_pretrain(commands: argparse._SubParsersAction) -> None:
    pretrain = commands.add_parser(
        "pretrain",
        help="rebuild the shipped base model from nothing",
        description=(
            "Train the tokenizer, then the small model on drawn solutions, half of them careful, the rest hasty or "
            "sloppy. This is the command that made the checkpoint in reference/world/base."
        ),
        epilog="Ctrl-C finishes the step, saves and stops; --resume RUN goes on exactly where it stopped.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = pretrain.add_argument
    add("--out", metavar="FOLDER", type=Path, help="run folder; default runs/pretrain-N with the first free N")
    add("--resume", metavar="RUN", type=Path, help="continue this run with the options it was started with")
    add("--steps", type=positive(int), default=3000, help="batches to train on")
    add("--batch-size", type=positive(int), default=64, metavar="N", help="chats per batch")
    add("--lr", type=positive(float), default=1e-3, help="peak learning rate")
    add("--seed", type=int, default=0, help="decides the corpus and the initial weights")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--save-every", type=positive(int), default=200, metavar="STEPS", help="steps between checkpoints")
    pretrain.set_defaults(command=train_command, recipe="pretrain")


def add_figures(commands: argparse._SubParsersAction) -> None:
    figures = commands.add_parser(
        "figures",
        help="redraw the pictures and the results table of the README",
        description=(
            "Draw the README's pictures from the recorded runs in FOLDER/runs and the shipped model, and write the "
            "results table into the README beside FOLDER."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    figures.add_argument("--folder", metavar="FOLDER", type=Path, default=Path("figures"), help="where they go")
    figures.set_defaults(command=figures_command)


def add_formulas(commands: argparse._SubParsersAction) -> None:
    formulas = commands.add_parser(
        "formulas",
        help="look a formula up",
        description="Print the functions that mention the words, best match first. An exact name: its whole docstring.",
        epilog="Examples: python -m reference formulas clip higher; python -m reference formulas ppo_clip_loss",
    )
    formulas.add_argument("words", nargs="*", metavar="WORD", help="words to look for, such as: kl reward")
    formulas.add_argument("--write", action="store_true", help="write the index reference/objectives/README.md instead")
    formulas.set_defaults(command=formulas_command)


def positive(kind: type):
    """An argparse type: a number above zero."""

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not above 0 and finite")
        return value

    return parse


def train_command(args: argparse.Namespace) -> int:
    from reference.training import session

    run = {"grpo": session.run_grpo, "pretrain": session.run_pretrain}[args.recipe]
    if args.resume:
        refuse_other_options(args)
        args = recorded_arguments(args)
    if args.recipe != "pretrain" and Path(args.model).is_dir():
        args.model = str(Path(args.model).resolve())  # so that the run can be resumed from any folder
    options = {name: value for name, value in vars(args).items() if name not in ("command", "out", "resume")}
    return 0 if run(options, out=args.out, resume=args.resume) else EXIT_INTERRUPTED


def command_line(recipe: str) -> list[str]:
    return ["pretrain"] if recipe == "pretrain" else ["train", recipe]


def refuse_other_options(args: argparse.Namespace) -> None:
    """A resumed run repeats an uninterrupted one, so it takes no other options: say so instead of ignoring them."""
    from reference.objectives.shapes import InputError

    defaults = vars(build_parser().parse_args(command_line(args.recipe)))
    other = [name for name, value in vars(args).items() if name != "resume" and value != defaults[name]]
    if other:
        flag = "--" + other[0].replace("_", "-")
        raise InputError(
            f"--resume goes on with the options of the run (config.json): leave out {flag}, or start a new run"
        )


def recorded_arguments(args: argparse.Namespace) -> argparse.Namespace:
    """The options of the run, read back through the parser, which knows their names, types and limits."""
    from reference.training.runs import read_options

    options = read_options(args.resume, args.recipe)
    given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if name != "recipe"]
    return build_parser().parse_args([*command_line(args.recipe), *given, f"--resume={args.resume}"])


def formulas_command(args: argparse.Namespace) -> int:
    from reference.formulas import INDEX, index, told

    if args.write:
        INDEX.write_text(index())
    print(INDEX if args.write else told(args.words))
    return 0


def figures_command(args: argparse.Namespace) -> int:
    from reference.teaching.gallery import draw_gallery, update_readme

    for path in draw_gallery(args.folder):
        print(path)
    readme = args.folder.parent / "README.md"
    if update_readme(readme, args.folder / "runs"):
        print(f"{readme}: results table")
    return 0


if __name__ == "__main__":
    sys.exit(main())
