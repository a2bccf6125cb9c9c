"""What a teacher should look at by hand in a submission.

nbgrader puts locked cells back, so an edited check changes no points. But a submission runs in the same process as its
grades, and its code could change those from within. What is found here is a place to read, and no proof.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reference.classroom.results import grade_id_of, is_notebook, read_cells
from reference.classroom.same_code import same_code
from reference.lessons import EXERCISES

OURS = ("check", "grade", "objectives", "torch", "reference")  # names of the lesson that a cell has no reason to change
TOOLS = ("exec", "eval", "compile", "__import__", "setattr", "globals", "get_ipython", "open", "exit", "quit", "input")
MODULES = (
    "reference", "sys", "os", "gc", "inspect", "importlib", "ctypes", "subprocess", "builtins", "threading", "signal",
    "concurrent", "multiprocessing", "pathlib", "glob", "shutil", "io", "sqlite3", "socket", "urllib", "http", "requests",
)  # fmt: skip


def to_look_at(course: Path, learner: str, assignment: str) -> list[str]:
    """Of one submission, in sentences without a subject."""
    found: list[str] = []
    for path in sorted((course / "submitted" / learner / assignment).glob("*.ipynb")):
        released = course / "release" / assignment / path.name
        if released.is_file() and is_notebook(path):
            found += [*changed_checks(read_cells(path), read_cells(released)), *in_cells(path, released)]
    return found


def changed_checks(cells: list[dict[str, Any]], released: list[dict[str, Any]]) -> Iterator[str]:
    """Locked cells that are not as they were given out."""
    texts = {grade_id_of(cell): cell["source"] for cell in cells}
    for cell in released:
        name = grade_id_of(cell)
        if not name or not cell["metadata"]["nbgrader"]["locked"]:
            continue
        if name not in texts:
            yield f"deletes the cell {name}"
        elif texts[name].strip() != cell["source"].strip():
            yield f"edits the cell {name}, and nbgrader grades with the original"


def in_cells(path: Path, released: Path) -> Iterator[str]:
    """Of the cells that the learner wrote or changed."""
    given = read_cells(released)
    for cell in read_cells(path):
        original = original_of(cell, given)
        if cell["cell_type"] != "code" or original["metadata"].get("nbgrader", {}).get("locked"):
            continue
        name = grade_id_of(original)
        short = EXERCISES[name].in_short if name in EXERCISES else ""
        was_there = suspicions(original["source"]) + suspicions(short)
        what = [what for what in suspicions(cell["source"]) if what not in was_there]
        for each in [*what, *same_code(cell["source"], name)]:
            yield f"{each}, in the cell {grade_id_of(cell) or cell.get('id', 'without a name')}"


def original_of(cell: dict[str, Any], given: list[dict[str, Any]]) -> dict[str, Any]:
    """The cell as it was given out: of the same name for nbgrader, the same id, or the same text."""
    name = grade_id_of(cell)
    for same in (
        lambda other: name and grade_id_of(other) == name,
        lambda other: "id" in cell and other.get("id") == cell["id"],
        lambda other: other["source"] == cell["source"],
    ):
        if found := next(filter(same, given), None):
            return found
    return {"source": "", "metadata": {}}


def suspicions(source: str) -> list[str]:
    """What code does that has no place in an exercise. Each once, in the order of the text."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ["holds no plain Python"]
    modules = {*OURS, *imported(tree)}
    return list(dict.fromkeys(what for node in ast.walk(tree) for what in suspicion(node, modules)))


def suspicion(node: ast.AST, modules: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)) and root(node) in modules:
        yield f"assigns to {ast.unparse(node)}"
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "objectives":
        yield f"uses {ast.unparse(node)}"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in OURS:
        yield f"gives {node.id} another meaning"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TOOLS:
        yield f"calls {node.func.id}"
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (f"imports {name}" for name in modules_of(node) if name.split(".")[0] in MODULES)


def imported(tree: ast.AST) -> set[str]:
    """The names that imports bind."""
    aliases = [
        alias for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    ]
    return {(alias.asname or alias.name).split(".")[0] for alias in aliases}


def modules_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


def root(node: ast.expr) -> str:
    """reference, of reference.teaching.check.judge."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
