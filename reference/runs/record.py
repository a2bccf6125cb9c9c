"""python -m reference record: make the recorded runs again, one after the other.

An experiment may start from the model of another: ``tool-rl --model {tool-sft-seed-0}``. The other one is then recorded
first, unless its model is still there from before, in ``.models`` beside the runs.
"""

import difflib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from reference.objectives.shapes import InputError
from reference.runs.checkpoints import newest_checkpoint
from reference.runs.lock import folder_lock

MODELS = ".models"  # of the experiments that others start from
NOT_OF_THE_MODEL = ("state.pt", "checksums.json")
KEPT = ("config.json", "metrics.jsonl", "accuracy.json")


def experiments_overview(experiments: dict[str, str], folder: Path) -> str:
    """Every experiment with its command, and whether it is there."""
    width = max(map(len, experiments))
    lines = [
        f"{'recorded' if is_recorded(folder / name) else '-':9}{name:{width}}  train {command}"
        for name, command in experiments.items()
    ]
    return "\n".join([*lines, "", "To make some again: python -m reference record NAME ..."])


def record(names: list[str], experiments: dict[str, str], folder: Path, train: Callable[[list[str]], int]) -> int:
    """Run the named experiments into ``folder``; what was there is replaced when the new one is whole.

    ``train`` runs a command line and returns its exit code; the first that is not 0 ends the recording.
    """
    for name in with_starts(find_experiments(names, experiments), experiments, folder):
        draft = folder / f".{name}"
        resume = ["--resume", str(draft)] if (draft / "config.json").exists() else None
        recipe, *options = [model_path(word, folder) for word in experiments[name].split()]
        if resume and "trl" in options:  # TRL's runs cannot be resumed
            with folder_lock(draft):  # another process may be recording it
                pass
            shutil.rmtree(draft)
            resume = None
        if code := train(["train", recipe, *(resume or [*options, "--out", str(draft)])]):
            return code
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        for file in KEPT:
            shutil.copy(draft / file, folder / name / file)
        if start := start_of(experiments[name]):  # its name, and not where it lies here
            path = folder / name / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"model": f"{{{start}}}"}, indent=2) + "\n")
        if name in map(start_of, experiments.values()):
            keep_model(draft, folder / MODELS / name)
        shutil.rmtree(draft)
        print(f"recorded {folder / name}", flush=True)
    return 0


def start_of(command: str) -> str | None:
    """The experiment whose model a command starts from; None where it starts from the shipped one."""
    return next((word[1:-1] for word in command.split() if word.startswith("{")), None)


def with_starts(names: list[str], experiments: dict[str, str], folder: Path) -> list[str]:
    """The same experiments, each behind the one that it starts from where that one's model is not there."""
    order: list[str] = []
    for name in names:
        start = start_of(experiments[name])
        before = (
            [] if start is None or (folder / MODELS / start).is_dir() else with_starts([start], experiments, folder)
        )
        order += [each for each in (*before, name) if each not in order]
    return order


def model_path(word: str, folder: Path) -> str:
    """A word of a command: ``{NAME}`` as the folder of that experiment's model."""
    return str(folder / MODELS / word[1:-1]) if word.startswith("{") else word


def keep_model(run: Path, place: Path) -> None:
    """Copy a run's newest checkpoint, without the state of its optimizer. Half a copy never has the model's name."""
    checkpoint, _ = newest_checkpoint(run)
    assert checkpoint is not None  # of a run that has reached its last step
    draft = place.with_name(f".{place.name}")
    for folder in (draft, place):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(checkpoint, draft, ignore=shutil.ignore_patterns(*NOT_OF_THE_MODEL))
    draft.rename(place)


def find_experiments(names: list[str], experiments: dict[str, str]) -> list[str]:
    """The experiments with these names, or that begin with one and go on with their seed."""
    found = []
    for name in names:
        matching = [other for other in experiments if other == name or other.rpartition("-seed-")[0] == name]
        if not matching:
            choices = {whole for run in experiments for whole in (run, run.rpartition("-seed-")[0] or run)}
            near = difflib.get_close_matches(name, sorted(choices), n=2)
            guess = f"; did you mean {' or '.join(near)}?" if near else ":"
            raise InputError(f"there is no experiment {name!r}{guess} python -m reference record lists them")
        found += matching
    return found


def is_recorded(run: Path) -> bool:
    return all((run / file).exists() for file in KEPT)
