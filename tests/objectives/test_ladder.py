"""The ladder: no objective without evidence on every rung. A wrong formula that nobody compares with anything is found here.

Evidence is a use of the function in a test, or its name as a string in one: an import or a comment is none. That the
evidence is right is what those tests are for; that it is there is what this one is for.
"""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest
from calls import CALLS

from reference import objectives

HERE = Path(__file__).parent
ORACLES = HERE.parent / "oracles"
PUBLIC = sorted(name for name in objectives.__all__ if inspect.isfunction(getattr(objectives, name)))
RUNGS = {  # what a new objective comes with: where it is looked for
    "a specification: a plain loop written from the formula": [*HERE.glob("test_specification*.py")],
    "an enumeration or a closed form": [*HERE.glob("test_enumerat*.py"), HERE / "test_kl_gradients.py", *HERE.glob("test_closed_forms*.py")],
    "an entry in calls.py, from which refusals and the order of rows are tested": [HERE / "calls.py"],
    "a claim of an oracle, or a reason in NO_COUNTERPART": [*ORACLES.glob("test_*.py"), ORACLES / "equal.py", ORACLES / "claims.py"],
}  # fmt: skip
SAME_BY_DEFINITION = {  # needs no second formula, because it is one line around a function that has one
    "token_nll": "minus its argument: tests of sft_loss and of the specification",
    "overlong_mask": "a product of two masks: the specification says all of it",
}


@cache
def used(file: Path) -> set[str]:
    """Names that a test file uses: as a name, as an attribute, or as a string."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def missing(name: str) -> list[str]:
    """The rungs on which nothing mentions the function."""
    return [rung for rung, files in RUNGS.items() if not any(name in used(file) for file in files)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_objective_stands_on_every_rung(name):
    gone = [rung for rung in missing(name) if not (name in SAME_BY_DEFINITION and rung.startswith("an enumeration"))]
    assert not gone, f"{name} has no evidence yet: it needs {'; '.join(gone)}"


def test_a_function_that_nobody_tests_is_missed_on_all_of_them():
    assert missing("sapo_loss_" + "that_nobody_tests") == list(RUNGS)


def test_exceptions_are_still_needed():
    assert all(any(rung.startswith("an enumeration") for rung in missing(name)) for name in SAME_BY_DEFINITION)
    assert CALLS.keys() == set(PUBLIC)


def test_an_import_or_a_comment_is_no_evidence(tmp_path):
    file = tmp_path / "test_lazy.py"
    file.write_text("from reference.objectives import sapo_loss  # sapo_loss\n\n\ndef test():\n    assert True\n")
    assert "sapo_loss" not in used(file)
