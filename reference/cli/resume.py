"""--resume: what may stand beside it, and the options of the run, read back from its config.json."""

import argparse
import os
from pathlib import Path
from typing import Any

from reference.algorithms.recipes import CONSTANT_RATE, RECIPES, from_checkpoint
from reference.algorithms.unread_options import DEFAULTS, OF_TOOLS
from reference.cli.options import OneOrSeveral
from reference.cli.parser import command_parser
from reference.objectives.shapes import InputError
from reference.runs.files import json_text, shell_path
from reference.runs.folder import is_run, read_options
from reference.runs.noted_weights import require_noted_weights

BESIDE = {"resume", "steps"}  # what may be typed with --resume
NOT_OF_THE_RUN = ("help", "out", "resume")
NO_OPTIONS = {"recipe", "weights"}  # what config.json has besides
ADDED = {
    name: DEFAULTS[name] for name in ("task", "reward", "pairs", *OF_TOOLS)
}  # later than the others; a run without had no tools, and recipes with tools came with them
LATER = {name: DEFAULTS[name] for name in ("leak", "raters", "ensemble", "teacher", "teacher_share", "on_policy")} | {
    "bug": None
}  # and these after the tools


def options_of_run(args: argparse.Namespace, typed: set[str], parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of the run that ``args`` resumes, with more steps where those were typed."""
    if other := sorted(typed - BESIDE):
        flag = "--" + other[0].replace("_", "-")
        raise InputError(
            f"--resume goes on with the options of the run (config.json): leave out {flag}, or start a new run"
        )
    command = ["pretrain"] if args.recipe == "pretrain" else ["train", args.recipe]
    noted = read_options(args.resume, args.recipe)
    options = parse_options(noted, args.resume / "config.json", command_parser(parser, command))
    require_start_model(options.get("model", "base"), args.resume)
    require_start_model(options.get("teacher") or "base", args.resume, words="learns from", what="teacher")
    reward = options.get("reward", "")
    for model in (reward,) if isinstance(reward, str) else reward:
        require_start_model(model, args.resume, words="is rewarded by")
    require_noted_weights(args.resume, options, noted.get("weights"))
    if "steps" in typed and args.steps != options["steps"]:
        require_extendable(args, options["steps"])
        options["steps"] = args.steps
    weights = {name: noted[name] for name in ("weights",) if name in noted}
    return argparse.Namespace(**{**vars(args), **options, **weights})


def refuse_resume(args: argparse.Namespace) -> None:
    """TRL's runs have no checkpoint of ours."""
    if args.resume:
        raise InputError(
            f"{args.resume} was run by TRL, and such a run cannot be resumed: start a new one{from_checkpoint(args.recipe)}"
        )


def require_readable(run: str, parser: argparse.ArgumentParser) -> None:
    """Refuse the folder of a reward model whose config.json is bad: what writes its pairs is read from there."""
    folder = Path(run)
    if is_run(folder) and (recipe := RECIPES.get(read_options(folder)["recipe"])) and recipe.kind == "reward":
        options = parse_options(
            read_options(folder), folder / "config.json", command_parser(parser, ["train", recipe.name])
        )
        require_start_model(options["model"], folder)


def require_start_model(model: str, run: Path, *, words: str = "starts with", what: str = "model") -> None:
    """Refuse a run whose start model was a folder and is gone: it is the reference, and what "before" was measured on. And
    one with the reward model or the teacher of an experiment, which lies where it was recorded. ``what``: its option."""
    if model.startswith("{"):  # as record writes it: its folder is of the machine that recorded it
        raise InputError(
            f"{run} {words} the model of the experiment {model.strip('{}')}, which is not here: python -m reference "
            f"record {shell_path(Path(run.name))} makes both again"
        )
    if os.path.isabs(model) and not os.path.isdir(model):  # a folder was noted with its whole path
        raise InputError(
            f"the {'start model' if what == 'model' else what} of {run} is gone: its config.json says {what} {model}, and there is no such folder; put it "
            "back, or write there where it is now"
        )


def require_extendable(args: argparse.Namespace, steps: int) -> None:
    """Refuse another number of steps where the learning rate of every step depends on it."""
    if args.recipe != "pretrain" and RECIPES[args.recipe].kind in CONSTANT_RATE:
        return
    run = shell_path(args.resume)
    more = "" if args.recipe == "pretrain" else from_checkpoint(args.recipe)  # pretrain has no --model
    raise InputError(
        f"the learning rate of {args.recipe} falls to 0 at its last step, so a run of {steps} steps cannot become one of "
        f"{args.steps}: go on with --resume {run} alone, or start a new run with --steps {args.steps}{more}"
    )


def parse_options(options: dict[str, Any], path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The options of a run, each through the parser's own type; refused, naming the file, where one is missing or bad."""
    remedy = "restore it, or start a new run"
    actions = {action.dest: action for action in parser._actions if action.dest not in NOT_OF_THE_RUN}
    for name in sorted(options.keys() - actions.keys() - NO_OPTIONS):
        raise InputError(f"{path} has {name}, which is no option of {options['recipe']}: {remedy}")
    options = {name: default for name, default in LATER.items() if name in actions} | options
    if options["recipe"] not in RECIPES or RECIPES[options["recipe"]].task != "tools":
        options = {name: default for name, default in ADDED.items() if name in actions} | options
    for name in sorted(actions.keys() - options.keys()):
        raise InputError(f"{path} does not say what {name} is: {remedy}")
    return {name: value_of(action, options[name], path, remedy) for name, action in actions.items()}


def value_of(action: argparse.Action, value: Any, path: Path, remedy: str) -> Any:
    """One option of config.json as the command line would have read it."""
    if isinstance(action, OneOrSeveral) and isinstance(value, list) and len(value) > 1:
        return tuple(value_of_one(action, each, path, remedy) for each in value)
    return value_of_one(action, value, path, remedy)


def value_of_one(action: argparse.Action, value: Any, path: Path, remedy: str) -> Any:
    """The same of an option, or of one of its several values."""
    if isinstance(action, argparse.BooleanOptionalAction):
        if isinstance(value, bool):
            return value
        raise InputError(f"{path}: {action.dest} is {json_text(value)}, which is not true or false: {remedy}")
    text = "none" if value is None else value if isinstance(value, str) else json_text(value)
    try:
        result = action.type(text) if callable(action.type) else text
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{path}: {action.dest} is {json_text(value)}, and {error}: {remedy}") from None
    if result != value or isinstance(value, bool) or (action.choices and result not in action.choices):
        raise InputError(f"{path}: {action.dest} is {json_text(value)}, which is no value for it: {remedy}")
    return result
