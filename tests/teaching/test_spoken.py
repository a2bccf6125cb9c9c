"""What is told of a change, and that a panel carries what makes it heard. The browser tests see it at work."""

import re

import pytest

from reference.lessons import QUESTIONS, WIDGETS
from reference.teaching import quiz, spoken


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("3 rows. k1 is 0.2; k2 is 0.3", "3 rows. k1 is 0.2; k2 is 0.4", "k2 is 0.4"),
        ("At 0.5. A 1; B 2; C 3", "At 0.6. A 1; B 2; C 4", "At 0.6. C 4"),
        ("the same 0.5; and more", "the same 0.5; and more", ""),
        ("A 1; B 2; C 3.", "A 1; B 2;", "A 1; B 2;"),  # something is gone: all that is left
        ("one", "another", "another"),
    ],
)
def test_what_changed_is_told_and_what_did_not_is_not(before, after, told):
    assert spoken.changed(before, after) == told


def test_a_moved_control_tells_what_changed_and_the_same_picture_tells_nothing(panel_of):
    panel = panel_of(lambda: WIDGETS["weights"]())
    row, picture, told, _ = panel.children
    assert told.value == "" and "spoken" in told._dom_classes
    row.children[0].value += 1
    assert "sequence_mean row of 3: 1/9 per token;" in told.value and "Weight of each token" not in told.value
    alternative = re.search('alt="(.*?)"', picture.value)[1]
    assert all(part in alternative for part in told.value.split("; "))


def test_the_script_comes_with_the_panel_and_is_not_seen(shown):
    quiz.quiz(QUESTIONS, "pad_is_eos")
    panel = quiz.build(QUESTIONS["pad_is_eos"])
    carrier = panel.children[-1]
    assert "accessible-panel" in panel._dom_classes and carrier.layout.display == "none"
    assert carrier.outputs[0]["data"]["text/html"] == f"<script>{spoken.script()}</script>"
    assert "</script" not in spoken.script()
