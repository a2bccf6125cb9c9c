"""Why nbgrader has no grade for a submission, as far as its files say."""

from pathlib import Path

from reference.classroom.results import grade_id_of, is_notebook, read_cells

STOPPED = (
    "has no grade: its code stops the process or ignores its time limit, or autograde did not run; autograde says which"
)


def why_no_grade(course: Path, learner: str, assignment: str) -> str:
    """In a sentence without a subject."""
    wanted = sorted(path.name for path in (course / "release" / assignment).glob("*.ipynb"))
    folder = course / "submitted" / learner / assignment
    there = sorted(path.name for path in folder.glob("*.ipynb"))
    if not there:
        return "holds no notebook"
    if missing := [name for name in wanted if name not in there]:
        return f"holds {', '.join(there)}: rename it to {', '.join(missing)}, and grade again"
    return next(
        filter(None, (why_of_notebook(folder / name, course / "release" / assignment) for name in wanted)), STOPPED
    )


def why_of_notebook(path: Path, release: Path) -> str:
    if not is_notebook(path):
        return f"{path.name} cannot be read as a notebook: ask for it again"
    names = {grade_id_of(cell) for cell in read_cells(path)}
    wanted = [grade_id_of(cell) for cell in read_cells(release / path.name)]
    if missing := [name for name in wanted if name and not name.startswith("check-") and name not in names]:
        return (
            f"has lost the cells {', '.join(missing)}, or what nbgrader writes into them: ask for a notebook with them"
        )
    return ""
