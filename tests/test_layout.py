"""The floors of the house: who may import whom, and how fast the front door opens."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "reference"
FLOORS = ("objectives", "world", "evaluation", "training", "teaching")


def imports(file: Path) -> set[str]:
    """Absolute names of all modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_the_floors_below_it(floor):
    allowed = FLOORS[: FLOORS.index(floor) + 1]
    for file in (PACKAGE / floor).rglob("*.py"):
        for module in imports(file):
            if module.startswith("reference.") and module.split(".")[1] in FLOORS:
                assert module.split(".")[1] in allowed, f"{file.relative_to(PACKAGE)} imports {module}"


def test_the_ground_floor_needs_torch_and_shape_checking_only():
    known = {"torch", "jaxtyping", "beartype"} | set(sys.stdlib_module_names)
    for file in (PACKAGE / "objectives").rglob("*.py"):
        assert {module.split(".")[0] for module in imports(file)} <= known, file


def test_importing_the_package_loads_neither_torch_nor_transformers():
    code = "import sys, reference; print({'torch', 'transformers', 'matplotlib', 'ipywidgets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_importing_the_objectives_does_not_load_transformers():
    code = "import sys, reference.objectives; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_files_are_short_enough_to_read_in_one_sitting():
    for file in PACKAGE.rglob("*.py"):
        if "bugs" not in file.parts:  # a catalogue, not a story
            assert len(file.read_text().splitlines()) <= 260, file
