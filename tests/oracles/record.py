"""Evaluate a framework's own functions on the cases and write values and gradients to fixtures/FRAMEWORK-VERSION.json.

From the folder tests, in an environment that has the framework (README.md says how to make one):

    python -m oracles.record verl
"""

import argparse
import importlib
from importlib.metadata import version
from pathlib import Path

from .cases import make_cases
from .frameworks import RECORDED
from .records import FIXTURES, evaluate_all, save


def live_records(framework: str) -> tuple[str, dict[str, dict]]:
    """The version that is installed, and its answers by name of the record.

    Rows can give a ``VERSION`` of their own, for a framework that comes from a repository.
    """
    recorded = importlib.import_module(f".{framework}_rows", __package__)
    installed = getattr(recorded, "VERSION", None) or version(framework)
    return installed, evaluate_all(recorded.ROWS, make_cases())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the fixture of a framework that is installed here.")
    parser.add_argument("framework", choices=RECORDED)
    parser.add_argument("--folder", type=Path, default=FIXTURES, metavar="FOLDER", help="where it goes")
    args = parser.parse_args()
    print(save(args.framework, *live_records(args.framework), make_cases(), args.folder))
