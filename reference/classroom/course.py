"""A folder for nbgrader, made from the lessons: a source notebook for each, and the settings they need."""

import json
import re
import shutil
from pathlib import Path

from reference.classroom.assignment import source_notebook
from reference.objectives.shapes import InputError

REPOSITORY = Path(__file__).parents[2]
CONFIG = '''"""Settings of nbgrader for the lessons. It reads this file where it is started: in this folder."""

import os

from nbgrader.preprocessors import (
    CheckCellMetadata, ClearOutput, DeduplicateIds, NbGraderPreprocessor, OverwriteCells, OverwriteKernelspec
)  # fmt: skip

c = get_config()  # noqa: F821  nbgrader gives it


class CopiedCells(NbGraderPreprocessor):
    """Of a cell and its copy nbgrader empties the entry of the first, then looks for a name in it, and gives no grade."""

    def preprocess_cell(self, cell, resources, index):
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
        return cell, resources


c.Autograde.sanitize_preprocessors = [
    ClearOutput, DeduplicateIds, CopiedCells, OverwriteKernelspec, OverwriteCells, CheckCellMetadata
]  # fmt: skip

# What release_assignment, fetch_assignment, submit and collect call the course.
c.CourseDirectory.course_id = "COURSE"

# The learner's cell keeps its stub, and the solution behind it goes without a trace.
c.ClearSolutions.code_stub = {"python": ""}

# A check that somebody has deleted is put back, and gives no points where nothing was written.
c.OverwriteCells.add_missing_cells = True

# Seconds for a cell, and then for the interrupted kernel to answer. An exercise has a time of its own, which is shorter and
# costs its own points only. Where these two are over, nbgrader gives no grades to the whole submission.
c.Execute.timeout = TIMEOUT
c.Execute.iopub_timeout = 60

# For the kernels that grade: one core each, pictures in the place of widgets, and nothing from a hub. What learners have
# solved is no progress of whoever grades.
os.environ.update(
    OMP_NUM_THREADS="1", REFERENCE_STATIC="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
    REFERENCE_PROGRESS="off",
)  # fmt: skip
'''


def new_course(
    folder: Path, *, lessons: list[str], seed: int, timeout: int, notebooks: Path | None = None
) -> list[str]:
    """Write the course; returns the names of its assignments. ``lessons``: numbers such as 04; none: all."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: name a folder that is not there yet")
    chosen = chosen_notebooks(notebooks or REPOSITORY / "notebooks", lessons)
    for path in chosen:
        write_assignment(path, folder / "source" / path.stem, seed=seed, seconds=timeout)
    config = CONFIG.replace("TIMEOUT", str(5 * timeout)).replace('"COURSE"', json.dumps(folder.resolve().name))
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    return [path.stem for path in chosen]


def chosen_notebooks(folder: Path, lessons: list[str]) -> list[Path]:
    """The notebooks of these numbers, in the order of the course."""
    found = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise InputError(
            f"there are no notebooks in {folder}: run this in a copy of the repository, or say --notebooks"
        )
    if missing := [number for number in lessons if number not in found]:
        raise InputError(f"there is no lesson {', '.join(missing)}: the lessons are {', '.join(found)}")
    return [path for number, path in found.items() if number in lessons or not lessons]


def write_assignment(path: Path, folder: Path, *, seed: int, seconds: int) -> None:
    """One notebook, and the pages that its links lead to."""
    source = source_notebook(json.loads(path.read_text(encoding="utf-8")), seed=seed, seconds=seconds)
    folder.mkdir(parents=True)
    (folder / path.name).write_text(json.dumps(source, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for page in linked_pages(source):
        if (original := path.parents[1] / page).is_file():
            (folder / "docs").mkdir(exist_ok=True)
            shutil.copy(original, folder / page)


def linked_pages(notebook: dict) -> list[str]:
    """docs/GLOSSARY.md and others, each once."""
    texts = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    return sorted(set(re.findall(r"\]\((docs/\w+\.md)", "\n".join(texts))))
