"""Read a training log, whoever wrote it, as a ``Log``."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from reference.doctor.canonical import OURS
from reference.doctor.log import Log
from reference.doctor.log_csv import RUN, without_run
from reference.doctor.log_files import rows_of
from reference.doctor.log_repairs import HELPERS, repaired
from reference.doctor.log_rows import by_step, chosen, step_name
from reference.doctor.names import FRAMEWORKS, framework_of, is_own, require_canonical, short, table_of
from reference.doctor.names_row import Name, listed
from reference.evaluation.printable import printable
from reference.objectives.shapes import InputError


def read_log(path: str | Path, *, columns: Mapping[str, str] | None = None, framework: str | None = None) -> Log:
    """The scalars of a log under our names, a value per step.

    ``path``: our run folder or its metrics.jsonl; a trainer_state.json of TRL or transformers, a checkpoint, a folder of
    checkpoints; JSONL of flat or nested objects; verl's file logger or its console; a CSV of wandb; a TensorBoard
    folder. ``columns``: our name -> the name in the file, "step" among them; they come before what is known of the
    framework, and suffice where it is unknown. ``framework``: whose names are read, instead of the one that the scalars
    tell. Raises ``InputError`` for what is no log, and where the framework cannot be told.
    """
    columns = dict(columns or {})
    for name in columns:
        require_canonical(name)
    if framework is not None and framework not in FRAMEWORKS:
        raise InputError(f"framework is {framework!r}: the choices are {', '.join(FRAMEWORKS)}")
    if framework == "csv" and not columns:
        raise InputError('framework="csv" says nothing about names: pass columns={"step": ..., "reward": ...}')
    notes: list[str] = []
    source = str(path)
    rows, hint = rows_of(Path(path), notes)
    if not any(RUN in name for name in columns.values()):
        rows = without_run(rows, source)
    keys = sorted({key for row in rows for key in row})
    require_columns(columns, keys, source)
    framework = framework or known(keys, hint, columns, source)
    step = columns.pop("step", None) or step_name(rows, source)
    names = names_of(framework, keys)
    pairs = [(theirs, ours) for ours, theirs in columns.items()]
    pairs += [(name.theirs, name.ours) for name in names]
    pairs += [(helper, helper) for helper in HELPERS.get(framework, ())]
    named = chosen([key for key in keys if key != step], pairs)
    steps, scalars = by_step(rows, step, named, notes)
    ours = {ours: theirs for theirs, ours in named.items() if ours in scalars}
    notes += [name.note for name in names if name.note and short(ours.get(name.ours, "")) == name.theirs]
    log = repaired(Log(source, framework, steps, scalars, ours, tuple(dict.fromkeys(notes))))
    if not log.scalars:
        raise InputError(
            f"{source} has no scalar that is read here as {framework}; it has {listed(keys)}: name some with "
            "columns={'reward': its name}"
        )
    return log


def known(keys: list[str], hint: str, columns: dict[str, str], source: str) -> str:
    """The framework of a log; "csv" where it is unknown and the columns are named."""
    if hint == "ours?":
        hint = "ours" if is_own(keys) else ""
    try:
        return hint or framework_of(keys, source)
    except InputError:
        if columns:
            return "csv"
        raise


def names_of(framework: str, keys: list[str]) -> tuple[Name, ...]:
    """The names that are read. Of our own logs all are, as those of tool calls by their kind."""
    if framework == "csv":
        return ()
    names = table_of(framework, keys).names
    return names + tuple(Name(key, key) for key in keys if framework == "ours" and key not in OURS)


def require_columns(columns: dict[str, str], keys: list[str], source: str) -> None:
    """Refuse the name of a column that is not there."""
    for ours, theirs in columns.items():
        if theirs not in keys:
            near = difflib.get_close_matches(theirs, keys, n=1)
            hint = f"did you mean {printable(near[0], 60)}?" if near else f"it has {listed(keys)}"
            raise InputError(f"columns: {source} has no {printable(theirs, 60)} (for {ours}): {hint}")
