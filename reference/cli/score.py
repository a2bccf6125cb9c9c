"""The command ``score`` with its options. Loads nothing heavy before it runs."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from reference.cli.options import Defaults
from reference.cli.output import emit
from reference.cli.values import not_negative, one_of, positive, source
from reference.interrupt import defer_signals

NAMES = ("stated", "phrase", "hashes", "boxed", "last-number", "lm-eval-strict", "lm-eval-flexible", "math-verify")
ROLES = {
    "id": "problem's id",
    "question": "question",
    "answer": "gold answer",
    "completion": "completion or completions",
}
PICTURES = (".png", ".svg", ".pdf")
SMALL = 1_000_000  # bytes that math-verify, which needs a millisecond for a completion, is run on without being asked


def add_score(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    score = subparsers.add_parser(
        "score",
        help="score a file of completions under several answer extractors, or compare two files",
        description=(
            "Score completions that any tool wrote. FILE is JSONL, also compressed by gzip, or one JSON array or object; - is the "
            "standard input. A line is one completion, or one problem with a list of completions. Which text of a "
            "completion counts as its answer is decided by an extractor, so one run shows the score under several of "
            "them, what each took as the answer, and where they disagree: a score is a statement about a model and an "
            "extractor. Then majority vote, pass@k, length, truncation, and every line that could not be read. With "
            "OTHER: the difference on the same problems, with a bootstrap interval and the exact McNemar test, so that "
            "'better' is a claim with a number. The unit of all intervals is the problem, not the completion."
        ),
        epilog=(
            "Examples: python -m reference score samples.jsonl; python -m reference score before.jsonl after.jsonl.gz "
            "--extractors stated,boxed; python -m reference score rollouts.jsonl --gold test.jsonl --completion output "
            "--figure scores.png"
        ),
        formatter_class=Defaults,
    )
    add = score.add_argument
    add("file", metavar="FILE", type=source, help="completions; - for the standard input")
    add(
        "other",
        metavar="OTHER",
        nargs="?",
        type=source,
        help="a second file, compared with the first problem by problem",
    )
    add("--extractors", type=extractor_names, metavar="NAMES",
        help=f"some of {', '.join(NAMES)}, with commas between them; all: every one. Without the option all, "
             "but math-verify only where the package of that name is installed and the files have less than a megabyte: "
             "it takes about a millisecond for a completion")  # fmt: skip
    add("--ties", choices=("split", "first", "wrong"), default="split",
        help="a tied vote scores the share of right answers among the tied ones, or what came first, or nothing")  # fmt: skip
    add(
        "--k",
        type=counts,
        metavar="K,K",
        help="the k of pass@k; without the option powers of two, as the samples allow",
    )
    add("--show", type=not_negative, default=3, metavar="N", help="completions to print on which extractors disagree")
    add_fields(add)
    add("--figure", type=picture, metavar="FILE", help="draw the scores with their intervals: a .png, .svg or .pdf")
    add("--json", action="store_true", help="print everything as one JSON object and nothing else")
    return score


def add_fields(add: Callable[..., object]) -> None:
    """The options that say what stands where in files of completions."""
    add("--gold", type=source, metavar="FILE", help="gold answers of another file, matched by id, else by question")
    for role, words in ROLES.items():
        add(f"--{role}", metavar="FIELD",
            help=f"field of the {words}, such as doc.{role}; without the option guessed from the usual names")  # fmt: skip


def typed_fields(args: argparse.Namespace) -> dict[str, str]:
    """The fields that were named, by what stands in them."""
    return {role: name for role in ROLES if (name := getattr(args, role)) is not None}


def extractor_names(text: str) -> list[str]:
    """An argparse type: names of extractors with commas between them, or the word all."""
    parse = one_of((*NAMES, "all"))
    names = [parse(name.strip()) for name in text.split(",")]
    return ["all"] if "all" in names else names


def counts(text: str) -> list[int]:
    """An argparse type: whole numbers above zero with commas between them, in their order."""
    parse = positive(int)
    return sorted({parse(part.strip()) for part in text.split(",")})


def picture(text: str) -> Path:
    """An argparse type: a file for a picture, in a folder that is there."""
    path = Path(source(text))
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    return path


def is_small(*paths: str | None) -> bool:
    """Whether the files together are read by math-verify in seconds. A size is not known of what is no plain file."""
    named = [path for path in paths if path is not None]
    sizes = [os.path.getsize(path) * (8 if path.endswith(".gz") else 1) for path in named if os.path.isfile(path)]
    return len(sizes) == len(named) and sum(sizes) <= SMALL


def score_command(args: argparse.Namespace) -> int:
    """Read, score, compare, draw, and print."""
    with defer_signals():
        from reference.evaluation.extractors import available
        from reference.evaluation.paired import compare
        from reference.evaluation.paired_report import paired_report
        from reference.evaluation.score_figure import figure_scores
        from reference.evaluation.score_json import as_json
        from reference.evaluation.score_report import report
        from reference.evaluation.scores import score_file
        from reference.objectives.shapes import InputError

    if [args.file, args.other, args.gold].count("-") > 1:
        raise InputError("the standard input can be read once: name files in the place of the other -")
    fields = typed_fields(args)
    everything = args.extractors == ["all"] or (args.extractors is None and is_small(args.file, args.other))
    names = list(available()) if everything else args.extractors
    if names is None and len(available()) == len(NAMES):
        print(
            "math-verify is left out, since the file is large or of unknown size: --extractors all adds it",
            file=sys.stderr,
        )
    files = [
        score_file(path, extractors=names, ties=args.ties, fields=fields, gold=args.gold, progress=True)
        for path in (args.file, args.other) if path is not None
    ]  # fmt: skip
    paired = [compare(files[0], files[-1], name) for name in files[0].extractors] if args.other else []
    if args.json:
        emit(json.dumps(as_json(files, paired, ks=args.k, show=args.show), indent=2))
    else:
        parts = [report(scores, ks=args.k, show=args.show) for scores in files]
        emit("\n\n\n".join([*parts, paired_report(files[0], files[-1], paired)] if paired else parts))
    if args.figure:  # at last: what was counted is printed even where no picture can be written
        figure_scores(files).savefig(args.figure)
        print(args.figure, file=sys.stderr)
    return 0
