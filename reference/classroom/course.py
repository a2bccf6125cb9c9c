"""A folder for nbgrader, made from the lessons: a source notebook for each, and the settings they need."""

import json
import re
import shutil
from pathlib import Path

from reference.classroom.assignment import source_notebook
from reference.classroom.results import VERDICT
from reference.objectives.shapes import InputError

REPOSITORY = Path(__file__).parents[2]
CONFIG = '''"""Settings of nbgrader for the lessons. It reads this file where it is started: in this folder."""

import os

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties, CheckCellMetadata, ClearOutput, DeduplicateIds, Execute, IgnorePattern, LimitOutput,
    NbGraderPreprocessor, OverwriteCells, OverwriteKernelspec, SaveAutoGrades
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

LETTERS = 500_000  # of the output of one cell that are kept, pictures included
CUT = "... the rest of the output was cut ..."


class ShortOutput(NbGraderPreprocessor):
    """LimitOutput keeps 1000 lines of a cell, however long they are, and all that is displayed. This bounds both."""

    def preprocess_cell(self, cell, resources, index):
        left = LETTERS
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VERDICT in data:  # what the report reads
                continue
            for holder, key in [(output, "text"), (output, "evalue"), *((data, kind) for kind in list(data))]:
                if key in holder:
                    left = self.shorten(holder, key, left)
            if "traceback" in output:
                lines = {"all": "\\n".join(output["traceback"])}
                left = self.shorten(lines, "all", left)
                output["traceback"] = lines["all"].split("\\n")
        return cell, resources

    def shorten(self, holder, key, left):
        """Plain text is cut, a picture or a page left out. Returns how many letters may follow."""
        size = len(str(holder[key]))
        if size > left:
            plain = key in ("text", "evalue", "text/plain", "all")
            text = (holder[key][:left] if plain else "") + CUT
            if not plain:
                del holder[key]
            holder[key if plain else "text/plain"] = text
        return max(0, left - size)


c.Autograde.autograde_preprocessors = [
    Execute, IgnorePattern, ClearMetadataPreprocessor, LimitOutput, ShortOutput, SaveAutoGrades, AssignLatePenalties,
    CheckCellMetadata
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
    (folder / "nbgrader_config.py").write_text(settings(folder.resolve().name, timeout=timeout), encoding="utf-8")
    return [path.stem for path in chosen]


def settings(name: str, *, timeout: int) -> str:
    """The file that nbgrader reads in the folder of the course."""
    config = CONFIG.replace("TIMEOUT", str(5 * timeout)).replace("VERDICT", json.dumps(VERDICT))
    return config.replace('"COURSE"', json.dumps(name))


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
