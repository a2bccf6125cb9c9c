"""The ladder: no objective without evidence on every rung. An objective that a rung does not name is found here.

Evidence is a use of the function in a test, or its name as a string in one: an import or a comment is none. Whether that
test compares anything is not seen here: test_noticed.py makes each objective wrong, and looks whether the tests of the
first two rungs fail. Whether what they compare with is right is for them to say.
"""

import ast
import doctest
import importlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from calls import CALLS

from reference import objectives

HERE = Path(__file__).parent
ORACLES = HERE.parent / "oracles"
PUBLIC = sorted(name for name in objectives.__all__ if inspect.isfunction(getattr(objectives, name)))
RUNGS = {  # what a new objective comes with: where it is looked for
    "a specification: a plain loop written from the formula": [*HERE.glob("test_specification*.py")],
    "an enumeration or a closed form": [*HERE.glob("test_enumerat*.py"), HERE / "test_kl_gradients.py", *HERE.glob("test_closed_forms*.py")],
    "an entry in calls.py, from which refusals and the order of rows are tested": [HERE / "calls.py"],
    "a claim of an oracle, or a reason in NO_COUNTERPART": [*ORACLES.glob("test_*.py"), *ORACLES.glob("equal/*.py"), ORACLES / "claims.py"],
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


# ---- an example that runs ------------------------------------------------------------------------------------------------


def examples(function: Callable) -> list[list[str]]:
    """The paragraphs of a docstring that hold an example, as lines."""
    paragraphs = [paragraph.splitlines() for paragraph in (inspect.getdoc(function) or "").split("\n\n")]
    return [lines for lines in paragraphs if any(">>>" in line for line in lines)]


def untrue(function: Callable) -> str:
    """What doctest reports of the example: "" if it gives what it shows to who has imported torch and the function."""
    name, module = function.__name__, importlib.import_module(function.__module__)
    known = {"torch": torch, name: function}
    found = doctest.DocTestFinder(recurse=False).find(function, name, module=module, globs=known)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        runner.run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstring_has_one_example_that_runs(name):
    function = getattr(objectives, name)
    assert examples(function), f"the docstring of {name} has no example (>>>)"
    assert not untrue(function), untrue(function)


def unlike_an_example(function: Callable) -> list[str]:
    """What is wrong with the form of a docstring's examples."""
    found = examples(function)
    if len(found) != 1:
        return [f"{len(found)} examples instead of one"]
    first = next(i for i, line in enumerate(found[0]) if ">>>" in line)
    words, code = found[0][:first], found[0][first:]
    wrong = {
        "no words before it that end in a colon": not (words and words[-1].endswith(":")),
        "not 2 to 5 lines": not 2 <= len(code) <= 5,
        "an indented line, which reads as a formula": any(line.startswith(" ") for line in words + code),
        "an ellipsis": any(line.startswith("...") or "ELLIPSIS" in line for line in code),
        "the function is not called": not any(f"{function.__name__}(" in line for line in code),
        "no result": code[-1].startswith(">>>"),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


@pytest.mark.parametrize("name", PUBLIC)
def test_there_is_one_short_example_and_words_say_what_it_shows(name):
    assert unlike_an_example(getattr(objectives, name)) == []


def made(docstring: str | None) -> Callable:
    """A function with this docstring."""

    def twice(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    twice.__doc__ = docstring
    return twice


RIGHT = "Twice x.\n\nTwo threes:\n>>> twice(torch.tensor([3.0])).tolist()\n[6.0]"


def test_a_right_example_is_found_right():
    assert untrue(made(RIGHT)) == "" and unlike_an_example(made(RIGHT)) == []


@pytest.mark.parametrize(
    ("docstring", "said"),
    [
        (RIGHT.replace("[6.0]", "[6.5]"), "Got:\n    [6.0]"),
        (RIGHT.replace("[6.0]", "[6.000001]"), "Got:\n    [6.0]"),
        (RIGHT.replace("[6.0]", "[...]"), "Got:\n    [6.0]"),  # ... is no joker
        (RIGHT.replace("torch.tensor", "math.sqrt"), "NameError: name 'math' is not defined"),
        (RIGHT.replace("twice(", "cache("), "NameError: name 'cache' is not defined"),  # only what was imported
    ],
)
def test_an_example_that_is_not_true_is_reported(docstring, said):
    assert said in untrue(made(docstring))


@pytest.mark.parametrize(
    ("docstring", "wrong"),
    [
        (None, "0 examples instead of one"),
        ("Twice x.", "0 examples instead of one"),
        (RIGHT + RIGHT.removeprefix("Twice x."), "2 examples instead of one"),
        (RIGHT.replace("Two threes:\n", ""), "no words before it that end in a colon"),
        (RIGHT.replace("threes:", "threes."), "no words before it that end in a colon"),
        (RIGHT.replace("\n[6.0]", "\n>>> 1\n1" * 3), "not 2 to 5 lines"),
        (RIGHT.replace("\n[6.0]", ""), "no result"),
        (RIGHT.replace("\n[6.0]", "\n    [6.0]"), "an indented line, which reads as a formula"),
        (RIGHT.replace("[6.0]", "..."), "an ellipsis"),
        (RIGHT.replace("twice(", "abs("), "the function is not called"),
    ],
)
def test_an_example_that_does_not_look_like_one_is_refused(docstring, wrong):
    assert wrong in unlike_an_example(made(docstring))
