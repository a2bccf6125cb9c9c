"""The contrasts of WCAG 2, level AA: how they are counted, and what ``watch`` of tests/contrast.py finds in a picture.

Nothing is drawn here to be measured: the widgets are, moved to their ends, by the tests of their lessons, the pictures of
the notebooks by nbval, and those of the README by test_gallery.py.
"""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from contrast import faint
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from reference import style
from reference.style import (
    AA_SHAPES,
    AA_WORDS,
    BLUE,
    DROPPED,
    FAINT,
    MUTED,
    PAPER,
    PURPLE,
    contrast,
    mixed,
    words_in,
    words_on,
)
from reference.teaching.show import png


def found_in(draw: Callable[[Axes], object]) -> list[str]:
    """What is too faint on a small picture of one panel without an axis."""
    figure = Figure(figsize=(2, 2), dpi=50)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 4), ylim=(0, 4))
    ax.axis("off")
    draw(ax)
    FigureCanvasAgg(figure).draw()
    return faint(figure)


def words_on_blue(ax: Axes) -> None:
    ax.axvspan(0, 4, color=BLUE)
    for y, colour in enumerate((PURPLE, PAPER, MUTED)):
        ax.text(0, 0.2 + 1.2 * y, colour, color=colour)


def bars(ax: Axes, *looks: dict) -> None:
    """Bars side by side that touch."""
    for x, look in enumerate(looks):
        ax.bar(x + 1, 3, width=1, **look)


def line(ax: Axes, colour: str, *, ends: int = 3, alpha: float = 1.0, marker: str = "") -> None:
    ax.plot(range(ends), [1, 2, 1][:ends], marker or "-", color=colour, alpha=alpha)


def test_faint_words_are_found_on_the_ground_where_they_stand():
    assert [words.partition(":")[0] for words in found_in(words_on_blue)] == [repr(PURPLE), repr(MUTED)]


def test_words_of_an_axis_that_is_not_drawn_are_not_measured():
    assert found_in(lambda ax: ax.set_xlabel("x", color=FAINT)) == []


@pytest.mark.parametrize("marker", ["", "o"])
def test_a_pale_line_or_mark_passes_only_beside_a_firm_one_of_its_kind_and_colour(marker):
    kind = "mark" if marker else "line"
    assert found_in(lambda ax: line(ax, BLUE, marker=marker)) == []
    assert found_in(lambda ax: line(ax, BLUE, alpha=0.3, marker=marker)) == [f"{kind} in {mixed(BLUE, 0.3)}"]
    both = lambda ax, other: (line(ax, BLUE, alpha=0.3, marker=marker), line(ax, BLUE, marker=other))  # noqa: E731
    assert found_in(lambda ax: both(ax, marker)) == []
    assert len(found_in(lambda ax: both(ax, "" if marker else "o"))) == 1


def test_a_mark_needs_a_face_or_an_edge():
    assert found_in(lambda ax: ax.scatter([1], [1], color=DROPPED)) == [f"mark in {DROPPED}"]
    assert found_in(lambda ax: ax.scatter([1], [1], color=DROPPED, edgecolors=MUTED)) == []


def test_a_guide_is_straight():
    assert found_in(lambda ax: line(ax, FAINT, ends=2)) == [] != found_in(lambda ax: line(ax, FAINT))


def test_an_area_needs_a_colour_an_outline_or_a_word():
    pale = {"color": DROPPED}
    assert found_in(lambda ax: bars(ax, pale)) == [f"Rectangle in {DROPPED} with an edge in {PAPER}"]
    assert found_in(lambda ax: bars(ax, pale | {"edgecolor": MUTED})) == []
    assert found_in(lambda ax: (bars(ax, pale), ax.text(1, 1, "1"))) == []
    assert found_in(lambda ax: ax.axvspan(1, 2, color=DROPPED)) == []  # a band lies behind


def test_areas_that_touch_are_told_apart():
    pair = ({"color": BLUE}, {"color": PURPLE})  # 1.7 to 1
    assert found_in(lambda ax: bars(ax, *pair)) == [f"areas that touch, in {BLUE} and {PURPLE}".lower()]
    assert found_in(lambda ax: bars(ax, pair[0], {"color": PURPLE, "hatch": "//"})) == []
    assert found_in(lambda ax: bars(ax, pair[0], pair[0], {"color": PAPER, "edgecolor": BLUE})) == []
    assert found_in(lambda ax: (bars(ax, *pair), ax.text(1, 1, "a", color=PAPER), ax.text(2, 1, "b"))) == []


FAINT_PICTURE = """
from matplotlib.figure import Figure
from reference.teaching.show import png
assert "measure" not in globals()  # nothing is left in the notebook
figure = Figure()
figure.text(0.5, 0.5, "pale", color="#cccccc")
png(figure)
"""


def test_a_picture_is_measured_while_it_is_drawn():
    figure = Figure()
    figure.text(0.5, 0.5, "pale", color="#cccccc")
    with pytest.raises(AssertionError, match="'pale': #cccccc on #ffffff"):
        png(figure)


@pytest.mark.slow
def test_a_picture_of_a_notebook_is_measured_while_it_is_drawn():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FAINT_PICTURE)])
    here = {"metadata": {"path": Path(__file__).parents[2]}}
    with pytest.raises(CellExecutionError, match="'pale': #cccccc on #ffffff"):
        NotebookClient(notebook, kernel_name="python3", timeout=None, resources=here).execute()


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "RED", "PURPLE", "SKY", "MUTED", "INK"])
def test_a_line_of_every_colour_can_be_seen_and_its_words_can_be_read(name):
    colour = getattr(style, name)
    assert contrast(colour, PAPER) >= AA_SHAPES
    assert contrast(words_in(colour), PAPER) >= AA_WORDS


def test_words_keep_a_colour_that_is_dark_enough_and_others_are_darkened_no_more_than_they_must_be():
    assert words_in(style.BLUE) == style.BLUE
    assert words_in(style.PURPLE) != style.PURPLE and contrast(words_in(style.PURPLE), PAPER) < AA_WORDS + 0.2


@pytest.mark.parametrize("grey", range(0, 256, 5))
def test_white_or_black_can_be_read_on_any_ground(grey):
    ground = f"#{grey:02x}{grey:02x}{grey:02x}"
    assert contrast(words_on(ground), ground) >= AA_WORDS


def test_contrast_counts_as_wcag_does():
    """The ends of its scale, and a grey of which WCAG's own pages say that it just passes."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#123456", "#123456") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
