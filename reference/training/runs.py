"""Run folders: everything a training run leaves behind, written so that no interruption can tear it.

    RUN/config.json          the options, as given
    RUN/metrics.jsonl        one line per step
    RUN/checkpoints/step-N/  model and tokenizer as save_pretrained writes them, optimizer.pt, checksums.json
    RUN/accuracy.json        held-out accuracy before and after
    RUN/training.png         the curves

A checkpoint is written beside its place and renamed into it, so a folder named step-N is always whole. The two newest
are kept: should one be damaged later, the other is there.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError

KEPT = 2


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


def read_options(folder: Path, recipe: str) -> dict[str, Any]:
    """The options a run of ``recipe`` was started with."""
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
    if options.get("recipe") != recipe:
        raise InputError(
            f"{folder} is a run of {options.get('recipe')}, not of {recipe}: resume it with its own command"
        )
    return options


def save_checkpoint(
    folder: Path,
    step: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
) -> Path:
    """Save the state after ``step`` steps and drop all but the two newest. Atomic: complete or not there."""
    place = folder / "checkpoints" / f"step-{step:06d}"
    if place.exists():
        return place
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        torch.save(optimizer.state_dict(), draft / "optimizer.pt")
        sums = {file.name: checksum(file) for file in sorted(draft.iterdir())}
        (draft / "checksums.json").write_text(json.dumps(sums, indent=2))
        draft.rename(place)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise InputError(
            f"cannot save a checkpoint in {folder} ({error.strerror or error}): make room, then --resume {folder}; "
            "earlier checkpoints are untouched"
        ) from None
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)
    return place


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"))


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The newest checkpoint and the number of steps behind it; none and 0 before the first. Verifies every checksum."""
    found = checkpoints(folder)
    if not found:
        return None, 0
    newest = found[-1]
    try:
        sums = json.loads((newest / "checksums.json").read_text())
        wrong = [name for name, value in sums.items() if checksum(newest / name) != value]
    except (OSError, ValueError) as error:
        wrong = [getattr(error, "filename", None) or "checksums.json"]
    if wrong:
        remedy = f"delete that folder to go on from {found[-2].name}" if len(found) > 1 else "start a new run"
        raise InputError(f"checkpoint {newest} is damaged ({Path(wrong[0]).name}): {remedy}")
    return newest, int(newest.name.removeprefix("step-"))


def checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def append_metrics(folder: Path, row: dict[str, float]) -> None:
    """Add one line to metrics.jsonl."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The metrics of every finished step. A last line cut short by a crash is left out."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise InputError(
                    f"{path} is damaged at line {number}: restore it, or delete it to go on without"
                ) from None
    return rows


def rewind_metrics(folder: Path, step: int) -> None:
    """Forget what was logged after ``step`` steps: those steps are about to be taken again."""
    rows = [row for row in read_metrics(folder) if row["step"] <= step]
    write_atomically(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def write_atomically(path: Path, text: str) -> None:
    """Write beside the file, then rename over it: a reader sees the old text or the new, never half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
