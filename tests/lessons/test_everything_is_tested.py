"""No figure and no widget is without a test."""

import ast
from pathlib import Path

from reference import lessons
from reference.lessons import LESSONS, WIDGETS


def figures():
    """The names of all functions figure_... of all lessons."""
    files = [file for lesson in LESSONS for file in (Path(lessons.__file__).parent / lesson).glob("figures*.py")]
    defined = [node for file in files for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [node.name for node in defined if node.name.startswith("figure_")]


def test_no_figure_and_no_widget_is_without_a_test():
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("*/test_*.py"))
    for name in [*figures(), *WIDGETS]:
        assert name in text, name
