"""What the tests of all lessons share: what a notebook would display, and widgets moved to their ends."""

import itertools
from collections.abc import Callable

import ipywidgets as widgets
import matplotlib
import pytest

from reference.teaching import controls, exam, quiz, show

matplotlib.use("Agg")


@pytest.fixture
def shown(monkeypatch) -> list:
    """What would have been displayed."""
    bundles: list = []
    for module in (controls, exam, quiz, show):
        monkeypatch.setattr(module, "display", lambda data, raw=False: bundles.append(data))
    monkeypatch.setattr(controls, "STATIC", False)
    monkeypatch.setattr(quiz, "STATIC", False)
    return bundles


@pytest.fixture
def panel_of(shown, monkeypatch) -> Callable[[Callable], widgets.VBox]:
    """panel_of(lambda: play.weights()): the panel that the call displays, beside a still picture."""

    def panel_of(call: Callable) -> widgets.VBox:
        panels = []
        original = controls.interact
        with monkeypatch.context() as patched:
            patched.setattr(controls, "interact", lambda *a, **k: panels.append(original(*a, **k)))
            call()
        assert "image/png" in shown[-1] and "application/vnd.jupyter.widget-view+json" in shown[-1]
        return panels[0]

    return panel_of


@pytest.fixture
def pictures_at_the_ends() -> Callable[[widgets.VBox], set[str]]:
    """Every control of a panel at both of its ends, in all combinations: the pictures that this gives, the first included."""
    return moved_to_the_ends


def moved_to_the_ends(panel: widgets.VBox) -> set[str]:
    moved, picture = panel.children[0].children, panel.children[1]
    assert all(control.description for control in moved)  # screen readers read it
    seen = {picture.value}
    for values in itertools.product(*map(ends, moved)):
        for control, value in zip(moved, values, strict=True):
            control.value = value
        seen.add(picture.value)
        assert picture.value.startswith("<img") and 'alt="' in picture.value
    return seen


def ends(control: widgets.Widget) -> list:
    if isinstance(control, widgets.Checkbox):
        return [True, False]
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    return [control.min, control.max]
