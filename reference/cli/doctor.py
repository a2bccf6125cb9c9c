"""The command ``doctor`` with its options. Loads nothing heavy before it runs."""

import argparse
import json
import sys

from reference.cli.options import Defaults
from reference.cli.output import emit
from reference.cli.score import picture
from reference.cli.values import source
from reference.interrupt import defer_signals

FOUND = 1  # the exit code where a cause was found
FRAMEWORKS = ("ours", "trl", "verl", "openrlhf", "nemo", "skyrl", "csv")


def add_doctor(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    command = subparsers.add_parser(
        "doctor",
        help="read the log of a training run, of any framework, and name what is probably wrong with it",
        description=(
            "Read the scalars of a training run and name likely causes, the likeliest first: what was seen, at which steps, "
            "what to try first, and the lesson that explains it. First come identities, which hold in every healthy run: "
            "the ratio of the first inner step is 1, dead groups have no advantage, the KL to the reference starts at 0. "
            "Then bounds, then patterns. What the log does not hold is named and not guessed. On a healthy run the doctor "
            "says what it has looked at, and nothing else. LOG is a run folder or metrics.jsonl of this course, a "
            "trainer_state.json of TRL or transformers, JSONL of verl, OpenRLHF, NeMo-RL or SkyRL, a CSV of wandb, what verl "
            "or a Trainer printed, or a TensorBoard folder. The exit code is 0 where nothing was found, 1 where a cause was, 2 for bad input. What no "
            "log shows, such as an EOS that is not trained, shows in a batch: python -m reference audit."
        ),
        epilog=(
            "Examples: python -m reference doctor runs/grpo-1; python -m reference doctor out/checkpoint-200 --figure run.png; "
            "python -m reference doctor wandb.csv --columns step=Step reward=my_reward entropy=my_entropy; "
            "python -m reference doctor --names trl"
        ),
        formatter_class=Defaults,
    )
    add = command.add_argument
    add("log", metavar="LOG", nargs="?", type=source, help="the log: a file or a folder")
    add("--columns", metavar="NAME=COLUMN", nargs="+", type=column,
        help="which column of the file is which scalar, step among them, such as reward=my_reward; --names lists the names")  # fmt: skip
    add("--framework", metavar="NAME", choices=FRAMEWORKS,
        help=f"whose names the scalars have, where the file does not say it: {', '.join(FRAMEWORKS)}")  # fmt: skip
    add(
        "--figure",
        type=picture,
        metavar="FILE",
        help="draw the scalars, with where the likeliest cause shows: a .png, .svg or .pdf",
    )
    add("--json", action="store_true", help="print everything as one JSON object and nothing else")
    add("--names", metavar="FRAMEWORK", choices=FRAMEWORKS[:-1],
        help="print which scalar of a framework is read under which name, and end")  # fmt: skip
    return command


def column(text: str) -> tuple[str, str]:
    """An argparse type: a name of ours, and that of the file."""
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COLUMN, such as reward=my_reward")
    return ours, theirs


def doctor_command(args: argparse.Namespace) -> int:
    """Read, diagnose, print, and draw."""
    with defer_signals():
        from reference.doctor.diagnose import diagnose
        from reference.doctor.figure import figure_doctor
        from reference.doctor.logs import read_log
        from reference.doctor.names import table_of_names
        from reference.doctor.report import as_json, report
        from reference.objectives.shapes import InputError

    if args.names:
        emit(table_of_names(args.names))
        return 0
    if args.log is None:
        raise InputError("LOG is missing: name a run folder or the file of a log")
    diagnosis = diagnose(read_log(args.log, columns=dict(args.columns or ()), framework=args.framework))
    emit(json.dumps(as_json(diagnosis), indent=2) if args.json else report(diagnosis))
    if args.figure:  # at last: what was found is printed even where no picture can be written
        figure_doctor(diagnosis).savefig(args.figure)
        print(args.figure, file=sys.stderr)
    return FOUND if diagnosis.found else 0
