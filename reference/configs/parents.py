"""Configs that a config names: the parents in ``defaults``, and the file behind ``--config``."""

import re
from pathlib import Path

from reference.configs.config_text import read_text
from reference.configs.option import Draft, Pair
from reference.configs.yaml_config import read_yaml
from reference.objectives.shapes import InputError

BEGINS_UNKNOWN = re.compile(r"(\$\(.*\)|\$\{[^}]*\}|\$\w+)/([^$]+)", re.DOTALL)
OF_FRAMEWORK = re.compile(r"\w*_trainer(\.yaml)?")  # ppo_trainer, ppo_megatron_trainer and such of verl
MOST_FILES = 20
HIGHEST = 6  # folders above the file in which a relative path is tried


def add_files(draft: Draft, path: Path, framework: str) -> None:
    """Put the options of every named file below the file's own, the nearest last; note those that are not there."""
    seen: set[Path] = {path.resolve()}
    below: list[Pair] = []
    folder = next((pair.text for pair in draft.pairs if pair.key in ("--config-path", "--config-dir")), "")
    for named in draft.files:
        below += read_named(draft, named.text, path, folder=folder, line=named.line, seen=seen)
    parents = [pair for pair in draft.pairs if pair.key == "defaults"]
    draft.pairs = [pair for pair in draft.pairs if pair.key != "defaults"]
    for pair in parents:
        for name in parents_of(pair):
            below += read_named(draft, name, path, folder="", line=pair.line, seen=seen)
    draft.pairs = [*below, *draft.pairs]


def parents_of(pair: Pair) -> list[str]:
    """The files in ``defaults``: one name or a list. Hydra's ``_self_`` is the file itself."""
    values = pair.value if isinstance(pair.value, list) else [pair.value]
    return [text for value in values if (text := name_of(value)) and text != "_self_"]


def name_of(value: object) -> str:
    if isinstance(value, dict):  # Hydra: - actor: dp_actor
        return "/".join(str(part) for item in value.items() for part in item)
    return str(value)


def read_named(draft: Draft, name: str, path: Path, *, folder: str, line: int, seen: set[Path]) -> list[Pair]:
    """The pairs of a file that a config names, with those of its own parents below them."""
    file = find(name, path, folder)
    if file is None and OF_FRAMEWORK.fullmatch(name):
        draft.notes.append(
            f"line {line} of {path.name} begins from {name}, a config of the framework: its values are defaults"
        )
        return []
    if file is None or len(seen) > MOST_FILES:
        draft.notes.append(f"line {line} of {path.name} takes in {name}, which is not here: its options are not known")
        return []
    if file.resolve() in seen:
        draft.notes.append(f"{file.name} takes in itself")
        return []
    seen.add(file.resolve())
    try:
        inner = read_yaml(read_text(file), where=file.name)
    except InputError as trouble:
        draft.notes.append(f"line {line} of {path.name} takes in {name}, which was not read: {trouble}")
        return []
    draft.notes += [f"the options of {file.name}, which {path.name} takes in, were read too", *inner.notes]
    below: list[Pair] = []
    for pair in inner.pairs:
        if pair.key == "defaults":
            for parent in parents_of(pair):
                below += read_named(draft, parent, file, folder="", line=pair.line, seen=seen)
    return [*below, *(pair for pair in inner.pairs if pair.key != "defaults")]


def find(name: str, path: Path, folder: str) -> Path | None:
    """A name beside the file; one with folders also from the folders above. ``$HERE/x.yaml`` counts as x.yaml."""
    if began := BEGINS_UNKNOWN.fullmatch(name):
        name = began[2]
    if "$" in name or Path(name).is_absolute() or len(name) > 300 or "\0" in name:
        return None
    names = [name] if name.endswith((".yaml", ".yml", ".json")) else [f"{name}.yaml", f"{name}.yml"]
    above = list(path.resolve().parents)[: HIGHEST if "/" in name or folder else 1]
    inside = folder if folder and "$" not in folder and not Path(folder).is_absolute() else ""
    for each in names:
        for start in above:
            for candidate in [start / inside / each] if inside else [start / each]:
                if candidate.is_file():
                    return candidate
    return None
