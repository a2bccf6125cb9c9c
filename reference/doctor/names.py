"""Which scalar of which framework is which of ours, and which framework a log is of.

Each table was read in the source of the version that its file names. Names are without the prefix "train/".
"""

import difflib
import re
from collections.abc import Collection

from reference.doctor.canonical import CANONICAL, OURS
from reference.doctor.names_nemo import NEMO
from reference.doctor.names_openrlhf import OPENRLHF
from reference.doctor.names_row import Name, Table, listed
from reference.doctor.names_skyrl import SKYRL
from reference.doctor.names_trl import TRL
from reference.doctor.names_verl import VERL
from reference.evaluation.printable import printable
from reference.objectives.shapes import InputError

PREFIX = re.compile(r"train/(?=.)")
OWN = tuple(Name(name, name) for name in OURS)
TABLES: dict[str, tuple[Table, ...]] = {
    "ours": (Table("metrics.jsonl", (), OWN),),
    "trl": TRL,
    "verl": VERL,
    "openrlhf": OPENRLHF,
    "nemo": NEMO,
    "skyrl": SKYRL,
}
FRAMEWORKS = (*TABLES, "csv")
VERSIONS = {
    "ours": "",
    "trl": "1.16.0",
    "verl": "0.9.1",
    "openrlhf": "0.11.2",
    "nemo": "0.6.0, commit 7ea279ab",
    "skyrl": "0.3.0",
}
PASS = "pass framework= or --framework ({}), or columns that say which scalar is which"


def short(name: str) -> str:
    """A name without the prefix that loggers put before the scalars of training."""
    return PREFIX.sub("", name, count=1) if name.startswith("train/") else name


def has_mark(keys: Collection[str], table: Table) -> bool:
    """Whether scalars have a mark of a table."""
    return any(
        any(key.startswith(mark) for key in keys)
        if mark.endswith("/")
        else all(part in keys for part in mark.split("+"))
        for mark in table.marks
    )


def is_own(keys: Collection[str]) -> bool:
    """Whether these are scalars of our own loop, and nothing beside them but the kinds of tool calls."""
    others = {key for key in keys if key not in OURS and not re.match(r"(call|ending) \w", key)}
    return others == {"step"} and len(keys) > 2


def framework_of(keys: Collection[str], source: str) -> str:
    """The framework whose scalars these are. Raises ``InputError`` where they are nobody's, or those of two."""
    keys = {short(key) for key in keys}
    if is_own(keys) and {"grad_norm", "seconds"} <= keys:  # other tables have a step, a reward and a loss
        return "ours"
    found = [name for name, tables in TABLES.items() if any(has_mark(keys, table) for table in tables)]
    if len(found) == 1:
        return found[0]
    choices = ", ".join(TABLES)
    if not found:
        some = listed(sorted(keys - {"step"})) or "none"
        raise InputError(
            f"no framework is known whose log holds the scalars of {source} ({some}): {PASS.format(choices)}"
        )
    raise InputError(f"{source} holds scalars of {' and of '.join(found)}: {PASS.format(', '.join(found))}")


def table_of(framework: str, keys: Collection[str]) -> Table:
    """The table of the kind of trainer that writes such scalars: the first with a mark; the last one where there is none."""
    keys = {short(key) for key in keys}
    tables = TABLES[framework]
    return next((table for table in tables if has_mark(keys, table)), tables[-1])


def require_canonical(name: str) -> None:
    """Refuse a name that no rule would read."""
    if name not in CANONICAL and name != "step":
        near = difflib.get_close_matches(name, CANONICAL, n=1)
        hint = f": did you mean {near[0]}?" if near else f": the names are step, {', '.join(CANONICAL)}"
        raise InputError(f"columns: {printable(name, 60)} is no scalar that is read here{hint}")


def table_of_names(framework: str | None = None) -> str:
    """All names of a framework, or of all of them, as text: theirs, ours, and a sentence where the meaning differs."""
    if framework is not None and framework not in TABLES:
        raise InputError(f"framework is {framework!r}: the tables are {', '.join(TABLES)}")
    blocks = []
    for name in TABLES if framework is None else (framework,):
        for table in TABLES[name]:
            width = max(len(row.theirs) for row in table.names)
            lines = [f"{name} {VERSIONS[name]}".strip() + f": {table.title}"]
            for row in table.names:
                lines.append(f"  {row.theirs:<{width}}  {row.ours}")
                lines += [f"  {'':<{width}}    {row.note}"] if row.note else []
            blocks.append("\n".join(lines))
    rows = [f"  {name}: {words}" for name, words in CANONICAL.items()]
    return "\n\n".join([*blocks, "\n".join(["What each of our names is:", *rows])])
