"""What is different between two recordings of a framework, in lines that a person reads."""

import json
from pathlib import Path
from typing import Any

from .records import FLOAT32_INSIDE, floats

SHOWN = 12  # of the lines of one kind; the rest is counted


def changed_records(before: Path, after: Path) -> list[str]:
    """Functions that answer otherwise, are gone, or are new. The values may differ by the rounding of their dtype."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    lines = versions(old, new)
    old, new = old["records"], new["records"]
    lines += listed("gone", sorted(old.keys() - new.keys())) + listed("new", sorted(new.keys() - old.keys()))
    moved = {name: distance(name, old[name], new[name]) for name in old.keys() & new.keys()}
    return lines + listed(
        "answers otherwise", [f"{name} (by {far:.1e})" for name, far in sorted(moved.items()) if far > 0]
    )


def versions(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [f"version {old['version']} -> {new['version']}"] if old["version"] != new["version"] else []


def listed(kind: str, names: list[str]) -> list[str]:
    shown = [f"{kind}: {name}" for name in names[:SHOWN]]
    return shown + ([f"{kind}: {len(names) - SHOWN} more"] if len(names) > SHOWN else [])


def distance(name: str, old: dict[str, Any], new: dict[str, Any]) -> float:
    """The largest difference of value or gradient, relative to 1 and to its size; 0 where rounding explains it."""
    far = 0.0
    single = old["value"]["dtype"] != "float64" or name.partition(" | ")[0] in FLOAT32_INSIDE
    rounding = 1e-5 if single else 1e-10
    for key in ("value", "gradient"):
        a, b = old[key], new[key]
        if (a is None) != (b is None) or (a and (a["dtype"] != b["dtype"] or shape(a["data"]) != shape(b["data"]))):
            return float("inf")
        if a:
            pairs = zip(flat(floats(a["data"])), flat(floats(b["data"])), strict=True)
            far = max([far, *(d for d in (apart(x, y) for x, y in pairs) if d > rounding)])
    return far


def apart(x: float, y: float) -> float:
    if x == y or (x != x and y != y):
        return 0.0
    gap = abs(x - y) / (1 + abs(x))
    return gap if gap == gap else float("inf")


def flat(x: Any) -> list[float]:
    return [number for part in x for number in flat(part)] if isinstance(x, list) else [x]


def shape(x: Any) -> tuple[int, ...]:
    return (len(x), *(shape(x[0]) if x else ())) if isinstance(x, list) else ()


def changed_cells(before: Path, after: Path) -> list[str]:
    """Options whose default is another, and those that are gone or new. A line that only moved is no change."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    lines = versions(old, new)
    mine, theirs = by_name(old), by_name(new)
    lines += listed("gone", sorted(mine.keys() - theirs.keys())) + listed("new", sorted(theirs.keys() - mine.keys()))
    both = sorted(mine.keys() & theirs.keys())
    other = [f"{name} was {mine[name]!r}, is {theirs[name]!r}" for name in both if mine[name] != theirs[name]]
    return lines + listed("another default", other)


def by_name(content: dict[str, Any]) -> dict[str, Any]:
    """Slot, trainer and option -> default; lines of code by their words."""
    return {
        ", ".join(filter(None, (cell["slot"], cell["entry"], cell["option"] or cell["values"][0][1]))): cell["default"]
        for cell in content["cells"]
    }
