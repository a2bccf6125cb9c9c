"""Run folders: everything a training run leaves behind, written so that no interruption can tear it.

RUN/config.json          the options, and the fingerprints of the weights that they name
RUN/metrics.jsonl        one line per step; RUN/tensorboard/ holds the same for TensorBoard
RUN/checkpoints/step-N/  model and tokenizer as save_pretrained writes them, state.pt (optimizer, critic, moving
                         reference), checksums.json
RUN/accuracy.json        held-out accuracy before and after
RUN/training.png         the curves
RUN/.lock                held by the process that is at work
"""

import itertools
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reference.objectives.shapes import InputError
from reference.runs.checkpoints import checkpoints
from reference.runs.files import is_number, json_text, parse_json, read_json, shell_path, write_atomically
from reference.runs.lock import LOCK, folder_lock

FILES = ("config.json", "metrics.jsonl", "metrics.old.jsonl", "accuracy.json", "training.png")
FOLDERS = ("checkpoints", "tensorboard")
BEGINNING = b'{"step": '  # of every line of the log
FINITE = ("loss", "reward", "reward_std", "dead_groups", "length", "length_right", "length_wrong", "truncated", "rounds",
          "clip_frac", "accuracy", "paired", "grad_norm", "value_grad_norm", "seconds")  # a ratio or a KL may overflow  # fmt: skip


@contextmanager
def new_run(folder: Path | None, options: dict[str, Any]) -> Iterator[Path]:
    """Make the run folder, lock it and note the options. ``None``: runs/RECIPE-N with the first free N.

    Refuses a folder that holds a run, or part of one, and one that cannot be written.
    """
    if folder is not None:
        require_new(folder)  # before anything is written
    try:
        if folder is None:
            folder = first_free_folder(options["recipe"])
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder or 'runs'} ({error.strerror}): choose another folder with --out"
        ) from None
    with folder_lock(folder):
        require_new(folder)  # again: another process may have been faster
        try:
            (folder / "checkpoints").mkdir(exist_ok=True)
            write_options(folder, options)
        except OSError as error:
            raise InputError(f"cannot write to {folder} ({error.strerror}): choose another folder with --out") from None
        yield folder


def first_free_folder(recipe: str) -> Path:
    """Make runs/grpo-1, or the first that is not taken. Making it is what claims it: two processes get two folders."""
    for number in itertools.count(1):
        try:
            (path := Path(f"runs/{recipe}-{number}")).mkdir(parents=True)
            return path
        except FileExistsError:
            if not path.exists() and not path.is_symlink():  # it is "runs" that is in the way
                raise
    raise AssertionError


def require_new(folder: Path) -> None:
    """Refuse a folder that holds a run or the remains of one: their steps and accuracies would pass for the new run's."""
    other = "choose another folder with --out"
    if outer := next((path for path in Path(os.path.realpath(folder)).parents if is_run(path)), None):
        raise InputError(f"{folder} is inside {outer}, the folder of another run, which would delete it: {other}")
    if is_there(folder / "config.json"):
        if is_run(folder):
            raise InputError(
                f"{folder} already holds a run: continue it with --resume {shell_path(folder)}, or {other}"
            )
        raise InputError(f"{folder} holds a config.json that is not a run's: {other}")
    for name in (*FILES, *FOLDERS):
        path = folder / name
        if is_there(path) and not (name in FOLDERS and path.is_dir() and not any(path.iterdir())):
            raise InputError(f"{folder} holds {name} of another run, and no config.json: move it away, or {other}")


def is_there(path: Path) -> bool:
    """Whether something has this name, be it a link that leads nowhere: what is written there would end up elsewhere."""
    return path.exists() or path.is_symlink()


def require_places(folder: Path) -> None:
    """Refuse a run folder where a folder stands in the place of a file, or the other way round."""
    for names, kind, right in (((*FILES, LOCK), "file", Path.is_file), (FOLDERS, "folder", Path.is_dir)):
        for path in (folder / name for name in names):
            if is_there(path) and not right(path):
                raise InputError(f"{path} is in the way: a {kind} of that name belongs there, so move this one away")


def is_run(folder: Path) -> bool:
    """Whether the folder's config.json is a run's, and not a model's."""
    try:
        return isinstance(parse_json((folder / "config.json").read_bytes())["recipe"], str)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def require_no_run(model: str) -> None:
    """Refuse a run folder where a model is wanted, and name the model that may have been meant."""
    folder = Path(model)
    if is_run(folder):
        found = checkpoints(folder)
        advice = f"name one of its checkpoints, such as {found[-1]}" if found else "and it has no checkpoint yet"
        raise InputError(f"{folder} is the folder of a run, not of a model: {advice}")


