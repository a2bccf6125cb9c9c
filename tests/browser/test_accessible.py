"""What a screen reader and a keyboard find in a real JupyterLab: every widget and every output of ours, light and dark.

One notebook shows all of them, and nothing is trained. axe-core looks at our outputs alone. What ipywidgets and
JupyterLab do wrong around them is no violation of ours, and what they do wrong inside of them is listed in THEIRS.
"""

from collections.abc import Iterator

import nbformat
import pytest
from labs import MARKS, chromium, lab, new_notebook, opened_and_run

from reference.lessons import WIDGETS

pytestmark = MARKS

IMPORTS = """
import os
os.environ["REFERENCE_PROGRESS"] = "verdicts.jsonl"  # in the folder of this notebook
from reference import answer, check, hint, objectives, play, progress, quiz, show, table
from reference.audit.view import show_batch
from reference.lessons.codebases.exam import exam
from reference.lessons.masking.figures import figure_weights
from reference.lessons.over_optimisation.texts import show_samples
from reference.teaching.example import example
from reference.world.model import load
"""
BATCH = """
chat = example()
ids, mask = chat.tokens, chat.assistant_mask.long()
advantages = (mask * 1.0).cumsum(1) / mask.sum() - 0.5
batch = {"input_ids": ids, "attention_mask": ids * 0 + 1, "loss_mask": mask, "advantages": advantages}
show_batch(batch, tokenizer=load()[1], value="advantages")
"""
OUTPUTS = (
    'quiz("pad_is_eos")',
    "check.masked_mean(lambda x, mask: x.mean())",
    "check.masked_mean(objectives.masked_mean)",
    'hint("masked_mean")',
    'answer("masked_mean")',
    'table({"k1": (0.2, -0.1), "k2": (0.02, 0.0)}, "mean", "std")',
    "show(figure_weights([2, 8, 5]))",
    "exam()",
    'exam({1: "a", 2: "b", 3: "c", 99: "a"})',
    "show_samples(1)",
    "progress()",
    "progress(reset=True)",
    BATCH,
)
ARGUMENTS = {"walk": "example()", "temperature": "example()", "supervision": "example()", "trajectory": "load()[1]"}
SHOWN = {name: f"play.{name}({ARGUMENTS.get(name, '')})" for name in WIDGETS}
ALL_AT_ONCE = {"notebook-extension/tracker": {"windowingMode": "none"}}  # and not only the cells on the screen

# Rule of axe -> why it is left to ipywidgets or JupyterLab. Each is needed: a test fails when its rule finds nothing.
THEIRS: dict[str, str] = {}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator:
    place = tmp_path_factory.mktemp("outputs")
    nbformat.write(new_notebook(IMPORTS, *OUTPUTS, *SHOWN.values()), place / "all.ipynb")
    with lab(place, tmp_path_factory.mktemp("config"), ALL_AT_ONCE) as address, chromium() as browser:
        yield opened_and_run(browser, address.format("all.ipynb"))
