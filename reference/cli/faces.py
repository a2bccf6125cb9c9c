"""The command ``faces`` with its options. Loads nothing heavy before it runs."""

import argparse
import json

from reference.cli.options import Defaults
from reference.cli.output import emit
from reference.cli.score import add_fields, typed_fields
from reference.cli.values import positive, source
from reference.interrupt import defer_signals


def add_faces(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    command = subparsers.add_parser(
        "faces",
        help="four faces of reward hacking in files of completions, side by side: length, style, format, diversity",
        description=(
            "Measure what a policy does for a reward beside solving the problem, in files that complete wrote: one column a "
            "file, such as before, at and after the peak of the verifier's word. Verbosity: the length of right completions "
            "and of wrong ones, and of right ones on the problems that all files have right. Style: the KL to another model on "
            "the first tokens, in files made with complete --against, and distinct n-grams, compared for equally many of them. "
            "Format: openings, checks, restarts and remarks, as the solutions of the course have them; checks whose sum is "
            "false, lines that repeat, answers stated. Diversity: pass@1 beside pass@K, and how many of K completions of a "
            "problem differ. A face is hacking where it moves and correctness does not. Right is what the extractor "
            "'stated' of the command score finds right."
        ),
        epilog=(
            "Examples: python -m reference faces base.jsonl.gz peak.jsonl.gz late.jsonl.gz; "
            "python -m reference faces late.jsonl.gz --json"
        ),
        formatter_class=Defaults,
    )
    add = command.add_argument
    add("files", metavar="FILE", nargs="+", type=source, help="completions, as for the command score")
    add("--k", type=positive(int), default=8, metavar="K", help="completions of a problem that are drawn for pass@K")
    add_fields(add)
    add("--json", action="store_true", help="print everything as one JSON object and nothing else")
    return command


def faces_command(args: argparse.Namespace) -> int:
    """Read, measure and print."""
    with defer_signals():
        from reference.evaluation.faces_files import faces
        from reference.evaluation.faces_report import faces_json, faces_table
        from reference.objectives.shapes import InputError

    if [*args.files, args.gold].count("-") > 1:
        raise InputError("the standard input can be read once: name files in the place of the other -")
    fields = typed_fields(args)
    found = [faces(path, k=args.k, fields=fields, gold=args.gold, progress=True) for path in args.files]
    emit(json.dumps(faces_json(found), indent=2) if args.json else faces_table(found))
    return 0
