"""No figure and no widget is without a test, and every figure is drawn where its contrasts are measured."""

import ast
import re
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


def test_every_figure_is_drawn_by_a_notebook_a_widget_or_the_gallery():
    """These are the places where tests/contrast.py measures what is drawn; a test of the figure itself may not draw it."""
    folder = Path(lessons.__file__).parent
    files = [*folder.glob("*/widgets.py"), folder / "gallery.py", *(folder.parents[1] / "notebooks").glob("*.ipynb")]
    read = {name for file in files for name in re.findall(r"\bfigure_\w+", file.read_text())}
    assert set(figures()) - read == set()
