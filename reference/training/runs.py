"""Run folders: everything a training run leaves behind, written so that no interruption can tear it.

    RUN/config.json          the options, as given
    RUN/metrics.jsonl        one line per step; RUN/tensorboard/ holds the same for TensorBoard
    RUN/checkpoints/step-N/  model and tokenizer as save_pretrained writes them, state.pt (optimizer, critic, moving
                             reference), checksums.json
    RUN/accuracy.json        held-out accuracy before and after
    RUN/training.png         the curves

A checkpoint is written beside its place and renamed into it, so a folder named step-N is always whole. The two newest
are kept: should one be damaged later, the other is there.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError

KEPT = 2
State = dict[str, torch.optim.Optimizer | torch.nn.Module]  # what is saved beside the model, by name


def create_run(folder: Path, options: dict[str, Any]) -> Path:
    """Make the run folder and note the options. Refuses a folder that already holds a run or cannot be written."""
    if (folder / "config.json").exists():
        raise InputError(f"{folder} already holds a run: continue it with --resume {folder}, or choose another --out")
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "config.json", json.dumps(options, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}): choose another folder with --out") from None
    return folder


def read_options(folder: Path, recipe: str | None = None) -> dict[str, Any]:
    """The options that a run was started with; refused if it is not one of ``recipe``."""
    try:
        options = json.loads((folder / "config.json").read_text())
    except OSError:
        raise InputError(
            f"{folder} holds no run (no readable config.json): give the folder that the run printed"
        ) from None
    except ValueError:
        raise InputError(
            f"{folder}/config.json is damaged: restore it, or start a new run with another --out"
        ) from None
    found = options.get("recipe") if isinstance(options, dict) else None
    if found is None:
        raise InputError(f"{folder}/config.json names no recipe: restore it, or start a new run with another --out")
    if found != (recipe or found):
        raise InputError(f"{folder} is a run of {found}, not of {recipe}: resume it with its own command")
    return options


def save_checkpoint(
    folder: Path,
    step: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    state: State,
) -> Path:
    """Save everything after ``step`` steps and drop all but the two newest. Atomic: complete or not there."""
    place = folder / "checkpoints" / f"step-{step:06d}"
    if place.exists():
        return place
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        torch.save({name: part.state_dict() for name, part in state.items()}, draft / "state.pt")
        sums = {file.name: checksum(file) for file in sorted(draft.iterdir())}
        (draft / "checksums.json").write_text(json.dumps(sums, indent=2))
        draft.rename(place)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not isinstance(error, (OSError, RuntimeError, SafetensorError)):  # what a full disk is called, in turn
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"cannot save a checkpoint in {folder} ({reason}): make room, then --resume {folder}; "
            "earlier checkpoints are untouched"
        ) from None
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)
    return place


def restore(checkpoint: Path, state: State) -> None:
    """Put what was saved beside the model back into the optimizer, the critic, the reference."""
    try:
        saved = torch.load(checkpoint / "state.pt", map_location="cpu", weights_only=True)
        for name, part in state.items():
            part.load_state_dict(saved[name])
    except Exception as error:  # unpickling and loading raise many types; each means that the file is not ours
        raise InputError(f"{checkpoint}/state.pt does not fit this model ({error}): start a new run") from None


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    found = [path for path in (folder / "checkpoints").glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(found, key=steps_of)


def steps_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The newest checkpoint and the number of steps behind it; none and 0 before the first. Verifies every checksum."""
    for draft in (folder / "checkpoints").glob(".step-*"):  # of a process that died while saving
        shutil.rmtree(draft, ignore_errors=True)
    found = checkpoints(folder)
    if not found:
        return None, 0
    newest = found[-1]
    if wrong := damaged_file(newest):
        remedy = f"delete that folder to go on from {found[-2].name}" if len(found) > 1 else "start a new run"
        raise InputError(f"checkpoint {newest} is damaged ({wrong}): {remedy}")
    return newest, steps_of(newest)


def damaged_file(checkpoint: Path) -> str | None:
    """The name of a file that is missing or not what was saved; ``None`` if all are."""
    try:
        sums = json.loads((checkpoint / "checksums.json").read_text())
        needed = {"config.json", "state.pt", *sums}
        return next((name for name in sorted(needed) if checksum(checkpoint / name) != sums[name]), None)
    except OSError as error:
        return Path(error.filename or "checksums.json").name
    except (ValueError, TypeError, KeyError):
        return "checksums.json"


def checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def append_metrics(folder: Path, row: dict[str, float]) -> None:
    """Add one line to metrics.jsonl."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The metrics of every finished step. A last line cut short by a crash is left out."""
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            row["step"] = int(row["step"])
            rows.append(row)
        except (ValueError, TypeError, KeyError):
            if number < len(lines):
                raise InputError(
                    f"{path} is damaged at line {number}: restore it, or move it away to go on without"
                ) from None
    return rows


def rewind_metrics(folder: Path, step: int) -> None:
    """Take out what was logged after ``step`` steps, which are about to be taken again; kept in metrics.old.jsonl."""
    rows = read_metrics(folder)
    later = [row for row in rows if row["step"] > step]
    if later:
        with (folder / "metrics.old.jsonl").open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in later)
    earlier = [row for row in rows if row["step"] <= step]
    write_atomically(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in earlier))


def write_atomically(path: Path, text: str) -> None:
    """Write beside the file, then rename over it: a reader sees the old text or the new, never half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
