"""python -m reference record: make the recorded runs again, one after the other."""

import difflib
import shutil
from collections.abc import Callable
from pathlib import Path

from reference.objectives.shapes import InputError
from reference.runs.lock import folder_lock

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
    for name in find_experiments(names, experiments):
        draft = folder / f".{name}"
        resume = ["--resume", str(draft)] if (draft / "config.json").exists() else None
        recipe, *options = experiments[name].split()
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
        shutil.rmtree(draft)
        print(f"recorded {folder / name}", flush=True)
    return 0


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
