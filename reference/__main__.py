"""The command line: python -m reference COMMAND. Each command's --help says what it does and what comes out."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence, before a line that an older Python cannot read
    print("reference: the course needs Python 3.11 or newer: make lab and make test find it and set up .venv")
    sys.exit(2)

from reference.interrupt import SIGNALS, defer_signals, exit_code, note, received_signals, route_signals, stop

if __name__ == "__main__":  # from the first moment: what comes now is noted, and acted on when main() is ready
    import signal

    for number in SIGNALS:
        signal.signal(number, note)

import argparse
import functools
import io
import os
import warnings

from reference.algorithms.recipes import recipe_from
from reference.cli.audit import audit_command
from reference.cli.bench import bench_command
from reference.cli.classroom import class_command
from reference.cli.commands import build_parser
from reference.cli.doctor import doctor_command
from reference.cli.explain import explain_command
from reference.cli.export import export_command
from reference.cli.faces import faces_command
from reference.cli.frameworks import frameworks_command
from reference.cli.lessons import lessons_command
from reference.cli.other_commands import formulas_command, recipes_command
from reference.cli.output import emit
from reference.cli.parser import Parser, without_defaults
from reference.cli.progress import progress_command
from reference.cli.score import score_command

EXIT_BAD_INPUT, EXIT_PIPE = 2, 141
RUNS_GO_ON = "; a run that has begun can be continued with --resume (not one of TRL)"
# What else can be interrupted.
GOES_ON = dict.fromkeys(("score", "faces", "audit", "best-of-n", "class"), "") | {
    "complete": "; the same command goes on where it stopped"
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0: done. 1: audit found a fault. 2: bad input, said in one sentence. 130, 143 or 129:
    interrupted by Ctrl-C, SIGTERM or SIGHUP, and the run can be resumed."""
    try:
        args = parser().parse_args(arguments)
        args.typed = typed_options(arguments)
        with route_signals(stop):
            return run_command(args)
    except KeyboardInterrupt:
        print(f"\nreference: interrupted{GOES_ON.get(name_of(arguments), RUNS_GO_ON)}", file=sys.stderr)
        return exit_code()
    finally:
        received_signals.clear()


def name_of(arguments: list[str] | None) -> str:
    """The command that was typed, as "score"; "" for none."""
    return next(iter(sys.argv[1:] if arguments is None else arguments), "")


def run_command(args: argparse.Namespace) -> int:
    """Run the command; whatever the user can mend is told in one sentence."""
    try:
        with (
            defer_signals()
        ):  # torch takes a second or two to import: --help and a mistyped option need not wait for it
            from reference.cli.failures import EXPECTED, sentence
        try:
            return args.command(args)
        except EXPECTED as error:
            if (message := sentence(error, resumable=hasattr(args, "resume"))) is None:
                raise
            return print_refusal(message)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "reference":
            raise
        return print_refusal(
            f"{error.name} is not installed for {sys.executable}: make lab and make test set everything up in .venv, and "
            "source .venv/bin/activate makes it this shell's Python"
        )


def print_refusal(message: str) -> int:
    print(f"reference: {message}", file=sys.stderr)
    return EXIT_BAD_INPUT


@functools.cache
def parser(*, defaults: bool = True) -> Parser:
    """All commands with their options; without ``defaults`` only what was typed is found."""
    commands = {
        "train": train_command, "evaluate": evaluate_command, "bench": bench_command, "recipes": recipes_command,
        "figures": figures_command, "record": record_command, "formulas": formulas_command,
        "trajectories": trajectories_command, "complete": complete_command, "score": score_command,
        "best-of-n": best_of_n_command, "faces": faces_command, "frameworks": frameworks_command,
        "explain": explain_command, "export": export_command, "audit": audit_command, "doctor": doctor_command,
        "lessons": lessons_command, "progress": progress_command, "class": class_command,
    }  # fmt: skip
    return build_parser(commands) if defaults else without_defaults(build_parser(commands))


def typed_options(arguments: list[str] | None) -> set[str]:
    """The options that stand in the command line, also where their value is the default."""
    return set(vars(parser(defaults=False).parse_args(arguments)))


