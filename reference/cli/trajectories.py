"""The command ``trajectories`` with its options, a sub-command for each source. Loads nothing heavy before it runs."""

import argparse
import json
import sys
from collections.abc import Callable

from reference.cli.options import Defaults, add_device, add_model, add_seed
from reference.cli.parser import Parser
from reference.cli.values import file, finite, not_negative, optional, positive

FORMAT = (
    "Each line of the file is one chat, as TRL's SFTTrainer reads it: messages, and the schemas of the tools. The tool "
    "really answered every call."
)


def add_trajectories(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    trajectories = subparsers.add_parser(
        "trajectories",
        help="chats with tool calls to train on, from one of three sources",
        description=(
            "Make chats in which a calculator is called. A source costs either a program that can solve the problems "
            "(generated), or many calls of a model (self-labelled), or people (hand-written). " + FORMAT
        ),
        epilog="Example: python -m reference trajectories generated --count 3 --show 3",
    )
    rows = trajectories.add_subparsers(dest="source", required=True, metavar="SOURCE", parser_class=Parser)
    add_generated(rows)
    add_self_labelled(rows)
    add_hand_written(rows)
    return trajectories


def add_generated(rows: argparse._SubParsersAction) -> None:
    generated = rows.add_parser(
        "generated",
        help="problems are drawn and solved by a program (ToolBench)",
        description=(
            "Draw problems, write the calls that solve them, and run each call. Some calls are written wrongly at first: "
            "the tool refuses them, and the next turn repairs them. Where a program knows the solution this is the "
            "cheapest source: no model is called. ToolBench (arXiv 2307.16789) lets a large model write the solutions. "
            + FORMAT
        ),
        epilog="Example: python -m reference trajectories generated --count 1000 --out chats.jsonl",
        formatter_class=Defaults,
    )
    add = generated.add_argument
    add("--count", type=positive(int), default=24, metavar="N", help="chats")
    add("--failures", type=share, default=0.1, metavar="SHARE", help="share of the calls that are wrong at first")
    add_output(add, "decides problems and failures")


def add_self_labelled(rows: argparse._SubParsersAction) -> None:
    labelled = rows.add_parser(
        "self-labelled",
        help="a model proposes calls, and a loss decides which are kept (Toolformer)",
        description=(
            "Take solutions without calls, and let a model propose calls in them. Each is run, and kept if call and result "
            "lower the loss of five tokens behind it by the threshold, compared with no call and with the call alone "
            "(Toolformer, arXiv 2302.04761). Nobody says which problem needs a call. A model of this size cannot be "
            "shown demonstrations in its prompt, so it is trained on some first. A text that is easy without a call "
            "stays without one, and a hard one that no call helps is left out. At the end: precision and recall of the filter against the truth, which is "
            "known here, and the cost. " + FORMAT
        ),
        epilog="Example: python -m reference trajectories self-labelled --count 20 --threshold 0.5 --show 3",
        formatter_class=Defaults,
    )
    add = labelled.add_argument
    add("--count", type=positive(int), default=24, metavar="N", help="chats, with a call or without")
    add(
        "--threshold",
        type=not_below_zero,
        default=3.0,
        metavar="NATS",
        help="what a call must gain to be kept; Toolformer: 1, for its calculator 0.5",
    )
    add("--skip", type=not_negative, default=3, metavar="N",
        help="tokens behind a call that the loss leaves out; 3 are 'Answer: ', which every result predicts; Toolformer: 0")  # fmt: skip
    add_model(add)
    add("--demonstrations", type=not_negative, default=400, metavar="N",
        help="generated chats that the proposer is trained on, beside the hand-written dozen")  # fmt: skip
    add("--steps", type=not_negative, default=100, metavar="N",
        help="steps of this training, 16 chats each; 0: the model proposes as it is")  # fmt: skip
    add("--positions", type=positive(int), default=1, metavar="K", help="places of a text where calls are proposed")
    add("--samples", type=positive(int), default=4, metavar="M", help="calls that are sampled at each place")
    add("--scores", type=file, metavar="FILE.json", help="also write the losses of the first 300 proposals that ran")
    add_device(add)
    add_output(add, "decides texts, demonstrations and samples")


def add_hand_written(rows: argparse._SubParsersAction) -> None:
    written = rows.add_parser(
        "hand-written",
        help="a dozen that people wrote, for what the other two do not reach",
        description=(
            "The dozen of the course: calls that are refused and repaired in another way, calls that are no JSON, a tool "
            "that cannot help, a product in other words, a result that is checked. Its calls are run once more. "
            + FORMAT
        ),
        epilog="Example: python -m reference trajectories hand-written --show 12",
        formatter_class=Defaults,
    )
    add = written.add_argument
    add("--count", type=optional(positive(int)), metavar="N|none",
        help="chats, drawn with replacement; none: the dozen in its order")  # fmt: skip
    add_output(add, "decides which are drawn")


def add_output(add: Callable, words: str) -> None:
    """Options that every source has."""
    add("--out", type=file, metavar="FILE.jsonl", help="write the chats there; a name that ends in .gz is compressed")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--show", type=not_negative, default=2, metavar="K", help="chats to print")
    add_seed(add, words)


def share(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    if 0 <= (value := finite(float)(text)) <= 1:
        return float(value)
    raise argparse.ArgumentTypeError(f"{text} is not a share: a number from 0 to 1")


def not_below_zero(text: str) -> float:
    """An argparse type: a number from 0 on."""
    if (value := finite(float)(text)) >= 0:
        return float(value)
    raise argparse.ArgumentTypeError(f"{text} is below 0")


def make_trajectories(args: argparse.Namespace) -> None:
    """Make the chats, show some, write what was asked for, and say what it cost."""
    from reference.objectives.shapes import InputError
    from reference.runs.files import write_atomically
    from reference.runs.trajectories import fixed_source, report, require_free, scores, self_label, shown
    from reference.world.trajectories import write_trajectories

    files = [args.out, getattr(args, "scores", None)]
    if None not in files and args.out.absolute() == args.scores.absolute():
        raise InputError(f"--out and --scores both name {args.out}: name two files")
    for path in files:
        require_free(path, overwrite=args.overwrite)
    if args.source == "self-labelled":
        done = self_label(
            args.model, count=args.count, threshold=args.threshold, skip=args.skip, demonstrations=args.demonstrations, steps=args.steps,
            positions=args.positions, samples=args.samples, seed=args.seed, device=args.device,
        )  # fmt: skip
        chats, words = done.chats[: args.count], report(done)
        if args.scores:
            write_atomically(args.scores, json.dumps(scores(done), separators=(",", ":")) + "\n")
    else:
        chats = fixed_source(args.source, count=args.count, seed=args.seed, failures=getattr(args, "failures", 0.0))
        words = f"{len(chats)} chats. Cost: 0 model calls per chat."
    if args.out:
        write_trajectories(args.out, chats)
    for chat in chats[: args.show]:
        print(shown(chat), end="\n\n")
    print(words)
    for path in filter(None, files):
        print(path, file=sys.stderr)
