"""Read a framework's defaults from its source and write them to reference/frameworks/versions/FRAMEWORK-VERSION.json.

From the folder tests. The package need not run, only be unpacked somewhere: installed without its dependencies, or a
checkout of its repository.

    python -m oracles.record_defaults trl
    python -m oracles.record_defaults skyrl --source FOLDER --version 0.3.0
"""

import argparse
import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_paths

from reference.frameworks.versions import VERSIONS

from .defaults.cells import Cell, read_all
from .defaults.names import all_names
from .frameworks import DEFAULTS


def cells_of(framework: str) -> list[Cell]:
    return import_module(f".defaults.{framework}", __package__).CELLS


def record(framework: str, *, source: Path, of_version: str, folder: Path = VERSIONS) -> tuple[Path, list[str]]:
    """The file that was written, and what could not be read."""
    module = import_module(f".defaults.{framework}", __package__)
    cells, lost = read_all(module.CELLS, source)
    names = all_names(module.NAMES, source)
    content = {"framework": framework, "title": DEFAULTS[framework], "version": of_version, "names": names}
    lines = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in cells)  # one a line: readable diffs
    path = folder / f"{framework}-{of_version}.json"
    path.write_text(json.dumps(content, ensure_ascii=False)[:-1] + f', "cells": [\n{lines}\n]}}\n', encoding="utf-8")
    return path, lost


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the defaults of a framework, as its source states them.")
    parser.add_argument("framework", choices=DEFAULTS)
    parser.add_argument("--source", type=Path, default=Path(get_paths()["purelib"]), metavar="FOLDER",
        help="the folder that holds the package: site-packages (default: of this Python), or a checkout")  # fmt: skip
    parser.add_argument("--version", help="of what is in --source; default: of what is installed")
    parser.add_argument("--folder", type=Path, default=VERSIONS, metavar="FOLDER", help="where it goes")
    args = parser.parse_args()
    of_version = args.version or version(args.framework)
    path, lost = record(args.framework, source=args.source, of_version=of_version, folder=args.folder)
    print(path)
    for line in lost:
        print(f"not read: {line}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
