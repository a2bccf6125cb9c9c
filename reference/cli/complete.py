"""The command ``complete`` with its options. Loads nothing heavy before it runs."""

import argparse

from reference.cli.options import Defaults, add_device, add_seed
from reference.cli.values import file, finite, optional, positive, source

WAYS = {
    "chat": "the model's own chat template",
    "space": "the same with a space behind the header",
    "headless": "the same without the header that opens the assistant's turn",
    "bare": "no template, the question and a line break",
    "few-shot": "two solved problems as earlier turns",
    "number": "a wish behind the question: only the number",
    "boxed": "a wish behind it: the answer in \\boxed{}",
}


def add_complete(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    complete = subparsers.add_parser(
        "complete",
        help="let a model answer held-out problems under a stated protocol, into a file to be scored",
        description=(
            "Write what a model answers to held-out problems into a file, a line a problem: question, right answer, "
            "completions, which of them were cut off, and the protocol. The same seed means the same problems and the same "
            "random numbers, whatever the model and the other options: so two files can be compared problem by problem. "
            "With --against OTHER a line also has the log-ratios of the two models on the first 16 tokens of each completion, "
            "whose mean at a position estimates the KL there, in nats. Score a file with python -m reference score FILE."
        ),
        epilog=(
            "Interrupted, it keeps what it has in FILE.part, and the same command goes on. Examples: "
            "python -m reference complete base --out base.jsonl.gz; "
            "python -m reference complete runs/grpo-1 --prompt few-shot --temperature 0.7 --out shots.jsonl; "
            "python -m reference complete runs/grpo-1 --against base --out moved.jsonl.gz"
        ),
        formatter_class=Defaults,
    )
    add = complete.add_argument
    add("run", metavar="RUN", type=source, help="run folder, model folder, hub name, 'base' or 'tool-sft'")
    add("--out", metavar="FILE", type=file, required=True, help="where to; a name that ends in .gz is compressed")
    add("--overwrite", action="store_true", help="replace the file, and a part of it that an earlier command left")
    add("--problems", type=positive(int), default=400, metavar="N", help="held-out problems")
    add("--samples", type=positive(int), metavar="K", help="completions per problem; default 8, and 1 with --greedy")
    add("--prompt", choices=tuple(WAYS), default="chat", metavar="WAY",
        help="; ".join(f"{way}: {words}" for way, words in WAYS.items()))  # fmt: skip
    add("--greedy", action="store_true", help="the likeliest token each time, in the place of drawing")
    add("--temperature", type=positive(float), default=1.0, help="below 1 the likely tokens become likelier")
    add("--top-k", type=optional(positive(int)), metavar="INT|none", help="draw from the so many likeliest tokens")
    add(
        "--top-p",
        type=share,
        default=1.0,
        metavar="P",
        help="draw from the likeliest tokens that together have this probability",
    )
    add("--max-new-tokens", type=positive(int), default=96, metavar="N", help="budget of a completion")
    add("--task", choices=("chains", "tools"), default="chains", metavar="TASK",
        help="chains of sums, or tools: problems with a calculator to call")  # fmt: skip
    add(
        "--max-calls", type=positive(int), default=3, metavar="N", help="with tools: calls of a trajectory that are run"
    )
    add(
        "--against",
        type=source,
        metavar="OTHER",
        help="model to compare with, named like RUN and with the same tokenizer, such as the one that training began from",
    )
    add("--name", metavar="NAME", help="what the protocol calls the model; default: RUN as it was typed")
    add("--against-name", metavar="NAME", help="what it calls the other model; default: OTHER as it was typed")
    add_seed(add, "decides the problems and the samples", default=12345)
    add_device(add)
    return complete


def share(text: str) -> float:
    """An argparse type: a number above 0, up to 1."""
    if 0 < (value := finite(float)(text)) <= 1:
        return float(value)
    raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")


OPTIONS = ("problems", "samples", "prompt", "greedy", "temperature", "top_k", "top_p", "max_new_tokens", "task", "max_calls",
           "seed")  # fmt: skip


def make_completions(args: argparse.Namespace) -> str:
    """Write the file, and say what is in it."""
    from reference.objectives.shapes import InputError
    from reference.runs.complete import complete_to_file, told

    if args.greedy and (unread := sorted({"temperature", "top_k", "top_p"} & args.typed)):
        raise InputError(
            f"--{unread[0].replace('_', '-')} has no effect on --greedy, which draws nothing: leave one out"
        )
    if args.task != "tools" and "max_calls" in args.typed:
        raise InputError("--max-calls has no effect on chains, which have no tool: leave it out, or say --task tools")
    if args.against_name and not args.against:
        raise InputError("--against-name has no effect without --against: leave it out, or name the other model")
    options = {name: getattr(args, name) for name in OPTIONS}
    options["samples"] = args.samples or (1 if args.greedy else 8)
    lines = complete_to_file(
        args.run, args.out, options, name=args.name, overwrite=args.overwrite, device=args.device, against=args.against,
        against_name=args.against_name,
    )  # fmt: skip
    return told(args.out, lines)
