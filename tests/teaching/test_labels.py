"""Words on pictures: names at the ends of lines, and what several runs span."""

import pytest
from matplotlib.figure import Figure

from reference.teaching.labels import label_ends, span


def places(ends, gap):
    """Where each name is written, on an axis from 0 to 1."""
    ax = Figure().subplots()
    ax.plot([0, 10], [0, 1])
    ax.set_ylim(0, 1)
    topmost = label_ends(ax, ends, gap=gap)
    found = {text.get_text().strip(): text.xy[1] for text in ax.texts}
    assert topmost == max(found.values()) and [text.xy[0] for text in ax.texts] == [10.3] * len(ends)
    return found


def test_names_stand_where_their_lines_end_if_there_is_room():
    assert places({"high": 0.8, "low": 0.2}, gap=0.1) == pytest.approx({"high": 0.8, "low": 0.2})


def test_names_that_would_collide_are_moved_apart_around_their_lines():
    assert places({"a": 0.50, "b": 0.52, "c": 0.1}, gap=0.1) == pytest.approx({"a": 0.46, "b": 0.56, "c": 0.1})


def test_names_stay_inside_the_picture_and_in_order():
    found = places({"a": 0.99, "b": 0.98, "c": 1.0}, gap=0.15)
    assert found == pytest.approx({"c": 0.95, "a": 0.8, "b": 0.65})


def test_a_span_is_one_number_where_there_is_one():
    assert span([0.0414, 0.0436, 0.042], ".3f") == "0.041 to 0.044"
    assert span([0.0414, 0.0411], ".3f") == "0.041"
    assert span([90.2, 91.4], ".0f", between="\u2013") == "90\u201391"