def train_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.algorithms.unread_options import without_unread
        from reference.cli.bug import set_bug, with_bug
        from reference.cli.resume import refuse_resume
        from reference.cli.unread_options import require_read
        from reference.runs.folder import require_no_run
        from reference.runs.launch import run_recipe
        from reference.runs.launch_trl import run_on_trl
        from reference.runs.noted_weights import fingerprints
        from reference.runs.proxy import proxy_sources
        from reference.runs.session import run_pretrain
        from reference.runs.teacher import teacher_source
        from reference.world.model import SHIPPED

    if args.resume:
        from reference.cli.resume import options_of_run

        args = options_of_run(args, args.typed, parser())
    options = {name: value for name, value in vars(args).items() if name not in ("command", "out", "resume", "typed")}
    if args.recipe == "pretrain":
        return 0 if run_pretrain(options, out=args.out, resume=args.resume) else exit_code()
    if not args.resume and "reward" in options:
        options["reward"] = proxy_sources(options["reward"])
        options["teacher"] = teacher_source(options["teacher"])
    bug = set_bug(options, set() if args.resume else args.typed)
    recipe = without_unread(recipe_from(options)) if args.resume else recipe_from(options)
    require_read(recipe, set() if args.resume else args.typed)
    if args.model not in SHIPPED and os.path.isdir(args.model):
        require_no_run(args.model)
        options["model"] = os.path.realpath(args.model)  # so that the run can be resumed from any folder
    if not args.resume:
        options["weights"] = fingerprints(options)
    if args.engine == "trl":
        refuse_resume(args)
        done = run_on_trl(recipe, options, out=args.out)
    else:
        recipe, faulty = with_bug(bug, recipe)
        with faulty:
            done = run_recipe(recipe, options, out=args.out, resume=args.resume)
    return 0 if done else exit_code()


def evaluate_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.cli.resume import require_readable
        from reference.cli.unread_options import require_read_by_evaluate
        from reference.runs.measure import accuracy_report

    require_readable(args.run, parser())
    require_read_by_evaluate(args.run, args.task, args.typed)
    emit(
        accuracy_report(
            args.run, problems=args.problems, samples=args.samples, max_new_tokens=args.max_new_tokens,
            show=args.show, seed=args.seed, device=args.device, task=args.task, max_calls=args.max_calls,
        )
    )  # fmt: skip
    return 0


def figures_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.lessons.gallery import draw_gallery
        from reference.runs.results import update_readme

    for path in draw_gallery(args.folder):
        print(path)
    readme = args.folder.parent / "README.md"
    if update_readme(readme, args.folder / "runs"):
        print(f"{readme}: results table")
    return 0


def trajectories_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.cli.trajectories import make_trajectories

    make_trajectories(args)
    return 0


def complete_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.cli.complete import make_completions

    emit(make_completions(args))
    return 0


def best_of_n_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.cli.best_of_n import choose_best

    emit(choose_best(args))
    return 0


def record_command(args: argparse.Namespace) -> int:
    with defer_signals():
        from reference.lessons import EXPERIMENTS, FILES
        from reference.runs.record import experiments_overview, record

    if args.names:
        return record(args.names, EXPERIMENTS, args.folder, main, FILES)
    emit(experiments_overview(EXPERIMENTS, args.folder, FILES))
    return 0


def one_sentence(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of ours as a refusal is told, without the line of code that gave it; those of others as Python does."""
    if category is UserWarning and os.path.realpath(filename).startswith(os.path.dirname(os.path.realpath(__file__))):
        return f"reference: {message}\n"
    return python_format(message, category, filename, lineno, line)


python_format = warnings.formatwarning


def shell() -> int:
    """``main`` as a program: as other Unix tools it ends quietly where nobody reads what it prints."""
    warnings.formatwarning = one_sentence
    for stream in (sys.stdout, sys.stderr):  # None where the shell has closed it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets question marks
    try:
        try:
            return main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # or Python would complain once more when it flushes what is left
        if isinstance(error, BrokenPipeError):
            os.dup2(nowhere, 2)
            return EXIT_PIPE
        return print_refusal(f"{error}: what was to be printed is lost")


if __name__ == "__main__":
    sys.exit(shell())
