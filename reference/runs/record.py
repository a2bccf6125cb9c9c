"""python -m reference record: make the recorded runs again, one after the other; and recorded completions.

An experiment may start from the model of another, as in ``tool-rl --model {tool-sft-seed-0}``, or be rewarded by it, as in
``grpo --reward {reward-model-seed-0}``; or by several: ``--reward {A} {B} {C}``. The other one is then recorded first, unless
its model is still there from before, in ``.models`` beside the runs. Recorded files are what ``complete`` and ``best-of-n`` write, in ``completions`` and
``best_of_n`` beside the folder of the runs. They too may name the model of an experiment.
"""

import difflib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reference.objectives.shapes import InputError
from reference.runs.checkpoints import newest_checkpoint
from reference.runs.lock import folder_lock

PLACES = {"complete": ("completions", ".jsonl.gz"), "best-of-n": ("best_of_n", ".json")}  # command -> folder, ending
MODELS = ".models"  # of the experiments that others start from
NOT_OF_THE_MODEL = ("state.pt", "checksums.json")
KEPT = ("config.json", "metrics.jsonl", "accuracy.json")


def experiments_overview(experiments: dict[str, str], folder: Path, files: dict[str, str] | None = None) -> str:
    """Every experiment with its command, and whether it is there."""
    files = files or {}
    width = max(map(len, [*experiments, *files]))
    rows = [(name, is_recorded(folder / name), f"train {command}") for name, command in experiments.items()]
    rows += [(name, place_of(name, command, folder).exists(), command) for name, command in files.items()]
    lines = [f"{'recorded' if there else '-':9}{name:{width}}  {command}" for name, there, command in rows]
    return "\n".join([*lines, "", "To make some again: python -m reference record NAME ..."])


def record(
    names: list[str],
    experiments: dict[str, str],
    folder: Path,
    run: Callable[[list[str]], int],
    files: dict[str, str] | None = None,
) -> int:
    """Make the named experiments in ``folder``, and the named files; what was there is replaced when the new one is whole.

    ``experiments``: name -> options of ``train``. ``files``: name -> a whole command, of ``PLACES``. ``run`` runs a command
    line and returns its exit code; the first that is not 0 ends the recording.
    """
    files = files or {}
    commands = experiments | files
    starts = {start for command in commands.values() for start in needed_by(command)}
    for name in with_starts(find_experiments(names, commands), commands, folder):
        if name in files:
            code = record_file(name, files[name], folder, run)
        else:
            code = record_run(name, experiments[name], folder, run, keeps_model=name in starts)
        if code:
            return code
    return 0


def record_run(
    name: str, command: str, folder: Path, run: Callable[[list[str]], int], *, keeps_model: bool = False
) -> int:
    """Train, and keep the log; of an experiment that others start from, the model too."""
    draft = folder / f".{name}"
    resume = ["--resume", str(draft)] if (draft / "config.json").exists() else None
    recipe, *options = [model_path(word, folder) for word in command.split()]
    if resume and "trl" in options:  # TRL's runs cannot be resumed
        with folder_lock(draft):  # another process may be recording it
            pass
        shutil.rmtree(draft)
        resume = None
    if code := run(["train", recipe, *(resume or [*options, "--out", str(draft)])]):
        return code
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).mkdir(parents=True)
    for file in KEPT:
        shutil.copy(draft / file, folder / name / file)
    path = folder / name / "config.json"  # has the names of experiments, and not where they lie here with which weights
    named = {option: of_list([f"{{{start}}}" for start in several]) for option, several in starts_of(command).items()}
    options = json.loads(path.read_text()) | named
    options.pop("weights", None)
    path.write_text(json.dumps(options, indent=2) + "\n")
    if keeps_model:
        keep_model(draft, folder / MODELS / name)
    shutil.rmtree(draft)
    print(f"recorded {folder / name}", flush=True)
    return 0


def record_file(name: str, command: str, folder: Path, run: Callable[[list[str]], int]) -> int:
    """Let a model answer, or let a reward model choose, and keep the file. Interrupted completions go on where they were."""
    place = place_of(name, command, folder)
    draft = place.with_name(f".{place.name}")
    draft.unlink(missing_ok=True)  # whole, of a recording that was stopped before it could be renamed
    verb, source, *options = [model_path(word, folder) for word in command.split()]
    named = names_in_protocol(command) if verb == "complete" else []
    if code := run([verb, source, *options, *named, "--out", str(draft)]):
        return code
    draft.replace(place)
    print(f"recorded {place}", flush=True)
    return 0


def names_in_protocol(command: str) -> list[str]:
    """The options of ``complete`` that call its models by their experiments, and not by where they lie here."""
    other = starts_of(command).get("against")
    return ["--name", command.split()[1].strip("{}"), *(["--against-name", *other] if other else [])]


def place_of(name: str, command: str, folder: Path) -> Path:
    """Where the file of this command lies, beside the folder of the runs."""
    kind, ending = PLACES[command.split()[0]]
    return folder.parent / kind / f"{name}{ending}"


def starts_of(command: str) -> dict[str, list[str]]:
    """The experiments whose models a command needs, by the option that names them; none where only shipped ones are."""
    found: dict[str, list[str]] = {}
    option = "model"  # the model that ``complete`` asks has no option before it
    for word in command.split():
        if word.startswith("--"):
            option = word.removeprefix("--")
        elif word.startswith("{"):
            found.setdefault(option, []).append(word[1:-1])
    return found


def needed_by(command: str) -> list[str]:
    """The same without their options."""
    return [start for several in starts_of(command).values() for start in several]


def of_list(values: list[str]) -> Any:
    """One value as itself, several as their list: how config.json has them."""
    return values[0] if len(values) == 1 else values


def with_starts(names: list[str], experiments: dict[str, str], folder: Path) -> list[str]:
    """The same experiments, each behind those that it needs where their models are not there."""
    order: list[str] = []
    for name in names:
        missing = [start for start in needed_by(experiments[name]) if not (folder / MODELS / start).is_dir()]
        before = with_starts(missing, experiments, folder)
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
