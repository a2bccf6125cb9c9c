"""Four learners of lesson 00, and what each of them hands in."""

import copy
import json
from pathlib import Path

NOTEBOOK = "00_everything_is_a_masked_loss"
MASKED_MEAN = "def masked_mean(x, mask):\n    "
AGGREGATE = "def aggregate(token_loss, mask, *, strategy, max_length):\n    "
REINFORCE = "def reinforce_loss(token_logprobs, advantages):\n    "
RIGHT_MEAN = "return torch.where(mask, x, 0.0).sum() / mask.sum()"
RIGHT_AGGREGATE = """kept = torch.where(mask, token_loss, 0.0)
    if strategy == "sequence_mean":
        rows = mask.any(dim=1)
        return (kept.sum(dim=1) / mask.sum(dim=1).clamp_min(1)).sum() / rows.sum()
    return kept.sum() / (mask.sum() if strategy == "token_mean" else len(mask) * max_length)"""
ONE_OF_THREE = 'return torch.where(mask, token_loss, 0.0).sum() / (mask.sum() if strategy == "token_mean" else 7)'
WARNING = 'import warnings\n    warnings.warn("something is deprecated")\n    '
PATCH = "\nimport reference.teaching.check\nreference.teaching.check.only_with = print\n"

LEARNERS = {  # exercise -> the learner's cell; what is not here was not begun
    "ann": {  # all right, and one function warns
        "masked_mean": MASKED_MEAN + WARNING + RIGHT_MEAN,
        "aggregate": AGGREGATE + RIGHT_AGGREGATE,
        "reinforce_loss": REINFORCE + "return -advantages.detach() * token_logprobs",
    },
    "bob": {  # a mistake of the catalogue, a function that is right in some cases, an exercise that was not begun
        "masked_mean": MASKED_MEAN + "return torch.where(mask, x, 0.0).mean()",
        "aggregate": AGGREGATE + ONE_OF_THREE,
    },
    "cat": {  # calls the reference; see also ``edited``
        "masked_mean": MASKED_MEAN + "return objectives.masked_mean(x, mask)",
        "aggregate": AGGREGATE + "return 0 * token_loss.sum()",
    },
    "dan": {  # a function without end; a right one; a right one beside a cell that changes the check from within
        "masked_mean": MASKED_MEAN + "import time\n    time.sleep(1e6)",
        "aggregate": AGGREGATE + RIGHT_AGGREGATE,
        "reinforce_loss": REINFORCE + "return -advantages.detach() * token_logprobs" + PATCH,
    },
}


def small_lesson(folder: Path, original: Path) -> Path:
    """Lesson 00 with its title, its imports and its exercises: what takes long is left out."""
    notebook = json.loads(original.read_text())
    kept = [cell for cell in notebook["cells"] if is_kept(cell)]
    folder.mkdir(parents=True)
    (folder / original.name).write_text(json.dumps({**notebook, "cells": kept}))
    return folder


def is_kept(cell: dict) -> bool:
    text = "".join(cell["source"])
    return (
        "### Exercise" in text or "raise NotImplementedError" in text or text.startswith(("# 00", "import importlib"))
    )


def hand_in(course: Path, released: dict) -> None:
    """Every learner's notebook, into submitted/LEARNER/ASSIGNMENT."""
    for learner, cells in LEARNERS.items():
        path = course / "submitted" / learner / NOTEBOOK / f"{NOTEBOOK}.ipynb"
        path.parent.mkdir(parents=True)
        notebook = filled(released, cells)
        path.write_text(json.dumps(edited(notebook) if learner == "cat" else notebook))


def filled(released: dict, cells: dict[str, str]) -> dict:
    notebook = copy.deepcopy(released)
    for cell in notebook["cells"]:
        if (name := grade_id(cell)) in cells:
            cell["source"] = cells[name]
    return notebook


def edited(notebook: dict) -> dict:
    """All points for aggregate by hand, no check of reinforce_loss, and another meaning for a name of the imports."""
    cells = [cell for cell in notebook["cells"] if grade_id(cell) != "check-reinforce_loss"]
    for cell in cells:
        if grade_id(cell) == "check-aggregate":
            cell["source"], cell["metadata"]["nbgrader"]["points"] = "1000", 1000
        if grade_id(cell) == "imports":
            cell["source"] = [*cell["source"], "\nobjectives = None"]
    return {**notebook, "cells": cells}


def grade_id(cell: dict) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")
