"""The command line: python -m reference COMMAND. Each command's --help says what it does and what comes out."""

import argparse
import errno
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from reference.cli import Parser, build_parser
from reference.training.recipes import RECIPES, Recipe, options_of

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0: done. 2: bad input, said in one sentence. 130: interrupted, and the run can be resumed."""
    args = parser().parse_args(arguments)
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


def parser() -> Parser:
    return build_parser(
        {
            "train": train_command,
            "evaluate": evaluate_command,
            "bench": bench_command,
            "recipes": recipes_command,
            "figures": figures_command,
            "record": record_command,
            "formulas": formulas_command,
        }
    )


def train_command(args: argparse.Namespace) -> int:
    if args.resume:
        refuse_other_options(args)
        args = recorded_arguments(args)
    if args.recipe != "pretrain" and Path(args.model).is_dir():
        args.model = str(Path(args.model).resolve())  # so that the run can be resumed from any folder
    options = {name: value for name, value in vars(args).items() if name not in ("command", "out", "resume")}
    if args.recipe == "pretrain":
        from reference.training.session import run_pretrain

        done = run_pretrain(options, out=args.out, resume=args.resume)
    else:
        from reference.training.launch import run_on_trl, run_recipe

        if args.engine == "trl":
            refuse_resume(args)
            done = run_on_trl(recipe_of(options), options, out=args.out)
        else:
            done = run_recipe(recipe_of(options), options, out=args.out, resume=args.resume)
    return 0 if done else EXIT_INTERRUPTED


def recipe_of(options: dict[str, Any]) -> Recipe:
    """The row of the table, with the options in the place of its entries."""
    row = RECIPES[options["recipe"]]
    return replace(row, **{column.name: options[column.name] for column in options_of(row.kind)})


def command_line(recipe: str) -> list[str]:
    return ["pretrain"] if recipe == "pretrain" else ["train", recipe]


def refuse_other_options(args: argparse.Namespace) -> None:
    """A resumed run repeats an uninterrupted one, so it takes no other options: say so instead of ignoring them."""
    from reference.objectives.shapes import InputError

    defaults = vars(parser().parse_args(command_line(args.recipe)))
    other = [
        name for name, value in vars(args).items() if name not in ("resume", "command") and value != defaults[name]
    ]
    if other:
        flag = "--" + other[0].replace("_", "-")
        raise InputError(
            f"--resume goes on with the options of the run (config.json): leave out {flag}, or start a new run"
        )


def refuse_resume(args: argparse.Namespace) -> None:
    from reference.objectives.shapes import InputError

    if args.resume:
        raise InputError(
            f"{args.resume} was run by TRL, and such a run cannot be resumed: start a new one, from its newest "
            "checkpoint with --model if you like"
        )


def recorded_arguments(args: argparse.Namespace) -> argparse.Namespace:
    """The options of the run, read back through the parser, which knows their names, types and limits."""
    from reference.training.runs import read_options

    given = []
    for name, value in read_options(args.resume, args.recipe).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            given.append(f"--{flag}" if value else f"--no-{flag}")
        elif name != "recipe":
            given.append(f"--{flag}={'none' if value is None else value}")
    return parser().parse_args([*command_line(args.recipe), *given, f"--resume={args.resume}"])


def evaluate_command(args: argparse.Namespace) -> int:
    from reference.training.measure import report

    print(
        report(
            args.run, problems=args.problems, samples=args.samples, max_new_tokens=args.max_new_tokens,
            show=args.show, seed=args.seed, device=args.device,
        )
    )  # fmt: skip
    return 0


def bench_command(args: argparse.Namespace) -> int:
    from reference.training.bench import bench
    from reference.world.gate import require_sampler
    from reference.world.model import BASE, load, pick_device

    device = pick_device(args.device)
    model, tokenizer = load(BASE if args.model == "base" else args.model, device=device)
    require_sampler(model, tokenizer, max_new_tokens=RECIPES[args.recipe].max_new_tokens)
    print(
        bench(
            RECIPES[args.recipe], model, tokenizer, turns=args.turns, seed=args.seed, device=device.type,
            micro_batch_size=args.micro_batch_size, trl_micro_batch_size=args.trl_micro_batch_size,
        )
    )  # fmt: skip
    return 0


def recipes_command(args: argparse.Namespace) -> int:
    from reference.training.table import comparison, overview

    print(comparison(args.names) if args.names else overview())
    return 0


def formulas_command(args: argparse.Namespace) -> int:
    from reference.formulas import INDEX, index, told

    if args.write:
        INDEX.write_text(index())
    print(INDEX if args.write else told(args.words))
    return 0


def figures_command(args: argparse.Namespace) -> int:
    from reference.teaching.gallery import draw_gallery
    from reference.teaching.results import update_readme

    for path in draw_gallery(args.folder):
        print(path)
    readme = args.folder.parent / "README.md"
    if update_readme(readme, args.folder / "runs"):
        print(f"{readme}: results table")
    return 0


def record_command(args: argparse.Namespace) -> int:
    from reference.teaching.record import overview, record

    if args.names:
        return record(args.names, args.folder, main)
    print(overview(args.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
