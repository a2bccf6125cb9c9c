"""The floors of the house: who may import whom, and how fast the front door opens."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from reference.lessons import LESSONS

PACKAGE = Path(__file__).parents[1] / "reference"
FLOORS = (
    "objectives",
    "world",
    "evaluation",
    "algorithms",
    "faults",
    "configs",
    "frameworks",
    "audit",
    "doctor",
    "engines",
    "runs",
    "teaching",
    "lessons",
    "classroom",
    "cli",
)


def name_of(file: Path, package: Path = PACKAGE) -> str:
    """reference/world/cache.py is reference.world.cache, and a folder's __init__.py the folder."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path, package: Path = PACKAGE) -> set[str]:
    """Full names of what a file imports, anywhere in it: inside functions, under TYPE_CHECKING, by relative names too."""
    folder = file.relative_to(package.parent).parent.parts
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            # from package import name: the module of that name if there is one, else the package
            found |= {
                f"{source}.{alias.name}" if is_module(f"{source}.{alias.name}", package) else source
                for alias in node.names
            }
    return found


def is_module(name: str, package: Path) -> bool:
    path = package.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def circle(package: Path = PACKAGE) -> list[str]:
    """Modules that import each other in a ring; empty where there is none."""
    graph = {name_of(file, package): imports(file, package) for file in sorted(package.rglob("*.py"))}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for imported in sorted(graph[name] & graph.keys() - {name}):
            if found := walk(imported, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in graph if (found := walk(name, []))), [])


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_the_floors_below_it(floor):
    allowed = FLOORS[: FLOORS.index(floor) + 1]
    for file in (PACKAGE / floor).rglob("*.py"):
        for module in imports(file):
            if module.startswith("reference.") and module.split(".")[1] in FLOORS:
                assert module.split(".")[1] in allowed, f"{file.relative_to(PACKAGE)} imports {module}"


@pytest.mark.parametrize(("number", "lesson"), enumerate(LESSONS))
def test_a_lesson_imports_only_from_the_lessons_before_it(number, lesson):
    for file in (PACKAGE / "lessons" / lesson).rglob("*.py"):
        for module in imports(file):
            if module.startswith("reference.lessons"):
                assert module.split(".")[2] in LESSONS[: number + 1], f"{file.relative_to(PACKAGE)} imports {module}"


def test_there_is_no_folder_that_is_no_floor():
    assert {path.name for path in PACKAGE.iterdir() if any(path.rglob("*.py"))} == set(FLOORS)


def test_nothing_is_imported_in_a_circle():
    assert not (found := circle()), " -> ".join(found)


@pytest.mark.parametrize(
    "written", ["from reference.b import x", "from .b import x", "from . import b", "import reference.b"]
)
@pytest.mark.parametrize(
    "where", ["{}", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}", "def f():\n    {}"]
)
def test_a_circle_is_found_however_it_is_written(tmp_path, written, where):
    package = tmp_path / "reference"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text(where.format(written))
    (package / "b.py").write_text("import torch\nfrom .c import y\n")
    (package / "c.py").write_text("y = 1\n")
    assert circle(package) == []
    (package / "c.py").write_text("from reference import a\ny = 1\n")
    assert circle(package) == ["reference.a", "reference.b", "reference.c", "reference.a"]


def test_the_ground_floor_needs_torch_and_shape_checking_only():
    known = {"torch", "jaxtyping", "beartype"} | set(sys.stdlib_module_names)
    for file in (PACKAGE / "objectives").rglob("*.py"):
        others = {module.split(".")[0] for module in imports(file) if not module.startswith("reference.objectives")}
        assert others <= known, file


def test_importing_the_package_loads_neither_torch_nor_transformers():
    code = "import sys, reference; print({'torch', 'transformers', 'matplotlib', 'ipywidgets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_neither_the_objectives_nor_the_table_of_recipes_load_transformers():
    code = "import sys, reference.objectives, reference.algorithms.table; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_files_are_short_enough_to_read_in_one_sitting():
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 260, file
