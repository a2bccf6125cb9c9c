"""The front door: a file as it stands to the framework that reads it and its options. Nothing is run or fetched."""

import re
from dataclasses import replace
from pathlib import Path

from reference.configs.config_text import code_of_notebook, read_text
from reference.configs.flags import FILES, HYDRA
from reference.configs.option import FRAMEWORKS, UNEVALUATED, ConfigRead, Draft, Option, Pair
from reference.configs.parents import add_files
from reference.configs.python_source import read_python
from reference.configs.shell_config import read_shell
from reference.configs.which_framework import framework_of_keys, is_of_trl, trl_class
from reference.configs.yaml_config import interpolated, read_yaml
from reference.objectives.shapes import InputError

SHELL = (".sh", ".bash", ".zsh", ".slurm", ".sbatch", ".sub", ".txt", ".ksh", ".cmd")
YAML = (".yaml", ".yml", ".json")
MOST_NOTES = 100
MAPPING = re.compile(r"^[\w.]+:(\s|$)", re.MULTILINE)


def read_config(path: str | Path, framework: str | None = None) -> ConfigRead:
    """Read a shell script, YAML or JSON file, Python file or notebook that configures a training.

    Args:
        path: the file. A file that it names, such as the parent of a NeMo-RL config, is read if it is there too.
        framework: one of ``FRAMEWORKS``, where the file alone does not say it.

    An ``InputError`` says why nothing was read.
    """
    if framework is not None and framework not in FRAMEWORKS:
        raise InputError(f"--framework {framework} is not known: choose one of {', '.join(FRAMEWORKS)}")
    path = Path(path)
    text = read_text(path)
    try:
        draft = read_draft(text, path, framework)
        return finished(draft, path, framework)
    except RecursionError:
        raise InputError(f"{path.name} is nested too deep to be a config that was written by hand") from None


def read_draft(text: str, path: Path, framework: str | None) -> Draft:
    """By the end of the file's name; where that says nothing, by its first line or its looks."""
    kind, where = path.suffix.lower(), path.name
    if kind == ".ipynb":
        return read_notebook(text, path, framework=framework)
    if kind == ".py":
        return read_python(text, where=where)
    if kind in YAML:
        return read_yaml(text, where=where)
    if kind in SHELL or text.startswith("#!"):
        draft = read_shell(text, path, framework=framework)
        return draft if draft.framework or kind in SHELL[:-3] else read_yaml_or(draft, text, where=where)
    draft = read_shell(text, path, framework=framework)
    return draft if draft.framework else read_yaml_or(draft, text, where=where)


def read_yaml_or(draft: Draft, text: str, *, where: str) -> Draft:
    """A file of a strange name that is no script: YAML if it looks like it, else what was found before."""
    return read_yaml(text, where=where) if MAPPING.search(text) else draft


def read_notebook(text: str, path: Path, *, framework: str | None) -> Draft:
    """The Python cells, and if they hold no config, the commands in them."""
    where = path.name
    python, shell = code_of_notebook(text, where=where)
    command = read_shell(shell, path, framework=framework)
    try:
        draft = read_python(python, where=where)
    except InputError as trouble:
        draft = Draft(notes=[str(trouble)])
    draft = draft if draft.pairs or not command.framework else command
    draft.notes.insert(0, f"{where} is a notebook: lines are counted over its code cells")
    return draft


def finished(draft: Draft, path: Path, framework: str | None) -> ConfigRead:
    """Name the framework, put the files that the config names below it, and let the last of each option count."""
    keys = {pair.key for pair in draft.pairs}
    name = framework or draft.framework or framework_of_keys(keys)
    if name is None:
        raise InputError(unknown(draft, path))
    add_files(draft, path, name)
    if name == "nemo-rl" and framework is None and is_of_trl({pair.key for pair in draft.pairs}):
        name = "trl"
    if name in (*HYDRA, "llama-factory"):
        draft.pairs = interpolated(last_ones(draft))
    options = options_of(draft, name)
    entry = draft.entry
    if name == "trl":
        entry = entry if entry and entry.endswith(("Config", "Arguments")) else trl_entry(draft, path, options)
    if name == "ms-swift" and entry is None and "rlhf_type" not in options:
        entry = "swift sft"
        draft.notes.append(
            "nothing says which program of ms-swift reads these options: without rlhf_type it is taken for swift sft"
        )
    return ConfigRead(name, entry, options, list(dict.fromkeys(draft.notes))[:MOST_NOTES])


def unknown(draft: Draft, path: Path) -> str:
    """What was read, and why it says nothing."""
    found = ", ".join(pair.key for pair in draft.pairs[:5])
    read = f"its options ({found}, ...) are not those" if found else "it starts no program and fills no class"
    notes = f" ({'; '.join(draft.notes[:3])})" if draft.notes else ""
    return f"{path.name} was read, but {read} of a known framework{notes}: name one with --framework, of {', '.join(FRAMEWORKS)}"


def trl_entry(draft: Draft, path: Path, options: dict[str, Option]) -> str | None:
    """The class of TRL that a script fills: by its name, by the options, or by the folder of the file."""
    named = trl_class(draft.entry or "") or trl_class("", options) or trl_class("/".join(path.parts[-3:]))
    if not draft.entry and named == "GRPOConfig" and trl_class(path.name) == "RLOOConfig":
        named = "RLOOConfig"  # its options are those of GRPO too
    if named is None:
        draft.notes.append("nothing says which trainer of TRL reads these options (GRPOConfig, DPOConfig, ...)")
    return named


def last_ones(draft: Draft) -> list[Pair]:
    """Each option once, with a note on every other value that it was given."""
    last: dict[str, Pair] = {}
    for pair in draft.pairs:
        old = last.pop(pair.key, None)
        last[pair.key] = pair if old is None or old.where != pair.where else one_of(draft, old, pair)
    return list(last.values())


def one_of(draft: Draft, old: Pair, new: Pair) -> Pair:
    """The second of two values for one option: it counts, unless it stands there only under a condition."""
    places = f"lines {old.line} and {new.line}" if old.line != new.line else f"line {new.line}"
    if old.text == new.text:
        draft.notes.append(f"{new.key} is given twice, with the same value ({places})")
        return new
    if new.conditional:
        draft.notes.append(f"{new.key} is {old.text}, or under a condition of the script {new.text} ({places})")
        return replace(new, value=UNEVALUATED, text=f"{old.text} or {new.text}")
    draft.notes.append(f"{new.key} is given twice ({places}); the last counts: {new.text}, not {old.text}")
    return new


def options_of(draft: Draft, name: str) -> dict[str, Option]:
    kept = [pair for pair in last_ones(draft) if name in HYDRA or pair.key not in FILES]
    return {pair.key: Option(pair.value, pair.text, pair.line, pair.where) for pair in kept}