def read_options(folder: Path, recipe: str | None = None) -> dict[str, Any]:
    """The options that a run was started with; refused if it is not one of ``recipe``."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no run (no readable config.json): give the folder that the run printed")
    remedy = "restore it, or start a new run with another --out"
    options = read_json(path, remedy)
    found = options.get("recipe") if isinstance(options, dict) else None
    if isinstance(options, dict) and "model_type" in options:
        raise InputError(f"{folder} is the folder of a model, not of a run: give the folder that the run printed")
    if not isinstance(found, str):
        raise InputError(f"{path} names no recipe: {remedy}")
    if found != (recipe or found):
        raise InputError(f"{folder} is a run of {found}, not of {recipe}: resume it with its own command")
    return options


def write_options(folder: Path, options: dict[str, Any]) -> None:
    write_atomically(folder / "config.json", json.dumps(options, indent=2) + "\n")


def append_metrics(folder: Path, row: dict[str, float]) -> None:
    """Add one line to metrics.jsonl."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The metrics of every finished step. A last line cut short by a crash is left out.

    Raises ``InputError``, naming the line, for anything that is not a step with its numbers, and where a step is
    missing or there twice: a curve over such a log would not be that of the run.
    """
    path = folder / "metrics.jsonl"
    remedy = "restore it, or move it away to go on without"
    try:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line)
        except ValueError:
            row = None
            if number == len(lines) and BEGINNING.startswith(line[: len(BEGINNING)]) and not line.endswith(b"\n"):
                break
        wrong = wrong_in_row(row, after=rows[-1]["step"] if rows else None)
        if wrong:
            raise InputError(f"{path} is damaged at line {number} ({wrong}): {remedy}")
        rows.append(row)
    return rows


def wrong_in_row(row: Any, *, after: int | None) -> str | None:
    """What is wrong with a line of the log that comes ``after`` that step; ``None`` if nothing is."""
    if not isinstance(row, dict):
        return "not the numbers of a step"
    step = row.get("step")
    if not isinstance(step, int) or not is_number(step) or step < 1:
        return f"its step is {json_text(step)}" if "step" in row else "it names no step"
    if bad := next((name for name, value in row.items() if not is_number(value)), None):
        return f"{bad} of step {step} is {json_text(row[bad])}, not a number"
    if len(row) == 1:
        return f"step {step} has no numbers"
    if after is not None and step != after + 1:
        return f"step {step} comes after step {after}"
    return None


def require_log(folder: Path, step: int) -> None:
    """Refuse a log that is damaged or ends before ``step``, where the run goes on: its curve would have a hole.

    A log that was moved away is begun again, and that is said.
    """
    rows = read_metrics(folder)
    path, first = folder / "metrics.jsonl", rows[0]["step"] if rows else step + 1
    for number, row in enumerate(rows, start=1):
        if bad := next((name for name in FINITE if not math.isfinite(row.get(name, 0))), None):
            raise InputError(
                f"{path} is damaged at line {number} ({bad} of step {row['step']} is {json_text(row[bad])}, and no run writes "
                "that): restore it, or move it away to go on without"
            )
    if rows and step and not first <= step <= rows[-1]["step"]:
        raise InputError(
            f"{path} has no step {step}, where the newest checkpoint is: restore it, or move it away to go on without"
        )
    if first > 1:
        print(f"note     {path} begins at step {first}: what was logged before is gone")


def require_weights(folder: Path, save_every: int) -> None:
    """Refuse a run without a checkpoint whose log is longer than ``save_every``: one was saved, and it is gone.

    A shorter log is of a run that died before its first checkpoint was whole: that one begins again.
    """
    rows = read_metrics(folder)
    if rows and rows[-1]["step"] > save_every and not checkpoints(folder):
        raise InputError(
            f"{folder} has the log of step {rows[-1]['step']} and no checkpoint: its weights are not there, so start a new run"
        )


def rewind_metrics(folder: Path, step: int) -> None:
    """Take out what was logged after ``step`` steps, which are about to be taken again; kept in metrics.old.jsonl."""
    rows = read_metrics(folder)
    later = [row for row in rows if row["step"] > step]
    if later:
        with (folder / "metrics.old.jsonl").open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in later)
    earlier = [row for row in rows if row["step"] <= step]
    write_atomically(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in earlier))
