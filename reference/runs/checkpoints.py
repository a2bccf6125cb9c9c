"""The checkpoints of a run: written beside their place and renamed into it, so a folder named step-N is always whole.

The two newest are kept: should one be damaged later, the other is there.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError
from reference.runs.files import parse_json, shell_path

KEPT = 2
State = dict[str, torch.optim.Optimizer | torch.nn.Module]  # what is saved beside the model, by name


def save_checkpoint(
    folder: Path,
    step: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    state: State,
) -> Path:
    """Save everything after ``step`` steps and drop all but the two newest. Atomic: complete or not there."""
    place = folder / "checkpoints" / f"step-{step:06d}"
    if is_checkpoint(place):
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
        again = f", then --resume {shell_path(folder)}" if state else ""  # without an optimizer nothing can go on
        raise InputError(
            f"cannot save a checkpoint in {folder} ({reason}): make room{again}; earlier checkpoints are untouched"
        ) from None
    for old in [path for path in checkpoints(folder) if is_checkpoint(path)][:-KEPT]:
        shutil.rmtree(old)
    return place


def is_checkpoint(path: Path) -> bool:
    """Whether the folder is one that was saved here, and so may be deleted when it is no longer needed."""
    return (path / "checksums.json").is_file() and not path.is_symlink()


def restore(checkpoint: Path, state: State) -> None:
    """Put what was saved beside the model back into the optimizer, the critic, the reference."""
    try:
        content = torch.load(checkpoint / "state.pt", map_location="cpu", weights_only=True)
        for name, part in state.items():
            part.load_state_dict(content[name])
    except Exception as error:  # unpickling and loading raise many types; each means that the file is not ours
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{checkpoint}/state.pt does not fit this model ({reason}): start a new run") from None


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    found = [path for path in (folder / "checkpoints").glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(found, key=steps_of)


def steps_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The newest checkpoint and the number of steps behind it; none and 0 before the first. Verifies every checksum."""
    found = checkpoints(folder)
    if not found:
        return None, 0
    newest = found[-1]
    if not any((newest / name).is_file() for name in ("checksums.json", "state.pt")):  # never advise to delete it
        before = f"to go on from {found[-2].name}" if len(found) > 1 else "and start a new run"
        raise InputError(
            f"{newest} is no checkpoint (it holds neither checksums.json nor state.pt): move it elsewhere {before}"
        )
    if wrong := damaged_file(newest):
        remedy = f"delete that folder to go on from {found[-2].name}" if len(found) > 1 else "start a new run"
        raise InputError(f"checkpoint {newest} is damaged ({wrong}): {remedy}")
    return newest, steps_of(newest)


def clear_drafts(folder: Path) -> None:
    """Delete what a process left that died while it saved. Only for the one that has the lock: others may be saving."""
    for draft in (folder / "checkpoints").glob(".step-*"):
        if re.fullmatch(r"\.step-\d+\.\d+", draft.name):
            shutil.rmtree(draft, ignore_errors=True)


def damaged_file(checkpoint: Path) -> str | None:
    """The name of a file that is missing or not what was saved; ``None`` if all are."""
    try:
        sums = parse_json((checkpoint / "checksums.json").read_bytes())
        names = {"config.json", "state.pt", *sums}
        return next((name for name in sorted(names) if checksum(checkpoint / name) != sums[name]), None)
    except OSError as error:
        return Path(error.filename or "checksums.json").name
    except (ValueError, TypeError, KeyError):
        return "checksums.json"


def checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
