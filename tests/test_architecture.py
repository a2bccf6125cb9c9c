"""docs/ARCHITECTURE.md says what is: the floors, the way of a tensor, the lessons."""

import re
from pathlib import Path

import pytest
from route import moves, route
from test_layout import FLOORS

from reference.lessons import LESSONS, file_of

PAGE = (Path(__file__).parents[1] / "docs" / "ARCHITECTURE.md").read_text()


def test_the_picture_has_every_floor_in_its_order():
    picture = PAGE.split("```")[1]
    drawn = [line.split()[0] for line in picture.splitlines() if re.match(r" +[a-z]+  ", line)]
    assert drawn == list(reversed(FLOORS))


def test_the_map_has_every_lesson_with_its_notebook():
    rows = re.findall(r"^\| `(\w+)` \| \[(\d\d) [^\]]+\]\(\.\./notebooks/(\w+)\.ipynb\)", PAGE, flags=re.M)
    assert [folder for folder, _, _ in rows] == list(LESSONS)
    for folder, number, notebook in rows:
        assert notebook == file_of(folder, "__init__").NOTEBOOK
        assert notebook.startswith(number)


@pytest.mark.slow
def test_a_tensor_goes_the_way_of_the_page_in_ten_hops_at_most():
    way = route().way
    rows = re.findall(r"^\| \d+ \| `([\w/.]+)` \| `([\w.]+)` \|", PAGE, flags=re.M)
    assert rows == [tuple(place) for place in way]
    assert sum(move != "" for move in moves(way)) <= 10
    assert not [place for place in way if "<lambda>" in place.function]
