"""Record frameworks again, each in an environment of its own, and say what changed. `make oracles` does it for all.

An environment stands in .oracles/ and is used again. It borrows torch and transformers from the Python that runs this, and
holds the framework without its dependencies, and what its formulas import. Nothing that is committed changes without --write.
"""

import argparse
import shutil
import sys
from pathlib import Path

from .changes import changed_cells, changed_records
from .environments import NotRecorded, environment, package_named, root_of, run, version_of
from .frameworks import CELLS, DEFAULTS, RECORDED
from .records import FIXTURES

NAMES = sorted(set(RECORDED) | set(DEFAULTS))
CHANGED, FAILED = 1, 2


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    if args.version and len(args.frameworks) != 1:
        parser().error("--version belongs to one framework: name it")
    if unknown := [name for name in args.frameworks if name not in NAMES]:
        parser().error(f"no framework is called {unknown[0]!r}; there are {', '.join(NAMES)}")
    worst = 0
    for name in args.frameworks or NAMES:
        print(f"{name}: making its environment, and recording", flush=True)
        try:
            lines = compare(name, args.version, write=args.write)
        except NotRecorded as error:
            print(f"{name}: {error}. What is recorded stays as it is.", file=sys.stderr, flush=True)
            worst = FAILED
            continue
        print("\n  ".join([f"{name}: {len(lines)} changes" if lines else f"{name}: as recorded", *lines]), flush=True)
        worst = max(worst, CHANGED if lines else 0)
    return worst


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m oracles.again",
        description="Record frameworks again, each in an environment of its own, and say what changed.",
        epilog=(
            "From the folder tests: python -m oracles.again skyrl; python -m oracles.again skyrl --version 0.4.0. "
            "Exit code 0: nothing changed, 1: something did, 2: a framework could not be recorded."
        ),
    )
    found.add_argument("frameworks", nargs="*", metavar="FRAMEWORK",
        help="none: all. There are " + ", ".join(NAMES))  # fmt: skip
    found.add_argument("--version", metavar="V", help="of one framework: another than the recorded one")
    found.add_argument("--write", action="store_true", help="put what was recorded in the place of what is committed")
    return found


def compare(name: str, version: str | None, *, write: bool) -> list[str]:
    """What is different from what is committed, a line each. Raises ``NotRecorded``."""
    package = package_named(name, version)
    folder = environment(name, package)
    records, cells = folder / "records", folder / "cells"
    lines = []
    if name in RECORDED:
        again(folder, records, "oracles.record", name)
        lines += changed_records(only(FIXTURES, name), only(records, name))
    if name in DEFAULTS:
        source = str(root_of(folder))
        again(
            folder, cells, "oracles.record_defaults", name, "--version", version_of(name, package), "--source", source
        )
        lines += changed_cells(only(CELLS, name), only(cells, name))
    if write:
        put(records, FIXTURES, name)
        put(cells, CELLS, name)
    return lines


def again(folder: Path, out: Path, *command: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    run(folder, "-m", *command, "--folder", str(out))


def only(folder: Path, name: str) -> Path:
    """The file of a framework in a folder: the newest, where there are several versions."""
    found = sorted(folder.glob(f"{name}-*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise NotRecorded(f"there is no {folder / name}-VERSION.json")
    return found[-1]


def put(source: Path, target: Path, name: str) -> None:
    """In the place of the version that is committed."""
    for new in source.glob(f"{name}-*.json"):
        for old in target.glob(f"{name}-*.json"):
            old.unlink()
        shutil.copy(new, target)


if __name__ == "__main__":
    sys.exit(main())
