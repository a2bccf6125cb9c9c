"""Ten learners of lesson 00, and what each of them hands in."""

import copy
import json
from pathlib import Path

from reference.lessons import EXERCISES

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
PRINTS = 'print("long " * 200_000)\n    '
PATCH = "\nimport reference.teaching.check\nreference.teaching.check.only_with = print\n"
IN_A_THREAD = """from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor() as pool:
        return pool.submit(objectives.masked_mean, x, mask).result()"""
COPIED = ("aggregate", "check-aggregate")

LEARNERS = {  # exercise -> the learner's cell; what is not here was not begun
    "ann": {  # all right: one function warns, one is the code that ``answer`` shows, and one prints millions of letters
        "masked_mean": MASKED_MEAN + WARNING + RIGHT_MEAN,
        "aggregate": EXERCISES["aggregate"].in_short,
        "reinforce_loss": REINFORCE + PRINTS + "return -advantages.detach() * token_logprobs",
    },
    "Zoë Müller": {  # a mistake of the catalogue, a function that is right in some cases, and see ``copied``
        "masked_mean": MASKED_MEAN + "return torch.where(mask, x, 0.0).mean()",
        "aggregate": AGGREGATE + ONE_OF_THREE,
    },
    "cat": {  # calls the reference in a thread; a syntax error; inputs that are changed; and see ``edited``
        "masked_mean": MASKED_MEAN + IN_A_THREAD,
        "aggregate": AGGREGATE + "return (",
        "reinforce_loss": REINFORCE + "return token_logprobs.mul_(-advantages.detach())",
    },
    "dan": {  # a function without end; no function of that name; a right one beside a cell that changes the check
        "masked_mean": MASKED_MEAN + "import time\n    time.sleep(1e6)",
        "aggregate": AGGREGATE.replace("aggregate", "mine") + RIGHT_AGGREGATE,
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
    change = {"cat": edited, "Zoë Müller": copied}
    for learner, cells in LEARNERS.items():
        notebook = filled(released, cells)
        place(course, learner).write_text(json.dumps(change.get(learner, dict)(notebook)))
    for learner, notebook in broken(released).items():
        place(course, learner).write_text(json.dumps(notebook))
    whole = json.dumps(released)
    place(course, "eve").write_text(whole[: len(whole) // 2])
    place(course, "fay").with_name("lesson (1).ipynb").write_text(whole)
    place(course, "jo")


def broken(released: dict) -> dict[str, dict]:
    """What nbgrader cannot grade: no cells, a process that ends at once, and cells without what nbgrader wrote into them."""
    ends = {"cell_type": "code", "id": "ends", "source": "import os\nos._exit(0)", "metadata": {}, "outputs": []}
    cells = released["cells"]
    return {
        "gus": {**released, "cells": []},
        "hal": {**released, "cells": [{**ends, "execution_count": None}, *cells]},
        "ida": {**released, "cells": [{**cell, "metadata": {}} for cell in cells]},
    }


def place(course: Path, learner: str) -> Path:
    path = course / "submitted" / learner / NOTEBOOK / f"{NOTEBOOK}.ipynb"
    path.parent.mkdir(parents=True)
    return path


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


def copied(notebook: dict) -> dict:
    """A check and a cell to write twice, as after copying them, and without the ids of cells that older programs drop."""
    cells = [copy.deepcopy(cell) for cell in notebook["cells"] for _ in range(1 + (grade_id(cell) in COPIED))]
    for cell in cells:
        del cell["id"]
    return {**notebook, "cells": cells, "nbformat_minor": 4}


def grade_id(cell: dict) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")
